//go:build linux && cgo

package faaslettest

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"

	"github.com/shoal-run/shoal/bus/faas"
	"github.com/shoal-run/shoal/libs/faaslet"
	"github.com/shoal-run/shoal/libs/guest"
	"github.com/shoal-run/shoal/libs/hostapi"
)

// waitingText writes to its stack and its heap, as C does, and waits.
const waitingText = `(module
  (import "lab" "wait" (func $wait))
  (memory (export "memory") 2)
  (global $sp (mut i32) (i32.const 66560))
  (data (i32.const 1024) "a constant of the guest's")
  (func (export "handle")
    (i32.store (i32.sub (global.get $sp) (i32.const 16)) (i32.const 1))
    (i32.store (i32.const 70000) (i32.const 1))
    (call $wait)))`

// Running keeps Faaslets in the middle of their calls, each on a thread of its own. It is not safe for concurrent use.
type Running struct {
	engine  *faaslet.Engine
	module  *faaslet.Module
	image   *faaslet.Image
	release chan struct{}
	in      atomic.Int64  // calls that wait
	arrived chan struct{} // told when one begins to
	wg      sync.WaitGroup
	failed  atomic.Pointer[faas.Error]
}

// NewRunning loads the guest. The caller closes it.
func NewRunning() (_ *Running, err error) {
	r := &Running{release: make(chan struct{}), arrived: make(chan struct{}, 1)}
	defer func() {
		if err != nil {
			r.Close()
		}
	}()
	table := hostapi.Table{{Module: "lab", Name: "wait", Func: func(*hostapi.Call, guest.Memory, hostapi.Args) (uint64, error) {
		r.in.Add(1)
		select {
		case r.arrived <- struct{}{}:
		default:
		}
		<-r.release
		return 0, nil
	}}}
	if r.engine, err = faaslet.NewEngine(faaslet.Config{Table: table, Compiler: true}); err != nil {
		return nil, err
	}
	b, err := Assemble(waitingText)
	if err != nil {
		return nil, err
	}
	if r.module, err = load(r.engine, table, b); err != nil {
		return nil, err
	}
	r.image = r.module.NewImage("")
	return r, nil
}

// Fill begins n calls, each in a Faaslet of its own that was restored for it, and returns when all wait in a host function.
func (r *Running) Fill(ctx context.Context, n int) error {
	want := r.in.Load() + int64(n)
	for range n {
		f, ferr := r.module.New(ctx, faaslet.Setup{Image: r.image})
		if ferr != nil {
			return ferr
		}
		r.wg.Go(func() {
			defer f.Close()
			out := f.Run(ctx, hostapi.NewCall(hostapi.CallConfig{Ctx: ctx, Kind: faas.Reactor}))
			if out.Err != nil {
				r.failed.Store(out.Err)
			}
		})
	}
	for r.in.Load() < want {
		select {
		case <-r.arrived:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
	return nil
}

// Close lets the calls end and reports one that failed.
func (r *Running) Close() error {
	close(r.release)
	r.wg.Wait()
	if r.image != nil {
		r.image.Close()
	}
	if r.module != nil {
		r.module.Close()
	}
	if r.engine != nil {
		r.engine.Close()
	}
	if err := r.failed.Load(); err != nil {
		return errors.New(err.Error())
	}
	return nil
}
