package faults

import (
	"flag"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/shoal-run/shoal/bus/faas"
	"github.com/shoal-run/shoal/integration/framework"
	"github.com/shoal-run/shoal/integration/history"
)

var (
	historyCalls = flag.Int64("calls", 4000, "calls of TestHistory")
	historyRate  = flag.Int("rate", 400, "calls/s of TestHistory, at most")
)

// killEvery is how often TestHistory kills a worker.
const killEvery = 2 * time.Second

// TestHistory defends promises 1 and 5 over many calls: through two gateways, by HTTP and NATS clients, while a random
// worker is killed every 2 s and comes back. No answer is wrong, crossed, doubled or lost, no call starts twice, and calls
// fail only around a kill and within 1 s.
func TestHistory(t *testing.T) {
	c, ls := start(t, framework.ClusterConfig{})
	l := ls.run(shape{label: "A", rate: *historyRate, each: 8, limit: *historyCalls, work: func(n int64) time.Duration {
		return time.Duration(n%4) * 10 * time.Millisecond
	}}, everybody(t, c)...)
	done := make(chan struct{})
	go func() { // ends with the load, which is waited for below
		defer close(done)
		l.wg.Wait()
	}()
	var faults []history.Fault
	tick := time.NewTicker(killEvery)
	defer tick.Stop()
	for running := true; running; {
		select {
		case <-done:
			running = false
		case <-tick.C:
			w := c.Workers[rand.IntN(len(c.Workers))]
			from := l.Since()
			w.Kill(t)
			faults = append(faults, fault("kill "+w.Name, from, toKilled))
			w.Restart(t)
		}
	}
	took := l.Since()
	ls.settle(t)
	s := l.check(t, history.Rules{Faults: faults, Allowed: []faas.Code{faas.Unavailable}, MaxFailure: toKilled})
	t.Logf("%d kills in %v, %.0f calls/s", len(faults), took.Round(time.Millisecond), float64(s.Calls)/took.Seconds())
	l.logLatencies(t)
	awaitIdle(t, c)
}

// logLatencies logs how long answers took.
func (l *load) logLatencies(t testing.TB) {
	t.Helper()
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.took) == 0 {
		return
	}
	slices.Sort(l.took)
	at := func(q float64) time.Duration {
		return l.took[int(q*float64(len(l.took)-1))].Round(10 * time.Microsecond)
	}
	t.Logf("load %s: answers took p50 %v, p99 %v, p99.9 %v, at most %v", l.label, at(0.5), at(0.99), at(0.999), at(1))
}
