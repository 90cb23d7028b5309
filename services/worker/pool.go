package worker

import (
	"context"
	"slices"
	"sync"
	"time"

	"github.com/shoal-run/shoal/bus/faas"
	"github.com/shoal-run/shoal/libs/faaslet"
	"github.com/shoal-run/shoal/libs/telemetry"
)

// poolKey names a pool: two functions with the same module have a pool each, since their settings may differ.
type poolKey struct {
	name    faas.Name
	version faas.Version
}

// pool holds the ready Faaslets of one version of one function. The last one made is the first one taken: its memory is
// the most likely to be in the caches.
type pool struct {
	w      *Worker
	key    poolKey
	module *faaslet.Module

	mu       sync.Mutex
	fn       faas.Function // whose settings the ready ones have
	set      faaslet.Setup // made from fn
	ready    []ready       // oldest first
	running  int
	spent    []ready   // served their call and wait to be closed
	building int       // by refills
	tidying  bool      // a runner makes a batch ready
	calls    int       // since the last sweep
	rate     int       // calls between the last two sweeps
	peak     int       // most that ran at once since the last sweep, decaying
	used     time.Time // when a call last took one
	retired  bool      // make nothing ready any more
	closed   bool
}

type ready struct {
	f     *faaslet.Faaslet
	since time.Time
}

// acquire returns the pool for a version of a function, loading the module when it is not there, and counts one use of it
// that the caller ends with put. A pool in use stays, and so does its module.
func (w *Worker) acquire(ctx context.Context, name faas.Name, v faas.Version) (*pool, error) {
	key := poolKey{name, v}
	fn, known := w.cfg.Functions.Get(name)
	if !known { // removed while the call was on its way: it was admitted, so it runs, with defaults
		fn = faas.Function{Name: name}
	}
	w.mu.Lock()
	p := w.pools[key]
	w.mu.Unlock()
	if p != nil && p.enter(fn) {
		return p, nil
	}
	module, err := w.modules.load(ctx, v)
	if err != nil {
		return nil, err
	}
	fresh := &pool{w: w, key: key, module: module, fn: fn, set: setupOf(fn), used: time.Now()}
	for {
		w.mu.Lock()
		p = w.pools[key]
		if p == nil {
			p = fresh
			w.pools[key] = p
		}
		w.mu.Unlock()
		if p.enter(fn) {
			break
		}
		w.forget(p)
	}
	if p != fresh {
		w.modules.release(v)
	}
	return p, nil
}

// forget removes a closed pool.
func (w *Worker) forget(p *pool) {
	w.mu.Lock()
	if w.pools[p.key] == p {
		delete(w.pools, p.key)
	}
	w.mu.Unlock()
}

// enter counts one use and reports false when the pool is closed. Ready Faaslets that were made with settings other than
// fn's are dropped.
func (p *pool) enter(fn faas.Function) bool {
	p.mu.Lock()
	if p.closed {
		p.mu.Unlock()
		return false
	}
	p.running++
	p.calls++
	p.peak = max(p.peak, p.running)
	p.used = time.Now()
	var old []ready
	if p.fn.Revision != fn.Revision {
		p.fn, p.set = fn, setupOf(fn)
		old, p.ready = p.ready, nil
	}
	p.mu.Unlock()
	closeAll(old)
	return true
}

func (p *pool) setup() faaslet.Setup {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.set
}

// take returns a Faaslet for one call: a ready one, or a new one. Preconditions: the caller is between acquire and put.
func (p *pool) take(ctx context.Context) (*faaslet.Faaslet, faas.StartKind, *faas.Error) {
	p.mu.Lock()
	set := p.set
	if n := len(p.ready); n > 0 {
		f := p.ready[n-1].f
		p.ready[n-1] = ready{}
		p.ready = p.ready[:n-1]
		p.mu.Unlock()
		return f, faas.Warm, nil
	}
	p.mu.Unlock()
	f, err := p.module.New(ctx, set)
	return f, faas.Cold, err
}

// put ends a use.
func (p *pool) put() {
	p.mu.Lock()
	p.running--
	p.mu.Unlock()
}

// makeUp closes a Faaslet that served its call and makes ready what the pool wants beyond what it has, on the calling
// goroutine. For small Faaslets of a function that is called all the time, it does so for many calls at once: mapping and
// unmapping memory disturbs whatever else the process does at that moment, on every processor, so most calls are spared
// it. Preconditions: as take's.
func (p *pool) makeUp(used *faaslet.Faaslet) {
	small := used.Memory() <= smallFaaslet
	p.mu.Lock()
	batch := 0
	if small {
		batch = min(max(p.rate, p.calls)/callsPerBatch, maxBatch)
	}
	if batch == 0 || len(p.spent) >= 2*maxBatch {
		p.mu.Unlock()
		used.Close()
		p.refill(0)
		return
	}
	p.spent = append(p.spent, ready{f: used})
	missing := p.want() + batch - len(p.ready)
	if p.tidying || missing < batch-batch/4 {
		p.mu.Unlock()
		return
	}
	p.tidying = true
	spent := p.spent
	p.spent = nil
	p.mu.Unlock()
	for range missing {
		p.refill(batch)
	}
	closeAll(spent)
	p.mu.Lock()
	p.tidying = false
	p.mu.Unlock()
}

const (
	smallFaaslet  = 1 * faas.MiB // memory up to which Faaslets are made ready, and closed, many at once
	maxBatch      = 16
	callsPerBatch = 64 // between two sweeps, for each Faaslet of a batch
)

// want returns how many Faaslets the pool should have ready: one for the next call, and as many more as ran at once
// lately. Preconditions: mu is held.
func (p *pool) want() int { return max(1, p.peak-p.running+1, p.fn.Settings.MinWarm) }

// refill makes one more Faaslet ready, on the calling goroutine, when the pool has less than it wants and extra. A drain
// ends it.
func (p *pool) refill(extra int) {
	if p.w.draining.Load() || p.w.overMark.Load() {
		return
	}
	p.mu.Lock()
	if p.closed || p.retired || len(p.ready)+p.building >= p.want()+extra {
		p.mu.Unlock()
		return
	}
	p.building++
	set, revision := p.set, p.fn.Revision
	p.mu.Unlock()

	init, cancel := context.WithTimeout(p.w.ahead, initTimeout)
	f, err := p.module.New(init, set)
	cancel()

	p.mu.Lock()
	p.building--
	keep := err == nil && !p.closed && !p.retired && p.fn.Revision == revision
	if keep {
		p.ready = append(p.ready, ready{f, time.Now()})
	}
	p.mu.Unlock()
	if err != nil { // the next call finds out by itself and is told why
		p.w.log.Debug("Faaslet not built ahead", telemetry.KeyFunc, p.key.name, telemetry.KeyErr, err)
		return
	}
	if !keep {
		f.Close()
	}
}

// warm makes ready until there are n; it gives up at the first failure. Preconditions: as take's.
func (p *pool) warm(ctx context.Context, n int) {
	for have := -1; ctx.Err() == nil; {
		p.mu.Lock()
		p.peak = max(p.peak, p.running+n)
		now := len(p.ready)
		p.mu.Unlock()
		if now >= n || now <= have {
			return
		}
		have = now
		p.refill(0)
	}
}

// expire drops what has been idle for longer than its keep-alive, down to the function's min_warm. When nothing is left
// and nobody uses the pool, it closes and reports true: the caller forgets it and releases its module.
func (p *pool) expire(now time.Time) bool {
	p.mu.Lock()
	keepAlive := time.Duration(p.fn.Settings.KeepAlive)
	if keepAlive == 0 {
		keepAlive = faas.DefaultKeepAlive
	}
	limit := now.Add(-keepAlive)
	n := 0
	for n < len(p.ready)-p.fn.Settings.MinWarm && p.ready[n].since.Before(limit) {
		n++
	}
	old := slices.Clone(p.ready[:n])
	p.ready = slices.Delete(p.ready, 0, n)
	p.peak = max(p.running, p.peak-max(1, p.peak/8)) // what a burst needed is forgotten within seconds
	p.rate, p.calls = p.calls, 0
	old = append(old, p.spent...)
	p.spent = nil
	empty := !p.closed && len(p.ready) == 0 && p.running == 0 && p.used.Before(limit)
	p.closed = p.closed || empty
	p.mu.Unlock()
	closeAll(old)
	return empty
}

// evict drops up to n ready Faaslets, oldest first, and returns how many it dropped.
func (p *pool) evict(n int) int {
	p.mu.Lock()
	n = min(n, len(p.ready))
	old := slices.Clone(p.ready[:n])
	p.ready = slices.Delete(p.ready, 0, n)
	p.mu.Unlock()
	closeAll(old)
	return n
}

func (p *pool) counts() faas.WarmCounts {
	p.mu.Lock()
	defer p.mu.Unlock()
	return faas.WarmCounts{Name: p.key.name, Version: p.key.version, Ready: len(p.ready), Running: p.running}
}

// retire makes expire close the pool as soon as nobody uses it: its version was replaced or its function removed.
func (p *pool) retire() {
	p.mu.Lock()
	old := p.ready
	p.ready, p.peak, p.used = nil, 0, time.Time{}
	p.fn.Settings.MinWarm = 0
	p.retired = true
	p.mu.Unlock()
	closeAll(old)
}

func (p *pool) lastUsed() time.Time {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.used
}

// close drops what is ready. Preconditions: nobody uses the pool.
func (p *pool) close() {
	p.mu.Lock()
	p.closed = true
	old := append(p.ready, p.spent...)
	p.ready, p.spent = nil, nil
	p.mu.Unlock()
	closeAll(old)
}

func closeAll(rs []ready) {
	for _, r := range rs {
		r.f.Close()
	}
}
