//go:build linux && cgo

package faaslet

import (
	"strings"
	"testing"
	"time"

	"github.com/shoal-run/shoal/libs/hostapi"
)

// BenchmarkDlopen is a Faaslet built from the module whose call loads two small libraries: compiled for it, kept from before, and
// none, for what the rest takes. restored is one that begins with an image that has them, reset the call of a function of
// one and the reset after it.
func BenchmarkDlopen(b *testing.B) {
	libs := countLibraries(b)
	var guest time.Duration // of all calls of a benchmark
	calls := 0
	run := func(b *testing.B, m *Module, s Setup, call func(f *Faaslet) Outcome) {
		b.Helper()
		f, err := m.New(b.Context(), s)
		if err != nil {
			b.Fatal(err)
		}
		o := call(f)
		if o.Err != nil || len(o.Output) != 4 {
			b.Fatal(o.Err, string(o.Output))
		}
		f.Close()
		guest, calls = guest+o.Duration, calls+1
		b.ReportMetric(float64(guest.Nanoseconds())/float64(1000*calls), "call-us/op")
	}
	open := func(f *Faaslet) Outcome { return opened(b, f, libs.shared(), "a.so", "count") }
	b.Run("compiled", func(b *testing.B) {
		e := newEngine(b, nil)
		m := load(b, e, watOpener)
		guest, calls = 0, 0
		for b.Loop() {
			for e.libraries.dropIdle("") {
			}
			run(b, m, Setup{}, open)
		}
	})
	b.Run("kept", func(b *testing.B) {
		m := load(b, newEngine(b, nil), watOpener)
		guest, calls = 0, 0
		for b.Loop() {
			run(b, m, Setup{}, open)
		}
	})
	b.Run("none", func(b *testing.B) {
		m := load(b, newEngine(b, nil), watOpener)
		guest, calls = 0, 0
		for b.Loop() {
			run(b, m, Setup{}, func(f *Faaslet) Outcome {
				o := opened(b, f, nil, "a.so", "count")
				o.Output = o.Output[:4]
				return o
			})
		}
	})
	b.Run("restored", func(b *testing.B) {
		m := load(b, newEngine(b, nil), watInitialOpener)
		s := Setup{Image: newImage(b, m), Shared: libs.shared()}
		guest, calls = 0, 0
		for b.Loop() {
			run(b, m, s, func(f *Faaslet) Outcome { return plainCall(b, f, nil) })
		}
	})
	b.Run("reset", func(b *testing.B) {
		m := load(b, newEngine(b, nil), watInitialOpener)
		f := newFaaslet(b, m, Setup{Image: newImage(b, m), Shared: libs.shared()})
		guest, calls = 0, 0
		for b.Loop() {
			if o := plainCall(b, f, nil); o.Err != nil || !f.Reset() {
				b.Fatal(o.Err, f.LastReset().Why)
			}
		}
	})
}

// BenchmarkLibraryCall is ten million calls of a small function: of the program's own, of a library's by a pointer, from one
// library to another that was there before, and to one that came after, by a stub.
func BenchmarkLibraryCall(b *testing.B) {
	const loop = `(func (export "run") (result i32) (local $i i32) (local $n i32)
	    (loop $l
	      (local.set $n CALL)
	      (br_if $l (i32.lt_u (local.tee $i (i32.add (local.get $i) (i32.const 1))) (i32.const 10000000))))
	    (local.get $n))`
	const types = `(type $one (func (param i32) (result i32)))`
	const step = `(func $own (export "NAME") (param i32) (result i32) (i32.add (local.get 0) (i32.const 1)))`
	replace := func(s, old, with string) string { return strings.ReplaceAll(s, old, with) }
	libs := files{
		"own.so":     lib(b, types+replace(step, "NAME", "own")+replace(loop, "CALL", `(call $own (local.get $n))`)),
		"pointer.so": lib(b, `(import "GOT.func" "late" (global $f (mut i32)))`+types+replace(loop, "CALL", `(call_indirect (type $one) (local.get $n) (global.get $f))`), "late.so"),
		"direct.so":  lib(b, `(import "env" "late" (func $f (param i32) (result i32)))`+replace(loop, "CALL", `(call $f (local.get $n))`), "late.so"),
		"stub.so":    lib(b, `(import "env" "circle" (func $f (param i32) (result i32)))`+replace(loop, "CALL", `(call $f (local.get $n))`), "circle.so"),
		"late.so":    lib(b, replace(step, "NAME", "late")),
		"circle.so":  lib(b, replace(step, "NAME", "circle"), "stub.so"),
	}
	m := load(b, newEngine(b, nil), watOpener)
	for _, c := range []struct{ name, path string }{
		{"own", "own.so"}, {"pointer", "pointer.so"}, {"direct", "direct.so"}, {"stub", "circle.so"},
	} {
		b.Run(c.name, func(b *testing.B) {
			for b.Loop() {
				f := newFaaslet(b, m, Setup{})
				o := f.Run(b.Context(), hostapi.NewCall(hostapi.CallConfig{Kind: m.info.Kind, Input: []byte(c.path + "\x00run\x00"), Shared: libs.shared()}))
				if o.Err != nil || len(o.Output) != 4 {
					b.Fatal(o.Err, string(o.Output))
				}
				b.ReportMetric(float64(o.Duration.Nanoseconds())/1e7, "ns/call")
				f.Close()
			}
		})
	}
}
