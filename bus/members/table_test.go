package members

import (
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/shoal-run/shoal/bus"
	"github.com/shoal-run/shoal/bus/faas"
	"github.com/shoal-run/shoal/internal/leakcheck"
)

func TestMain(m *testing.M) { leakcheck.Main(m) }

var start = time.Date(2026, 7, 1, 12, 0, 0, 0, time.UTC)

const (
	a1 = faas.WorkerID("alpha-000000000001")
	a2 = faas.WorkerID("alpha-000000000002")
	a3 = faas.WorkerID("alpha-000000000003")
	b1 = faas.WorkerID("beta-000000000001")
)

// world is a Table and a clock that ticks as the driver does.
type world struct {
	*Table
	now   time.Time
	seq   uint64
	pings []faas.WorkerID
	log   []string // changes as "dead alpha-000000000001"
}

func newWorld() *world {
	w := &world{Table: NewTable(), now: start}
	w.Tick(w.now)
	return w
}

func (w *world) note(cs []Change) {
	for _, c := range cs {
		w.log = append(w.log, string(c.Kind)+" "+string(c.Worker.ID))
	}
}

// say has a worker tell an event, with a new sequence number.
func (w *world) say(kind bus.WorkerEventKind, id faas.WorkerID) Verdict {
	w.seq++
	state := faas.WorkerJoined
	if kind == bus.EventDraining {
		state = faas.WorkerDraining
	}
	cs, v := w.Apply(bus.WorkerEvent{Kind: kind, Seq: w.seq, Worker: faas.Worker{ID: id, State: state, Slots: faas.Slots{Total: 4, Free: 4}}}, w.now)
	w.note(cs)
	return v
}

// pass lets time pass, with the ticks that it brings; beating workers beat.
func (w *world) pass(d time.Duration, beating ...faas.WorkerID) {
	for end := w.now.Add(d); w.now.Before(end); {
		w.now = w.now.Add(tickEvery)
		if w.now.Sub(start)%bus.BeatInterval == 0 {
			for _, id := range beating {
				w.say(bus.EventBeat, id)
			}
		}
		ping, cs := w.Tick(w.now)
		w.pings = append(w.pings, ping...)
		w.note(cs)
	}
}

func (w *world) want(t *testing.T, changes ...string) {
	t.Helper()
	if !slices.Equal(w.log, changes) {
		t.Errorf("changes:\n  %s\nwant:\n  %s", strings.Join(w.log, "\n  "), strings.Join(changes, "\n  "))
	}
	w.log = nil
}

// TestTransitions walks every pair of states: what is told, and where the worker is then.
func TestTransitions(t *testing.T) {
	all := []faas.WorkerState{"", faas.WorkerJoined, faas.WorkerDraining, faas.WorkerLeft, faas.WorkerDead}
	enter := map[faas.WorkerState]func(*world){
		"":                  func(*world) {},
		faas.WorkerJoined:   func(w *world) { w.say(bus.EventBeat, a1) },
		faas.WorkerDraining: func(w *world) { w.say(bus.EventDraining, a1) },
		faas.WorkerLeft:     func(w *world) { w.say(bus.EventLeft, a1) },
		faas.WorkerDead:     func(w *world) { w.note(w.NoResponders(a1, w.now)) },
	}
	reach := map[faas.WorkerState][]faas.WorkerState{
		"":                  nil,
		faas.WorkerJoined:   {faas.WorkerJoined},
		faas.WorkerDraining: {faas.WorkerJoined, faas.WorkerDraining},
		faas.WorkerLeft:     {faas.WorkerJoined, faas.WorkerLeft},
		faas.WorkerDead:     {faas.WorkerJoined, faas.WorkerDead},
	}
	for _, from := range all {
		for _, to := range all[1:] {
			w := newWorld()
			for _, s := range reach[from] {
				enter[s](w)
			}
			w.log = nil
			enter[to](w)
			kind, legal := transitions[from][to]
			if legal {
				w.want(t, string(kind)+" "+string(a1))
			} else {
				w.want(t)
			}
			got, alive := w.Get(a1)
			state := from
			if legal {
				state = to
			}
			if want := state == faas.WorkerJoined || state == faas.WorkerDraining; alive != want || alive && got.State != state {
				t.Errorf("%q then %q: alive %v as %q, want %q", from, to, alive, got.State, state)
			}
		}
	}
}

func TestVerdicts(t *testing.T) {
	w := newWorld()
	for _, c := range []struct {
		name  string
		event bus.WorkerEvent
		want  Verdict
	}{
		{"no id", bus.WorkerEvent{Kind: bus.EventBeat, Seq: 1}, Invalid},
		{"no incarnation", bus.WorkerEvent{Kind: bus.EventBeat, Seq: 1, Worker: faas.Worker{ID: "alpha"}}, Invalid},
		{"another's name", bus.WorkerEvent{Kind: bus.EventBeat, Seq: 1, Worker: faas.Worker{ID: a2, Name: "beta"}}, Invalid},
		{"first", bus.WorkerEvent{Kind: bus.EventBeat, Seq: 7, Worker: faas.Worker{ID: a2, Name: "alpha"}}, Taken},
		{"twice", bus.WorkerEvent{Kind: bus.EventBeat, Seq: 7, Worker: faas.Worker{ID: a2}}, Stale},
		{"late", bus.WorkerEvent{Kind: bus.EventDraining, Seq: 6, Worker: faas.Worker{ID: a2}}, Stale},
		{"older incarnation", bus.WorkerEvent{Kind: bus.EventBeat, Seq: 9, Worker: faas.Worker{ID: a1}}, Older},
		{"newer incarnation", bus.WorkerEvent{Kind: bus.EventBeat, Seq: 1, Worker: faas.Worker{ID: a3}}, Taken},
		{"replaced incarnation", bus.WorkerEvent{Kind: bus.EventBeat, Seq: 8, Worker: faas.Worker{ID: a2}}, Gone},
		{"beat", bus.WorkerEvent{Kind: bus.EventBeat, Seq: 3, Worker: faas.Worker{ID: a3}}, Taken},
		{"left, overtaken by the beat", bus.WorkerEvent{Kind: bus.EventLeft, Seq: 2, Worker: faas.Worker{ID: a3}}, Taken},
		{"after it left", bus.WorkerEvent{Kind: bus.EventBeat, Seq: 3, Worker: faas.Worker{ID: a3}}, Gone},
		{"left unseen", bus.WorkerEvent{Kind: bus.EventLeft, Seq: 3, Worker: faas.Worker{ID: b1}}, Taken},
		{"after it left unseen", bus.WorkerEvent{Kind: bus.EventBeat, Seq: 2, Worker: faas.Worker{ID: b1}}, Gone},
	} {
		cs, got := w.Apply(c.event, w.now)
		w.note(cs)
		if got != c.want {
			t.Errorf("%s: %v, want %v", c.name, got, c.want)
		}
	}
	w.want(t, "joined "+string(a2), "dead "+string(a2), "joined "+string(a3), "left "+string(a3))
	if w.Len() != 0 || !w.Gone(a2) || !w.Gone(b1) || w.Gone(a1) {
		t.Errorf("left over: %v; gone: a2 %v, b1 %v, a1 %v", w.Snapshot(), w.Gone(a2), w.Gone(b1), w.Gone(a1))
	}
}

func TestSilence(t *testing.T) {
	w := newWorld()
	w.say(bus.EventJoined, a1)
	w.say(bus.EventJoined, b1)
	w.pass(bus.PingAfter-tickEvery, b1)
	if len(w.pings) != 0 {
		t.Errorf("pinged %v before two beats were missing", w.pings)
	}
	w.pass(tickEvery, b1)
	if !slices.Equal(w.pings, []faas.WorkerID{a1}) {
		t.Errorf("pinged %v, want %s once", w.pings, a1)
	}
	w.want(t, "joined "+string(a1), "joined "+string(b1))
	w.pass(bus.DeadAfter-bus.PingAfter-tickEvery, b1)
	if n := len(w.pings); n != 6 {
		t.Errorf("pinged %d times in 1.5 s, want once a beat", n)
	}
	w.want(t)
	w.pass(tickEvery, b1)
	w.want(t, "dead "+string(a1))
	if v := w.say(bus.EventBeat, a1); v != Fenced {
		t.Errorf("a dead incarnation's beat is %v, want %v", v, Fenced)
	}
	if v := w.say(bus.EventBeat, a2); v != Taken {
		t.Errorf("the next incarnation's beat is %v", v)
	}
	w.want(t, "joined "+string(a2))
}

func TestPongKeepsAlive(t *testing.T) {
	w := newWorld()
	w.say(bus.EventJoined, a1)
	for range 10 {
		w.pass(time.Second)
		w.Pong(a1, w.now)
	}
	w.want(t, "joined "+string(a1))
	if got, _ := w.Get(a1); !got.Seen.Equal(w.now) {
		t.Errorf("seen at %v, want %v", got.Seen, w.now)
	}
	w.Pong(b1, w.now) // of one that is not there
}

func TestNoRespondersIsDeath(t *testing.T) {
	w := newWorld()
	w.say(bus.EventJoined, a1)
	w.note(w.NoResponders(a1, w.now))
	w.note(w.NoResponders(a1, w.now))
	w.want(t, "joined "+string(a1), "dead "+string(a1))
}

// TestOwnStandstill defends that a watcher that was stopped, or cut off, does not take everybody for dead.
func TestOwnStandstill(t *testing.T) {
	w := newWorld()
	w.say(bus.EventJoined, a1)
	w.pass(200 * time.Millisecond)
	w.now = w.now.Add(time.Hour)
	w.pass(tickEvery)
	if w.want(t, "joined "+string(a1)); len(w.pings) != 0 {
		t.Error("pinged for a silence that was the watcher's own")
	}
	w.pass(time.Second)
	w.Forgive(w.now)
	w.pass(bus.DeadAfter - tickEvery)
	w.want(t)
	w.pass(tickEvery)
	w.want(t, "dead "+string(a1))
}

// TestClockSetBack: a worker whose clock was set back comes back with an id that sorts before its last one.
func TestClockSetBack(t *testing.T) {
	w := newWorld()
	w.say(bus.EventJoined, a3)
	if v := w.say(bus.EventJoined, a2); v != Older {
		t.Errorf("while the newer lives: %v, want %v", v, Older)
	}
	w.note(w.NoResponders(a3, w.now))
	if v := w.say(bus.EventBeat, a2); v != Taken {
		t.Errorf("after its death: %v, want %v", v, Taken)
	}
	w.want(t, "joined "+string(a3), "dead "+string(a3), "joined "+string(a2))
}

func TestJoinsDraining(t *testing.T) {
	w := newWorld()
	w.say(bus.EventDraining, a1)
	if got, ok := w.Get(a1); !ok || got.State != faas.WorkerDraining {
		t.Errorf("state %q, want draining", got.State)
	}
	w.want(t, "joined "+string(a1))
}

func TestForgetsTheGone(t *testing.T) {
	w := newWorld()
	w.say(bus.EventJoined, a1)
	w.say(bus.EventLeft, a1)
	w.now = w.now.Add(forgetAfter)
	w.say(bus.EventBeat, a1) // keeps the memory fresh
	w.now = w.now.Add(forgetAfter)
	w.pass(tickEvery)
	if len(w.gone) != 0 || len(w.newest) != 0 {
		t.Errorf("remembers %d gone, %d newest", len(w.gone), len(w.newest))
	}
}

func TestSnapshotIsSorted(t *testing.T) {
	w := newWorld()
	for i := range 50 {
		w.say(bus.EventJoined, faas.WorkerID(fmt.Sprintf("w%d-%012x", i*7%50, i)))
	}
	s := w.Snapshot()
	if len(s) != 50 || !slices.IsSortedFunc(s, func(a, b faas.Worker) int { return strings.Compare(string(a.ID), string(b.ID)) }) {
		t.Errorf("%d workers, not sorted", len(s))
	}
}

// FuzzTable defends that of each worker one incarnation lives at most, that none comes back, and that what is told adds
// up to who is there.
func FuzzTable(f *testing.F) {
	f.Add([]byte{0x00, 0x10, 0x20, 0x30, 0x41, 0x52, 0x63})
	f.Add([]byte{0x00, 0x40, 0x00, 0x11, 0x51, 0x02, 0x30, 0x03})
	f.Fuzz(func(t *testing.T, ops []byte) {
		w := newWorld()
		state := map[faas.WorkerID]string{} // the last change told
		kinds := []bus.WorkerEventKind{bus.EventJoined, bus.EventBeat, bus.EventDraining, bus.EventLeft}
		for _, op := range ops[:min(len(ops), 150)] { // less than forgetAfter, after which an incarnation may come back
			id := faas.WorkerID(fmt.Sprintf("w%d-%012x", op&1, op>>1&7))
			switch what := op >> 4; {
			case what < 10:
				w.say(kinds[what%4], id)
			case what < 12:
				w.note(w.NoResponders(id, w.now))
			case what < 13:
				w.Pong(id, w.now)
			case what < 14:
				w.Forgive(w.now)
			default:
				w.pass(time.Duration(op&7) * 400 * time.Millisecond)
			}
			for _, line := range w.log {
				kind, id, _ := strings.Cut(line, " ")
				before := state[faas.WorkerID(id)]
				if (kind == string(Joined)) != (before == "") || before == string(Left) || before == string(Dead) {
					t.Fatalf("%s is told %s after %q", id, kind, before)
				}
				state[faas.WorkerID(id)] = kind
			}
			w.log = nil
			names := map[string]bool{}
			for _, m := range w.Snapshot() {
				if names[m.Name] || w.Gone(m.ID) || !w.Alive(m.ID) {
					t.Fatalf("%s: lives beside another, or is gone", m.ID)
				}
				names[m.Name] = true
			}
			alive := 0
			for _, s := range state {
				if s == string(Joined) || s == string(Draining) {
					alive++
				}
			}
			if alive != w.Len() {
				t.Fatalf("%d live by what was told, %d do", alive, w.Len())
			}
		}
	})
}

// TestHammer reads from many goroutines while one feeds; the race detector watches.
func TestHammer(t *testing.T) {
	w := newWorld()
	stop := make(chan struct{})
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
				}
				if got, ok := w.Get(a1); ok && got.ID != a1 {
					t.Errorf("got %s for %s", got.ID, a1)
				}
				w.Alive(a2)
				w.Gone(a2)
				w.Snapshot()
			}
		})
	}
	for i := range 500 {
		id := faas.WorkerID(fmt.Sprintf("alpha-%012x", i))
		w.say(bus.EventJoined, id)
		w.say(bus.EventBeat, id)
		w.pass(tickEvery)
		if i%3 == 0 {
			w.NoResponders(id, w.now)
		}
	}
	close(stop)
	wg.Wait()
}

func BenchmarkGet(b *testing.B) {
	w := newWorld()
	for i := range 1000 {
		w.say(bus.EventJoined, faas.WorkerID(fmt.Sprintf("w%d-%012x", i, i)))
	}
	id := faas.WorkerID(fmt.Sprintf("w%d-%012x", 500, 500))
	b.ReportAllocs()
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			if got, ok := w.Get(id); !ok || got.Slots.Free != 4 {
				b.Error("not there")
			}
		}
	})
}

func BenchmarkTick(b *testing.B) {
	w := newWorld()
	for i := range 1000 {
		w.say(bus.EventJoined, faas.WorkerID(fmt.Sprintf("w%d-%012x", i, i)))
	}
	for b.Loop() {
		w.Tick(w.now)
	}
}
