//go:build linux && cgo

package main

import (
	"context"
	"slices"
	"time"

	"github.com/shoal-run/shoal/libs/faaslet/faaslettest"
)

// computeFigures say what it costs that guests can be interrupted. Each value is a ratio already: both ways are run in
// turns within it.
func (b *bench) computeFigures() []*figure {
	return []*figure{
		{
			key: "compute.geomean", unit: "×", what: "seven kernels that can be interrupted ÷ the same that can't, geometric mean",
			value: b.kernels(faaslettest.Geomean),
		},
		{
			key: "compute.worst", unit: "×", what: "the worst of the seven",
			value: b.kernels(func(ratios []float64) float64 { return slices.Max(ratios) }),
		},
	}
}

// kernels returns a probe that runs each kernel both ways for about d in all.
func (b *bench) kernels(of func(ratios []float64) float64) probe {
	return func(ctx context.Context, d time.Duration) (float64, error) {
		k, err := faaslettest.NewKernels()
		if err != nil {
			return 0, err
		}
		defer k.Close()
		const each = 6 * time.Millisecond // a pair of runs of one kernel, about
		ratios, err := k.Ratios(max(20, int(d/each)/len(faaslettest.KernelNames)))
		if err != nil {
			return 0, err
		}
		return of(ratios), context.Cause(ctx)
	}
}
