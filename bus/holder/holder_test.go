package holder_test

import (
	"context"
	"log/slog"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/shoal-run/shoal/bus"
	"github.com/shoal-run/shoal/bus/bustest"
	"github.com/shoal-run/shoal/bus/faas"
	"github.com/shoal-run/shoal/bus/holder"
	"github.com/shoal-run/shoal/internal/leakcheck"
)

func TestMain(m *testing.M) { leakcheck.Main(m) }

// router sends every call to one worker and remembers refusals.
type router struct {
	mu      sync.Mutex
	to, any faas.WorkerID
	refused []faas.WorkerID
	gone    []bool
}

func (r *router) Route(faas.Name, faas.Version) faas.WorkerID {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.to
}

func (r *router) Any() faas.WorkerID { return r.any }

func (r *router) Refused(_ faas.Name, _ faas.Version, w faas.WorkerID, gone bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.refused, r.gone = append(r.refused, w), append(r.gone, gone)
}

func (r *router) refusals() []faas.WorkerID {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.refused)
}

type fixture struct {
	*holder.Holder
	nc     *nats.Conn
	router *router
}

func start(t *testing.T, r *router) fixture {
	t.Helper()
	s := bustest.Start(t)
	h := holder.New(s.Connect(t), s.Connect(t), r, slog.New(slog.DiscardHandler))
	if err := h.Listen(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(h.Close)
	return fixture{h, s.Connect(t), r}
}

func call(timeout time.Duration) *faas.Call {
	id := faas.NewCallID()
	return &faas.Call{
		ID: id, Root: id, Name: faas.Name{Tenant: "demo", Function: "echo"},
		Version: faas.VersionOf([]byte("module")), Input: []byte("hello"), Timeout: timeout,
	}
}

// answerWith subscribes a fake part that answers each call by f.
func (f fixture) answerWith(t *testing.T, subject string, answer func(*faas.Call, *nats.Msg)) {
	t.Helper()
	_, err := f.nc.Subscribe(subject, func(m *nats.Msg) {
		c, err := bus.DecodeCall(m)
		if err != nil {
			t.Errorf("call on %s: %v", subject, err)
			return
		}
		answer(c, m)
	})
	if err != nil {
		t.Fatal(err)
	}
	bustest.Flush(t, f.nc)
}

func (f fixture) publish(t *testing.T, m *nats.Msg) {
	t.Helper()
	if err := f.nc.PublishMsg(m); err != nil {
		t.Error(err)
	}
}

var (
	w1 = faas.NewWorkerID("w1", time.Now())
	w2 = faas.NewWorkerID("w2", time.Now())
)

func TestStraightToTheWorker(t *testing.T) {
	f := start(t, &router{to: w1})
	f.answerWith(t, bus.WorkerCallSubject(w1), func(c *faas.Call, m *nats.Msg) {
		f.publish(t, bus.EncodeResult(&faas.Result{Call: c.ID, Worker: w1, Start: faas.Warm, Output: c.Input}, m.Reply))
	})
	c := call(time.Second)
	r := f.Do(t.Context(), c)
	if r.Err != nil || string(r.Output) != "hello" || r.Worker != w1 || r.Call != c.ID {
		t.Fatalf("result %+v", r)
	}
	if n := f.Held(); n != 0 {
		t.Errorf("%d calls are still held", n)
	}
}

func TestPlannerMovesTheCall(t *testing.T) {
	f := start(t, &router{})
	f.answerWith(t, bus.PlanSubject(), func(c *faas.Call, m *nats.Msg) {
		f.publish(t, bus.EncodeMoved(c.ID, w2, m.Reply))
		f.publish(t, bus.EncodeCall(c, bus.WorkerCallSubject(w2), m.Reply))
	})
	got := make(chan *faas.Call, 1)
	f.answerWith(t, bus.WorkerCallSubject(w2), func(c *faas.Call, _ *nats.Msg) { got <- c })

	results := make(chan *faas.Result, 1)
	f.Start(call(10*time.Second), func(r *faas.Result) { results <- r })
	<-got
	f.Gone(w1) // another worker's death is nothing to it
	f.Gone(w2)
	r := <-results
	if faas.CodeOf(r.Err) != faas.Unavailable || r.Worker != w2 {
		t.Fatalf("after its worker died: %+v", r)
	}
}

// A call is placed again on a refusal and on no responders, each time with what refused it, and by nobody else's word.
func TestPlacedAgainOnProof(t *testing.T) {
	for _, gone := range []bool{true, false} {
		name := map[bool]string{true: "no responders", false: "refused"}[gone]
		t.Run(name, func(t *testing.T) {
			f := start(t, &router{to: w1})
			if !gone {
				f.answerWith(t, bus.WorkerCallSubject(w1), func(c *faas.Call, m *nats.Msg) {
					f.publish(t, bus.Refuse(m, faas.Errorf(faas.NoCapacity, "full")))
				})
			}
			f.answerWith(t, bus.PlanSubject(), func(c *faas.Call, m *nats.Msg) {
				if c.Hops != 1 || !slices.Equal(c.Refused, []faas.WorkerID{w1}) {
					t.Errorf("planned with hops %d, refused by %v", c.Hops, c.Refused)
				}
				f.publish(t, bus.EncodeResult(&faas.Result{Call: c.ID, Worker: w2, Start: faas.Cold, Output: []byte("ok")}, m.Reply))
			})
			if r := f.Do(t.Context(), call(time.Second)); r.Err != nil || string(r.Output) != "ok" {
				t.Fatalf("result %+v", r)
			}
			if got := f.router.refusals(); !slices.Equal(got, []faas.WorkerID{w1}) || f.router.gone[0] != gone {
				t.Errorf("refusals told: %v %v", got, f.router.gone)
			}
		})
	}
}

func TestHopsEnd(t *testing.T) {
	f := start(t, &router{to: w1})
	refuse := func(_ *faas.Call, m *nats.Msg) {
		f.publish(t, bus.Refuse(m, faas.Errorf(faas.NoCapacity, "full")))
	}
	f.answerWith(t, bus.WorkerCallSubject(w1), refuse)
	f.answerWith(t, bus.WorkerCallSubject(w2), refuse)
	var mu sync.Mutex
	plans := 0
	f.answerWith(t, bus.PlanSubject(), func(c *faas.Call, m *nats.Msg) {
		mu.Lock()
		plans++
		mu.Unlock()
		f.publish(t, bus.EncodeMoved(c.ID, w2, m.Reply))
		f.publish(t, bus.EncodeCall(c, bus.WorkerCallSubject(w2), m.Reply))
	})
	if r := f.Do(t.Context(), call(5*time.Second)); faas.CodeOf(r.Err) != faas.NoCapacity {
		t.Fatalf("result %+v", r)
	}
	mu.Lock()
	defer mu.Unlock()
	if plans != faas.MaxHops {
		t.Errorf("planned %d times, want %d", plans, faas.MaxHops)
	}
}

func TestNobodyIsThere(t *testing.T) {
	f := start(t, &router{})
	if r := f.Do(t.Context(), call(5*time.Second)); faas.CodeOf(r.Err) != faas.Unavailable {
		t.Fatalf("without workers and planners: %+v", r)
	}
	f = start(t, &router{any: w1})
	f.answerWith(t, bus.WorkerCallSubject(w1), func(c *faas.Call, m *nats.Msg) {
		f.publish(t, bus.EncodeResult(&faas.Result{Call: c.ID, Worker: w1, Start: faas.Cold}, m.Reply))
	})
	if r := f.Do(t.Context(), call(5*time.Second)); r.Err != nil {
		t.Fatalf("without planners: %+v", r)
	}
}

func TestDeadlineAndLateAnswer(t *testing.T) {
	f := start(t, &router{to: w1})
	replies := make(chan string, 1)
	f.answerWith(t, bus.WorkerCallSubject(w1), func(_ *faas.Call, m *nats.Msg) { replies <- m.Reply })
	cancels := bustest.Subscribe(t, f.nc, bus.WorkerControlSubject(w1))
	var results []*faas.Result
	var mu sync.Mutex
	done := make(chan struct{}, 2)
	c := call(20 * time.Millisecond)
	f.Start(c, func(r *faas.Result) {
		mu.Lock()
		results = append(results, r)
		mu.Unlock()
		done <- struct{}{}
	})
	<-done
	if faas.CodeOf(results[0].Err) != faas.DeadlineExceeded {
		t.Fatalf("result %+v", results[0])
	}
	m := bustest.Receive(t, cancels, time.Second, "the cancellation")
	if ctl, err := bus.Unmarshal[bus.Control](m.Data); err != nil || ctl.Kind != bus.Cancel || ctl.Call != c.ID {
		t.Errorf("control %+v, %v", ctl, err)
	}
	// The late answer finds nobody: a second call, answered on the same path, is what comes next.
	f.publish(t, bus.EncodeResult(&faas.Result{Call: c.ID, Worker: w1, Start: faas.Warm}, <-replies))
	second := call(5 * time.Second)
	f.Start(second, func(*faas.Result) { done <- struct{}{} })
	f.publish(t, bus.EncodeResult(&faas.Result{Call: second.ID, Worker: w1, Start: faas.Warm}, <-replies))
	<-done
	mu.Lock()
	defer mu.Unlock()
	if len(results) != 1 {
		t.Errorf("the first call ended %d times", len(results))
	}
}

// An answer counts when it is of the call that it was sent to, and of the worker that has it.
func TestForgedAnswers(t *testing.T) {
	f := start(t, &router{to: w1})
	replies := make(chan string, 1)
	f.answerWith(t, bus.WorkerCallSubject(w1), func(_ *faas.Call, m *nats.Msg) { replies <- m.Reply })
	results := make(chan *faas.Result, 1)
	c := call(10 * time.Second)
	f.Start(c, func(r *faas.Result) { results <- r })
	reply := <-replies
	if !strings.HasPrefix(reply, bus.InboxPrefix()+".") {
		t.Errorf("the answer is awaited at %s, where clients may listen", reply)
	}
	for _, forged := range []*nats.Msg{
		{Subject: reply, Data: []byte("no headers")},
		bus.EncodeResult(&faas.Result{Call: faas.NewCallID(), Worker: w1, Start: faas.Warm, Output: []byte("another call")}, reply),
		bus.EncodeResult(&faas.Result{Call: c.ID, Worker: w2, Start: faas.Warm, Output: []byte("another worker")}, reply),
		bus.EncodeError(faas.Errorf(faas.NoCapacity, "of no call"), reply),
	} {
		f.publish(t, forged)
	}
	f.publish(t, bus.EncodeResult(&faas.Result{Call: c.ID, Worker: w1, Start: faas.Warm, Output: []byte("right")}, reply))
	if r := <-results; r.Err != nil || string(r.Output) != "right" {
		t.Errorf("result %+v", r)
	}
}

func TestCancel(t *testing.T) {
	f := start(t, &router{to: w1})
	taken := make(chan struct{})
	f.answerWith(t, bus.WorkerCallSubject(w1), func(*faas.Call, *nats.Msg) { close(taken) })
	cancels := bustest.Subscribe(t, f.nc, bus.WorkerControlSubject(w1))
	ctx, cancel := context.WithCancel(t.Context())
	go func() {
		<-taken
		cancel()
	}()
	if r := f.Do(ctx, call(10*time.Second)); faas.CodeOf(r.Err) != faas.Cancelled {
		t.Fatalf("result %+v", r)
	}
	bustest.Receive(t, cancels, time.Second, "the cancellation")
}

func TestCloseFailsWhatIsHeld(t *testing.T) {
	f := start(t, &router{to: w1})
	taken := make(chan struct{})
	f.answerWith(t, bus.WorkerCallSubject(w1), func(*faas.Call, *nats.Msg) { close(taken) })
	results := make(chan *faas.Result, 1)
	f.Start(call(10*time.Second), func(r *faas.Result) { results <- r })
	<-taken
	f.Close()
	f.Close()
	if r := <-results; faas.CodeOf(r.Err) != faas.Unavailable {
		t.Fatalf("result %+v", r)
	}
	if r := f.Do(t.Context(), call(time.Second)); faas.CodeOf(r.Err) != faas.Unavailable {
		t.Fatalf("after Close: %+v", r)
	}
}

// A call whose answer may have been sent while nobody could hear it does not wait for its deadline.
func TestConnectionLost(t *testing.T) {
	s := bustest.Start(t)
	calls := s.Connect(t)
	h := holder.New(calls, s.Connect(t), &router{to: w1}, slog.New(slog.DiscardHandler))
	if err := h.Listen(); err != nil {
		t.Fatal(err)
	}
	defer h.Close()
	f := fixture{h, s.Connect(t), nil}
	taken := make(chan struct{}, 1)
	answer := func(c *faas.Call, m *nats.Msg) {
		if string(c.Input) == "again" {
			f.publish(t, bus.EncodeResult(&faas.Result{Call: c.ID, Worker: w1, Start: faas.Warm}, m.Reply))
			return
		}
		taken <- struct{}{}
	}
	f.answerWith(t, bus.WorkerCallSubject(w1), answer)
	results := make(chan *faas.Result, 1)
	h.Start(call(time.Minute), func(r *faas.Result) { results <- r })
	<-taken
	if err := calls.ForceReconnect(); err != nil {
		t.Fatal(err)
	}
	if r := <-results; faas.CodeOf(r.Err) != faas.Unavailable {
		t.Fatalf("result %+v", r)
	}
	again := call(5 * time.Second)
	again.Input = []byte("again")
	for calls.Status() != nats.CONNECTED {
		runtime.Gosched()
	}
	bustest.Flush(t, calls)
	if r := h.Do(t.Context(), again); r.Err != nil {
		t.Errorf("after the connection is back: %+v", r)
	}
}

// Every call ends exactly once, whoever ends it.
func TestHammer(t *testing.T) {
	f := start(t, &router{to: w1})
	f.answerWith(t, bus.WorkerCallSubject(w1), func(c *faas.Call, m *nats.Msg) {
		if c.ID[15]%3 == 0 {
			return // never answered: ended by its deadline, a cancellation or the worker's death
		}
		// Calls that ended early may still be on their way here when the test is over and the connection closed.
		_ = f.nc.PublishMsg(bus.EncodeResult(&faas.Result{Call: c.ID, Worker: w1, Start: faas.Warm, Output: c.Input}, m.Reply))
	})
	const clients, each = 8, 100
	var wg sync.WaitGroup
	for i := range clients {
		wg.Go(func() {
			for j := range each {
				ended := make(chan *faas.Result, 2)
				h := f.Start(call(time.Duration(1+j%3)*time.Millisecond), func(r *faas.Result) { ended <- r })
				switch (i + j) % 4 {
				case 0:
					h.Cancel(faas.Errorf(faas.Cancelled, "enough"))
				case 1:
					f.Gone(w1)
				}
				<-ended
				if len(ended) > 0 {
					t.Error("a call ended twice")
				}
			}
		})
	}
	wg.Wait()
	if n := f.Held(); n != 0 {
		t.Errorf("%d calls are still held", n)
	}
}
