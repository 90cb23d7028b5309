//go:build linux && cgo

package faaslet

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"runtime"
	"sync"
	"testing"
	"time"

	"github.com/shoal-run/shoal/bus/faas"
	"github.com/shoal-run/shoal/libs/hostapi"
)

func maps(t *testing.T) int {
	t.Helper()
	b, err := os.ReadFile("/proc/self/maps")
	if err != nil {
		t.Fatal(err)
	}
	return bytes.Count(b, []byte("\n"))
}

// addressSpaceUsed returns the size of this process's address space in bytes. One memory that was left behind adds
// memoryReserve to it; new threads add far less.
func addressSpaceUsed(t *testing.T) int64 {
	t.Helper()
	b, err := os.ReadFile("/proc/self/statm")
	if err != nil {
		t.Fatal(err)
	}
	var pages int64
	if _, err := fmt.Sscan(string(b), &pages); err != nil {
		t.Fatal(err)
	}
	return pages * int64(os.Getpagesize())
}

// TestHammer runs good, trapping, looping and recursing guests side by side while Go collects garbage, takes
// nil-pointer faults of its own and modules come and go.
func TestHammer(t *testing.T) {
	e := newEngine(t, nil)
	kinds := []struct {
		wat   string
		code  faas.Code
		limit time.Duration
	}{
		{watEcho, "", 0},
		{watUnreachable, faas.GuestTrapped, 0},
		{watOutOfBounds, faas.GuestTrapped, 0},
		{watRecurse, faas.GuestTrapped, 0},
		{watGrow, faas.OutOfMemory, 0},
		{watExit1, faas.GuestFailed, 0},
		{watLoop, faas.DeadlineExceeded, 2 * time.Millisecond},
		{watSleep, faas.DeadlineExceeded, 2 * time.Millisecond},
	}
	modules := make([]*Module, len(kinds))
	for i, k := range kinds {
		modules[i] = load(t, e, k.wat)
	}
	artefact, err := e.Compile(assemble(t, watNop))
	if err != nil {
		t.Fatal(err)
	}
	nop := load(t, e, watNop).info
	one := func(n int) error {
		k := kinds[n%len(kinds)]
		ctx := context.Background()
		if k.limit > 0 {
			var cancel context.CancelFunc
			ctx, cancel = context.WithTimeout(ctx, k.limit)
			defer cancel()
		}
		f, ferr := modules[n%len(kinds)].New(context.Background(), Setup{Memory: 8 * faas.MiB})
		if ferr != nil {
			return ferr
		}
		defer f.Close()
		in := fmt.Sprintf("call %d", n)
		o := f.Run(ctx, hostapi.NewCall(hostapi.CallConfig{Kind: f.module.info.Kind, Input: []byte(in)}))
		if o.Err == nil && k.code == "" && string(o.Output) == in {
			return nil
		}
		if o.Err == nil || o.Err.Code != k.code {
			return fmt.Errorf("guest %d: output %q, error %v, want %q", n%len(kinds), o.Output, o.Err, k.code)
		}
		return nil
	}
	rounds := 16
	if testing.Short() {
		rounds = 4
	}
	round := func() {
		var wg sync.WaitGroup
		for g := range 64 {
			wg.Go(func() {
				for i := range rounds {
					if err := one(g*31 + i); err != nil {
						t.Error(err)
					}
					switch (g + i) % 16 {
					case 0:
						runtime.GC()
					case 1:
						if err := fault(); err == nil {
							t.Error("a nil pointer was followed")
						}
					case 2:
						m, err := e.LoadBytes(artefact, nop)
						if err != nil {
							t.Error(err)
							continue
						}
						m.Close()
					}
				}
			})
		}
		wg.Wait()
	}
	round()
	before := addressSpaceUsed(t)
	round()
	if after := addressSpaceUsed(t); after-before > memoryReserve/2 {
		t.Errorf("the address space grew from %d to %d bytes in a round", before, after)
	}
	if s := e.Stats(); s.Faaslets != 0 || s.Memory != 0 {
		t.Errorf("left: %+v", s)
	}
}

// fault makes a SIGSEGV that is Go's to handle.
func fault() (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = errors.New("fault")
		}
	}()
	var p *[4]int
	_ = p[runtime.NumCPU()%4]
	return nil
}

// Kills that race with the start and the end of a run, and with kills of others, must neither be lost nor hit a freed
// instance.
func TestKillRaces(t *testing.T) {
	e := newEngine(t, nil)
	loop, nop := load(t, e, watLoop), load(t, e, watNop)
	var wg sync.WaitGroup
	for g := range 8 {
		wg.Go(func() {
			for i := range 60 {
				m, ends := loop, false
				if (g+i)%2 == 0 {
					m, ends = nop, true
				}
				ctx, cancel := context.WithTimeout(context.Background(), time.Duration(i*7)*time.Microsecond)
				f, err := m.New(context.Background(), Setup{})
				if err != nil {
					t.Error(err)
					cancel()
					return
				}
				start := time.Now()
				o := f.Run(ctx, hostapi.NewCall(hostapi.CallConfig{Kind: faas.Reactor}))
				if d := time.Since(start); d > 5*time.Second {
					t.Errorf("killed after %s", d)
				}
				f.Close()
				cancel()
				if !ends && o.Err == nil || o.Err != nil && o.Err.Code != faas.DeadlineExceeded {
					t.Errorf("ended with %v", o.Err)
				}
			}
		})
	}
	wg.Wait()
}

// TestCloseDuringRun: Close waits for the run, which its context ends.
func TestCloseDuringRun(t *testing.T) {
	f := newFaaslet(t, load(t, newEngine(t, nil), watLoop), Setup{})
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(f.Close)
	}
	wg.Go(func() { f.Run(ctx, hostapi.NewCall(hostapi.CallConfig{})) })
	wg.Wait()
}

func TestManyLiveFaaslets(t *testing.T) {
	e := newEngine(t, nil)
	m := load(t, e, watNop)
	before := maps(t)
	const n = 1000
	fs := make([]*Faaslet, n)
	for i := range fs {
		f, err := m.New(t.Context(), Setup{})
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		fs[i] = f
	}
	if per := (maps(t) - before) / n; per > mapsPerFaaslet {
		t.Errorf("a Faaslet has %d maps, admission counts on %d", per, mapsPerFaaslet)
	}
}
