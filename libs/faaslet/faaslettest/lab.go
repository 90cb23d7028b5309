//go:build linux && cgo

package faaslettest

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"github.com/bytecodealliance/wasmtime-go/v25"

	"github.com/shoal-run/shoal/bus/faas"
	"github.com/shoal-run/shoal/libs/faaslet"
	"github.com/shoal-run/shoal/libs/faaslet/capi"
	"github.com/shoal-run/shoal/libs/guest"
	"github.com/shoal-run/shoal/libs/hostapi"
)

// Assemble turns WebAssembly text into a module.
func Assemble(wat string) ([]byte, error) { return wasmtime.Wat2Wasm(wat) }

// callsPerRun is how many host functions the guest of Lab.HostCalls calls in one go.
const callsPerRun = 1000

// guestText is shaped as what clang makes of a small C function: some memory with initial data, a table, a stack pointer.
const guestText = `(module
  (import "lab" "add" (func $add (param i32 i32) (result i32)))
  (memory (export "memory") 2)
  (global $sp (mut i32) (i32.const 66560))
  (table 2 2 funcref)
  (elem (i32.const 1) $loop)
  (data (i32.const 1024) "a constant of the guest's")
  (func $loop (export "loop") (local $i i32)
    (loop $l
      (drop (call $add (i32.const 64) (i32.const 1)))
      (br_if $l (i32.lt_u (local.tee $i (i32.add (local.get $i) (i32.const 1))) (i32.const 1000)))))
  (func (export "handle")))`

// Lab has a small guest loaded, and calls it in every way there is. It is not safe for concurrent use.
type Lab struct {
	engine *faaslet.Engine
	module *faaslet.Module

	// The same guest beside the Faaslet's API: over capi, and over wasmtime-go alone.
	raw     *wasmtime.Engine
	linker  *wasmtime.Linker
	direct  *wasmtime.Module
	entry   *capi.Pre
	loop    *capi.Pre
	closers []func()

	restored *faaslet.Image // what Restores restores; nil until then
}

// NewLab compiles the guest. The caller closes the Lab.
func NewLab() (lab *Lab, err error) {
	l := &Lab{}
	defer func() {
		if err != nil {
			l.Close()
		}
	}()
	module, err := Assemble(guestText)
	if err != nil {
		return nil, err
	}
	if err := l.load(module); err != nil {
		return nil, err
	}
	return l, l.loadRaw(module)
}

func (l *Lab) load(module []byte) error {
	table := hostapi.Table{{
		Module: "lab", Name: "add", Params: []hostapi.Param{{Name: "p", Type: hostapi.I32}, {Name: "n", Type: hostapi.I32}},
		Results: []hostapi.ValType{hostapi.I32},
		Func: func(_ *hostapi.Call, mem guest.Memory, a hostapi.Args) (uint64, error) {
			v, _ := mem.Uint32(a.U32(0))
			mem.PutUint32(a.U32(0), v+a.U32(1))
			return uint64(v), nil
		},
	}}
	var err error
	if l.engine, err = faaslet.NewEngine(faaslet.Config{Table: table, Compiler: true}); err != nil {
		return err
	}
	l.closers = append(l.closers, l.engine.Close)
	if l.module, err = load(l.engine, table, module); err != nil {
		return err
	}
	l.closers = append(l.closers, l.module.Close)
	return nil
}

// loadRaw loads the guest with the engine's settings and without the engine.
func (l *Lab) loadRaw(module []byte) error {
	cfg := wasmtime.NewConfig()
	capi.Configure(cfg, capi.Memory{Reserve: 4 << 30, Guard: 2 << 20}, true)
	l.raw = wasmtime.NewEngineWithConfig(cfg)
	l.linker = wasmtime.NewLinker(l.raw)
	i32 := byte(hostapi.I32)
	err := capi.Define(l.linker, capi.Import{Module: "lab", Name: "add", Params: []byte{i32, i32}, Results: []byte{i32}})
	if err != nil {
		return err
	}
	if l.direct, err = wasmtime.NewModule(l.raw, module); err != nil {
		return err
	}
	if l.entry, err = capi.NewPre(l.linker, l.direct, capi.Exports{Entry: "handle"}, nil); err != nil {
		return err
	}
	l.loop, err = capi.NewPre(l.linker, l.direct, capi.Exports{Entry: "loop"}, nil)
	return err
}

// adder is the host of raw instances: it serves the guest's one import.
type adder struct{}

func (adder) HostCall(_ uint32, m []byte, args []capi.Slot) (uint64, error) {
	mem := guest.Memory(m)
	v, _ := mem.Uint32(uint32(args[0][0]))
	mem.PutUint32(uint32(args[0][0]), v+uint32(args[1][0]))
	return uint64(v), nil
}

// instance makes an instance of pre, which the caller closes.
func (l *Lab) instance(pre *capi.Pre) (*capi.Instance, error) {
	in, err := capi.NewInstance(l.raw, adder{}, capi.Limits{Memory: 1 << 30, TableElements: 1 << 10, Tables: 1})
	if err != nil {
		return nil, err
	}
	if fail := in.Start(pre); fail != nil {
		in.Close()
		return nil, fmt.Errorf("instantiate: %s", fail.Message)
	}
	return in, nil
}

// RawCalls calls n times a guest function that does nothing, in one ready instance.
func (l *Lab) RawCalls(n int) error { return l.calls(l.entry, n) }

// HostCalls has the guest call, n times rounded up to thousands, a host function that reads and writes its memory.
func (l *Lab) HostCalls(n int) (done int, err error) {
	runs := (n + callsPerRun - 1) / callsPerRun
	return runs * callsPerRun, l.calls(l.loop, runs)
}

func (l *Lab) calls(pre *capi.Pre, n int) error {
	in, err := l.instance(pre)
	if err != nil {
		return err
	}
	defer in.Close()
	for range n {
		if _, fail := in.Call(); fail != nil {
			return fmt.Errorf("call: %s", fail.Message)
		}
	}
	return nil
}

// WrapperCalls is RawCalls over wasmtime-go's Func.Call.
func (l *Lab) WrapperCalls(n int) error {
	store := wasmtime.NewStore(l.raw)
	defer store.Close()
	in, err := l.linker.Instantiate(store, l.direct)
	if err != nil {
		return err
	}
	f := in.GetFunc(store, "handle")
	for range n {
		if _, err := f.Call(store); err != nil {
			return err
		}
	}
	return nil
}

// WrapperLives makes n stores with an instance over wasmtime-go, calls the guest in each, and closes them.
func (l *Lab) WrapperLives(n int) error {
	for range n {
		store := wasmtime.NewStore(l.raw)
		in, err := l.linker.Instantiate(store, l.direct)
		if err == nil {
			_, err = in.GetFunc(store, "handle").Call(store)
		}
		store.Close()
		if err != nil {
			return err
		}
	}
	return nil
}

// Lives makes n Faaslets, runs a call in each, and closes them.
func (l *Lab) Lives(ctx context.Context, n int) error { return l.lives(ctx, n, faaslet.Setup{}) }

func (l *Lab) lives(ctx context.Context, n int, s faaslet.Setup) error {
	for range n {
		f, ferr := l.module.New(ctx, s)
		if ferr != nil {
			return ferr
		}
		out := f.Run(ctx, hostapi.NewCall(hostapi.CallConfig{Ctx: ctx, Kind: faas.Reactor}))
		f.Close()
		if out.Err != nil {
			return out.Err
		}
	}
	return nil
}

// WarmCalls makes n calls in each of a number of Faaslets at the same time, each of which is reset after every call.
func (l *Lab) WarmCalls(ctx context.Context, threads, n int) error {
	image := l.module.NewImage("")
	defer image.Close()
	return together(ctx, threads, func(ctx context.Context) error {
		f, ferr := l.module.New(ctx, faaslet.Setup{Image: image})
		if ferr != nil {
			return ferr
		}
		defer f.Close()
		for range n {
			if err := l.serveOnce(ctx, f); err != nil {
				return err
			}
		}
		return nil
	})
}

// Spin computes on a number of threads at the same time, n times what a call takes, about, and shares nothing.
func Spin(ctx context.Context, threads, n int) error {
	return together(ctx, threads, func(context.Context) error {
		x := uint64(1)
		for range n * 1000 {
			x = x*6364136223846793005 + 1442695040888963407
		}
		if x == 0 {
			return errors.New("arithmetic is broken")
		}
		return nil
	})
}

// together runs f on a number of goroutines, each with a context of its own as calls have one, and returns what went wrong.
func together(ctx context.Context, threads int, f func(context.Context) error) error {
	errs := make([]error, threads)
	var wg sync.WaitGroup
	for i := range threads {
		wg.Go(func() {
			own, cancel := context.WithCancel(ctx)
			defer cancel()
			errs[i] = f(own)
		})
	}
	wg.Wait()
	return errors.Join(errs...)
}

// Close frees the Lab.
func (l *Lab) Close() {
	for _, p := range []*capi.Pre{l.entry, l.loop} {
		if p != nil {
			p.Close()
		}
	}
	if l.direct != nil {
		l.direct.Close()
	}
	if l.linker != nil {
		l.linker.Close()
		l.raw.Close()
	}
	for i := len(l.closers) - 1; i >= 0; i-- {
		l.closers[i]()
	}
}
