//go:build linux && cgo

package faaslet

import (
	"context"
	"testing"

	"github.com/shoal-run/shoal/bus/faas"
	"github.com/shoal-run/shoal/libs/guest"
	"github.com/shoal-run/shoal/libs/hostapi"
)

// BenchmarkHostCall is a guest's call of a host function that reads and writes the guest's memory.
func BenchmarkHostCall(b *testing.B) {
	const per = 10000
	table := hostapi.Table{{
		Module: "test", Name: "add", Params: []hostapi.Param{{Name: "p", Type: hostapi.I32}, {Name: "n", Type: hostapi.I32}},
		Results: []hostapi.ValType{hostapi.I32},
		Func: func(_ *hostapi.Call, mem guest.Memory, a hostapi.Args) (uint64, error) {
			v, _ := mem.Uint32(a.U32(0))
			mem.PutUint32(a.U32(0), v+a.U32(1))
			return uint64(v), nil
		},
	}}
	m := load(b, newEngine(b, table), `(module
	  (import "test" "add" (func $add (param i32 i32) (result i32)))
	  (memory (export "memory") 1)
	  (func (export "handle")
	    (local $i i32)
	    (loop $l
	      (drop (call $add (i32.const 64) (i32.const 1)))
	      (br_if $l (i32.lt_u (local.tee $i (i32.add (local.get $i) (i32.const 1))) (i32.const 10000))))))`)
	f := newFaaslet(b, m, Setup{})
	f.host.begin(context.Background(), hostapi.NewCall(hostapi.CallConfig{}))
	b.ReportAllocs()
	for b.Loop() {
		if _, fail := f.instance.Call(); fail != nil {
			b.Fatal(fail)
		}
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/per, "ns/hostcall")
}

// BenchmarkRawCall is the engine's part of a call of a ready instance.
func BenchmarkRawCall(b *testing.B) {
	f := newFaaslet(b, load(b, newEngine(b, nil), watNop), Setup{})
	b.ReportAllocs()
	for b.Loop() {
		if _, fail := f.instance.Call(); fail != nil {
			b.Fatal(fail)
		}
	}
}

// BenchmarkNewRunClose is the life of a Faaslet.
func BenchmarkNewRunClose(b *testing.B) {
	m := load(b, newEngine(b, nil), watNop)
	ctx, cancel := context.WithCancel(b.Context())
	defer cancel()
	b.ReportAllocs()
	for b.Loop() {
		f, err := m.New(ctx, Setup{})
		if err != nil {
			b.Fatal(err)
		}
		o := f.Run(ctx, hostapi.NewCall(hostapi.CallConfig{Kind: faas.Reactor}))
		if o.Err != nil {
			b.Fatal(o.Err)
		}
		f.Close()
	}
}
