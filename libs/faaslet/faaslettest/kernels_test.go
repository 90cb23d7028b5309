//go:build linux && cgo

package faaslettest

import (
	"slices"
	"testing"
)

// TestKernels runs each kernel both ways: they compute the same.
func TestKernels(t *testing.T) {
	k, err := NewKernels()
	if err != nil {
		t.Fatal(err)
	}
	defer k.Close()
	if _, err := k.Ratios(1); err != nil {
		t.Error(err)
	}
}

// BenchmarkInterruption is what it costs that guests can be interrupted: for each kernel its time ÷ that of the same
// without interruption points, their geometric mean and the worst.
func BenchmarkInterruption(b *testing.B) {
	k, err := NewKernels()
	if err != nil {
		b.Fatal(err)
	}
	defer k.Close()
	var ratios []float64
	for b.Loop() {
		if ratios, err = k.Ratios(31); err != nil {
			b.Fatal(err)
		}
	}
	for i, r := range ratios {
		b.ReportMetric(r, KernelNames[i]+"/plain")
	}
	b.ReportMetric(Geomean(ratios), "geomean")
	b.ReportMetric(slices.Max(ratios), "worst")
}
