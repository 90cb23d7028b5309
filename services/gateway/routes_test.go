package gateway

import (
	"testing"
	"time"

	"github.com/shoal-run/shoal/bus"
	"github.com/shoal-run/shoal/bus/faas"
)

func TestRoutes(t *testing.T) {
	var (
		echo = faas.Name{Tenant: "demo", Function: "echo"}
		v    = faas.VersionOf([]byte("one"))
		a    = faas.NewWorkerID("a", time.Now())
		b    = faas.NewWorkerID("b", time.Now())
	)
	beat := func(r *routes, id faas.WorkerID, free int) {
		r.beat(faas.Worker{ID: id, State: faas.WorkerJoined, Slots: faas.Slots{Total: 4, Free: free}})
	}
	for _, c := range []struct {
		name string
		do   func(*routes)
		want faas.WorkerID
	}{
		{"nothing known", func(*routes) {}, ""},
		{"worker known, not warm", func(r *routes) { beat(r, a, 4) }, ""},
		{"warm by an answer", func(r *routes) { beat(r, a, 4); r.answered(echo, v, a, true) }, a},
		{"warm by a planner", func(r *routes) {
			beat(r, b, 1)
			r.learn(bus.RouteEvent{Name: echo, Version: v, Workers: []faas.WorkerID{b}})
		}, b},
		{"most free goes first", func(r *routes) {
			beat(r, a, 1)
			beat(r, b, 3)
			r.answered(echo, v, a, true)
			r.answered(echo, v, b, true)
		}, b},
		{"full, another is free: a planner spreads", func(r *routes) {
			beat(r, a, 1)
			r.answered(echo, v, a, true)
			beat(r, a, 0)
			beat(r, b, 1)
		}, ""},
		{"full, nobody is free: its queue", func(r *routes) { beat(r, a, 0); beat(r, b, 0); r.answered(echo, v, a, true) }, a},
		{"full and alone: its queue", func(r *routes) { beat(r, a, 0); r.answered(echo, v, a, true) }, a},
		{"sent calls count until the next beat", func(r *routes) {
			beat(r, a, 1)
			r.answered(echo, v, a, true)
			beat(r, a, 1)
			beat(r, b, 1)
			r.Route(echo, v)
		}, ""},
		{"answered calls count no more", func(r *routes) {
			beat(r, a, 1)
			beat(r, b, 1)
			for range 10 {
				r.answered(echo, v, a, true)
				r.Route(echo, v)
				r.answered(echo, v, a, true)
			}
		}, a},
		{"an answer of a version that was replaced", func(r *routes) { beat(r, a, 4); r.answered(echo, v, a, false) }, ""},
		{"another version is another route", func(r *routes) { beat(r, a, 4); r.answered(echo, faas.VersionOf([]byte("two")), a, true) }, ""},
		{"gone", func(r *routes) { beat(r, a, 4); r.answered(echo, v, a, true); r.Refused(echo, v, a, true) }, ""},
		{"dropped", func(r *routes) { beat(r, a, 4); r.answered(echo, v, a, true); r.drop(a) }, ""},
		{"withdrawn", func(r *routes) {
			beat(r, a, 4)
			r.answered(echo, v, a, true)
			r.learn(bus.RouteEvent{Name: echo, Version: v})
		}, ""},
		{"replaced", func(r *routes) {
			beat(r, a, 4)
			r.answered(echo, v, a, true)
			r.forget(echo, faas.VersionOf([]byte("two")))
		}, ""},
		{"draining", func(r *routes) {
			beat(r, a, 4)
			r.answered(echo, v, a, true)
			r.beat(faas.Worker{ID: a, State: faas.WorkerDraining, Slots: faas.Slots{Total: 4, Free: 4}})
		}, ""},
		{"an answer of a worker that is gone", func(r *routes) { r.answered(echo, v, a, true) }, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := newRoutes()
			c.do(r)
			if got := r.Route(echo, v); got != c.want {
				t.Errorf("route %q, want %q", got, c.want)
			}
		})
	}
}

func TestAnyWorker(t *testing.T) {
	r := newRoutes()
	if got := r.Any(); got != "" {
		t.Errorf("any of nobody: %q", got)
	}
	a, b := faas.NewWorkerID("a", time.Now()), faas.NewWorkerID("b", time.Now())
	r.beat(faas.Worker{ID: a, State: faas.WorkerJoined, Slots: faas.Slots{Free: 1}})
	r.beat(faas.Worker{ID: b, State: faas.WorkerJoined, Slots: faas.Slots{Free: 2}})
	if got := r.Any(); got != b {
		t.Errorf("any %q, want the one with more room", got)
	}
}
