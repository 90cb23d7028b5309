package worker

import (
	"context"
	"sync"

	"github.com/shoal-run/shoal/bus/faas"
)

const (
	// prefetchers is how many goroutines prefetch: one that compiles or initialises for long leaves the others.
	prefetchers = 4
	// maxPrefetches is how many functions wait for them. What does not fit is loaded by its first call.
	maxPrefetches = 4096
)

// prefetch is what to make ready of a function before anybody calls it.
type prefetch struct {
	fn      faas.Function // with an older or no revision, its settings are the registry's
	version faas.Version
	count   int // Faaslets; 0 loads the module only
}

// prefetches are those that wait, the first that came first. Of a function only the last one counts. It is safe for
// concurrent use.
type prefetches struct {
	wake chan struct{} // has room for one

	mu      sync.Mutex
	order   []faas.Name // of waiting, and of some that were dropped meanwhile
	waiting map[faas.Name]prefetch
}

func newPrefetches() *prefetches {
	return &prefetches{wake: make(chan struct{}, 1), waiting: make(map[faas.Name]prefetch)}
}

// add has p done when its turn comes, and reports whether there is room for it. It does not block.
func (q *prefetches) add(p prefetch) bool {
	q.mu.Lock()
	old, waits := q.waiting[p.fn.Name]
	if !waits && len(q.order) >= maxPrefetches {
		q.mu.Unlock()
		return false
	}
	if waits && old.version == p.version {
		p.count = max(p.count, old.count)
	}
	q.waiting[p.fn.Name] = p
	if !waits {
		q.order = append(q.order, p.fn.Name)
	}
	q.mu.Unlock()
	q.signal()
	return true
}

func (q *prefetches) signal() {
	select {
	case q.wake <- struct{}{}:
	default:
	}
}

// drop forgets what waits for a function.
func (q *prefetches) drop(n faas.Name) {
	q.mu.Lock()
	defer q.mu.Unlock()
	delete(q.waiting, n)
}

// next takes out the first one, and reports whether there is one.
func (q *prefetches) next() (p prefetch, ok bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	for !ok && len(q.order) > 0 {
		p, ok = q.waiting[q.order[0]]
		delete(q.waiting, q.order[0])
		q.order = q.order[1:]
	}
	if len(q.order) > 0 { // for another one
		q.signal()
	}
	return p, ok
}

// prefetcher does what waits, until ctx ends.
func (w *Worker) prefetcher(ctx context.Context) error {
	for {
		p, ok := w.prefetches.next()
		if ok {
			w.prefetch(p)
			continue
		}
		select {
		case <-ctx.Done():
			return nil
		case <-w.prefetches.wake:
		}
	}
}

// later has something made ready in the background, or leaves it to the first call when there are too many such already.
func (w *Worker) later(p prefetch) {
	if !w.draining.Load() && !w.prefetches.add(p) {
		w.meters.prefetchesDropped.Add()
	}
}

// prefetch makes something ready, as long as there is room enough for calls of other functions. It gives nothing up for it.
func (w *Worker) prefetch(p prefetch) {
	if w.ahead.Err() != nil {
		return
	}
	if w.cfg.Engine.Used() >= prefetchShare || w.overMark.Load() || w.cfg.Artefacts.Full(prefetchShare) {
		w.meters.prefetchesDropped.Add()
		return
	}
	if fn, known := w.cfg.Functions.Get(p.fn.Name); known && fn.Revision > p.fn.Revision {
		p.fn = fn
	}
	pool, err := w.acquireAs(w.ahead, p.fn, p.version, true)
	if err != nil {
		return // said by modules
	}
	defer pool.put()
	pool.warm(w.ahead, p.count)
}
