package faults

import (
	"bytes"
	"testing"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/shoal-run/shoal/bus"
	"github.com/shoal-run/shoal/bus/faas"
	"github.com/shoal-run/shoal/integration/framework"
	"github.com/shoal-run/shoal/libs/faaslet/faaslettest"
)

// watDrawn has an initialiser that draws a number, which it gives as its output: no two runs of it draw the same. It says
// that it renews itself, or else nobody would let others begin from what it drew.
const watDrawn = `(module
  (import "wasi_snapshot_preview1" "random_get" (func $random (param i32 i32) (result i32)))
  (import "env" "__faasm_write_output" (func $write (param i32 i32)))
  (memory (export "memory") 1)
  (func (export "_initialize") (drop (call $random (i32.const 16) (i32.const 16))))
  (func (export "shoal_restored"))
  (func (export "handle") (call $write (i32.const 16) (i32.const 16)) (i64.store (i32.const 16) (i64.const 0))))`

// TestProtoFaasletsTravel has workers in processes of their own restore what the upload service's child made: what its
// initialiser drew once is what every Faaslet of every worker begins with, also of workers that come later, and when the
// upload service is gone.
func TestProtoFaasletsTravel(t *testing.T) {
	c := framework.StartCluster(t, framework.ClusterConfig{Gateways: 1, Planners: 1, Workers: 2})
	name := faas.Name{Tenant: "t", Function: "drawn"}
	fn := c.Deploy(t, name, faaslettest.MustAssemble(t, watDrawn))
	if fn.Proto == nil || fn.Proto.None != "" || len(fn.Proto.Packs) != 1 {
		t.Fatalf("the Proto-Faaslet is %+v", fn.Proto)
	}
	nc := c.Connect(t)
	var drawn []byte
	everywhere := func() {
		t.Helper()
		workers, err := c.Gateways[0].Workers(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		for _, w := range workers {
			for range 5 {
				r := callOn(t, nc, w.ID, fn)
				if r.Err != nil {
					t.Fatalf("on %s: %v", w.ID, r.Err)
				}
				if drawn == nil {
					drawn = r.Output
				}
				if !bytes.Equal(r.Output, drawn) || bytes.Equal(drawn, make([]byte, 16)) {
					t.Fatalf("on %s, %s start: %x, want %x", w.ID, r.Start, r.Output, drawn)
				}
			}
		}
	}
	everywhere()
	c.Upload.Kill(t)
	for _, w := range c.Workers {
		w.Stop(t)
		w.Restart(t)
	}
	c.AwaitWorkers(t, 2)
	everywhere()
}

// callOn calls fn on one worker.
func callOn(t *testing.T, nc *nats.Conn, w faas.WorkerID, fn faas.Function) *faas.Result {
	t.Helper()
	id := faas.NewCallID()
	call := &faas.Call{ID: id, Root: id, Name: fn.Name, Version: fn.Version, Timeout: 10 * time.Second}
	inbox := nc.NewInbox()
	sub, err := nc.SubscribeSync(inbox)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = sub.Unsubscribe() }()
	if err := nc.PublishMsg(bus.EncodeCall(call, bus.WorkerCallSubject(w), inbox)); err != nil {
		t.Fatal(err)
	}
	m, err := sub.NextMsg(15 * time.Second)
	if err != nil {
		t.Fatalf("no answer from %s: %v", w, err)
	}
	return bus.DecodeResult(m)
}
