package faults

import (
	"fmt"
	"testing"
	"time"

	"github.com/shoal-run/shoal/bus/faas"
	"github.com/shoal-run/shoal/integration/framework"
	"github.com/shoal-run/shoal/integration/history"
	"github.com/shoal-run/shoal/internal/leakcheck"
	"github.com/shoal-run/shoal/internal/testenv"
	"github.com/shoal-run/shoal/libs/faaslet/compile"
	"github.com/shoal-run/shoal/libs/faaslet/faaslettest"
)

func TestMain(m *testing.M) {
	compile.MaybeChild()
	framework.Main(m)
}

// patience bounds what a test waits for and does not measure.
const patience = 30 * time.Second

// echo is the function that the loads call.
var echo = faas.Name{Tenant: "t", Function: "echo"}

// markerLen is how many bytes an echo's output has before the call's name.
const markerLen = 8

// guest returns an echo whose outputs begin with a number. Its input is milliseconds to sleep, a little-endian u64, and
// the name of the call, which it also logs.
func guest(t testing.TB, marker uint64) []byte {
	t.Helper()
	return faaslettest.MustAssemble(t, fmt.Sprintf(`(module
	  (import "env" "__faasm_read_input" (func $read (param i32 i32) (result i32)))
	  (import "env" "__faasm_write_output" (func $write (param i32 i32)))
	  (import "wasi_snapshot_preview1" "poll_oneoff" (func $poll (param i32 i32 i32 i32) (result i32)))
	  (import "wasi_snapshot_preview1" "fd_write" (func $log (param i32 i32 i32 i32) (result i32)))
	  (memory (export "memory") 1)
	  (func $sleep (param $ms i64)
	    (if (i64.eqz (local.get $ms)) (then (return)))
	    (i32.store offset=16 (i32.const 0) (i32.const 1)) ;; the monotonic clock
	    (i64.store offset=24 (i32.const 0) (i64.mul (local.get $ms) (i64.const 1000000)))
	    (drop (call $poll (i32.const 0) (i32.const 64) (i32.const 1) (i32.const 128))))
	  (func (export "handle") (result i32)
	    (local $n i32)
	    (local.set $n (call $read (i32.const 1024) (i32.const 1024)))
	    (call $sleep (i64.load (i32.const 1024)))
	    (i32.store (i32.const 160) (i32.const 1032))
	    (i32.store (i32.const 164) (i32.sub (local.get $n) (i32.const 8)))
	    (drop (call $log (i32.const 2) (i32.const 160) (i32.const 1) (i32.const 176)))
	    (i64.store (i32.const 1024) (i64.const %d))
	    (call $write (i32.const 1024) (local.get $n))
	    (i32.const 0)))`, marker))
}

// start starts a cluster with an echo deployed, for a test that leaves nothing behind.
func start(t *testing.T, cfg framework.ClusterConfig) (*framework.Cluster, *loads) {
	t.Helper()
	testenv.Long(t, "a cluster of processes runs under load for seconds")
	leakcheck.Check(t)
	c := framework.StartCluster(t, cfg)
	c.Deploy(t, echo, guest(t, 0))
	return c, watchLogs(t, c)
}

// everybody returns all ways to call the echo: over HTTP through each gateway, and from NATS clients.
func everybody(t testing.TB, c *framework.Cluster) []target {
	t.Helper()
	var all []target
	for _, g := range c.Gateways {
		all = append(all, overHTTP(g, echo), overNATS(c.Connect(t), echo))
	}
	return all
}

// busiest returns the worker with the most calls, as a gateway knows, once it has any.
func busiest(t testing.TB, c *framework.Cluster) *framework.Worker {
	t.Helper()
	var best *framework.Worker
	testenv.Eventually(t, patience, func() bool {
		ws, err := c.Gateways[0].Workers(t.Context())
		if err != nil {
			return false
		}
		most := 0
		for _, have := range ws {
			if used := have.Slots.Total - have.Slots.Free; used > most {
				for _, w := range c.Workers {
					if w.Is(have.ID) {
						best, most = w, used
					}
				}
			}
		}
		return most > 0
	}, "no worker has a call")
	return best
}

// awaitIdle waits until every worker has all its slots: no call was lost on the way.
func awaitIdle(t testing.TB, c *framework.Cluster) {
	t.Helper()
	testenv.Eventually(t, patience, func() bool {
		ws, err := c.Gateways[len(c.Gateways)-1].Workers(t.Context())
		if err != nil || len(ws) != len(c.Workers) {
			return false
		}
		for _, w := range ws {
			if w.Slots.Free != w.Slots.Total || w.Slots.Queued != 0 {
				return false
			}
		}
		return true
	}, "a worker has not got all its slots back")
}

// fault returns a fault that began at from and that everybody has noticed after at most lasts.
func fault(what string, from, lasts time.Duration) history.Fault {
	return history.Fault{What: what, From: from, To: from + lasts}
}

// incarnation returns the id of a worker's present life, "" when the gateway knows none.
func incarnation(t testing.TB, g *framework.Gateway, w *framework.Worker) faas.WorkerID {
	t.Helper()
	ws, err := g.Workers(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, have := range ws {
		if w.Is(have.ID) {
			return have.ID
		}
	}
	return ""
}

// awaitNewLife waits until a worker is back as another incarnation than old, and takes calls: more come than the others
// have slots for.
func awaitNewLife(t testing.TB, c *framework.Cluster, ls *loads, w *framework.Worker, old faas.WorkerID) {
	t.Helper()
	for _, g := range c.Gateways {
		testenv.Eventually(t, patience, func() bool {
			id := incarnation(t, g, w)
			return id != "" && id != old
		}, "%s is not back as a new incarnation", w.Name)
	}
	l := ls.run(shape{label: ls.fresh(), each: 8, work: func(int64) time.Duration { return 200 * time.Millisecond }},
		overHTTP(c.Gateways[0], echo), overHTTP(c.Gateways[1], echo))
	testenv.Eventually(t, patience, func() bool {
		return l.answered(func(id faas.WorkerID) bool { return w.Is(id) && id != old }) > 0
	}, "%s answers no calls as a new incarnation", w.Name)
	l.end()
	l.check(t, history.Rules{Allowed: []faas.Code{faas.NoCapacity}})
}
