//go:build linux && cgo

package main

import (
	"context"
	"time"

	"github.com/shoal-run/shoal/libs/faaslet/faaslettest"
)

// labs are the engine's figures, in this process.
type labs struct{ *faaslettest.Lab }

func (b *bench) engineFigures() []*figure {
	const cgo = "plain cgo call"
	return append(b.computeFigures(), []*figure{
		{
			key: "engine.raw_call", unit: "ns", what: "call of a guest function that does nothing, in a ready instance",
			value:    b.perCall(func(l *labs, n int) (int, error) { return n, l.RawCalls(n) }),
			baseline: b.perCall(plainCgo), baselineName: cgo,
		},
		{
			key: "engine.wrapper_call", unit: "ns", what: "the same over wasmtime-go's Func.Call, for information",
			value:    b.perCall(func(l *labs, n int) (int, error) { return n, l.WrapperCalls(n) }),
			baseline: b.perCall(plainCgo), baselineName: cgo,
		},
		{
			key: "engine.host_call", unit: "ns", what: "a guest's call of a host function in Go that reads and writes its memory",
			value: b.perCall(func(l *labs, n int) (int, error) { return l.HostCalls(n) }),
			baseline: b.perCall(func(_ *labs, n int) (int, error) {
				faaslettest.CgoCallbacks(n)
				return n, nil
			}), baselineName: "C calls Go, nothing else",
		},
		{
			key: "engine.new_run_close", unit: "µs", what: "a new Faaslet of a small C-like guest, one call, its end",
			value: b.perLife(func(ctx context.Context, l *labs, n int) error { return l.Lives(ctx, n) }),
			baseline: b.perLife(func(_ context.Context, l *labs, n int) error {
				return l.WrapperLives(n)
			}), baselineName: "the same over wasmtime-go",
		},
		{
			key: "engine.warm_call", unit: "µs", what: "one call in a Faaslet that is reset after it",
			value:    b.perLife(func(ctx context.Context, l *labs, n int) error { return l.WarmCalls(ctx, 1, n) }),
			baseline: b.perLife(func(ctx context.Context, l *labs, n int) error { return l.Lives(ctx, n) }), baselineName: "a new Faaslet for it",
		},
		{
			key: "engine.warm_scaling", unit: "×", what: "calls with a reset on two threads ÷ on one",
			value: b.scaling(func(ctx context.Context, l *labs, threads, n int) error { return l.WarmCalls(ctx, threads, n) }),
			baseline: b.scaling(func(ctx context.Context, _ *labs, threads, n int) error {
				return faaslettest.Spin(ctx, threads, n)
			}), baselineName: "arithmetic that shares nothing: what the machine gives two threads now",
		},
	}...)
}

func plainCgo(_ *labs, n int) (int, error) {
	faaslettest.Cgo(n)
	return n, nil
}

func (b *bench) openLab() (*labs, error) {
	if b.lab == nil {
		l, err := faaslettest.NewLab()
		if err != nil {
			return nil, err
		}
		b.lab = &labs{l}
		b.closers = append(b.closers, l.Close)
	}
	return b.lab, nil
}

// perCall returns a probe that gives nanoseconds per call, of calls that f makes n at a time and says how many it made.
func (b *bench) perCall(f func(l *labs, n int) (int, error)) probe {
	return func(ctx context.Context, d time.Duration) (float64, error) {
		l, err := b.openLab()
		if err != nil {
			return 0, err
		}
		const batch = 20_000
		calls, began := 0, time.Now()
		for time.Since(began) < d && ctx.Err() == nil {
			n, err := f(l, batch)
			if err != nil {
				return 0, err
			}
			calls += n
		}
		return float64(time.Since(began).Nanoseconds()) / float64(calls), context.Cause(ctx)
	}
}

// perLife is perCall for what takes microseconds. f sees a context that can end, as a call's can.
func (b *bench) perLife(f func(ctx context.Context, l *labs, n int) error) probe {
	return func(ctx context.Context, d time.Duration) (float64, error) {
		ns, err := b.perCall(func(l *labs, n int) (int, error) {
			n /= 40
			return n, f(ctx, l, n)
		})(ctx, d)
		return ns / 1000, err
	}
}

// scaling returns a probe that gives how many times as many calls f makes per second on two threads as on one. f makes n
// calls on each.
func (b *bench) scaling(f func(ctx context.Context, l *labs, threads, n int) error) probe {
	return func(ctx context.Context, d time.Duration) (float64, error) {
		l, err := b.openLab()
		if err != nil {
			return 0, err
		}
		const batch = 2_000
		var took [2]time.Duration // on one thread, on two; in turns
		for i := 0; i%2 != 0 || took[0]+took[1] < d && ctx.Err() == nil; i++ {
			began := time.Now()
			if err := f(ctx, l, i%2+1, batch); err != nil {
				return 0, err
			}
			took[i%2] += time.Since(began)
		}
		return 2 * float64(took[0]) / float64(took[1]), context.Cause(ctx)
	}
}
