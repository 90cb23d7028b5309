package members

import (
	"testing"
	"time"

	"github.com/shoal-run/shoal/bus"
)

func TestEcho(t *testing.T) {
	at := func(d time.Duration) time.Time { return time.Unix(1000, 0).Add(d) }
	var e echo
	if e.listens(at(0)) {
		t.Error("listens before it heard anything")
	}
	for _, step := range []struct {
		at      time.Duration
		hears   bool
		back    bool
		listens bool
	}{
		{0, true, true, true},
		{bus.PingAfter - 1, false, false, true},
		{bus.PingAfter - 1, true, false, true},
		{2*bus.PingAfter - 1, false, false, false},
		{3 * bus.PingAfter, false, false, false},
		{3 * bus.PingAfter, true, true, true},
		{5 * bus.PingAfter, true, true, true}, // it did not notice that it was deaf
		{5 * bus.PingAfter, true, false, true},
	} {
		if step.hears {
			if back := e.hear(at(step.at)); back != step.back {
				t.Errorf("at %v: hears again %v, want %v", step.at, back, step.back)
			}
		}
		if got := e.listens(at(step.at)); got != step.listens {
			t.Errorf("at %v: listens %v, want %v", step.at, got, step.listens)
		}
	}
}
