package worker

import (
	"testing"
	"time"

	"github.com/shoal-run/shoal/bus"
	"github.com/shoal-run/shoal/bus/bustest"
)

// TestNoRoomUntilItListens has the connection for calls lost: the worker tells that it has no room, and tells that it has
// when the server knows of its subscription again.
func TestNoRoomUntilItListens(t *testing.T) {
	f := start(t)
	room := func() (free, queue int) {
		s := f.Describe().Slots
		return s.Free, s.Queue
	}
	if free, queue := room(); free == 0 || queue < 0 {
		t.Fatalf("%d slots free, queue %d, before", free, queue)
	}
	f.linked.Store(^uint64(0)) // as after a reconnect that nobody has looked at
	if free, queue := room(); free != 0 || queue != -1 {
		t.Errorf("%d slots free, queue %d, while it may not listen", free, queue)
	}
	until(t, "the worker listens again", func() bool { free, _ := room(); return free > 0 })

	events := bustest.Subscribe(t, f.nc, bus.WorkerEventSubject(f.ID()))
	if err := f.cfg.Calls.ForceReconnect(); err != nil {
		t.Fatal(err)
	}
	lost := false
	for {
		e, err := bus.Unmarshal[bus.WorkerEvent](bustest.Receive(t, events, 20*time.Second, "an event").Data)
		if err != nil {
			t.Fatal(err)
		}
		if lost = lost || e.Worker.Slots.Free == 0; lost && e.Worker.Slots.Free > 0 {
			break
		}
	}
}
