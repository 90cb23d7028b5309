//go:build linux && cgo

package faaslet

import (
	"fmt"
	"sync/atomic"

	"github.com/bytecodealliance/wasmtime-go/v25"
	"github.com/shoal-run/shoal/bus/faas"
	"github.com/shoal-run/shoal/libs/faaslet/capi"
	"github.com/shoal-run/shoal/libs/hostapi"
	"github.com/shoal-run/shoal/libs/wasmbin"
)

// library is a compiled library, ready to be linked into any number of Faaslets. It is code: what it keeps lies in the memory
// and the globals of the Faaslet. It is read-only and safe for concurrent use.
type library struct {
	engine *Engine
	owner  string // whose share it is on
	digest digest // of its module
	info   wasmbin.Library
	code   capi.Code
	saved  []Global // its mutable globals, without values
	fixed  bool     // it changes what an image does not have
	cost   cost

	refs atomic.Int64 // the cache's and one for each Faaslet that has it
}

// checkLibrary says what bytes are as a library, or in words why they are none.
func checkLibrary(module []byte) (wasmbin.Library, error) {
	if len(module) > hostapi.MaxLibrary {
		return wasmbin.Library{}, fmt.Errorf("it has more than %d bytes", hostapi.MaxLibrary)
	}
	return wasmbin.ReadLibrary(module)
}

// loadLibrary makes a library of its artefact, which this worker's own compiler has made. It has no references yet.
func (e *Engine) loadLibrary(owner string, info wasmbin.Library, artefact []byte) (_ *library, err error) {
	if len(artefact) > maxLibraryCode {
		return nil, fmt.Errorf("its compiled code has more than %s", faas.Size(maxLibraryCode))
	}
	l := &library{engine: e, owner: owner, info: info, cost: cost{maps: moduleCost.maps, space: int64(len(artefact)) + described(info)}}
	if err := e.chargeLibrary(owner, l.cost); err != nil {
		return nil, err
	}
	e.load.Lock()
	defer e.load.Unlock()
	wm, err := wasmtime.NewModuleDeserialize(e.engine, artefact)
	if err != nil {
		e.giveLibrary(owner, l.cost)
		return nil, fmt.Errorf("load artefact: %s", capi.Cause(err.Error()))
	}
	var why []string
	l.saved, why = stateOf(wm)
	for _, word := range why {
		l.fixed = l.fixed || word != noMemory
	}
	l.code = capi.Code{Module: wm, Refused: wasmbin.GrowRefused, Kill: wasmbin.Kill, Here: wasmbin.Here}
	return l, nil
}

// described is about how many bytes the names and types of a library take, here and once more in the engine: as many as the
// artefact, where that is mostly names.
func described(info wasmbin.Library) (n int64) {
	const entry = 128
	for name, s := range info.Symbols {
		n += 2 * int64(len(name)+len(s.Params)+len(s.Results)+entry)
	}
	for _, x := range info.Imports {
		n += 2 * int64(len(x.Module)+len(x.Name)+len(x.Params)+len(x.Results)+entry)
	}
	return n
}

// chargeLibrary counts c, at the expense of shells and of libraries that nobody has open: of owner's own, when it is only its
// share that is taken.
func (e *Engine) chargeLibrary(owner string, c cost) error {
	for {
		ok, own := e.libraries.take(owner, c.space)
		err, whose := error(nil), ""
		switch {
		case ok:
			ferr := e.charge(c)
			if ferr == nil {
				return nil
			}
			e.libraries.give(owner, c.space)
			err = ferr
		case own:
			whose = owner
			err = faas.Errorf(faas.NoCapacity, "libraries of %s take as much memory as is its share of the worker's %s", owner, faas.Size(maxLibraryMemory))
		default:
			err = faas.Errorf(faas.NoCapacity, "the worker's libraries take as much memory as they may, %s", faas.Size(maxLibraryMemory))
		}
		if !e.libraries.dropIdle(whose) {
			return err
		}
	}
}

// giveLibrary counts c out.
func (e *Engine) giveLibrary(owner string, c cost) {
	e.account.give(c)
	e.libraries.give(owner, c.space)
}

// release gives up a reference.
func (l *library) release() {
	if l.refs.Add(-1) != 0 {
		return
	}
	l.engine.load.Lock()
	l.code.Module.Close()
	l.engine.load.Unlock()
	l.engine.giveLibrary(l.owner, l.cost)
}
