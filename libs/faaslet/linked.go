//go:build linux && cgo

package faaslet

import (
	"fmt"
	"slices"

	"github.com/bytecodealliance/wasmtime-go/v25"
	"github.com/shoal-run/shoal/libs/faaslet/capi"
	"github.com/shoal-run/shoal/libs/wasmbin"
)

// A library that a guest loads becomes one more instance in the Faaslet's store. It has globals of its own; its memory, table
// and stack pointer are the program's, so that a pointer means the same in both.

// programHandle is the handle of the program itself, as Faasm has it.
const programHandle = 999

// scanElements is how many elements of the table are looked through for a function of the program's that has one already.
const scanElements = 16 << 10

// linked is what a Faaslet has of libraries. It is used on the goroutine that runs the guest, or with Faaslet.mu held.
type linked struct {
	libraries []*loaded                // in the order of their instances; a handle is the place, from 1
	got       map[gotEntry]capi.Extern // globals with the addresses of variables and function pointers
	elements  map[uintptr]uint32       // of the table, by the function that is there, as far as they are known
	groups    []int                    // how many libraries came with each Dlopen, in order
	points    []point                  // elements that were made for a function, in order
	scanned   bool                     // elements has the program's
	busy      bool                     // one is being linked
	changed   bool                     // something was linked that the Faaslet's image does not have
	broken    bool                     // linking has failed in the middle: there may be instances that nothing refers to
	kept      []*library               // the code of those
}

// loaded is a library in a Faaslet.
type loaded struct {
	*library
	path          string
	memory, table uint32 // where it has its parts
	needs         []*loaded
	at            int // its number, which its instance has; -1 before
}

// gotEntry is what the host makes a global for: the address or, where pointer, the function pointer of a symbol as a library
// defines it, by its path, or else the program or the host.
type gotEntry struct {
	symbol, library string
	pointer         bool
}

// point is an element of the table that has a function: one of a library by its number, of the program for capi.Main, or else of
// the host.
type point struct {
	element uint32
	library int
	symbol  string
}

// hostPoint is the library of a point that is a function of the host.
const hostPoint = -2

// reserved says that s is not for other libraries, whoever exports it.
func reserved(s string) bool {
	return s == wasmbin.LibraryRelocs || s == wasmbin.LibraryCtors || len(s) >= len(wasmbin.Reserved) && s[:len(wasmbin.Reserved)] == wasmbin.Reserved
}

// symbolsOf returns what a program defines for libraries, nil for one that does not load any.
func symbolsOf(wm *wasmtime.Module) map[string]wasmbin.Symbol {
	opens := slices.ContainsFunc(wm.Imports(), func(in *wasmtime.ImportType) bool {
		return in.Module() == "env" && in.Name() != nil && *in.Name() == wasmbin.Opens
	})
	if !opens {
		return nil
	}
	symbols := make(map[string]wasmbin.Symbol)
	for _, x := range wm.Exports() {
		if reserved(x.Name()) {
			continue
		}
		if ft := x.Type().FuncType(); ft != nil {
			params, ok := numbers(ft.Params())
			results, ok2 := numbers(ft.Results())
			if ok && ok2 {
				symbols[x.Name()] = wasmbin.Symbol{Name: x.Name(), Params: params, Results: results}
			}
		} else if gt := x.Type().GlobalType(); gt != nil && !gt.Mutable() && gt.Content().Kind() == wasmtime.KindI32 {
			symbols[x.Name()] = wasmbin.Symbol{Name: x.Name(), Data: true}
		}
	}
	return symbols
}

// link returns what f has of libraries, made ready for the first.
func (f *Faaslet) link() (*linked, error) {
	if f.linked != nil {
		return f.linked, nil
	}
	if err := f.instance.OpenLibraries(wasmbin.LibraryTable); err != nil {
		return nil, err
	}
	f.linked = &linked{got: make(map[gotEntry]capi.Extern), elements: make(map[uintptr]uint32)}
	return f.linked, nil
}

// release gives up the code of all libraries. Preconditions: the instances are gone.
func (l *linked) release() {
	if l == nil {
		return
	}
	for _, lib := range l.libraries {
		lib.release()
	}
	for _, lib := range l.kept {
		lib.release()
	}
}

// byPath returns the library that was loaded from path.
func (l *linked) byPath(path string) *loaded {
	for _, lib := range l.libraries {
		if lib.path == path {
			return lib
		}
	}
	return nil
}

// Dlsym returns the value of a symbol, or why there is none.
func (h *host) Dlsym(handle uint32, name string) (uint32, string) {
	f := h.faaslet
	missing := fmt.Sprintf("no symbol %.200q", name)
	if handle == programHandle || handle == 0 {
		if s, found := f.module.symbols[name]; found {
			return f.symbol(capi.Main, s)
		}
		if f.linked == nil {
			return 0, missing + " in the program"
		}
		for _, lib := range f.linked.libraries {
			if s, found := lib.info.Symbols[name]; found {
				return f.symbol(lib.at, s)
			}
		}
		return 0, missing + " in the program and its libraries"
	}
	if f.linked == nil || uint64(handle) > uint64(len(f.linked.libraries)) {
		return 0, fmt.Sprintf("dlsym of %.200q: no such handle %d", name, handle)
	}
	first := f.linked.libraries[handle-1]
	for _, lib := range withNeeds(first) {
		if s, found := lib.info.Symbols[name]; found {
			return f.symbol(lib.at, s)
		}
	}
	return 0, missing + " in " + first.path
}

// withNeeds returns lib and what it needs, the nearest first.
func withNeeds(lib *loaded) []*loaded {
	all := []*loaded{lib}
	for i := 0; i < len(all); i++ {
		for _, n := range all[i].needs {
			if !slices.Contains(all, n) {
				all = append(all, n)
			}
		}
	}
	return all
}

// symbol returns the address of a variable, or the element of the table that has a function.
func (f *Faaslet) symbol(library int, s wasmbin.Symbol) (uint32, string) {
	if _, err := f.link(); err != nil {
		return 0, err.Error()
	}
	x, ok := f.instance.Export(library, s.Name)
	if !ok {
		return 0, fmt.Sprintf("no symbol %.200q", s.Name)
	}
	if s.Data {
		base := uint32(0)
		if library >= 0 {
			base = f.linked.libraries[library].memory
		}
		return base + f.instance.GlobalValue(x), ""
	}
	at, err := f.element(x, point{library: library, symbol: s.Name})
	if err != nil {
		return 0, err.Error()
	}
	return at, ""
}

// element returns the element of the table that has the function x, a new one if there is none.
func (f *Faaslet) element(x capi.Extern, p point) (uint32, error) {
	l := f.linked
	if _, ok := f.instance.SharedTable(); !ok {
		return 0, fmt.Errorf("the program has no table of functions for %.200q", p.symbol)
	}
	if !l.scanned {
		l.scanned = true
		for i, id := range f.instance.Identities(min(f.instance.Elements(), scanElements)) {
			if _, known := l.elements[id]; id != 0 && !known {
				l.elements[id] = uint32(i)
			}
		}
	}
	id := f.instance.Identity(x)
	if at, known := l.elements[id]; known {
		return at, nil
	}
	at, ok := f.instance.GrowTable(1)
	if !ok {
		return 0, fmt.Errorf("no room in the table of functions for %.200q", p.symbol)
	}
	l.changed = true
	if err := f.instance.Point(at, x); err != nil {
		return 0, err
	}
	p.element = at
	l.elements[id] = at
	l.points = append(l.points, p)
	return at, nil
}

// Dlclose reports whether there is such a handle.
func (h *host) Dlclose(handle uint32) bool {
	l := h.faaslet.linked
	return handle == programHandle || l != nil && handle > 0 && uint64(handle) <= uint64(len(l.libraries))
}

// Mallocs reports whether the program exports a malloc.
func (h *host) Mallocs() bool { return h.faaslet.module.malloc }

// differs reports whether something was linked that the Faaslet's image does not have. l may be nil.
func (l *linked) differs() bool { return l != nil && l.changed }
