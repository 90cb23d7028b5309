package planner

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/shoal-run/shoal/bus"
	"github.com/shoal-run/shoal/bus/bustest"
	"github.com/shoal-run/shoal/bus/faas"
)

func TestRoutesAreRateLimited(t *testing.T) {
	v := NewView()
	v.Set(at("a", 4, 0, has(1, 0)))
	events, more := v.Routes(now, 10)
	if len(events) != 1 || more {
		t.Fatalf("first: %v, more %v", events, more)
	}
	v.Set(at("b", 4, 0, has(2, 0)))
	v.Set(at("c", 4, 0, has(3, 0)))
	if events, more = v.Routes(now.Add(routePause/2), 10); len(events) != 0 || !more {
		t.Errorf("within the pause: %v, more %v", events, more)
	}
	events, more = v.Routes(now.Add(routePause), 10)
	if len(events) != 1 || more || fmt.Sprint(events[0].Workers) != fmt.Sprint([]faas.WorkerID{wid("c"), wid("b"), wid("a")}) {
		t.Errorf("after the pause: %v, more %v", events, more)
	}
}

func TestRoutesTellOnlyOtherSets(t *testing.T) {
	v := NewView()
	v.Set(at("a", 4, 0, has(1, 0)))
	v.Set(at("b", 4, 0, has(2, 0)))
	v.Routes(now, 10)
	v.Set(at("a", 4, 0, has(9, 1))) // other counts
	v.Set(at("b", 4, 0, has(0, 0))) // away
	v.Set(at("b", 4, 0, has(0, 1))) // and back
	v.Set(at("d", 4, 0, has(0, 0))) // holds it, not warm
	if events, more := v.Routes(now.Add(time.Hour), 10); len(events) != 0 || more {
		t.Errorf("told %v, more %v", events, more)
	}
	v.Remove(wid("a"))
	v.Remove(wid("b"))
	v.Remove(wid("d"))
	if events, _ := v.Routes(now.Add(2*time.Hour), 10); len(events) != 1 || len(events[0].Workers) != 0 {
		t.Errorf("told %v, want the route withdrawn", events)
	}
	if len(v.byKey) != 0 || len(v.dirty) != 0 {
		t.Errorf("%d functions and %d dirty ones are left", len(v.byKey), len(v.dirty))
	}
}

func TestRoutesAreBounded(t *testing.T) {
	v := NewView()
	for i := range 3 * routeWorkers {
		v.Set(at(fmt.Sprintf("w%d", i), 4, 0, has(1, 0)))
	}
	events, _ := v.Routes(now, 10)
	if len(events) != 1 || len(events[0].Workers) != routeWorkers {
		t.Fatalf("%d events", len(events))
	}
	// More come that have more ready: who was named stays named, so nothing is told.
	v.Set(at("better", 4, 0, has(9, 0)))
	if events, _ = v.Routes(now.Add(time.Hour), 10); len(events) != 0 {
		t.Errorf("told again: %v", events)
	}
	for i := range 20 {
		v.Set(at("a", 4, 0, faas.WarmCounts{Name: faas.Name{Tenant: "t", Function: fmt.Sprintf("f%d", i)}, Version: v1, Ready: 1}))
		v.Set(at(fmt.Sprintf("b%d", i), 4, 0, faas.WarmCounts{Name: faas.Name{Tenant: "t", Function: fmt.Sprintf("f%d", i)}, Version: v1, Ready: 1}))
	}
	n := 0
	for more := true; more; {
		events, more = v.Routes(now.Add(2*time.Hour), 7)
		if len(events) > 7 {
			t.Errorf("%d events in one go", len(events))
		}
		n += len(events)
	}
	if n != 20 {
		t.Errorf("%d events of 20 functions", n)
	}
}

func TestRefreshTellsAll(t *testing.T) {
	v := NewView()
	v.Set(at("a", 4, 0, has(1, 0), faas.WarmCounts{Name: echo, Version: v2}))
	v.Routes(now, 10)
	v.Refresh()
	events, _ := v.Routes(now.Add(time.Hour), 10)
	if len(events) != 1 || len(events[0].Workers) != 1 {
		t.Errorf("told %v", events)
	}
}

// route waits until a route of echo, version 1, names exactly these workers, and returns its event.
func route(t *testing.T, events <-chan *nats.Msg, want ...faas.WorkerID) bus.RouteEvent {
	t.Helper()
	deadline := time.Now().Add(2 * time.Second)
	var last bus.RouteEvent
	for {
		left := time.Until(deadline)
		if left <= 0 {
			t.Fatalf("the route is %v, want %v", last.Workers, want)
		}
		e, err := bus.Unmarshal[bus.RouteEvent](bustest.Receive(t, events, left, fmt.Sprintf("route to %v; the last was %v", want, last.Workers)).Data)
		if err != nil {
			t.Fatal(err)
		}
		if last = e; e.Name == echo && e.Version == v1 && slices.Equal(e.Workers, want) {
			return e
		}
	}
}

func TestRoutes(t *testing.T) {
	s := bustest.Start(t)
	nc := s.Connect(t)
	run(t, s)
	events := bustest.Subscribe(t, nc, bus.RouteEventSubject())
	warm := func(ready int) func(*faas.Worker) {
		return func(f *faas.Worker) { f.Warm = []faas.WarmCounts{has(ready, 0)} }
	}
	a := bustest.NewWorker(t, s, "alpha", 4)
	a.Update(warm(1))
	route(t, events, a.ID)
	b := bustest.NewWorker(t, s, "beta", 4)
	b.Update(warm(3))
	route(t, events, b.ID, a.ID) // best first

	// Who comes later learns the route too.
	late := bustest.Subscribe(t, nc, bus.RouteEventSubject())
	if err := nc.Publish(bus.WorkerQuerySubject(), nil); err != nil {
		t.Fatal(err)
	}
	route(t, late, b.ID, a.ID)

	b.Update(func(f *faas.Worker) { f.State = faas.WorkerDraining })
	route(t, events, a.ID)
	a.Update(func(f *faas.Worker) { f.Warm = nil })
	route(t, events)
	a.Update(warm(1))
	route(t, events, a.ID)
	a.Kill()
	route(t, events)
}
