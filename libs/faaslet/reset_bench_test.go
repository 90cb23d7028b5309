//go:build linux && cgo

package faaslet

import (
	"context"
	"fmt"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/shoal-run/shoal/bus/faas"
	"github.com/shoal-run/shoal/libs/faaslet/capi"
	"github.com/shoal-run/shoal/libs/hostapi"
)

func cpuTime(b *testing.B) int64 {
	var r unix.Rusage
	if err := unix.Getrusage(unix.RUSAGE_SELF, &r); err != nil {
		b.Fatal(err)
	}
	return r.Utime.Nano() + r.Stime.Nano()
}

// BenchmarkCallReset is a call that writes some pages and the reset after it, beside a new Faaslet for the same. With -cpu
// 1,2 the processor time per call tells how much the threads are in each other's way, also on a machine that is busy.
func BenchmarkCallReset(b *testing.B) {
	for _, pages := range []int{0, 2, 20, 200, 1000} {
		m := load(b, newEngine(b, nil), fmt.Sprintf(`(module
		  (memory (export "memory") 128)
		  (data (i32.const 0) "some data of a guest")
		  (func (export "handle") (local $i i32)
		    (loop $l
		      (if (i32.lt_u (local.get $i) (i32.const %d)) (then
		        (i32.store (i32.mul (local.get $i) (i32.const 4096)) (i32.const 1))
		        (local.set $i (i32.add (local.get $i) (i32.const 1)))
		        (br $l))))))`, pages))
		for _, how := range []string{"reset", "pagemap", "new"} {
			b.Run(fmt.Sprintf("%s/pages=%d", how, pages), func(b *testing.B) {
				m := m
				if how == "pagemap" {
					p, err := capi.OpenPages(true)
					if err != nil {
						b.Fatal(err)
					}
					defer p.Close()
					old := m.engine.pages.get()
					m.engine.pages.p = p
					defer func() { m.engine.pages.p = old }()
				}
				image := newImage(b, m)
				began := cpuTime(b)
				b.RunParallel(func(pb *testing.PB) {
					ctx, cancel := context.WithCancel(context.Background())
					defer cancel()
					s := Setup{Image: image}
					if how == "new" {
						s.Image = nil
					}
					f, err := m.New(ctx, s)
					for pb.Next() && err == nil {
						if o := f.Run(ctx, hostapi.NewCall(hostapi.CallConfig{Kind: faas.Reactor})); o.Err != nil {
							b.Error(o.Err)
						}
						if !f.Reset() {
							f.Close()
							f, err = m.New(ctx, s)
						}
					}
					if err != nil {
						b.Error(err)
						return
					}
					f.Close()
				})
				b.ReportMetric(float64(cpuTime(b)-began)/float64(b.N), "cpu-ns/op")
			})
		}
	}
}

// BenchmarkGoCallReset is a call of a Go guest and the reset after it, beside a new Faaslet for each.
func BenchmarkGoCallReset(b *testing.B) {
	m := goModule(b, "package main\n\nimport shoal \"github.com/shoal-run/shoal/sdk/go\"\n\n"+
		"func init() { shoal.Handle(func(in []byte) ([]byte, error) { return in, nil }) }\n\nfunc main() {}\n")
	for _, how := range []string{"reset", "restored", "new"} {
		b.Run(how, func(b *testing.B) {
			s := Setup{}
			if how != "new" {
				s.Image = newImage(b, m)
			}
			f := newFaaslet(b, m, s)
			for b.Loop() {
				if o := runWith(context.Background(), f, "hello"); o.Err != nil {
					b.Fatal(o.Err)
				}
				if how == "reset" {
					if !f.Reset() {
						b.Fatal("not reset")
					}
					continue
				}
				f.Close()
				var err *faas.Error
				if f, err = m.New(context.Background(), s); err != nil {
					b.Fatal(err)
				}
			}
			f.Close()
		})
	}
}
