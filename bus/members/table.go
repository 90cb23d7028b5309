package members

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/shoal-run/shoal/bus"
	"github.com/shoal-run/shoal/bus/faas"
)

const (
	// maxStep is how much silence one Tick can add: a longer gap between ticks is the watcher's own, and proves nothing.
	maxStep = bus.BeatInterval
	// forgetAfter is how long an incarnation that is gone is remembered after it was last heard.
	forgetAfter = 10 * time.Minute
)

// Table is what is known of all workers. It does nothing by itself: it takes what happened and when, and says what
// follows. Get, Alive, Len and Snapshot are cheap, never wait for a writer and may be called by anyone at any time; the
// rest is safe for concurrent use too, but changes come out in order only when one goroutine feeds it.
type Table struct {
	// live holds the members that are neither left nor dead. The map is never changed, only replaced; what it points
	// to is replaced by each event.
	live atomic.Pointer[map[faas.WorkerID]*member]

	mu     sync.Mutex
	newest map[string]*member           // by worker name: the incarnation that is believed
	gone   map[faas.WorkerID]*tombstone // incarnations whose word counts no more
	watch  time.Duration                // time spent watching, by which silence is measured
	tick   time.Time                    // of the last Tick
}

type member struct {
	now    atomic.Pointer[faas.Worker] // what is known; never changed, only replaced
	seq    uint64                      // of the last event
	heard  time.Duration               // watch time when it last gave a sign of life
	pinged time.Duration               // watch time of the last ping, 0 for none since it was heard
}

type tombstone struct {
	dead  bool      // taken for dead; else it left or was replaced
	heard time.Time // when it last said something
}

// NewTable returns a Table that knows nobody.
func NewTable() *Table {
	t := &Table{newest: map[string]*member{}, gone: map[faas.WorkerID]*tombstone{}}
	t.live.Store(&map[faas.WorkerID]*member{})
	return t
}

// Get returns what is known of a worker that lives, draining ones included. Its Warm is shared: nobody may change it.
func (t *Table) Get(id faas.WorkerID) (faas.Worker, bool) {
	m, ok := (*t.live.Load())[id]
	if !ok {
		return faas.Worker{}, false
	}
	return *m.now.Load(), true
}

// Alive reports whether a worker lives, draining ones included.
func (t *Table) Alive(id faas.WorkerID) bool {
	_, ok := (*t.live.Load())[id]
	return ok
}

// Gone reports whether an incarnation is known to have left or died, in the last minutes. Unlike Alive it tells that from
// an incarnation that was not heard of yet. It takes a lock: not for every call.
func (t *Table) Gone(id faas.WorkerID) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.gone[id] != nil
}

// Len returns how many workers live.
func (t *Table) Len() int { return len(*t.live.Load()) }

// Snapshot returns every worker that lives, by id. The slice is the caller's; what its Warms point to is shared.
func (t *Table) Snapshot() []faas.Worker {
	live := *t.live.Load()
	out := make([]faas.Worker, 0, len(live))
	for _, m := range live {
		out = append(out, *m.now.Load())
	}
	slices.SortFunc(out, func(a, b faas.Worker) int { return cmp.Compare(a.ID, b.ID) })
	return out
}

// Apply takes an event that was heard at now. Changes are in the order in which they came about.
func (t *Table) Apply(e bus.WorkerEvent, now time.Time) ([]Change, Verdict) {
	w := e.Worker
	name, ok := nameOf(w.ID)
	if !ok || w.Name != "" && w.Name != name {
		return nil, Invalid
	}
	w.Name, w.Seen = name, now

	t.mu.Lock()
	defer t.mu.Unlock()
	if g := t.gone[w.ID]; g != nil {
		g.heard = now
		if g.dead && e.Kind != bus.EventLeft {
			return nil, Fenced
		}
		return nil, Gone
	}
	m := t.newest[name]
	var changes []Change
	if m != nil && m.now.Load().ID != w.ID {
		old := m.now.Load().ID
		if w.ID < old {
			return nil, Older
		}
		if e.Kind != bus.EventLeft {
			changes = append(changes, t.end(m, *m.now.Load(), faas.WorkerDead, now, "replaced by "+string(w.ID)))
			t.gone[old].dead = false // it has come back already
		}
		m = nil
	}
	if m == nil {
		if e.Kind == bus.EventLeft { // it came and went unseen
			t.gone[w.ID] = &tombstone{heard: now}
			return nil, Taken
		}
		return append(changes, t.add(w, e, now)), Taken
	}
	if e.Kind == bus.EventLeft { // true whatever was overtaken
		return []Change{t.end(m, w, faas.WorkerLeft, now, "")}, Taken
	}
	if e.Seq <= m.seq {
		return nil, Stale
	}
	m.seq = e.Seq
	t.heard(m, now)
	was, next := m.now.Load().State, stateOf(e)
	kind, changed := transitions[was][next]
	if !changed {
		next = was
	}
	w.State = next
	m.now.Store(&w)
	if changed {
		changes = append(changes, Change{Kind: kind, Worker: w})
	}
	return changes, Taken
}

// Pong takes a worker's answer to a ping.
func (t *Table) Pong(id faas.WorkerID, now time.Time) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if m := t.member(id); m != nil {
		t.heard(m, now)
		w := *m.now.Load()
		w.Seen = now
		m.now.Store(&w)
	}
}

// NoResponders takes the server's word that nobody listens where a worker should: it is dead.
func (t *Table) NoResponders(id faas.WorkerID, now time.Time) []Change {
	t.mu.Lock()
	defer t.mu.Unlock()
	m := t.member(id)
	if m == nil {
		return nil
	}
	return []Change{t.end(m, *m.now.Load(), faas.WorkerDead, now, "nobody answers on its subject")}
}

// Tick tells that time has passed. It returns the workers to ping now, and those that were silent for too long as
// changes. Call it every few tens of milliseconds, after everything that was heard has been applied, and not while the
// connection is lost.
func (t *Table) Tick(now time.Time) (ping []faas.WorkerID, changes []Change) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.watch += t.since(now)
	t.tick = now
	var silent []*member
	for id, m := range *t.live.Load() {
		switch silence := t.watch - m.heard; {
		case silence >= bus.DeadAfter:
			silent = append(silent, m)
		case silence >= bus.PingAfter && (m.pinged == 0 || t.watch-m.pinged >= bus.BeatInterval):
			m.pinged = t.watch
			ping = append(ping, id)
		}
	}
	for _, m := range silent {
		reason := fmt.Sprintf("silent for %v", (t.watch - m.heard).Round(10*time.Millisecond))
		changes = append(changes, t.end(m, *m.now.Load(), faas.WorkerDead, now, reason))
	}
	for id, g := range t.gone {
		if now.Sub(g.heard) > forgetAfter {
			delete(t.gone, id)
		}
	}
	slices.Sort(ping)
	slices.SortFunc(changes, func(a, b Change) int { return cmp.Compare(a.Worker.ID, b.Worker.ID) })
	return ping, changes
}

// Forgive starts every worker's silence anew: the watcher was cut off and heard nobody.
func (t *Table) Forgive(now time.Time) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.tick = now
	for _, m := range *t.live.Load() {
		t.heard(m, now)
	}
}

// since returns the watch time between the last tick and now. Preconditions: mu.
func (t *Table) since(now time.Time) time.Duration {
	if t.tick.IsZero() {
		return 0
	}
	return min(max(now.Sub(t.tick), 0), maxStep)
}

// heard notes a sign of life. Preconditions: mu.
func (t *Table) heard(m *member, now time.Time) { m.heard, m.pinged = t.watch+t.since(now), 0 }

// member returns the member with id, nil when it does not live. Preconditions: mu.
func (t *Table) member(id faas.WorkerID) *member { return (*t.live.Load())[id] }

// add makes a member of w. Preconditions: mu; w is not known.
func (t *Table) add(w faas.Worker, e bus.WorkerEvent, now time.Time) Change {
	w.State = stateOf(e)
	m := &member{seq: e.Seq}
	m.now.Store(&w)
	t.heard(m, now)
	t.newest[w.Name] = m
	next := maps.Clone(*t.live.Load())
	next[w.ID] = m
	t.live.Store(&next)
	return Change{Kind: transitions[""][w.State], Worker: w}
}

// end makes m, of which w is the last word, left or dead. Preconditions: mu; m lives.
func (t *Table) end(m *member, w faas.Worker, state faas.WorkerState, now time.Time, reason string) Change {
	kind := transitions[m.now.Load().State][state]
	w.State = state
	m.now.Store(&w)
	t.gone[w.ID] = &tombstone{dead: state == faas.WorkerDead, heard: now}
	if t.newest[w.Name] == m {
		delete(t.newest, w.Name)
	}
	next := maps.Clone(*t.live.Load())
	delete(next, w.ID)
	t.live.Store(&next)
	return Change{Kind: kind, Worker: w, Reason: reason}
}

// stateOf returns the state that an event puts its worker in. The kind rules; a beat says it in the worker.
func stateOf(e bus.WorkerEvent) faas.WorkerState {
	switch {
	case e.Kind == bus.EventLeft:
		return faas.WorkerLeft
	case e.Kind == bus.EventDraining || e.Worker.State == faas.WorkerDraining:
		return faas.WorkerDraining
	default:
		return faas.WorkerJoined
	}
}

func nameOf(id faas.WorkerID) (string, bool) {
	if faas.CheckWorkerID(id) != nil {
		return "", false
	}
	return string(id[:strings.LastIndexByte(string(id), '-')]), true
}
