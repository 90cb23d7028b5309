//go:build linux && cgo

package faaslet

import (
	"fmt"
	"strings"

	"github.com/shoal-run/shoal/libs/faaslet/capi"
	"github.com/shoal-run/shoal/libs/wasi"
	"github.com/shoal-run/shoal/libs/wasmbin"
)

// weakRow is the row of a function that is weak and missing, which may be linked and must not be called.
const weakRow = 1<<32 - 1

var errWeak = fmt.Errorf("a library called a function that is weak and that nothing defines")

// target is where a symbol is defined: in a library, in the program where library is nil, or by the host. The zero target is that of a
// weak symbol that nothing defines.
type target struct {
	library      *loaded
	program      bool
	host         bool
	module, name string
	symbol       wasmbin.Symbol
}

// String says where it is, for people.
func (t target) String() string {
	switch {
	case t.library != nil:
		return t.library.path
	case t.program:
		return "the program"
	}
	return "the host"
}

// forward is a stub of a function that is not there yet.
type forward struct {
	stub capi.Stub
	target
}

// find returns where the symbol called name is defined for lib, a member of g: in itself, in the libraries that are there, among the
// members, in the program, or by the host where it is a function.
func (g *group) find(lib *loaded, name string, function bool) (t target, found bool) {
	t.name = name
	for _, libs := range [][]*loaded{{lib}, g.linked.libraries, g.members} {
		for _, l := range libs {
			if s, ok := l.info.Symbols[name]; ok {
				t.library, t.symbol = l, s
				return t, true
			}
		}
	}
	if s, ok := g.faaslet.module.symbols[name]; ok {
		t.program, t.symbol = true, s
		return t, true
	}
	if !function {
		return t, false
	}
	return g.hostTarget("env", name)
}

// hostTarget returns a function of the host.
func (g *group) hostTarget(module, name string) (t target, found bool) {
	params, results, found := g.faaslet.module.engine.table.Types(module, name)
	t = target{host: found, module: module, name: name, symbol: wasmbin.Symbol{Params: params, Results: results}}
	return t, found
}

// resolve finds every symbol that members import, before anything is changed, and returns for each member where its imports lead.
func (g *group) resolve() (map[*loaded][]target, error) {
	bound := make(map[*loaded][]target, len(g.members))
	for _, lib := range g.members {
		targets := make([]target, len(lib.info.Imports))
		for i, x := range lib.info.Imports {
			var err error
			if targets[i], err = g.bind(lib, x); err != nil {
				return nil, err
			}
		}
		bound[lib] = targets
	}
	return bound, nil
}

// bind finds what x of lib imports.
func (g *group) bind(lib *loaded, x wasmbin.LibraryImport) (t target, _ error) {
	in, found := g.faaslet.instance, true
	switch x.Role {
	case wasmbin.RoleMemory:
		if _, found = in.MemoryExtern(); !found {
			return t, refuse("%s: the program has no memory", lib.path)
		}
	case wasmbin.RoleTable:
		if _, found = in.SharedTable(); !found {
			return t, refuse("%s: the program has no table of functions", lib.path)
		}
	case wasmbin.RoleStack:
		if _, found = in.Export(capi.Main, wasmbin.LibraryStack); !found {
			return t, refuse("%s: the program does not say which global is its stack pointer (link it with -Wl,--export=__stack_pointer)", lib.path)
		}
	case wasmbin.RoleFunc:
		if t, found = g.hostTarget(x.Module, x.Name); x.Module == "env" {
			t, found = g.find(lib, x.Name, true)
		}
		if found {
			return t, g.fits(lib, x, t)
		}
	case wasmbin.RoleAddress, wasmbin.RolePointer:
		if t, found = g.find(lib, x.Name, x.Role == wasmbin.RolePointer); found && t.symbol.Data != (x.Role == wasmbin.RoleAddress) {
			return t, refuse("%s: %.200q of %s is not what it is taken for, a function or a variable", lib.path, x.Name, t)
		}
	}
	if !found && !x.Weak {
		return t, refuse("%s: undefined symbol %.200q%s", lib.path, x.Name, g.hint(x))
	}
	return t, nil
}

// hint says what may be done about a missing symbol.
func (g *group) hint(x wasmbin.LibraryImport) string {
	if x.Module != "env" && !strings.HasPrefix(x.Module, "GOT.") {
		return fmt.Sprintf(": the host interface has no %.100s.%.100s", x.Module, x.Name)
	}
	if why := g.faaslet.module.engine.table.Why("env", x.Name); why != "" {
		return ": " + why
	}
	return ": no library that is loaded and not the program export it (link the program with -Wl,--export=NAME)"
}

// fits compares the types of a function as it is imported and as it is.
func (g *group) fits(lib *loaded, x wasmbin.LibraryImport, t target) error {
	if t.symbol.Data {
		return refuse("%s: %.200q of %s is a variable, not a function", lib.path, x.Name, t)
	}
	if string(t.symbol.Params) == string(x.Params) && string(t.symbol.Results) == string(x.Results) {
		return nil
	}
	return refuse("%s: function %.200q of %s has the type %s, and is called as %s", lib.path, x.Name, t,
		wasmbin.FuncType{Params: t.symbol.Params, Results: t.symbol.Results}, wasmbin.FuncType{Params: x.Params, Results: x.Results})
}

// instantiate makes the instances of all members, with what resolve found. An error that is no refusal is the end of the guest.
func (g *group) instantiate(bound map[*loaded][]target) error {
	in, l := g.faaslet.instance, g.linked
	var later []forward
	for _, lib := range g.members {
		if g.ctx.Err() != nil { // each writes a library's data and its elements, which nothing interrupts
			return wasi.ErrInterrupted
		}
		imports, more, err := g.imports(lib, bound[lib])
		if err != nil {
			return refuse("%s: %v", lib.path, err)
		}
		later = append(later, more...)
		at, fail := in.AddLibrary(&lib.code, imports)
		if fail != nil { // its functions may be in the table, and nothing could interrupt them
			return fmt.Errorf("%s: linking it failed in the middle: %s", lib.path, fail.Message)
		}
		lib.at, l.changed = at, true
		l.libraries = append(l.libraries, lib)
		for _, s := range lib.saved {
			if x, found := in.Export(at, s.Name); found {
				err = in.SaveToo(x)
			} else {
				err = fmt.Errorf("it lacks its global %q", s.Name)
			}
			if err != nil {
				return refuse("%s: %v", lib.path, err)
			}
		}
	}
	for _, s := range later {
		x, found := in.Export(s.library.at, s.name)
		if !found {
			return refuse("%s lacks %.200q", s.library.path, s.name)
		}
		s.stub.Bind(x)
	}
	if g.replays {
		return nil
	}
	l.groups = append(l.groups, len(g.members))
	return g.fill()
}

// imports returns what lib is linked with, and the stubs among it.
func (g *group) imports(lib *loaded, targets []target) (out []capi.Extern, later []forward, err error) {
	in := g.faaslet.instance
	out = make([]capi.Extern, len(lib.info.Imports))
	for i, x := range lib.info.Imports {
		switch x.Role {
		case wasmbin.RoleMemory:
			out[i], _ = in.MemoryExtern()
		case wasmbin.RoleTable:
			out[i], _ = in.SharedTable()
		case wasmbin.RoleStack:
			out[i], _ = in.Export(capi.Main, wasmbin.LibraryStack)
		case wasmbin.RoleMemoryBase:
			out[i], err = in.NewGlobal(false, lib.memory)
		case wasmbin.RoleTableBase:
			out[i], err = in.NewGlobal(false, lib.table)
		case wasmbin.RoleAddress, wasmbin.RolePointer:
			out[i], err = g.entry(targets[i], x.Name, x.Role == wasmbin.RolePointer)
		case wasmbin.RoleFunc:
			var stub capi.Stub
			if out[i], stub, err = g.function(x, targets[i]); stub != (capi.Stub{}) {
				later = append(later, forward{stub, targets[i]})
			}
		}
		if err != nil {
			return nil, nil, err
		}
	}
	return out, later, nil
}

// function returns the function that t is, or a stub of it.
func (g *group) function(x wasmbin.LibraryImport, t target) (f capi.Extern, s capi.Stub, err error) {
	in, found := g.faaslet.instance, true
	switch {
	case t.host:
		f, found = in.HostFunction(g.faaslet.module.engine.linker, t.module, t.name)
	case t.program:
		f, found = in.Export(capi.Main, t.name)
	case t.library == nil:
		f, err = in.RowFunction(capi.Import{Params: x.Params, Results: x.Results, Row: weakRow})
	case t.library.at < 0:
		s, f, err = in.NewStub(x.Params, x.Results)
	default:
		f, found = in.Export(t.library.at, t.name)
	}
	if err == nil && !found {
		err = fmt.Errorf("%s lacks %.200q", t, t.name)
	}
	return f, s, err
}

// entry returns the global that the host makes for a symbol, one for all libraries that mean the same.
func (g *group) entry(t target, symbol string, pointer bool) (x capi.Extern, err error) {
	e := gotEntry{symbol: symbol, pointer: pointer}
	if t.library != nil {
		e.library = t.library.path
	}
	x, found := g.linked.got[e]
	if found {
		return x, nil
	}
	if x, err = g.faaslet.instance.NewGlobal(true, 0); err == nil {
		err = g.faaslet.instance.SaveToo(x)
	}
	if err != nil {
		return x, err
	}
	g.linked.got[e] = x
	g.fresh = append(g.fresh, freshEntry{x, t, pointer})
	return x, nil
}

// freshEntry is a global for a symbol that has no value yet.
type freshEntry struct {
	global capi.Extern
	target
	pointer bool
}

// fill gives the globals of symbols their values; those of weak ones that nothing defines stay 0.
func (g *group) fill() error {
	f := g.faaslet
	for _, e := range g.fresh {
		value, why := uint32(0), ""
		switch {
		case e.host:
			x, there := f.instance.HostFunction(f.module.engine.linker, e.module, e.name)
			if !there {
				return refuse("the host lacks %.200q", e.name)
			}
			var err error
			if value, err = f.element(x, point{library: hostPoint, symbol: e.name}); err != nil {
				why = err.Error()
			}
		case e.program:
			value, why = f.symbol(capi.Main, e.symbol)
		case e.library == nil:
			continue
		default:
			value, why = f.symbol(e.library.at, e.symbol)
		}
		if why != "" {
			return refuse("%s", why)
		}
		if err := f.instance.SetGlobal(e.global, value); err != nil {
			return refuse("symbol %.200q: %v", e.name, err)
		}
	}
	return nil
}
