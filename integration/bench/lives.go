//go:build linux && cgo

package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"time"

	"github.com/shoal-run/shoal/libs/faaslet/faaslettest"
)

// written is how many pages the guests' calls write to whose resets are measured.
const written = 20

// guests are the guests of the figures of lives, by key, each as its Faaslets come and go for calls, and each anew.
type guests map[guestKey]*faaslettest.Guest

type guestKey struct {
	name string
	anew bool
}

// guestModules give the modules. c_… is a C-like guest that fills that much memory in its initialiser; its call does nothing.
var guestModules = map[string]func() ([]byte, error){
	"c_1mib":   func() ([]byte, error) { return faaslettest.SizedGuest(1, 0) },
	"c_16mib":  func() ([]byte, error) { return faaslettest.SizedGuest(16, 0) },
	"c_128mib": func() ([]byte, error) { return faaslettest.SizedGuest(128, 0) },
	"writes":   func() ([]byte, error) { return faaslettest.SizedGuest(1, written) },
	"go":       func() ([]byte, error) { return os.ReadFile(goEchoFile) },
}

// guest returns a guest, which is made once.
func (b *bench) guest(ctx context.Context, k guestKey) (*faaslettest.Guest, error) {
	if g := b.guests[k]; g != nil {
		return g, nil
	}
	module, err := guestModules[k.name]()
	if errors.Is(err, os.ErrNotExist) {
		return nil, fmt.Errorf("%w: examples/echo is not built: make examples", errLacks)
	} else if err != nil {
		return nil, err
	}
	g, err := faaslettest.NewGuest(ctx, module, k.anew)
	if errors.Is(err, faaslettest.ErrNoImage) {
		return nil, fmt.Errorf("%w: %w", errLacks, err)
	} else if err != nil {
		return nil, err
	}
	if b.guests == nil {
		b.guests = make(guests)
	}
	b.guests[k] = g
	b.closers = append(b.closers, g.Close)
	return g, nil
}

// lifeFigures are the lives of Faaslets: from images beside starting a process and beside building them, on threads side by side.
func (b *bench) lifeFigures() []*figure {
	const process, built = "fork and exec of a static program that does nothing", "instantiated and initialised"
	start := b.processStart()
	figures := []*figure{{
		key: "engine.restore_call", unit: "µs", what: "a Faaslet of a guest that initialises nothing made from an image, one call, its end",
		value:    b.perLife(func(ctx context.Context, l *labs, n int) error { return l.Restores(ctx, n) }),
		baseline: start, baselineName: process,
	}}
	for _, name := range []string{"c_1mib", "c_16mib", "c_128mib", "go"} {
		figures = append(figures,
			&figure{
				key: "engine.restore_call." + name, unit: "µs", what: "a Faaslet of " + name + " made from its image, one call, its end; it moves into the shell that the one before left",
				value: b.each(guestKey{name, false}, (*faaslettest.Guest).Restores), baseline: start, baselineName: process,
			},
			&figure{
				key: "engine.restore_call." + name + ".anew", unit: "µs", what: "the same without shells",
				value: b.each(guestKey{name, true}, (*faaslettest.Guest).Restores), baseline: start, baselineName: process,
			},
			&figure{
				key: "engine.cold_call." + name, unit: "µs", what: "the same built from the module, for information",
				value: b.each(guestKey{name, true}, (*faaslettest.Guest).Colds), baseline: start, baselineName: process,
			})
	}
	for _, name := range []string{"c_1mib", "go"} {
		figures = append(figures, &figure{
			key: "engine.first_call_faults." + name, unit: "faults", what: "minor page faults of the first call of " + name + " in a Faaslet made from its image",
			value: b.firstFaults(guestKey{name, false}), baseline: b.firstFaults(guestKey{name, true}), baselineName: "without a shell",
		})
	}
	for threads := 1; threads <= 2; threads++ {
		figures = append(figures,
			&figure{
				key: fmt.Sprintf("engine.resets.t%d", threads), unit: "calls/s", what: fmt.Sprintf("calls that write %d pages, with the reset after each, on %d threads", written, threads),
				value:    b.perSecond(guestKey{"writes", false}, threads, (*faaslettest.Guest).Warm),
				baseline: b.perSecond(guestKey{"writes", true}, threads, (*faaslettest.Guest).Colds), baselineName: built,
			},
			&figure{
				key: fmt.Sprintf("engine.churn.t%d", threads), unit: "starts/s", what: fmt.Sprintf("Faaslets of c_1mib made from an image, called and closed, on %d threads", threads),
				value:    b.perSecond(guestKey{"c_1mib", false}, threads, (*faaslettest.Guest).Restores),
				baseline: b.perSecond(guestKey{"c_1mib", true}, threads, (*faaslettest.Guest).Restores), baselineName: "without shells",
			})
	}
	return figures
}

// lives makes n Faaslets or calls on each of some threads.
type lives func(g *faaslettest.Guest, ctx context.Context, threads, n int) error

// each returns a probe that gives microseconds for each of what f makes on one thread.
func (b *bench) each(k guestKey, f lives) probe {
	return func(ctx context.Context, d time.Duration) (float64, error) {
		rate, err := b.perSecond(k, 1, f)(ctx, d)
		return 1e6 / rate, err
	}
}

// perSecond returns a probe that gives how many f makes in a second, on all threads together.
func (b *bench) perSecond(k guestKey, threads int, f lives) probe {
	return func(ctx context.Context, d time.Duration) (float64, error) {
		g, err := b.guest(ctx, k)
		if err != nil {
			return 0, err
		}
		n, batch, began := 0, 1, time.Now()
		for time.Since(began) < d && ctx.Err() == nil {
			if err := f(g, ctx, threads, batch); err != nil {
				return 0, err
			}
			n += batch * threads
			if time.Since(began) < d/16 {
				batch *= 2
			}
		}
		return float64(n) / time.Since(began).Seconds(), context.Cause(ctx)
	}
}

func (b *bench) firstFaults(k guestKey) probe {
	return func(ctx context.Context, _ time.Duration) (float64, error) {
		g, err := b.guest(ctx, k)
		if err != nil {
			return 0, err
		}
		return g.FirstFaults(ctx, 100)
	}
}

// processStart gives the time from fork to the end of a static program that does nothing, in microseconds. It is built once,
// with the C compiler that cgo uses.
func (b *bench) processStart() probe {
	cc, err := exec.LookPath("cc")
	if err != nil {
		return lacking("there is no C compiler")
	}
	program := ""
	return func(ctx context.Context, d time.Duration) (float64, error) {
		if program == "" {
			dir, err := os.MkdirTemp("", "shoal-bench-")
			if err != nil {
				return 0, err
			}
			b.closers = append(b.closers, func() { os.RemoveAll(dir) })
			source := filepath.Join(dir, "nothing.c")
			if err := os.WriteFile(source, []byte("int main(void) { return 0; }\n"), 0o600); err != nil {
				return 0, err
			}
			out, err := exec.CommandContext(ctx, cc, "-O2", "-static", "-o", filepath.Join(dir, "nothing"), source).CombinedOutput()
			if err != nil {
				return 0, fmt.Errorf("cc: %w: %s", err, out)
			}
			program = filepath.Join(dir, "nothing")
		}
		n, began := 0, time.Now()
		for ; time.Since(began) < d && ctx.Err() == nil; n++ {
			if err := exec.CommandContext(ctx, program).Run(); err != nil {
				return 0, err
			}
		}
		return float64(time.Since(began).Microseconds()) / float64(n), context.Cause(ctx)
	}
}
