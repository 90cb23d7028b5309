package members_test

import (
	"context"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/shoal-run/shoal/bus"
	"github.com/shoal-run/shoal/bus/bustest"
	"github.com/shoal-run/shoal/bus/faas"
	"github.com/shoal-run/shoal/bus/members"
	"github.com/shoal-run/shoal/internal/testenv"
)

// watcher is a running Members and what it told.
type watcher struct {
	*members.Members
	nc *nats.Conn

	mu      sync.Mutex
	changes []members.Change
}

// watch runs a Members until the test ends.
func watch(t *testing.T, s *bustest.Server) *watcher {
	t.Helper()
	return watchOver(t, s.Connect(t))
}

// watchOver is watch over a connection.
func watchOver(t *testing.T, nc *nats.Conn) *watcher {
	t.Helper()
	w := &watcher{nc: nc}
	w.Members = members.New(members.Config{NC: w.nc})
	w.OnChange(func(c members.Change) {
		w.mu.Lock()
		defer w.mu.Unlock()
		w.changes = append(w.changes, c)
	})
	ctx, stop := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- w.Run(ctx) }()
	t.Cleanup(func() {
		stop()
		if err := <-done; err != nil {
			t.Errorf("Run: %v", err)
		}
	})
	select {
	case <-w.Ready():
	case <-time.After(5 * time.Second):
		t.Fatal("not ready within 5 s")
	}
	return w
}

func (w *watcher) told(kind members.ChangeKind, id faas.WorkerID) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return slices.ContainsFunc(w.changes, func(c members.Change) bool { return c.Kind == kind && c.Worker.ID == id })
}

// within waits for a change, and returns how long it took.
func (w *watcher) within(t *testing.T, d time.Duration, kind members.ChangeKind, id faas.WorkerID) time.Duration {
	t.Helper()
	start := time.Now()
	testenv.Eventually(t, d, func() bool { return w.told(kind, id) }, "%s is not %s", id, kind)
	return time.Since(start)
}

func TestKnowsWhoIsThere(t *testing.T) {
	s := bustest.Start(t)
	a, b := bustest.NewWorker(t, s, "alpha", 4), bustest.NewWorker(t, s, "beta", 8)
	start := time.Now()
	w := watch(t, s)
	if took := time.Since(start); took > time.Second {
		t.Errorf("ready after %v, want under 1 s", took)
	}
	if got := w.Snapshot(); len(got) != 2 || got[0].ID != a.ID || got[1].Slots.Free != 8 {
		t.Errorf("knows %+v", got)
	}
	a.Update(func(f *faas.Worker) { f.Slots.Free = 1 })
	testenv.Eventually(t, time.Second, func() bool { g, _ := w.Get(a.ID); return g.Slots.Free == 1 }, "the beat is not known")
	b.Update(func(f *faas.Worker) { f.State = faas.WorkerDraining })
	w.within(t, time.Second, members.Draining, b.ID)
	b.Leave()
	w.within(t, time.Second, members.Left, b.ID)
	if w.Alive(b.ID) || !w.Gone(b.ID) || w.Len() != 1 {
		t.Error("a worker that left is still there")
	}
}

func TestReadyWithNobody(t *testing.T) {
	w := watch(t, bustest.Start(t))
	if w.Len() != 0 {
		t.Errorf("knows %v", w.Snapshot())
	}
}

// TestKilledIsDeadInOneSecond defends promise 5 at its root.
func TestKilledIsDeadInOneSecond(t *testing.T) {
	s := bustest.Start(t)
	a, b := bustest.NewWorker(t, s, "alpha", 4), bustest.NewWorker(t, s, "beta", 4)
	w := watch(t, s)
	a.Kill()
	took := w.within(t, time.Second, members.Dead, a.ID)
	t.Logf("dead after %v", took)
	if !w.Alive(b.ID) {
		t.Error("the other is dead too")
	}
}

// TestFrozenIsDeadAfterTwoSeconds also defends that it is asked to come back when it speaks again.
func TestFrozenIsDeadAfterTwoSeconds(t *testing.T) {
	s := bustest.Start(t)
	a := bustest.NewWorker(t, s, "alpha", 4)
	w := watch(t, s)
	a.Freeze()
	took := w.within(t, 2500*time.Millisecond, members.Dead, a.ID)
	if took < bus.DeadAfter-2*bus.BeatInterval {
		t.Errorf("dead after %v of silence", took)
	}
	t.Logf("dead after %v", took)
	a.Thaw()
	select {
	case c := <-a.Told:
		if c.Kind != bus.Rejoin {
			t.Errorf("told %q, want %q", c.Kind, bus.Rejoin)
		}
	case <-time.After(2 * time.Second):
		t.Fatal("not asked to join again")
	}
	if w.Alive(a.ID) {
		t.Error("the dead incarnation is back")
	}
	again := bustest.NewWorker(t, s, "alpha", 4)
	w.within(t, time.Second, members.Joined, again.ID)
}

// TestPongsKeepAlive: a worker that can't tell its beats but answers pings lives.
func TestPongsKeepAlive(t *testing.T) {
	s := bustest.Start(t)
	w := watch(t, s)
	nc := s.Connect(t)
	id := faas.NewWorkerID("alpha", time.Now())
	var pings int
	var mu sync.Mutex
	if _, err := nc.Subscribe(bus.WorkerControlSubject(id), func(m *nats.Msg) {
		mu.Lock()
		defer mu.Unlock()
		pings++
		_ = m.Respond(nil)
	}); err != nil {
		t.Fatal(err)
	}
	tell(t, nc, id, bus.WorkerEvent{Kind: bus.EventJoined, Seq: 1, Worker: faas.Worker{ID: id}})
	testenv.Eventually(t, 5*time.Second, func() bool { mu.Lock(); defer mu.Unlock(); return pings >= 5 }, "not pinged five times")
	if !w.Alive(id) {
		t.Error("dead though it answered")
	}
}

func TestNewIncarnationReplaces(t *testing.T) {
	s := bustest.Start(t)
	old := bustest.NewWorkerAs(t, s, "alpha-000000000001", "alpha", 4)
	w := watch(t, s)
	bustest.NewWorkerAs(t, s, "alpha-000000000002", "alpha", 4)
	w.within(t, time.Second, members.Dead, old.ID)
	w.within(t, time.Second, members.Joined, "alpha-000000000002")
	old.Update(func(*faas.Worker) {})
	select {
	case c := <-old.Told:
		t.Errorf("the replaced incarnation was told %q: it would fight with the new one", c.Kind)
	default:
	}
}

// TestReconnectForgives: the watcher's own loss of the bus is nobody's death, and what happened meanwhile is asked for.
func TestReconnectForgives(t *testing.T) {
	s := bustest.Start(t)
	a := bustest.NewWorker(t, s, "alpha", 4)
	w := watch(t, s)
	for range 3 {
		if err := w.nc.ForceReconnect(); err != nil {
			t.Fatal(err)
		}
		testenv.Eventually(t, 5*time.Second, w.nc.IsConnected, "not connected again")
	}
	before, _ := w.Get(a.ID)
	testenv.Eventually(t, 2*time.Second, func() bool { g, ok := w.Get(a.ID); return ok && g.Seen.After(before.Seen) }, "no beat after the reconnect")
	if w.told(members.Dead, a.ID) {
		t.Error("taken for dead")
	}
}

// TestStalledLinkIsNobodysDeath: a line that stands still without breaking looks like silence of all workers at once. Who
// hears not even itself takes none for dead, and tells none to give up its calls.
func TestStalledLinkIsNobodysDeath(t *testing.T) {
	s := bustest.Listen(t)
	a, b := bustest.NewWorker(t, s, "alpha", 4), bustest.NewWorker(t, s, "beta", 4)
	good, link := watch(t, s), s.Link(t)
	bad := watchOver(t, link.NC)
	testenv.Eventually(t, time.Second, func() bool { return bad.Len() == 2 }, "the workers are not known")

	resume := link.Stall(t)
	var beats atomic.Int64
	good.OnBeat(func(w faas.Worker) {
		if w.ID == a.ID {
			beats.Add(1)
		}
	})
	const long = int64((bus.DeadAfter + time.Second) / bus.BeatInterval)
	testenv.Eventually(t, 2*time.Duration(long)*bus.BeatInterval, func() bool { return beats.Load() > long }, "no beats")
	if !link.NC.IsConnected() {
		t.Fatal("the line broke: that is another test")
	}
	resume()
	resumed := time.Now()
	for _, id := range []faas.WorkerID{a.ID, b.ID} {
		testenv.Eventually(t, 2*time.Second, func() bool { w, ok := bad.Get(id); return ok && w.Seen.After(resumed) }, "%s is gone", id)
		if bad.told(members.Dead, id) {
			t.Errorf("%s was taken for dead", id)
		}
	}
	b.Kill()
	bad.within(t, bus.DeadAfter, members.Dead, b.ID) // the silence of others counts again
	select {
	case c := <-a.Told:
		t.Errorf("a worker that was never silent was told %q", c.Kind)
	default:
	}
}

func TestDropsWhatIsNoEvent(t *testing.T) {
	s := bustest.Start(t)
	w := watch(t, s)
	nc := s.Connect(t)
	id := faas.NewWorkerID("alpha", time.Now())
	for subject, body := range map[string][]byte{
		bus.WorkerEventSubject("alpha"):              bus.Marshal(bus.WorkerEvent{Kind: bus.EventBeat, Worker: faas.Worker{ID: "alpha"}}),
		bus.WorkerEventSubject(id):                   []byte("{"),
		bus.WorkerEventSubject("alpha-000000000001"): bus.Marshal(bus.WorkerEvent{Kind: bus.EventBeat, Worker: faas.Worker{ID: id}}),
		bus.WorkerEventSubject("alpha-000000000002"): bus.Marshal(bus.Control{Kind: bus.Ping}),
		bus.WorkerEventSubject("alpha-000000000003"): bus.Marshal(bus.WorkerEvent{
			Kind: bus.EventBeat, Seq: 1, Worker: faas.Worker{ID: "alpha-000000000003", Name: "beta"},
		}),
	} {
		if err := nc.Publish(subject, body); err != nil {
			t.Fatal(err)
		}
	}
	tell(t, nc, "last-000000000001", bus.WorkerEvent{Kind: bus.EventBeat, Seq: 1, Worker: faas.Worker{ID: "last-000000000001"}})
	w.within(t, time.Second, members.Joined, "last-000000000001")
	if got := w.Snapshot(); len(got) != 1 {
		t.Errorf("knows %+v", got)
	}
}

// TestListenersHearOnce: a listener that comes late hears who is there, then each change once, in step with Get.
func TestListenersHearOnce(t *testing.T) {
	s := bustest.Start(t)
	a := bustest.NewWorker(t, s, "alpha", 4)
	w := watch(t, s)
	var mu sync.Mutex
	joined, beats := map[faas.WorkerID]int{}, 0
	w.OnChange(func(c members.Change) {
		mu.Lock()
		defer mu.Unlock()
		joined[c.Worker.ID]++
		if c.Kind == members.Joined && !w.Alive(c.Worker.ID) {
			t.Errorf("told that %s joined before Alive knows", c.Worker.ID)
		}
	})
	w.OnBeat(func(faas.Worker) { mu.Lock(); defer mu.Unlock(); beats++ })
	b := bustest.NewWorker(t, s, "beta", 4)
	testenv.Eventually(t, 2*time.Second, func() bool { mu.Lock(); defer mu.Unlock(); return beats >= 4 && joined[b.ID] > 0 }, "beats are not told")
	mu.Lock()
	defer mu.Unlock()
	if joined[a.ID] != 1 || joined[b.ID] != 1 {
		t.Errorf("told %v, want each once", joined)
	}
}

func TestRunOnAClosedConnection(t *testing.T) {
	nc := bustest.Start(t).Connect(t)
	nc.Close()
	if err := members.New(members.Config{NC: nc}).Run(t.Context()); err == nil {
		t.Error("Run on a closed connection returned nil")
	}
}

func tell(t *testing.T, nc *nats.Conn, id faas.WorkerID, e bus.WorkerEvent) {
	t.Helper()
	if err := nc.Publish(bus.WorkerEventSubject(id), bus.Marshal(e)); err != nil {
		t.Fatal(err)
	}
	bustest.Flush(t, nc)
}
