package planner

import (
	"testing"
	"time"

	"github.com/shoal-run/shoal/bus/bustest"
	"github.com/shoal-run/shoal/bus/faas"
	"github.com/shoal-run/shoal/internal/testenv"
)

// What becomes of calls is counted, by the code of those that found no place.
func TestPlacementsAreCounted(t *testing.T) {
	s := bustest.Start(t)
	p, _ := run(t, s)
	c := newCaller(t, s)
	if err := c.refused(newCall()); err.Code != faas.Unavailable {
		t.Fatal(err)
	}
	w := bustest.NewWorker(t, s, "alpha", 4)
	testenv.Eventually(t, 5*time.Second, func() bool { p.mu.Lock(); defer p.mu.Unlock(); return p.view.Len() == 1 }, "the worker is not known")
	if at := c.moved(newCall()); at != w.ID {
		t.Fatalf("it went to %s", at)
	}
	hopped := newCall()
	hopped.Hops = faas.MaxHops
	if err := c.refused(hopped); err.Code != faas.NoCapacity {
		t.Fatal(err)
	}
	m := p.meters
	if m.placed.Value() != 1 || m.refused.Of(faas.Unavailable).Value() != 1 || m.refused.Of(faas.NoCapacity).Value() != 1 {
		t.Errorf("%d placed, %d unavailable, %d no_capacity", m.placed.Value(), m.refused.Of(faas.Unavailable).Value(), m.refused.Of(faas.NoCapacity).Value())
	}
}
