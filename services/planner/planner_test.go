package planner

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/shoal-run/shoal/bus"
	"github.com/shoal-run/shoal/bus/bustest"
	"github.com/shoal-run/shoal/bus/faas"
	"github.com/shoal-run/shoal/bus/members"
	"github.com/shoal-run/shoal/internal/leakcheck"
	"github.com/shoal-run/shoal/internal/testenv"
)

func TestMain(m *testing.M) { leakcheck.Main(m) }

// run runs a planner, and stops it when the test ends or stop is called.
func run(t *testing.T, s *bustest.Server) (p *Planner, stop func()) {
	t.Helper()
	p = New(Config{NC: s.Connect(t), Control: s.Connect(t)})
	return p, start(t, p)
}

func start(t *testing.T, p *Planner) (stop func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- p.Run(ctx) }()
	stopped := false
	stop = func() {
		if stopped {
			return
		}
		stopped = true
		cancel()
		if err := <-done; err != nil {
			t.Errorf("Run: %v", err)
		}
	}
	t.Cleanup(stop)
	select {
	case <-p.Ready():
	case <-time.After(5 * time.Second):
		t.Fatal("not ready within 5 s")
	}
	return stop
}

// caller is a holder that sends calls to the planners.
type caller struct {
	t     *testing.T
	nc    *nats.Conn
	inbox string
	heard <-chan *nats.Msg
}

func newCaller(t *testing.T, s *bustest.Server) *caller {
	nc := s.Connect(t)
	inbox := nc.NewInbox()
	return &caller{t, nc, inbox, bustest.Subscribe(t, nc, inbox)}
}

func newCall() *faas.Call {
	return &faas.Call{ID: faas.NewCallID(), Name: echo, Version: v1, Input: []byte("hello"), Timeout: 10 * time.Second}
}

func (c *caller) send(call *faas.Call) {
	c.t.Helper()
	if err := c.nc.PublishMsg(bus.EncodeCall(call, bus.PlanSubject(), c.inbox)); err != nil {
		c.t.Fatal(err)
	}
}

// moved sends call, and returns where the planner says that it went.
func (c *caller) moved(call *faas.Call) faas.WorkerID {
	c.t.Helper()
	c.send(call)
	m := bustest.Receive(c.t, c.heard, 5*time.Second, "word from the planner")
	id := bus.Moved(m)
	if id == "" {
		c.t.Fatalf("the planner said %v %q, not where the call went", m.Header, m.Data)
	}
	return id
}

// refused sends call, and returns why the planner refused it.
func (c *caller) refused(call *faas.Call) *faas.Error {
	c.t.Helper()
	c.send(call)
	r := bus.DecodeResult(bustest.Receive(c.t, c.heard, 5*time.Second, "word from the planner"))
	if r.Err == nil {
		c.t.Fatalf("not refused: %+v", r)
	}
	return r.Err
}

func code(c faas.Code) error { return &faas.Error{Code: c} }

func TestForwardsWhole(t *testing.T) {
	s := bustest.Start(t)
	w := bustest.NewWorker(t, s, "alpha", 4)
	run(t, s)
	c := newCaller(t, s)
	call := newCall()
	call.TraceParent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
	call.Parent, call.Root = faas.NewCallID(), faas.NewCallID()
	m := bus.EncodeCall(call, bus.PlanSubject(), c.inbox)
	m.Header["Shoal-Later"] = []string{"a header of a later version"}
	if err := c.nc.PublishMsg(m); err != nil {
		t.Fatal(err)
	}
	if id := bus.Moved(bustest.Receive(t, c.heard, time.Second, "word from the planner")); id != w.ID {
		t.Errorf("the holder was told %q, want %q", id, w.ID)
	}
	got := bustest.Receive(t, w.Calls, time.Second, "call")
	if got.Reply != c.inbox || got.Header["Shoal-Later"][0] != "a header of a later version" {
		t.Errorf("reply %q, headers %v", got.Reply, got.Header)
	}
	placed, err := bus.DecodeCall(got)
	if err != nil {
		t.Fatal(err)
	}
	if placed.Hops != 1 || placed.Timeout > call.Timeout || placed.Timeout < call.Timeout-time.Second {
		t.Errorf("hops %d, timeout %v", placed.Hops, placed.Timeout)
	}
	placed.Hops, placed.Timeout = call.Hops, call.Timeout
	if fmt.Sprint(placed) != fmt.Sprint(call) {
		t.Errorf("the worker got %+v, sent was %+v", placed, call)
	}
}

func TestNobodyWaits(t *testing.T) {
	s := bustest.Start(t)
	w := bustest.NewWorker(t, s, "alpha", 4)
	run(t, s)
	nc := s.Connect(t)
	if err := nc.Publish(bus.PlanSubject(), []byte("no call")); err != nil {
		t.Fatal(err)
	}
	if err := nc.PublishMsg(bus.EncodeCall(newCall(), bus.PlanSubject(), "")); err != nil {
		t.Fatal(err)
	}
	if got := bustest.Receive(t, w.Calls, time.Second, "call"); got.Reply != "" {
		t.Errorf("reply %q", got.Reply)
	}
}

func TestRefusals(t *testing.T) {
	s := bustest.Start(t)
	p, _ := run(t, s)
	c := newCaller(t, s)
	if err := c.refused(newCall()); !errors.Is(err, faas.Errorf(faas.Unavailable, "no workers have joined")) {
		t.Errorf("without workers: %v", err)
	}
	w := bustest.NewWorker(t, s, "alpha", 1)
	testenv.Eventually(t, time.Second, func() bool { return p.members.Alive(w.ID) }, "the worker is not known")

	call := newCall()
	call.Refused = []faas.WorkerID{w.ID}
	if err := c.refused(call); !errors.Is(err, code(faas.NoCapacity)) || err.Call != call.ID {
		t.Errorf("refused by the only worker: %v", err)
	}
	call = newCall()
	call.Hops = faas.MaxHops - 1
	if id := c.moved(call); id != w.ID {
		t.Errorf("moved to %s", id)
	}
	call.Hops = faas.MaxHops
	if err := c.refused(call); !errors.Is(err, code(faas.NoCapacity)) {
		t.Errorf("after %d hops: %v", call.Hops, err)
	}
	w.Update(func(f *faas.Worker) { f.Slots.Free, f.Slots.Queued = 0, faas.QueuePerSlot })
	testenv.Eventually(t, time.Second, func() bool { g, _ := p.members.Get(w.ID); return g.Slots.Queued > 0 }, "the beat is not known")
	if err := c.refused(newCall()); !errors.Is(err, code(faas.NoCapacity)) {
		t.Errorf("full: %v", err)
	}
	m := bus.EncodeCall(newCall(), bus.PlanSubject(), c.inbox)
	delete(m.Header, bus.HeaderVersion)
	if err := c.nc.PublishMsg(m); err != nil {
		t.Fatal(err)
	}
	if r := bus.DecodeResult(bustest.Receive(t, c.heard, time.Second, "refusal")); !errors.Is(r.Err, code(faas.BadRequest)) {
		t.Errorf("without a version: %v", r.Err)
	}
}

func TestRedirectGoesElsewhere(t *testing.T) {
	s := bustest.Start(t)
	a, b := bustest.NewWorker(t, s, "alpha", 8), bustest.NewWorker(t, s, "beta", 1)
	a.Update(func(f *faas.Worker) { f.Warm = []faas.WarmCounts{has(4, 0)} })
	run(t, s)
	c := newCaller(t, s)
	call := newCall()
	if id := c.moved(call); id != a.ID {
		t.Errorf("moved to %s, want the warm worker", id)
	}
	call.Hops, call.Refused = 1, []faas.WorkerID{a.ID}
	if id := c.moved(call); id != b.ID {
		t.Errorf("moved to %s again", id)
	}
	if err := c.refused(&faas.Call{
		ID: call.ID, Name: echo, Version: v1, Timeout: time.Second, Hops: 2, Refused: []faas.WorkerID{a.ID, b.ID},
	}); !errors.Is(err, code(faas.NoCapacity)) {
		t.Errorf("refused by all: %v", err)
	}
}

func TestBurstSpreads(t *testing.T) {
	s := bustest.Start(t)
	for _, name := range []string{"alpha", "beta", "gamma", "delta"} {
		bustest.NewWorker(t, s, name, 4)
	}
	p, _ := run(t, s)
	testenv.Eventually(t, time.Second, func() bool { return p.members.Len() == 4 }, "not all workers are known")
	c := newCaller(t, s)
	for range 16 {
		c.send(newCall())
	}
	count := map[faas.WorkerID]int{}
	for range 16 {
		count[bus.Moved(bustest.Receive(t, c.heard, 5*time.Second, "word from the planner"))]++
	}
	// A beat in the middle may make the planner forget what it placed before: so at most twice the fair share.
	for id, n := range count {
		if n > 8 {
			t.Errorf("%s got %d of 16 calls", id, n)
		}
	}
	if len(count) != 4 {
		t.Errorf("%d of 4 workers got calls", len(count))
	}
}

// TestDeadWorkerGetsNothing: killed, then frozen, then replaced.
func TestDeadWorkerGetsNothing(t *testing.T) {
	s := bustest.Start(t)
	a, b := bustest.NewWorker(t, s, "alpha", 8), bustest.NewWorker(t, s, "beta", 1)
	p, _ := run(t, s)
	c := newCaller(t, s)
	a.Kill()
	testenv.Eventually(t, time.Second, func() bool { return !p.members.Alive(a.ID) }, "the killed worker is not dead within 1 s")
	if id := c.moved(newCall()); id != b.ID {
		t.Errorf("moved to %s", id)
	}
	b.Freeze()
	testenv.Eventually(t, 2500*time.Millisecond, func() bool { return !p.members.Alive(b.ID) }, "the frozen worker is not dead within 2.5 s")
	if err := c.refused(newCall()); !errors.Is(err, code(faas.Unavailable)) {
		t.Errorf("with no worker left: %v", err)
	}
	again := bustest.NewWorker(t, s, "beta", 1)
	testenv.Eventually(t, 10*time.Second, func() bool { // in the view, which hears of it after members knows
		p.mu.Lock()
		defer p.mu.Unlock()
		return p.members.Alive(again.ID) && p.view.Len() == 1
	}, "the new incarnation is not known")
	if id := c.moved(newCall()); id != again.ID {
		t.Errorf("moved to %s, want the new incarnation %s", id, again.ID)
	}
}

// TestRestartRebuilds: a planner that starts knows all in under a second, and the other one places meanwhile.
func TestRestartRebuilds(t *testing.T) {
	s := bustest.Start(t)
	for i := range 20 {
		w := bustest.NewWorker(t, s, fmt.Sprintf("w%d", i), 4)
		w.Update(func(f *faas.Worker) { f.Warm = []faas.WarmCounts{has(1, 0)} })
	}
	first, stop := run(t, s)
	if n := first.members.Len(); n != 20 {
		t.Errorf("ready with %d of 20 workers", n)
	}
	stop()
	c := newCaller(t, s)
	c.send(newCall())
	if m := bustest.Receive(t, c.heard, time.Second, "answer"); !bus.IsNoResponders(m) {
		t.Errorf("with no planner: %v %q", m.Header, m.Data)
	}
	begin := time.Now()
	run(t, s)
	c.moved(newCall())
	if took := time.Since(begin); took > time.Second {
		t.Errorf("rebuilt in %v, want under 1 s", took)
	} else {
		t.Logf("rebuilt in %v", took)
	}
}

func TestTwoReplicasPlaceEachCallOnce(t *testing.T) {
	s := bustest.Start(t)
	w := bustest.NewWorker(t, s, "alpha", 64)
	run(t, s)
	run(t, s)
	c := newCaller(t, s)
	for range 50 {
		c.moved(newCall())
	}
	for range 50 {
		bustest.Receive(t, w.Calls, time.Second, "call")
	}
	bustest.Flush(t, c.nc)
	if len(w.Calls) != 0 || len(c.heard) != 0 {
		t.Errorf("%d calls and %d words too many", len(w.Calls), len(c.heard))
	}
}

// TestDrainPassesOnWhatItTook: every call sent before the planner stops is placed or was never taken.
func TestDrainPassesOnWhatItTook(t *testing.T) {
	s := bustest.Start(t)
	w := bustest.NewWorker(t, s, "alpha", 512)
	_, stop := run(t, s)
	c := newCaller(t, s)
	for range 500 {
		c.send(newCall())
	}
	bustest.Flush(t, c.nc)
	stop()
	moved, nobody := 0, 0
	for range 500 {
		m := bustest.Receive(t, c.heard, 2*time.Second, "answer to each call")
		switch {
		case bus.Moved(m) != "":
			moved++
		case bus.IsNoResponders(m):
			nobody++
		default:
			t.Fatalf("answer %v %q", m.Header, m.Data)
		}
	}
	for range moved {
		bustest.Receive(t, w.Calls, time.Second, "call that was moved")
	}
	t.Logf("%d moved, %d not taken", moved, nobody)
}

func TestMembersOfTheCaller(t *testing.T) {
	s := bustest.Start(t)
	bustest.NewWorker(t, s, "alpha", 4)
	nc := s.Connect(t)
	shared := members.New(members.Config{NC: nc})
	ctx, stop := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- shared.Run(ctx) }()
	t.Cleanup(func() { stop(); <-done })
	start(t, New(Config{NC: nc, Members: shared}))
	newCaller(t, s).moved(newCall())
}
