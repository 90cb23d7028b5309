//go:build linux && cgo

package faaslet

import (
	"fmt"
	"sync/atomic"

	"github.com/bytecodealliance/wasmtime-go/v25"
	"github.com/shoal-run/shoal/bus/faas"
	"github.com/shoal-run/shoal/libs/faaslet/capi"
	"github.com/shoal-run/shoal/libs/wasmbin"
)

// initialize is what a reactor exports to be initialised.
const initialize = "_initialize"

// Module is a compiled module with its imports resolved. It is safe for concurrent use.
type Module struct {
	engine *Engine
	info   wasmbin.Info
	module *wasmtime.Module
	pre    *capi.Pre
	resets bool // instances can be put back to what they were
	renews bool // they have a function that is called then
	shells shells

	refs   atomic.Int64 // the owner's and one for each Faaslet
	closed atomic.Bool
}

// Load maps the artefact in the file at path. The bytes are trusted: whoever could write them runs code in this process,
// so a caller loads only what it has verified, from a directory that is its own. The file must not change while the
// Module is open; it may be removed. info is that of the module which the artefact was compiled from.
func (e *Engine) Load(path string, info wasmbin.Info) (*Module, error) {
	return e.open(info, func() (*wasmtime.Module, error) { return wasmtime.NewModuleDeserializeFile(e.engine, path) })
}

// LoadBytes is Load with a copy of artefact; it costs a copy of the code more. For tests.
func (e *Engine) LoadBytes(artefact []byte, info wasmbin.Info) (*Module, error) {
	return e.open(info, func() (*wasmtime.Module, error) { return wasmtime.NewModuleDeserialize(e.engine, artefact) })
}

func (e *Engine) open(info wasmbin.Info, load func() (*wasmtime.Module, error)) (*Module, error) {
	if e.closed.Load() {
		return nil, errClosed
	}
	e.load.Lock()
	defer e.load.Unlock()
	wm, err := load()
	if err != nil {
		return nil, fmt.Errorf("load artefact: %s", capi.Cause(err.Error()))
	}
	if info.Entry == "" {
		info = infoOf(wm)
	}
	renews, err := checkExports(wm, info)
	if err != nil {
		wm.Close()
		return nil, err
	}
	x := capi.Exports{Entry: info.Entry, Refused: wasmbin.GrowRefused, Kill: wasmbin.Kill, Here: wasmbin.Here, Start: wasmbin.StartFunc}
	if info.Kind == faas.Reactor {
		x.Restored = wasmbin.Restored
		if info.HasInitialize {
			x.Init = initialize
		}
	}
	pre, err := capi.NewPre(e.linker, wm, x)
	if err != nil {
		wm.Close()
		return nil, faas.Errorf(faas.InvalidModule, "%v", err)
	}
	m := &Module{engine: e, info: info, module: wm, pre: pre, renews: renews, shells: shells{all: &e.shells}}
	saved, resets := stateOf(wm)
	if m.resets = resets; resets {
		if err := pre.Save(saved); err != nil {
			pre.Close()
			wm.Close()
			return nil, err
		}
	}
	m.refs.Store(1)
	e.refs.Add(1)
	e.modules.Add(1)
	return m, nil
}

// checkExports makes sure that what is called without checks has the type it is called with. It reports whether the module
// renews itself.
func checkExports(wm *wasmtime.Module, info wasmbin.Info) (renews bool, _ error) {
	var entry, init bool
	restored := true
	for _, x := range wm.Exports() {
		ft := x.Type().FuncType()
		if ft == nil {
			continue
		}
		results := ft.Results()
		plain := len(ft.Params()) == 0 && len(results) == 0
		switch x.Name() {
		case info.Entry:
			entry = plain || info.Kind == faas.Reactor && len(ft.Params()) == 0 && len(results) == 1 &&
				results[0].Kind() == wasmtime.KindI32
		case initialize:
			init = plain
		case wasmbin.Restored:
			restored = plain || len(ft.Params()) == 0 && len(results) == 1 && results[0].Kind() == wasmtime.KindI32
			renews = info.Kind == faas.Reactor
		}
	}
	if !entry {
		return false, faas.Errorf(faas.InvalidModule, "the module does not export a function %q that can be called", info.Entry)
	}
	if info.Kind == faas.Reactor && info.HasInitialize && !init {
		return false, faas.Errorf(faas.InvalidModule, "the module does not export a function %q that can be called", initialize)
	}
	if !restored {
		return false, faas.Errorf(faas.InvalidModule, "the module exports a function %q that can't be called", wasmbin.Restored)
	}
	return renews, nil
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
	e.load.Lock()
	m.shells.drop(nil)
	m.pre.Close()
	m.module.Close()
	e.load.Unlock()
	e.modules.Add(-1)
	e.release()
}
