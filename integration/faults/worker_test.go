package faults

import (
	"strings"
	"testing"
	"time"

	"github.com/shoal-run/shoal/bus/faas"
	"github.com/shoal-run/shoal/integration/framework"
	"github.com/shoal-run/shoal/integration/history"
	"github.com/shoal-run/shoal/internal/testenv"
)

// What DESIGN §9.5 promises of calls in flight on a process.
const (
	toKilled = time.Second
	toFrozen = 2500 * time.Millisecond
)

// usual is the load of most tests.
func usual() shape { return shape{label: "A", rate: 150, each: 6, work: mixed} }

// TestWorkerKilled defends promise 5: calls in flight on a process that is killed fail with unavailable within 1 s, and
// the rest go on; and promise 1: none starts twice.
func TestWorkerKilled(t *testing.T) {
	c, ls := start(t, framework.ClusterConfig{})
	l := ls.run(usual(), everybody(t, c)...)
	l.awaitProgress(t, 100)

	victim := busiest(t, c)
	old := incarnation(t, c.Gateways[0], victim)
	from := l.Since()
	victim.Kill(t)
	l.awaitPast(t, from+toKilled)
	l.awaitProgress(t, 100)
	victim.Restart(t)
	c.AwaitWorkers(t, len(c.Workers))
	awaitNewLife(t, c, ls, victim, old)

	l.end()
	ls.settle(t)
	l.check(t, history.Rules{
		Faults: []history.Fault{fault("kill", from, toKilled)}, Allowed: []faas.Code{faas.Unavailable}, MaxFailure: toKilled,
	})
	awaitIdle(t, c)
}

// TestWorkerFrozen defends promise 5: calls in flight on a process that is frozen fail with unavailable within 2.5 s. When
// it goes on it is another incarnation, and what the old one answers is dropped.
func TestWorkerFrozen(t *testing.T) {
	c, ls := start(t, framework.ClusterConfig{})
	l := ls.run(usual(), everybody(t, c)...)
	l.awaitProgress(t, 100)

	victim := busiest(t, c)
	old := incarnation(t, c.Gateways[0], victim)
	from := l.Since()
	victim.Freeze(t)
	l.awaitPast(t, from+5*time.Second)
	victim.Thaw(t)
	awaitNewLife(t, c, ls, victim, old)

	l.end()
	ls.settle(t)
	s := l.check(t, history.Rules{
		Faults: []history.Fault{fault("freeze", from, toFrozen)}, Allowed: []faas.Code{faas.Unavailable}, MaxFailure: toFrozen,
	})
	if s.Failed[faas.Unavailable] == 0 {
		t.Error("no call failed: none was on the frozen worker")
	}
	if !strings.Contains(victim.Log(), "taken for dead") {
		t.Error("the worker does not say that it was taken for dead")
	}
	awaitIdle(t, c)
}

// TestWorkerCutOff defends promise 5 for a worker that the network parts from the others, and that comes back.
func TestWorkerCutOff(t *testing.T) {
	testenv.Need(t, testenv.Root, testenv.Netns)
	testenv.Long(t, "a cluster of processes runs under load for seconds")
	hub, far := framework.NewNamespace(t), framework.NewNamespace(t)
	link := framework.Join(t, hub, "10.99.0.1", far, "10.99.0.2")
	c, ls := start(t, framework.ClusterConfig{
		Space: hub, Host: "10.99.0.1",
		Remote: func(i int) *framework.Namespace {
			if i == 3 {
				return far
			}
			return nil
		},
	})
	l := ls.run(usual(), everybody(t, c)...)
	victim := c.Workers[3]
	awaitNewLife(t, c, ls, victim, "") // has the function warm
	l.awaitProgress(t, 50)

	old := incarnation(t, c.Gateways[0], victim)
	from := l.Since()
	link.Cut(t)
	l.awaitPast(t, from+5*time.Second)
	link.Mend(t)
	awaitNewLife(t, c, ls, victim, old)

	l.end()
	ls.settle(t)
	l.check(t, history.Rules{
		Faults: []history.Fault{fault("cut", from, toFrozen)}, Allowed: []faas.Code{faas.Unavailable}, MaxFailure: toFrozen,
	})
	awaitIdle(t, c)
}

// TestWorkerClock defends promises 1 and 5 when clocks disagree: one worker lives an hour ahead and one an hour behind. Both
// serve, die and come back; the one that was ahead comes back with its clock put right, so that its new id sorts before
// its old one.
func TestWorkerClock(t *testing.T) {
	ahead, behind := 0, 1
	c, ls := start(t, framework.ClusterConfig{Skew: func(i int) time.Duration {
		switch i {
		case ahead:
			return time.Hour
		case behind:
			return -time.Hour
		}
		return 0
	}})
	l := ls.run(usual(), everybody(t, c)...)
	var faults []history.Fault
	for _, i := range []int{ahead, behind} {
		w := c.Workers[i]
		awaitNewLife(t, c, ls, w, "") // it takes calls
		old := incarnation(t, c.Gateways[0], w)
		faults = append(faults, fault("kill", l.Since(), toKilled))
		w.Kill(t)
		if i == ahead {
			w.Skew = 0
		}
		w.Restart(t)
		awaitNewLife(t, c, ls, w, old)
		l.awaitPast(t, faults[len(faults)-1].To)
	}
	l.end()
	ls.settle(t)
	l.check(t, history.Rules{Faults: faults, Allowed: []faas.Code{faas.Unavailable}, MaxFailure: toKilled})
	awaitIdle(t, c)
}
