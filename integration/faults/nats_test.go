package faults

import (
	"testing"
	"time"

	"github.com/shoal-run/shoal/bus/faas"
	"github.com/shoal-run/shoal/integration/framework"
	"github.com/shoal-run/shoal/integration/history"
	"github.com/shoal-run/shoal/internal/testenv"
)

// TestNATSRestarted defends promise 5 for the bus itself: calls in flight fail with unavailable within 1 s, everything
// comes back by itself with what was deployed; and promise 1: nothing is doubled.
func TestNATSRestarted(t *testing.T) {
	c, ls := start(t, framework.ClusterConfig{})
	var http []target
	for _, g := range c.Gateways {
		http = append(http, overHTTP(g, echo))
	}
	h := ls.run(shape{label: "H", rate: 100, each: 8, work: mixed}, http...)
	n := ls.run(shape{label: "N", rate: 50, each: 8, work: mixed}, overNATS(c.Connect(t), echo))
	// Placed by planners, which are back before or after the workers are: a call that one passes on must fall on somebody.
	p := ls.run(shape{label: "P", rate: 100, each: 16, work: mixed}, overPlanner(t, c))
	loads := []*load{h, n, p}
	faults := make([][]history.Fault, len(loads))
	for _, how := range []struct {
		name string
		do   func(testing.TB)
	}{{"stop", c.NATS.Stop}, {"kill", c.NATS.Kill}} {
		from := make([]time.Duration, len(loads))
		for i, l := range loads {
			l.awaitProgress(t, 50)
			from[i] = l.Since()
		}
		how.do(t)
		h.awaitPast(t, h.Since()+time.Second)
		began := time.Now()
		c.NATS.Restart(t)
		for _, g := range c.Gateways {
			g.AwaitReady(t)
		}
		c.AwaitWorkers(t, len(c.Workers))
		testenv.Eventually(t, patience, func() bool {
			for _, g := range c.Gateways {
				if _, err := g.Call(t.Context(), echo, make([]byte, 8)); err != nil {
					return false
				}
			}
			return true
		}, "calls do not work again")
		t.Logf("%s: calls work %v after the server's start", how.name, time.Since(began).Round(time.Millisecond))
		h.awaitPast(t, h.Since()+toKilled)
		for i, l := range loads {
			faults[i] = append(faults[i], fault(how.name, from[i], l.Since()-from[i]))
			l.awaitProgress(t, 50)
		}
	}
	c.Deploy(t, echo, guest(t, 7)) // all that watches the registry has come back too
	for _, g := range c.Gateways {
		if r, err := g.Call(t.Context(), echo, make([]byte, 8)); err != nil || r.Output[0] != 7 {
			t.Errorf("%s: %v, %v after a deploy", g.Name, r.Output, err)
		}
	}
	for _, l := range loads {
		l.end()
	}
	ls.settle(t)
	allowed := []faas.Code{faas.Unavailable, faas.NoCapacity} // the latter while workers are not back
	s := h.check(t, history.Rules{Faults: faults[0], Allowed: allowed, MaxFailure: toKilled})
	if s.Failed[faas.Unavailable] == 0 {
		t.Error("no call failed: the server was not missed")
	}
	p.check(t, history.Rules{Faults: faults[2], Allowed: allowed, MaxFailure: toKilled})
	n.check(t, history.Rules{Faults: faults[1], Allowed: append(allowed, timeout)})
	awaitIdle(t, c)
}
