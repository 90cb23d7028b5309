package worker

import (
	"context"
	"testing"
	"time"

	"github.com/shoal-run/shoal/bus"
	"github.com/shoal-run/shoal/bus/faas"
)

// BenchmarkServe is the worker's part of a warm call: the guest's run, the answer on its way, the reset, and what is counted
// of all that, which is the same whether anybody scrapes or not.
func BenchmarkServe(b *testing.B) {
	f := start(b)
	v := f.artefacts.Add(watEcho)
	f.control(b, bus.Control{Kind: bus.Prewarm, Name: echo, Version: v, Count: 1})
	until(b, "one is ready", func() bool { return f.counts(echo, v).Ready == 1 })
	c := f.call(echo, v, time.Minute)
	ctx, end := context.WithCancelCause(b.Context())
	defer end(nil)
	b.ReportAllocs()
	for b.Loop() {
		p, used := f.serve(&job{call: c, reply: "nobody", ctx: ctx, end: end})
		if used.f == nil {
			b.Fatal("the call did not run")
		}
		p.giveBack(used)
		p.put()
	}
}

// BenchmarkRequest is the same call over NATS and back.
func BenchmarkRequest(b *testing.B) {
	f := start(b)
	v := f.artefacts.Add(watEcho)
	b.ReportAllocs()
	for b.Loop() {
		m, err := f.nc.RequestMsg(bus.EncodeCall(f.call(echo, v, time.Minute), bus.WorkerCallSubject(f.ID()), ""), time.Minute)
		if err != nil {
			b.Fatal(err)
		}
		if r := bus.DecodeResult(m); r.Err != nil {
			b.Fatal(r.Err)
		}
	}
}

// BenchmarkCount is the counting alone.
func BenchmarkCount(b *testing.B) {
	f := start(b)
	v := f.artefacts.Add(watEcho)
	p, err := f.acquire(b.Context(), echo, v)
	if err != nil {
		b.Fatal(err)
	}
	defer p.put()
	r := &faas.Result{Start: faas.Warm, Duration: 5 * time.Microsecond, Reset: 3 * time.Microsecond}
	b.ReportAllocs()
	for b.Loop() {
		p.started(r)
		f.meters.ended(r)
		f.meters.reset.Record(r.Reset)
		p.past.reset.took(r.Reset)
	}
}
