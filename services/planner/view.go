package planner

import (
	"cmp"
	"slices"
	"time"

	"github.com/shoal-run/shoal/bus/faas"
)

// View is what a planner knows of its workers: what each told last, and what was placed on it since. It is not safe for
// concurrent use.
type View struct {
	nodes []*node // index = node.at
	loads []load  // of the same index; apart from nodes, so that a scan of all workers stays in the cache
	byID  map[faas.WorkerID]*node
	byKey map[key]*function
	dirty map[*function]struct{} // functions whose set of warm workers may differ from what was published
}

// key names one version of a function.
type key struct {
	name    faas.Name
	version faas.Version
}

// load is what placing needs of a worker.
type load struct {
	total  int32
	free   int32
	queued int32
	room   int32 // calls that may be queued
	placed int32 // calls placed here that the worker has not told of yet
	closed bool  // draining: takes nothing
	lost   bool  // not heard since the connection was lost: it may not listen
	seen   int64 // when it told, in Unix nanoseconds
}

// used returns the calls that the worker has, as far as is known.
func (l *load) used() int32 { return l.total - l.free + l.queued + l.placed }

// less reports whether l has less to do for its size than o.
func (l *load) less(o *load) bool {
	return int64(l.used())*int64(o.total) < int64(o.used())*int64(l.total)
}

// open reports whether the worker said that it takes calls: it has a free slot or room in its queue. What was placed since
// does not count: it may be done already, and the worker has the last word.
func (l *load) open() bool { return !l.closed && !l.lost && (l.free > 0 || l.queued < l.room) }

type node struct {
	id    faas.WorkerID
	at    int
	round uint64 // of the last Set, to find what the worker no longer holds
	holds map[*function]*holding
}

// function is one version of a function that some worker holds, or that a route was published for.
type function struct {
	key
	held []*holding

	route   []faas.WorkerID // as published
	routed  time.Time       // when
	refresh bool            // to be published though nothing has changed
}

// holding is what one worker has of one version of a function.
type holding struct {
	node   *node
	at     int // in function.held
	round  uint64
	ready  int32
	placed int32 // calls of it placed here that the worker has not told of yet
	warm   bool  // ready or running
}

// NewView returns a View of no workers.
func NewView() *View {
	return &View{
		byID: map[faas.WorkerID]*node{}, byKey: map[key]*function{}, dirty: map[*function]struct{}{},
	}
}

// Len returns how many workers there are.
func (v *View) Len() int { return len(v.nodes) }

// Lost has every worker take no calls until it is heard again.
func (v *View) Lost() {
	for i := range v.loads {
		v.loads[i].lost = true
	}
}

// Unheard returns how many workers were not heard since Lost.
func (v *View) Unheard() int {
	n := 0
	for i := range v.loads {
		if v.loads[i].lost {
			n++
		}
	}
	return n
}

// Set takes what a worker says of itself, in place of what it said before.
func (v *View) Set(w faas.Worker) {
	n := v.byID[w.ID]
	if n == nil {
		n = &node{id: w.ID, at: len(v.nodes), holds: make(map[*function]*holding, len(w.Warm))}
		v.nodes = append(v.nodes, n)
		v.loads = append(v.loads, load{})
		v.byID[w.ID] = n
	}
	closed := w.State != faas.WorkerJoined
	turned := v.loads[n.at].closed != closed
	v.loads[n.at] = load{
		total: int32(max(w.Slots.Total, 1)), free: int32(w.Slots.Free), queued: int32(w.Slots.Queued),
		room: int32(w.Slots.Room()), closed: closed, seen: w.Seen.UnixNano(),
	}
	n.round++
	for _, c := range w.Warm {
		v.hold(n, c)
	}
	for f, h := range n.holds {
		if h.round != n.round {
			v.release(f, h)
		} else if turned {
			v.dirty[f] = struct{}{}
		}
	}
}

// hold notes what n has of one version.
func (v *View) hold(n *node, c faas.WarmCounts) {
	k := key{c.Name, c.Version}
	f := v.byKey[k]
	if f == nil {
		f = &function{key: k}
		v.byKey[k] = f
	}
	h := n.holds[f]
	if h == nil {
		h = &holding{node: n, at: len(f.held)}
		f.held = append(f.held, h)
		n.holds[f] = h
	}
	warm := c.Ready > 0 || c.Running > 0
	if warm != h.warm {
		v.dirty[f] = struct{}{}
	}
	h.round, h.ready, h.placed, h.warm = n.round, int32(c.Ready), 0, warm
}

// release forgets h.
func (v *View) release(f *function, h *holding) {
	last := len(f.held) - 1
	f.held[h.at] = f.held[last]
	f.held[h.at].at = h.at
	f.held[last] = nil
	f.held = f.held[:last]
	delete(h.node.holds, f)
	if h.warm {
		v.dirty[f] = struct{}{}
	}
	v.forget(f)
}

// forget drops f when nobody holds it and no route of it is out.
func (v *View) forget(f *function) {
	if len(f.held) == 0 && len(f.route) == 0 {
		delete(v.byKey, f.key)
		delete(v.dirty, f)
	}
}

// Remove takes a worker out that left or died.
func (v *View) Remove(id faas.WorkerID) {
	n := v.byID[id]
	if n == nil {
		return
	}
	for f, h := range n.holds {
		v.release(f, h)
	}
	last := len(v.nodes) - 1
	v.nodes[n.at], v.loads[n.at] = v.nodes[last], v.loads[last]
	v.nodes[n.at].at = n.at
	v.nodes[last] = nil
	v.nodes, v.loads = v.nodes[:last], v.loads[:last]
	delete(v.byID, id)
}

// Placed notes that a call was sent to a worker, until the worker speaks next: so that bursts spread.
func (v *View) Placed(id faas.WorkerID, name faas.Name, version faas.Version) {
	n := v.byID[id]
	if n == nil {
		return
	}
	v.loads[n.at].placed++
	if f := v.byKey[key{name, version}]; f != nil {
		if h := n.holds[f]; h != nil {
			h.placed++
		}
	}
}

// warmOn returns the workers that have f warm and take calls, best first. When there are more than most, those of the
// route that is out stay on it, so that it does not change for nothing.
func (v *View) warmOn(f *function, most int) []faas.WorkerID {
	var warm []*holding
	for _, h := range f.held {
		if h.warm && !v.loads[h.node.at].closed {
			warm = append(warm, h)
		}
	}
	best := func(a, b *holding) int {
		return cmp.Or(cmp.Compare(b.ready, a.ready), cmp.Compare(a.node.id, b.node.id))
	}
	if len(warm) > most {
		routed := make(map[faas.WorkerID]int, len(f.route))
		for _, id := range f.route {
			routed[id] = 1
		}
		slices.SortFunc(warm, func(a, b *holding) int { return cmp.Or(routed[b.node.id]-routed[a.node.id], best(a, b)) })
		warm = warm[:most]
	}
	slices.SortFunc(warm, best)
	out := make([]faas.WorkerID, len(warm))
	for i, h := range warm {
		out[i] = h.node.id
	}
	return out
}
