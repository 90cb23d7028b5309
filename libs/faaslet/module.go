//go:build linux && cgo

package faaslet

import (
	"fmt"
	"os"
	"sync/atomic"

	"github.com/bytecodealliance/wasmtime-go/v25"
	"github.com/shoal-run/shoal/bus/faas"
	"github.com/shoal-run/shoal/libs/faaslet/capi"
	"github.com/shoal-run/shoal/libs/wasmbin"
)

// Module is a compiled module with its imports resolved. It is safe for concurrent use.
type Module struct {
	engine  *Engine
	info    wasmbin.Info
	module  *wasmtime.Module
	pre     *capi.Pre
	resets  bool                      // instances can be put back to what they were
	why     []string                  // why they can't: wasmbin.Reset… words, or noMemory
	saved   []Global                  // the mutable globals, in the order of images; without values
	renews  bool                      // they have a function that is called then
	inits   []string                  // the exported functions that initialise an instance, in order
	missing []error                   // what the guest traps with when it calls an import that nobody has, by row from firstMissing on
	malloc  bool                      // it exports one that host functions can call
	symbols map[string]wasmbin.Symbol // what it has for libraries; nil when it loads none
	shells  shells
	cost    cost

	refs   atomic.Int64 // the owner's and one for each Faaslet
	closed atomic.Bool
}

// Load maps the artefact in the file at path. The bytes are trusted: whoever could write them runs code in this process,
// so a caller loads only what it has verified, from a directory that is its own. The file must not change while the
// Module is open; it may be removed. info is that of the module which the artefact was compiled from. An error is no_capacity
// when there are too many modules, images and Faaslets for another one.
func (e *Engine) Load(path string, info wasmbin.Info) (*Module, error) {
	size := int64(0)
	if file, err := os.Stat(path); err == nil { // else loading tells why
		size = file.Size()
	}
	return e.make(info, size, func() (*wasmtime.Module, error) { return wasmtime.NewModuleDeserializeFile(e.engine, path) })
}

// LoadBytes is Load with a copy of artefact; it costs a copy of the code more. For tests.
func (e *Engine) LoadBytes(artefact []byte, info wasmbin.Info) (*Module, error) {
	return e.make(info, int64(len(artefact)), func() (*wasmtime.Module, error) { return wasmtime.NewModuleDeserialize(e.engine, artefact) })
}

// make loads a module whose artefact has that many bytes.
func (e *Engine) make(info wasmbin.Info, size int64, load func() (*wasmtime.Module, error)) (_ *Module, err error) {
	if e.closed.Load() {
		return nil, errClosed
	}
	cost := moduleCost.spaced(size)
	if err := e.charge(cost); err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			e.account.give(cost)
		}
	}()
	e.load.Lock()
	defer e.load.Unlock()
	wm, err := load()
	if err != nil {
		return nil, fmt.Errorf("load artefact: %s", capi.Cause(err.Error()))
	}
	if info.Entry == "" {
		info = infoOf(wm)
	}
	inits, renews, err := checkExports(wm, info)
	if err != nil {
		wm.Close()
		return nil, err
	}
	x := capi.Exports{Entry: info.Entry, Refused: wasmbin.GrowRefused, Kill: wasmbin.Kill, Here: wasmbin.Here}
	if renews {
		x.Restored = wasmbin.Restored
	}
	missing, traps, err := e.missing(wm)
	if err != nil {
		wm.Close()
		return nil, err
	}
	pre, err := capi.NewPre(e.linker, wm, x, traps)
	if err != nil {
		wm.Close()
		return nil, faas.Errorf(faas.InvalidModule, "%v", err)
	}
	m := &Module{
		engine: e, info: info, module: wm, pre: pre, renews: renews, inits: inits, missing: missing, malloc: mallocs(wm), symbols: symbolsOf(wm),
		shells: shells{engine: e}, cost: cost,
	}
	m.saved, m.why = stateOf(wm)
	if m.resets = len(m.why) == 0; m.resets {
		if err := pre.Save(names(m.saved)); err != nil {
			pre.Close()
			wm.Close()
			return nil, err
		}
	}
	m.refs.Store(1)
	e.refs.Add(1)
	e.modules.Add(1)
	e.open.Store(m, nil)
	return m, nil
}

// checkExports makes sure that what is called without checks has the type it is called with. It returns the functions that
// initialise an instance, and whether the module renews itself.
func checkExports(wm *wasmtime.Module, info wasmbin.Info) (inits []string, renews bool, _ error) {
	callable := make(map[string]bool) // the exported functions: whether they take nothing and return at most an i32
	for _, x := range wm.Exports() {
		if ft := x.Type().FuncType(); ft != nil {
			results := ft.Results()
			callable[x.Name()] = len(ft.Params()) == 0 && (len(results) == 0 || len(results) == 1 && results[0].Kind() == wasmtime.KindI32)
		}
	}
	if _, starts := callable[wasmbin.StartFunc]; starts {
		inits = append(inits, wasmbin.StartFunc)
	}
	inits = append(inits, info.Inits...)
	for _, name := range append([]string{info.Entry}, inits...) {
		if !callable[name] {
			return nil, false, faas.Errorf(faas.InvalidModule, "the module does not export a function %q that can be called", name)
		}
	}
	restored, renews := callable[wasmbin.Restored]
	if renews && !restored {
		return nil, false, faas.Errorf(faas.InvalidModule, "the module exports a function %q that can't be called", wasmbin.Restored)
	}
	// Before a command without a zygote starts there is nothing to renew.
	return inits, renews && (info.Kind == faas.Reactor || len(info.Inits) > 0), nil
}

// Info returns what the module was loaded with.
func (m *Module) Info() wasmbin.Info { return m.info }

// Close gives up the module. Faaslets that are still open keep what they need of it.
func (m *Module) Close() {
	if m.closed.CompareAndSwap(false, true) {
		m.release()
	}
}

// acquire keeps m for a Faaslet, or reports that it is closed.
func (m *Module) acquire() bool {
	for {
		n := m.refs.Load()
		if n == 0 || m.closed.Load() {
			return false
		}
		if m.refs.CompareAndSwap(n, n+1) {
			return true
		}
	}
}

func (m *Module) release() {
	if m.refs.Add(-1) != 0 {
		return
	}
	e := m.engine
	e.open.Delete(m)
	e.load.Lock()
	m.shells.drop(nil)
	m.pre.Close()
	m.module.Close()
	e.load.Unlock()
	e.modules.Add(-1)
	e.account.give(m.cost)
	e.release()
}
