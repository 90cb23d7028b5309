//go:build linux && cgo

package faaslet

import (
	"errors"
	"fmt"
	"path"
	"strings"

	"github.com/shoal-run/shoal/bus/faas"
	"github.com/shoal-run/shoal/libs/faaslet/capi"
	"github.com/shoal-run/shoal/libs/guest"
	"github.com/shoal-run/shoal/libs/hostapi"
	"github.com/shoal-run/shoal/libs/wasi"
	"github.com/shoal-run/shoal/libs/wasmbin"
)

// nestedError is how code of the guest ended that a host function called.
type nestedError struct {
	what  string
	fail  *capi.Failure
	cause error // of the host function that it had called, if that ended it
}

func (e *nestedError) Error() string { return e.what + " did not return: " + e.fail.Message }

// Dlopen loads a library and what it needs: all of them are opened and checked, linked, relocated and at last constructed.
// Until the first is linked, a failure leaves nothing.
func (h *host) Dlopen(name string) (handle uint32, why string, _ error) {
	if name == "" {
		return programHandle, "", nil
	}
	f := h.faaslet
	l, err := f.link()
	if err != nil {
		return 0, err.Error(), nil
	}
	name = path.Clean(name)
	if lib := l.byPath(name); lib != nil {
		return uint32(lib.at) + 1, "", nil
	}
	if l.busy {
		return 0, name + ": another library is being linked (by malloc?)", nil
	}
	if l.broken {
		return 0, name + ": linking another library has failed in the middle", nil
	}
	l.busy = true
	g := &group{host: h, linked: l, seen: make(map[string]*loaded)}
	defer func() { // also after a panic
		l.busy = false
		g.giveUp()
	}()
	lib, err := g.collect(name)
	if err == nil {
		err = g.linkAll()
	}
	if err == nil {
		l.busy = false // constructors may load more
		err = g.construct()
	}
	var told *refusal
	switch {
	case err != nil && !errors.As(err, &told):
		return 0, "", err
	case h.ctx.Err() != nil:
		return 0, "", wasi.ErrInterrupted
	case err != nil:
		return 0, told.why, nil
	}
	return uint32(lib.at) + 1, "", nil
}

// refusal is why a library can't be loaded, which the guest is told.
type refusal struct{ why string }

func (e *refusal) Error() string { return e.why }

func refuse(format string, args ...any) error { return &refusal{fmt.Sprintf(format, args...)} }

// group is a library that is being loaded, and those that it needs and that are not there yet.
type group struct {
	*host
	linked  *linked
	seen    map[string]*loaded // by path
	members []*loaded          // in the order in which they are linked: what one needs comes before it, but in a circle
	held    []*library         // the code of all that were opened
	fresh   []freshEntry       // globals for symbols that it made
	before  int                // libraries that were there when linking began
	linking bool               // instances are being made
	replays bool               // an image has what memory, table and globals are to have
	done    bool               // all members are the Faaslet's
}

// collect opens the library at name and what it needs.
func (g *group) collect(name string) (*loaded, error) {
	if lib := g.linked.byPath(name); lib != nil {
		return lib, nil
	}
	if lib := g.seen[name]; lib != nil {
		return lib, nil
	}
	if len(g.seen)+len(g.linked.libraries) >= hostapi.MaxLibraries {
		return nil, refuse("%s: there are %d libraries already, as many as a Faaslet may have", name, hostapi.MaxLibraries)
	}
	module, err := g.call.Library(name)
	if err != nil {
		return nil, refuse("%s: %v", name, err)
	}
	code, err := g.faaslet.module.engine.libraries.get(g.ctx, g.faaslet.setup.Func.Tenant, module)
	if err != nil {
		return nil, refuse("%s: %v", name, faas.AsError(err).Message)
	}
	g.held = append(g.held, code)
	lib := &loaded{library: code, path: name, at: -1}
	g.seen[name] = lib
	for _, n := range code.info.Needed {
		if path.Base(n) == n { // it lies beside the one that needs it
			n = path.Join(path.Dir(name), n)
		}
		need, err := g.collect(path.Clean(n))
		if err != nil {
			return nil, err
		}
		lib.needs = append(lib.needs, need)
	}
	g.members = append(g.members, lib)
	return lib, g.bounded()
}

// bounded refuses libraries whose instances take more of the worker's memory than one module may.
func (g *group) bounded() error {
	functions, globals, imports := 0, 0, 0
	for _, libs := range [][]*loaded{g.linked.libraries, g.members} {
		for _, lib := range libs {
			functions += lib.info.Functions
			globals += lib.info.Globals
			imports += len(lib.info.Imports)
		}
	}
	if functions > faas.MaxFunctions || globals > faas.MaxGlobals || imports > faas.MaxImports {
		return refuse("all libraries together have %d functions, %d globals and %d imports: they can have %d, %d and %d",
			functions, globals, imports, faas.MaxFunctions, faas.MaxGlobals, faas.MaxImports)
	}
	return nil
}

// giveUp lets go of the code of libraries that did not become the Faaslet's. It stays when there may be instances of it.
func (g *group) giveUp() {
	switch {
	case g.done:
	case g.linking:
		g.linked.libraries = g.linked.libraries[:g.before]
		g.linked.kept = append(g.linked.kept, g.held...)
		g.linked.broken, g.linked.changed = true, true
	default:
		for _, code := range g.held {
			code.release()
		}
	}
}

// linkAll makes instances of all members. Nothing of them runs but what writes addresses into their data.
func (g *group) linkAll() error {
	bound, err := g.resolve()
	if err != nil {
		return err
	}
	for _, lib := range g.members {
		if err := g.place(lib); err != nil {
			return err
		}
	}
	g.linking, g.before = true, len(g.linked.libraries)
	if err := g.instantiate(bound); err != nil {
		return err
	}
	g.done = true
	for _, lib := range g.members {
		if err := g.run(lib, lib.info.Start, wasmbin.StartFunc); err != nil {
			return err
		}
		if err := g.run(lib, lib.info.Relocs, wasmbin.LibraryRelocs); err != nil {
			return err
		}
	}
	return nil
}

// construct runs the constructors of all members, those first that others need.
func (g *group) construct() error {
	for _, lib := range g.members {
		if err := g.run(lib, lib.info.Ctors != "", lib.info.Ctors); err != nil {
			return err
		}
	}
	return nil
}

// run calls an export of lib if it is there. An error is the end of the guest.
func (g *group) run(lib *loaded, there bool, export string) error {
	if !there {
		return nil
	}
	if err := g.nest(); err != nil {
		return err
	}
	fail, found := g.faaslet.instance.CallLibrary(lib.at, export)
	g.nested--
	if found && fail == nil {
		return nil
	}
	if !found {
		return fmt.Errorf("%s lacks %q", lib.path, export)
	}
	return &nestedError{strings.TrimPrefix(export, wasmbin.Reserved) + " of " + lib.path, fail, g.err}
}

// place finds room for lib in the memory.
func (g *group) place(lib *loaded) error {
	in := g.faaslet.instance
	if n := uint64(lib.info.Memory); n > 0 {
		align := uint64(lib.info.MemoryAlign)
		if n+align > uint64(g.faaslet.limit) {
			return refuse("%s: it takes %s of memory, more than the limit of %s", lib.path, faas.Size(n), g.faaslet.limit)
		}
		at, mem, err := g.room(lib, uint32(n+align-1))
		if err != nil {
			return err
		}
		at = (at + align - 1) &^ (align - 1)
		if at+n > uint64(len(mem)) {
			return refuse("%s: the program's malloc returned memory that is not there", lib.path)
		}
		if g.faaslet.module.malloc { // new pages are zero
			if err := g.call.Zero(mem[at : at+n]); err != nil {
				return err
			}
		}
		lib.memory = uint32(at)
	}
	return g.placeElements(lib, in)
}

// room takes n bytes of the program's malloc, or else whole pages.
func (g *group) room(lib *loaded, n uint32) (at uint64, _ guest.Memory, _ error) {
	none := refuse("%s: no room for its %s of memory", lib.path, faas.Size(lib.info.Memory))
	if !g.faaslet.module.malloc {
		at, mem, ok, err := g.call.Pages(g.faaslet.instance.Memory(), n)
		if err == nil && !ok {
			err = none
		}
		return uint64(at), mem, err
	}
	p, mem, err := g.Malloc(n)
	if err == nil && p == 0 {
		err = none
	}
	return uint64(p), mem, err
}

// placeElements finds room for lib in the table.
func (g *group) placeElements(lib *loaded, in *capi.Instance) error {
	if lib.info.Table == 0 {
		return nil
	}
	if _, ok := in.SharedTable(); !ok {
		return refuse("%s: the program has no table of functions", lib.path)
	}
	had := uint64(in.Elements())
	align := uint64(lib.info.TableAlign)
	base := (had + align - 1) &^ (align - 1)
	n := base + uint64(lib.info.Table) - had
	if n > faas.MaxTableElements {
		return refuse("%s: no room for its %d elements in the table of functions", lib.path, lib.info.Table)
	}
	g.linked.changed = true
	if _, ok := in.GrowTable(uint32(n)); !ok {
		return refuse("%s: no room for its %d elements in the table of functions", lib.path, lib.info.Table)
	}
	lib.table = uint32(base)
	return nil
}
