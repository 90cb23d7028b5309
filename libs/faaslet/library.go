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
func (e *Engine) loadLibrary(info wasmbin.Library, artefact []byte) (_ *library, err error) {
	if len(artefact) > maxLibraryCode {
		return nil, fmt.Errorf("its compiled code has more than %s", faas.Size(maxLibraryCode))
	}
	l := &library{engine: e, info: info, cost: cost{maps: moduleCost.maps, space: int64(len(artefact)) + described(info)}}
	if err := e.chargeLibrary(l.cost); err != nil {
		return nil, err
	}
	e.load.Lock()
	defer e.load.Unlock()
	wm, err := wasmtime.NewModuleDeserialize(e.engine, artefact)
	if err != nil {
		e.giveLibrary(l.cost)
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

// chargeLibrary counts c, at the expense of shells and of libraries that nobody has open.
func (e *Engine) chargeLibrary(c cost) error {
	for {
		var err error = faas.Errorf(faas.NoCapacity, "the worker's libraries take as much memory as they may, %s", faas.Size(maxLibraryMemory))
		if e.libraries.take(c.space) {
			ferr := e.charge(c)
			if ferr == nil {
				return nil
			}
			e.libraries.give(c.space)
			err = ferr
		}
		if !e.libraries.dropIdle() {
			return err
		}
	}
}

// giveLibrary counts c out.
func (e *Engine) giveLibrary(c cost) {
	e.account.give(c)
	e.libraries.give(c.space)
}

// release gives up a reference.
func (l *library) release() {
	if l.refs.Add(-1) != 0 {
		return
	}
	l.engine.load.Lock()
	l.code.Module.Close()
	l.engine.load.Unlock()
	l.engine.giveLibrary(l.cost)
}
