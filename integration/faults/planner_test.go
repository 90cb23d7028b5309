package faults

import (
	"context"
	"log/slog"
	"testing"
	"time"

	"github.com/shoal-run/shoal/bus/faas"
	"github.com/shoal-run/shoal/bus/holder"
	"github.com/shoal-run/shoal/integration/framework"
	"github.com/shoal-run/shoal/integration/history"
)

// nowhere is a router that knows no worker: every call goes to a planner.
type nowhere struct{}

func (nowhere) Route(faas.Name, faas.Version) faas.WorkerID          { return "" }
func (nowhere) Any() faas.WorkerID                                   { return "" }
func (nowhere) Refused(faas.Name, faas.Version, faas.WorkerID, bool) {}

// TestPlannersKilled defends promise 5 for planners, which are off the path of warm calls: with one killed, and with both,
// the load goes on; when they are back, they place calls as soon as they are ready.
func TestPlannersKilled(t *testing.T) {
	c, ls := start(t, framework.ClusterConfig{})
	l := ls.run(usual(), everybody(t, c)...)
	l.awaitProgress(t, 100)
	fn, err := c.Gateways[0].Function(t.Context(), echo)
	if err != nil {
		t.Fatal(err)
	}
	h := holderOf(t, c)
	place := func() *faas.Error {
		id := faas.NewCallID()
		return h.Do(t.Context(), &faas.Call{ID: id, Root: id, Name: echo, Version: fn.Version, Timeout: time.Second, Input: make([]byte, 8)}).Err
	}

	var faults []history.Fault
	for _, p := range c.Planners { // each, while the other does the work
		faults = append(faults, fault("kill a planner", l.Since(), toKilled))
		p.Kill(t)
		l.awaitPast(t, faults[len(faults)-1].To)
		if err := place(); err != nil {
			t.Errorf("with one planner killed: %v", err)
		}
		p.Restart(t)
	}
	faults = append(faults, fault("kill both planners", l.Since(), toKilled))
	for _, p := range c.Planners {
		p.Kill(t)
	}
	l.awaitPast(t, faults[len(faults)-1].To)
	l.awaitProgress(t, 200)
	if err := place(); err == nil || err.Code != faas.Unavailable {
		t.Errorf("without planners: %v, want %s", err, faas.Unavailable)
	}
	other := faas.Name{Tenant: "t", Function: "other"}
	c.Deploy(t, other, guest(t, 1)) // a gateway sends its calls to any worker
	for _, g := range c.Gateways {
		if _, err := g.Call(t.Context(), other, make([]byte, 8)); err != nil {
			t.Errorf("a function without a route, without planners: %v", err)
		}
	}

	began := time.Now()
	for _, p := range c.Planners {
		p.Start(t)
	}
	for _, p := range c.Planners {
		p.AwaitReady(t)
	}
	if err := place(); err != nil {
		t.Errorf("as soon as the planners are ready: %v", err)
	}
	t.Logf("planners placed a call %v after their start", time.Since(began).Round(time.Millisecond))

	l.end()
	ls.settle(t)
	// What a killed planner had in hand is lost; nothing else is.
	l.check(t, history.Rules{Faults: faults, Allowed: []faas.Code{faas.Unavailable}, MaxFailure: toKilled})
	awaitIdle(t, c)
}

// TestPlannerFrozen defends promise 5 for the calls that a frozen planner was to place: half of them, for as long as the
// server believes that it listens.
func TestPlannerFrozen(t *testing.T) {
	c, ls := start(t, framework.ClusterConfig{})
	warm := ls.run(shape{label: "W", rate: 60, each: 4, work: mixed}, everybody(t, c)...)
	cold := ls.run(shape{label: "C", rate: 60, each: 16}, overPlanner(t, c))
	warm.awaitProgress(t, 50)
	cold.awaitProgress(t, 50)
	from, fromWarm := cold.Since(), warm.Since()
	c.Planners[0].Freeze(t)
	cold.awaitPast(t, from+4*time.Second)
	c.Planners[0].Thaw(t)
	cold.awaitPast(t, cold.Since()+time.Second) // what it had in hand is placed now, and cancelled
	cold.awaitProgress(t, 50)
	to, toWarm := cold.Since(), warm.Since()
	cold.end()
	warm.end()
	ls.settle(t)
	allowed := []faas.Code{faas.Unavailable}
	s := cold.check(t, history.Rules{Faults: []history.Fault{fault("freeze", from, to-from)}, Allowed: allowed, MaxFailure: toFrozen})
	if s.Failed[faas.Unavailable] == 0 {
		t.Error("no call failed: none was with the frozen planner")
	}
	warm.check(t, history.Rules{Faults: []history.Fault{fault("freeze", fromWarm, toWarm-fromWarm)}, Allowed: allowed, MaxFailure: toFrozen})
	awaitIdle(t, c)
}

// overPlanner returns a target all of whose calls are placed by a planner.
func overPlanner(t testing.TB, c *framework.Cluster) target {
	t.Helper()
	fn, err := c.Gateways[0].Function(t.Context(), echo)
	if err != nil {
		t.Fatal(err)
	}
	h := holderOf(t, c)
	return func(input []byte) ([]byte, faas.WorkerID, error) {
		id := faas.NewCallID()
		r := h.Do(context.Background(), &faas.Call{ID: id, Root: id, Name: echo, Version: fn.Version, Timeout: patience, Input: input})
		if r.Err != nil {
			return nil, "", r.Err
		}
		return r.Output, r.Worker, nil
	}
}

// holderOf returns a holder of calls that knows no worker.
func holderOf(t testing.TB, c *framework.Cluster) *holder.Holder {
	t.Helper()
	nc := c.Connect(t)
	h := holder.New(nc, nc, nowhere{}, slog.New(slog.DiscardHandler))
	if err := h.Listen(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(h.Close)
	return h
}
