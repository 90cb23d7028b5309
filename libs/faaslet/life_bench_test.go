//go:build linux && cgo

package faaslet

import (
	"context"
	"testing"

	"github.com/shoal-run/shoal/bus/faas"
	"github.com/shoal-run/shoal/libs/hostapi"
)

// BenchmarkLife is a Faaslet's life, a call that does nothing included: in a shell, from an image, and built from the module.
// The processor time is of use on a machine that is busy.
func BenchmarkLife(b *testing.B) {
	for _, how := range []string{"shell", "anew", "cold"} {
		b.Run(how, func(b *testing.B) {
			m := load(b, newEngineWith(b, Config{NoShells: how == "anew"}), watNop)
			s := Setup{Image: newImage(b, m)}
			newFaaslet(b, m, s).Close()
			if how == "cold" {
				s.Image = nil
			}
			ctx, cancel := context.WithCancel(b.Context())
			defer cancel()
			began := cpuTime(b)
			for b.Loop() {
				f, err := m.New(ctx, s)
				if err != nil {
					b.Fatal(err)
				}
				if o := f.Run(ctx, hostapi.NewCall(hostapi.CallConfig{Kind: faas.Reactor})); o.Err != nil {
					b.Fatal(o.Err)
				}
				f.Close()
			}
			b.ReportMetric(float64(cpuTime(b)-began)/float64(b.N), "cpu-ns/op")
		})
	}
}
