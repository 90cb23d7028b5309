//go:build linux && cgo

package faaslettest

import (
	"context"
	"errors"
	"testing"

	"github.com/shoal-run/shoal/internal/leakcheck"
)

func TestMain(m *testing.M) { leakcheck.Main(m) }

// TestLab does each thing that benchmarks time.
func TestLab(t *testing.T) {
	l, err := NewLab()
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	Cgo(10)
	CgoCallbacks(10)
	done, err := l.HostCalls(1)
	if err != nil || done != callsPerRun {
		t.Errorf("host calls: %d, %v", done, err)
	}
	for name, f := range map[string]func(int) error{
		"raw": l.RawCalls, "wrapper": l.WrapperCalls, "wrapper lives": l.WrapperLives,
		"lives":    func(n int) error { return l.Lives(t.Context(), n) },
		"restores": func(n int) error { return l.Restores(t.Context(), n) },
	} {
		if err := f(10); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	most := l.engine.Stats().MaxFaaslets
	for want, n := range map[int]int{10: 10, most: 1 << 30} {
		made, drop, err := l.Fill(t.Context(), n)
		if err != nil {
			t.Fatal(err)
		}
		// Modules and images have their part of what all those Faaslets would take.
		if have := l.engine.Stats().Faaslets; made > want || made < want-want/100 || have != made {
			t.Errorf("asked for %d: made %d, %d live, want %d", n, made, have, want)
		}
		drop()
		if have := l.engine.Stats().Faaslets; have != 0 {
			t.Errorf("%d are left", have)
		}
	}
}

func TestGuest(t *testing.T) {
	module, err := SizedGuest(1, 20)
	if err != nil {
		t.Fatal(err)
	}
	for _, anew := range []bool{false, true} {
		g, err := NewGuest(t.Context(), module, anew)
		if errors.Is(err, ErrNoImage) {
			t.Log(err)
			return
		}
		if err != nil {
			t.Fatal(err)
		}
		for name, f := range map[string]func(context.Context, int, int) error{"restores": g.Restores, "colds": g.Colds, "warm": g.Warm} {
			if err := f(t.Context(), 2, 5); err != nil {
				t.Errorf("%s: %v", name, err)
			}
		}
		if n, err := g.FirstFaults(t.Context(), 5); err != nil || n > 20 { // the pages that it writes are ready, at best
			t.Errorf("%g faults, %v", n, err)
		}
		if n := g.engine.Stats().Faaslets; n != 0 {
			t.Errorf("%d Faaslets are left", n)
		}
		g.Close()
	}
}
