//go:build linux && cgo

package faaslettest

import (
	"context"
	"errors"
	"fmt"
	"runtime"

	"golang.org/x/sys/unix"

	"github.com/shoal-run/shoal/bus/faas"
	"github.com/shoal-run/shoal/libs/faaslet"
	"github.com/shoal-run/shoal/libs/hostapi"
	"github.com/shoal-run/shoal/libs/snapshot"
)

// ErrNoImage is what NewGuest returns for a guest of which no image is taken here.
var ErrNoImage = errors.New("no image is taken of such a guest here")

// Guest is a guest of which an image was taken, and the lives of its Faaslets. It is safe for concurrent use until Close.
type Guest struct {
	engine *faaslet.Engine
	module *faaslet.Module
	image  *faaslet.Image
	setup  faaslet.Setup // with the image
}

// SizedGuest returns a guest with a memory of so many MiB, all of which its initialiser fills, and whose call writes to a number of
// pages of 4 KiB. It is shaped as what clang makes of a C function.
func SizedGuest(mib, pages int) ([]byte, error) {
	return Assemble(fmt.Sprintf(`(module
  (import "env" "__faasm_read_input" (func $read (param i32 i32) (result i32)))
  (memory (export "memory") %d)
  (global $sp (mut i32) (i32.const 66560))
  (table 2 2 funcref)
  (elem (i32.const 1) $init)
  (data (i32.const 1024) "a constant of the guest's")
  (func $init (export "_initialize") (local $p i32)
    (local.set $p (i32.const 2048))
    (loop $l
      (i32.store (local.get $p) (local.get $p))
      (br_if $l (i32.lt_u (local.tee $p (i32.add (local.get $p) (i32.const 512))) (i32.const %d)))))
  (func (export "handle") (local $i i32)
    (loop $l
      (if (i32.lt_u (local.get $i) (i32.const %d)) (then
        (i32.store (i32.mul (local.get $i) (i32.const 4096)) (i32.const 1))
        (local.set $i (i32.add (local.get $i) (i32.const 1)))
        (br $l))))))`, mib<<4, mib<<20, pages))
}

// NewGuest loads a module and captures it. anew says that closed Faaslets leave nothing to new ones. The caller
// closes it.
func NewGuest(ctx context.Context, module []byte, anew bool) (_ *Guest, err error) {
	g := &Guest{}
	defer func() {
		if err != nil {
			g.Close()
		}
	}()
	table := hostapi.New()
	if g.engine, err = faaslet.NewEngine(faaslet.Config{Table: table, Compiler: true, NoShells: anew}); err != nil {
		return nil, err
	}
	if g.module, err = load(g.engine, table, module); err != nil {
		return nil, err
	}
	g.image = g.module.NewImage("")
	g.setup = faaslet.Setup{Image: g.image, Memory: faas.Size(g.module.Info().MemoryMin) + 64*faas.MiB}
	if err := g.fill(ctx); err != nil {
		return nil, err
	}
	// As in a worker: what a reset finds written is what restores have ready.
	return g, g.Warm(ctx, 1, 1)
}

// fill fills the image as a deploy and a worker do it: with what the initialisers make, encoded and loaded.
func (g *Guest) fill(ctx context.Context) error {
	if g.module.Uncapturable() != "" {
		return ErrNoImage
	}
	c, _, ferr := g.module.Capture(ctx, faaslet.Setup{Memory: g.setup.Memory})
	if ferr != nil {
		return ferr
	}
	if c == nil {
		return ErrNoImage
	}
	defer c.Close()
	e, err := snapshot.Encode(c.Memory, c.Globals, nil)
	if err != nil {
		return err
	}
	m, err := snapshot.Parse(e.Manifest)
	if err != nil {
		return err
	}
	return g.image.Fill(m.Memory, m.Kept(), c.Globals, func(put func(int64, []byte) error) error {
		return m.Load(e.Open, put)
	})
}

// life makes a Faaslet, runs a call in it and closes it.
func (g *Guest) life(ctx context.Context, s faaslet.Setup) error {
	f, ferr := g.module.New(ctx, s)
	if ferr != nil {
		return ferr
	}
	defer f.Close()
	return g.serve(ctx, f)
}

func (g *Guest) serve(ctx context.Context, f *faaslet.Faaslet) error {
	out := f.Run(ctx, hostapi.NewCall(hostapi.CallConfig{Ctx: ctx, Kind: faas.Reactor, Input: []byte("a word")}))
	if out.Err != nil {
		return out.Err
	}
	return nil
}

// Restores makes Faaslets from the image on a number of threads at the same time, n on each, one after the other, runs a
// call in each and closes it.
func (g *Guest) Restores(ctx context.Context, threads, n int) error {
	return g.lives(ctx, threads, n, g.setup)
}

// Colds is Restores with Faaslets that are built from the module and initialised.
func (g *Guest) Colds(ctx context.Context, threads, n int) error {
	s := g.setup
	s.Image = nil
	return g.lives(ctx, threads, n, s)
}

func (g *Guest) lives(ctx context.Context, threads, n int, s faaslet.Setup) error {
	return together(ctx, threads, func(ctx context.Context) error {
		for range n {
			if err := g.life(ctx, s); err != nil {
				return err
			}
		}
		return nil
	})
}

// Warm makes n calls in each of a number of Faaslets at the same time, each of which is reset after every call.
func (g *Guest) Warm(ctx context.Context, threads, n int) error {
	return together(ctx, threads, func(ctx context.Context) error {
		f, ferr := g.module.New(ctx, g.setup)
		if ferr != nil {
			return ferr
		}
		defer f.Close()
		for range n {
			if err := g.serve(ctx, f); err != nil {
				return err
			}
			if !f.Reset() {
				return errors.New("a Faaslet was not reset")
			}
		}
		return nil
	})
}

// FirstFaults returns how many minor page faults the first call takes in a Faaslet that was made from the image, on average
// of n.
func (g *Guest) FirstFaults(ctx context.Context, n int) (float64, error) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	total := int64(0)
	for range n {
		f, ferr := g.module.New(ctx, g.setup)
		if ferr != nil {
			return 0, ferr
		}
		before, err := minorFaults()
		if err == nil {
			err = g.serve(ctx, f)
		}
		after, ferr2 := minorFaults()
		f.Close()
		if err := errors.Join(err, ferr2); err != nil {
			return 0, err
		}
		total += after - before
	}
	return float64(total) / float64(n), nil
}

// minorFaults returns how many the thread has taken.
func minorFaults() (int64, error) {
	var r unix.Rusage
	err := unix.Getrusage(unix.RUSAGE_THREAD, &r)
	return r.Minflt, err
}

// Close frees g.
func (g *Guest) Close() {
	g.image.Close()
	if g.module != nil {
		g.module.Close()
	}
	if g.engine != nil {
		g.engine.Close()
	}
}
