//go:build linux && cgo

package faaslet

import (
	"fmt"

	"github.com/bytecodealliance/wasmtime-go/v25"
	"github.com/shoal-run/shoal/bus/faas"
	"github.com/shoal-run/shoal/libs/faaslet/capi"
)

// firstMissing is the row of a module's first import that the table does not have.
const firstMissing = 1 << 31

// missing returns the functions that wm imports and the table does not have: what the guest traps with when it calls them, and
// how they are linked. A deploy has accepted them, or they would not have come here.
func (e *Engine) missing(wm *wasmtime.Module) (why []error, links []capi.Import, _ error) {
	seen := make(map[[2]string]bool) // a module may import a function twice
	for _, in := range wm.Imports() {
		name := ""
		if in.Name() != nil {
			name = *in.Name()
		}
		ft := in.Type().FuncType()
		key := [2]string{in.Module(), name}
		if _, known := e.table.Lookup(in.Module(), name); known || ft == nil || seen[key] {
			continue
		}
		seen[key] = true
		params, ok := numbers(ft.Params())
		results, ok2 := numbers(ft.Results())
		if !ok || !ok2 || len(results) > 1 {
			return nil, nil, faas.Errorf(faas.InvalidModule, "import %.100q.%.100q takes or returns what a host function can't", in.Module(), name)
		}
		reason := e.table.Why(in.Module(), name)
		if reason == "" {
			reason = "the host interface has no such function"
		}
		links = append(links, capi.Import{Module: in.Module(), Name: name, Params: params, Results: results, Row: firstMissing + uint32(len(why))})
		why = append(why, fmt.Errorf("%.100s.%.100s was called: %s", in.Module(), name, reason))
	}
	return why, links, nil
}

// numbers returns types in their binary encoding, and whether all are those of numbers.
func numbers(types []*wasmtime.ValType) ([]byte, bool) {
	out := make([]byte, len(types))
	for i, t := range types {
		if t.Kind() > wasmtime.KindF64 {
			return nil, false
		}
		out[i] = 0x7f - byte(t.Kind())
	}
	return out, true
}

// mallocs reports whether wm exports a malloc of C's type.
func mallocs(wm *wasmtime.Module) bool {
	for _, x := range wm.Exports() {
		if ft := x.Type().FuncType(); ft != nil && x.Name() == "malloc" {
			p, r := ft.Params(), ft.Results()
			return len(p) == 1 && p[0].Kind() == wasmtime.KindI32 && len(r) == 1 && r[0].Kind() == wasmtime.KindI32
		}
	}
	return false
}
