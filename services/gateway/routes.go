package gateway

import (
	"slices"
	"sync"

	"github.com/shoal-run/shoal/bus"
	"github.com/shoal-run/shoal/bus/faas"
)

// routes knows which workers have which version warm: from planners, and from the answers of calls. It sends a call
// straight to the warm worker with the most free slots; when all of them are full and another worker is not, it leaves
// the call to a planner, which spreads functions. It is safe for concurrent use.
//
// A route may be wrong: the worker has the last word, and its refusal costs a hop.
type routes struct {
	mu   sync.Mutex
	warm map[routeKey][]faas.WorkerID
	load map[faas.WorkerID]*load
}

type routeKey struct {
	name    faas.Name
	version faas.Version
}

// load is what a gateway knows of a worker's room.
type load struct {
	free  int // slots at its last beat, less the calls sent since, and more by those answered since
	total int // slots
}

func newRoutes() *routes {
	return &routes{warm: make(map[routeKey][]faas.WorkerID), load: make(map[faas.WorkerID]*load)}
}

// Route implements holder.Router.
func (r *routes) Route(n faas.Name, v faas.Version) faas.WorkerID {
	r.mu.Lock()
	defer r.mu.Unlock()
	var (
		best  *load
		id    faas.WorkerID
		known = r.warm[routeKey{n, v}]
	)
	for _, w := range known {
		if l := r.load[w]; l != nil && (best == nil || l.free > best.free) {
			best, id = l, w
		}
	}
	if best == nil || best.free <= 0 && r.freeElsewhere(known) {
		return ""
	}
	best.free--
	return id
}

// freeElsewhere reports whether a worker outside known has a free slot. Preconditions: mu is held.
func (r *routes) freeElsewhere(known []faas.WorkerID) bool {
	if len(known) == len(r.load) {
		return false
	}
	for id, l := range r.load {
		if l.free > 0 && !slices.Contains(known, id) {
			return true
		}
	}
	return false
}

// Any implements holder.Router.
func (r *routes) Any() faas.WorkerID {
	r.mu.Lock()
	defer r.mu.Unlock()
	var (
		best *load
		id   faas.WorkerID
	)
	for w, l := range r.load {
		if best == nil || l.free > best.free {
			best, id = l, w
		}
	}
	if best != nil {
		best.free--
	}
	return id
}

// Refused implements holder.Router.
func (r *routes) Refused(_ faas.Name, _ faas.Version, w faas.WorkerID, gone bool) {
	if gone {
		r.drop(w)
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if l := r.load[w]; l != nil {
		l.free = min(l.free, 0)
	}
}

// answered takes note that w has run a version: it has a slot free again, and when the version is the current one, the next
// call goes straight there.
func (r *routes) answered(n faas.Name, v faas.Version, w faas.WorkerID, current bool) {
	key := routeKey{n, v}
	r.mu.Lock()
	defer r.mu.Unlock()
	l := r.load[w]
	if l == nil {
		return
	}
	l.free = min(l.free+1, l.total)
	if current && !slices.Contains(r.warm[key], w) {
		r.warm[key] = append(slices.Clone(r.warm[key]), w)
	}
}

// learn takes over what a planner says of a version.
func (r *routes) learn(e bus.RouteEvent) {
	r.mu.Lock()
	defer r.mu.Unlock()
	key := routeKey{e.Name, e.Version}
	if len(e.Workers) == 0 {
		delete(r.warm, key)
		return
	}
	r.warm[key] = e.Workers
}

// beat takes over a worker's own word on its room.
func (r *routes) beat(w faas.Worker) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if w.State != faas.WorkerJoined {
		delete(r.load, w.ID)
		return
	}
	l := r.load[w.ID]
	if l == nil {
		l = new(load)
		r.load[w.ID] = l
	}
	l.free, l.total = w.Slots.Free, w.Slots.Total
}

// drop forgets a worker. Its next beat, if there is one, brings it back.
func (r *routes) drop(w faas.WorkerID) {
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.load, w)
	for key, ws := range r.warm {
		if i := slices.Index(ws, w); i >= 0 {
			if len(ws) == 1 {
				delete(r.warm, key)
				continue
			}
			r.warm[key] = slices.Delete(slices.Clone(ws), i, i+1)
		}
	}
}

// forget drops the routes of versions of a function that are not current.
func (r *routes) forget(n faas.Name, current faas.Version) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for key := range r.warm {
		if key.name == n && key.version != current {
			delete(r.warm, key)
		}
	}
}
