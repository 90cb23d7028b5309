//go:build linux && cgo

package faaslet

import (
	"github.com/bytecodealliance/wasmtime-go/v25"

	"github.com/shoal-run/shoal/bus/faas"
	"github.com/shoal-run/shoal/libs/wasmbin"
)

// LoadFile is Load for a caller that has only the artefact: what it was compiled from was checked before (wasmbin.Check),
// and its exports tell the kind and the entry again. The Info that it leaves on the Module lacks the imports.
func (e *Engine) LoadFile(path string) (*Module, error) {
	return e.Load(path, wasmbin.Info{})
}

// LoadArtefact is LoadFile for an artefact in memory, which it copies.
func (e *Engine) LoadArtefact(artefact []byte) (*Module, error) {
	return e.LoadBytes(artefact, wasmbin.Info{})
}

// infoOf reads from a compiled module's exports what wasmbin.Check said of its source, by the same rules.
func infoOf(wm *wasmtime.Module) wasmbin.Info {
	var handle, start bool
	var info wasmbin.Info
	funcs := make(map[string]bool)
	for _, x := range wm.Exports() {
		if mt := x.Type().MemoryType(); mt != nil {
			const page = 64 << 10
			info.MemoryMin, info.MemoryMax = mt.Minimum()*page, uint64(faas.MaxMemory)
			if has, most := mt.Maximum(); has {
				info.MemoryMax = most * page
			}
			continue
		}
		ft := x.Type().FuncType()
		if ft == nil {
			continue
		}
		funcs[x.Name()] = true
		results := ft.Results()
		switch {
		case len(ft.Params()) > 0:
		case x.Name() == "handle":
			handle = len(results) == 0 || len(results) == 1 && results[0].Kind() == wasmtime.KindI32
		case x.Name() == "_start":
			start = len(results) == 0
		}
	}
	switch {
	case handle:
		info.Kind, info.Entry = faas.Reactor, "handle"
	case start:
		info.Kind, info.Entry = faas.Command, "_start"
	default:
		return info
	}
	info.Inits, info.Entry = wasmbin.Initialisers(info.Entry, func(name string) bool { return funcs[name] })
	return info
}
