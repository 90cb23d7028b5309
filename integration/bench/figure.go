//go:build linux && cgo

package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"runtime"
	"slices"
	"time"
)

// probe takes one measurement of about d.
type probe func(ctx context.Context, d time.Duration) (float64, error)

// figure is one row of the report.
type figure struct {
	key, what    string
	unit         string
	value        probe
	baseline     probe // nil: there is none, the figure is for information
	baselineName string

	values, baselines []float64 // one per round
}

// errLacks is why a figure is left out: what it needs is not on this machine.
var errLacks = errors.New("left out")

// bench has what figures share, made when the first one needs it.
type bench struct {
	options
	lab      *labs
	guests   guests
	parts    map[string]*part
	firsts   map[bool]firsts
	closers  []func()
	lackings []string
}

func (b *bench) close() {
	for i := len(b.closers) - 1; i >= 0; i-- {
		b.closers[i]()
	}
}

// take measures f and its baseline in turns; the first of each pair changes, since the second may find the machine warmer.
// A short run of each goes before and does not count.
func (b *bench) take(ctx context.Context, f *figure) error {
	warm := max(b.time/4, 50*time.Millisecond)
	for i := range b.rounds + 1 {
		d := b.time
		if i == 0 {
			d = warm
		}
		turns := []*turn{{f.baseline, &f.baselines}, {f.value, &f.values}}
		if i%2 == 0 {
			slices.Reverse(turns)
		}
		for _, t := range turns {
			if t.probe == nil {
				continue
			}
			runtime.GC() // the load's garbage of one turn is not swept in the next
			v, err := t.probe(ctx, d)
			if errors.Is(err, errLacks) {
				b.lackings = append(b.lackings, fmt.Sprintf("%s: %v", f.key, err))
				return nil
			}
			if err != nil {
				return err
			}
			if i > 0 {
				*t.into = append(*t.into, v)
			}
		}
		if b.profile != "" && i == 0 {
			if err := b.profileOf(ctx, f); err != nil {
				fmt.Fprintln(os.Stderr, "bench: profile:", err)
			}
		}
	}
	return nil
}

type turn struct {
	probe probe
	into  *[]float64
}

// ratio returns value ÷ baseline of the medians, 0 without a baseline or with one of zero.
func (f *figure) ratio() float64 {
	if len(f.values) == 0 || median(f.baselines) == 0 {
		return 0
	}
	return median(f.values) / median(f.baselines)
}

// ratios returns the lowest and the highest ratio of a round's pair.
func (f *figure) ratios() (lowest, highest float64) {
	for i := range min(len(f.values), len(f.baselines)) {
		if f.baselines[i] == 0 {
			return 0, 0
		}
		r := f.values[i] / f.baselines[i]
		if i == 0 || r < lowest {
			lowest = r
		}
		highest = max(highest, r)
	}
	return lowest, highest
}

// line says f for the terminal.
func (f *figure) line() string {
	if len(f.values) == 0 {
		return fmt.Sprintf("%-26s left out", f.key)
	}
	s := fmt.Sprintf("%-26s %10s %-8s", f.key, number(median(f.values)), f.unit)
	if f.baseline != nil {
		s += fmt.Sprintf(" %5.2f × %s (%s)", f.ratio(), number(median(f.baselines)), f.baselineName)
	}
	return s
}

func median(v []float64) float64 {
	if len(v) == 0 {
		return 0
	}
	s := slices.Sorted(slices.Values(v))
	if n := len(s); n%2 == 0 {
		return (s[n/2-1] + s[n/2]) / 2
	}
	return s[len(s)/2]
}
