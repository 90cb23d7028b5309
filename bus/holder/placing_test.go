package holder_test

import (
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/shoal-run/shoal/bus"
	"github.com/shoal-run/shoal/bus/bustest"
	"github.com/shoal-run/shoal/bus/faas"
)

// TestSilentPlanner has a planner that dies, or freezes, with a call in hand: nobody hears of it, and the call does not
// wait for its deadline.
func TestSilentPlanner(t *testing.T) {
	f := start(t, &router{})
	f.answerWith(t, bus.PlanSubject(), func(*faas.Call, *nats.Msg) {})
	began := time.Now()
	r := f.Do(t.Context(), call(time.Minute))
	if r.Err == nil || r.Err.Code != faas.Unavailable {
		t.Fatalf("result %+v, want %s", r, faas.Unavailable)
	}
	if took := time.Since(began); took > 5*time.Second {
		t.Errorf("it took %v", took)
	}
}

// TestPlanningIsBounded has more calls at once than the planners may have: the rest is refused, and does not wait for them.
func TestPlanningIsBounded(t *testing.T) {
	f := start(t, &router{})
	f.answerWith(t, bus.PlanSubject(), func(*faas.Call, *nats.Msg) {})
	const calls, most = 600, 512
	var wg sync.WaitGroup
	var silent, refused atomic.Int64
	for range calls {
		wg.Go(func() {
			switch r := f.Do(t.Context(), call(time.Minute)); {
			case r.Err == nil:
			case r.Err.Code == faas.Unavailable:
				silent.Add(1)
			case r.Err.Code == faas.NoCapacity:
				refused.Add(1)
			}
		})
	}
	wg.Wait()
	if silent.Load()+refused.Load() != calls || refused.Load() == 0 || silent.Load() < most {
		t.Errorf("%d went to the planners and %d were refused", silent.Load(), refused.Load())
	}
	if r := f.Do(t.Context(), call(time.Minute)); r.Err == nil || r.Err.Code != faas.Unavailable {
		t.Errorf("afterwards the planners are not asked: %+v", r)
	}
}

// TestPlacedCallWaits has a planner place a call in time: then it may take as long as its deadline.
func TestPlacedCallWaits(t *testing.T) {
	f := start(t, &router{})
	f.answerWith(t, bus.PlanSubject(), func(c *faas.Call, m *nats.Msg) {
		f.publish(t, bus.EncodeMoved(c.ID, w1, m.Reply))
		time.AfterFunc(2*bus.PlaceWithin, func() {
			f.publish(t, bus.EncodeResult(&faas.Result{Call: c.ID, Worker: w1, Start: faas.Warm}, m.Reply))
		})
	})
	if r := f.Do(t.Context(), call(time.Minute)); r.Err != nil {
		t.Errorf("%v", r.Err)
	}
}

// TestPlacedTooLate has a planner wake up and place a call that was given up: the worker is told to forget it.
func TestPlacedTooLate(t *testing.T) {
	f := start(t, &router{})
	cancels := make(chan bus.Control, 1)
	if _, err := f.nc.Subscribe(bus.WorkerControlSubject(w1), func(m *nats.Msg) {
		if c, err := bus.Unmarshal[bus.Control](m.Data); err == nil {
			cancels <- c
		}
	}); err != nil {
		t.Fatal(err)
	}
	asked := make(chan *nats.Msg, 1)
	f.answerWith(t, bus.PlanSubject(), func(_ *faas.Call, m *nats.Msg) { asked <- m })
	bustest.Flush(t, f.nc)
	c := call(time.Minute)
	f.Do(t.Context(), c)
	f.publish(t, bus.EncodeMoved(c.ID, w1, (<-asked).Reply))
	select {
	case got := <-cancels:
		if got.Kind != bus.Cancel || got.Call != c.ID {
			t.Errorf("told %+v", got)
		}
	case <-time.After(10 * time.Second):
		t.Error("the worker was not told")
	}
}
