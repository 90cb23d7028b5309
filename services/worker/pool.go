package worker

import (
	"context"
	"errors"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/shoal-run/shoal/bus/faas"
	"github.com/shoal-run/shoal/libs/faaslet"
	"github.com/shoal-run/shoal/libs/vfs"
)

// poolKey names a pool: two functions with the same module have a pool each, since their settings may differ.
type poolKey struct {
	name    faas.Name
	version faas.Version
}

// pool holds the ready Faaslets of one version of one function. The last one that came is the first one taken: its memory
// is the most likely to be in the caches. A Faaslet that served a call comes back when it could be reset; refill.go makes
// up for those that could not.
type pool struct {
	w      *Worker
	key    poolKey
	module *faaslet.Module
	files  bool // its guests may open files
	past   past

	mu       sync.Mutex
	fn       faas.Function  // whose settings the ready ones have
	set      *faaslet.Setup // made from fn; another one for other settings, and its image is the pool's
	ready    []ready        // oldest first
	running  int
	building int       // Faaslets, ahead of any call
	peak     int       // most that ran at once since the last sweep, decaying
	used     time.Time // when a call last took one
	called   bool      // by a call, ever
	retired  bool      // make nothing ready any more
	closed   bool
	builds   builds // what is known of building
	keep     bool   // Faaslets keep their state from call to call
}

// past is what a pool knows of its calls and Faaslets so far.
type past struct {
	cold, restored, warm      atomic.Uint64 // calls
	init, restore, run, reset recent
}

// recent is how long the last few of something took. The zero value knows nothing. It is safe for concurrent use.
type recent struct {
	n  atomic.Uint32
	ns [15]atomic.Int64 // 0 for none
}

// took notes one.
func (r *recent) took(d time.Duration) {
	r.ns[r.n.Add(1)%uint32(len(r.ns))].Store(max(int64(d), 1))
}

// us returns the median in microseconds, at least 1; 0 when there was none.
func (r *recent) us() int64 {
	var known [len(r.ns)]int64
	n := 0
	for i := range r.ns {
		if ns := r.ns[i].Load(); ns > 0 {
			known[n] = ns
			n++
		}
	}
	if n == 0 {
		return 0
	}
	slices.Sort(known[:n])
	return max(known[n/2]/int64(time.Microsecond), 1)
}

type ready struct {
	f     *faaslet.Faaslet
	since time.Time
}

// lent is a Faaslet on its way through a call, with what it was set up with.
type lent struct {
	f    *faaslet.Faaslet
	set  *faaslet.Setup
	keep bool // its state, for the next call
}

// acquire returns the pool for a version of a function, loading the module when it is not there, and counts one use of it
// that the caller ends with put. A pool in use stays, and so does its module.
func (w *Worker) acquire(ctx context.Context, name faas.Name, v faas.Version) (*pool, error) {
	fn, known := w.cfg.Functions.Get(name)
	if !known { // removed while the call was on its way: it was admitted, so it runs, with defaults
		fn = faas.Function{Name: name}
	}
	return w.acquireAs(ctx, fn, v, false)
}

// acquireAs is acquire for who knows the function. Ahead of a call nothing is given up for its module.
func (w *Worker) acquireAs(ctx context.Context, fn faas.Function, v faas.Version, ahead bool) (*pool, error) {
	key := poolKey{fn.Name, v}
	w.mu.Lock()
	p := w.pools[key]
	w.mu.Unlock()
	if p != nil && p.enter(fn, ahead) {
		return p, nil
	}
	if w.cfg.Protos != nil && fn.Version == v { // the first Faaslet wants it as soon as the module is there
		w.prefetchProto(fn)
	}
	opens := opensFiles(fn, v)
	if w.cfg.Files != nil && opens {
		w.cfg.Files.Want(key.name.Tenant)
	}
	module, err := w.load(ctx, v, ahead)
	if err != nil {
		return nil, err
	}
	fresh := &pool{w: w, key: key, module: module, fn: fn, set: w.setupOf(fn, v, module), keep: keepsState(fn, module), files: opens, used: time.Now()}
	for {
		w.mu.Lock()
		p = w.pools[key]
		if p == nil {
			p = fresh
			w.pools[key] = p
			w.named[key.name] = append(w.named[key.name], p)
		}
		w.mu.Unlock()
		if p.enter(fn, ahead) {
			break
		}
		w.forget(p)
	}
	if p != fresh {
		w.modules.release(v)
	}
	return p, nil
}

// load loads a version's module. For a call what is idle is given up when the engine has no room for it, or the disk.
func (w *Worker) load(ctx context.Context, v faas.Version, ahead bool) (m *faaslet.Module, err error) {
	if ahead {
		return w.modules.load(ctx, v)
	}
	if w.cfg.Artefacts.Full(100) { // by files of modules that are loaded; the file is fetched all the same
		w.makeRoom(w.room.rounds.Load())
	}
	_ = w.withRoom(ctx, func() *faas.Error {
		if m, err = w.modules.load(ctx, v); errors.As(err, new(noRoom)) {
			return faas.AsError(err)
		}
		return nil
	})
	return m, err
}

// forget removes a closed pool.
func (w *Worker) forget(p *pool) {
	w.mu.Lock()
	if w.pools[p.key] == p {
		delete(w.pools, p.key)
		if rest := slices.DeleteFunc(w.named[p.key.name], func(o *pool) bool { return o == p }); len(rest) > 0 {
			w.named[p.key.name] = rest
		} else {
			delete(w.named, p.key.name)
		}
	}
	w.mu.Unlock()
}

// enter counts one use and reports false when the pool is closed. Ready Faaslets that were made with older settings than fn's
// are dropped.
func (p *pool) enter(fn faas.Function, ahead bool) bool {
	p.mu.Lock()
	if p.closed {
		p.mu.Unlock()
		return false
	}
	p.running++
	p.called = p.called || !ahead
	p.peak = max(p.peak, p.running)
	p.used = time.Now()
	var old []ready
	if p.fn.Revision < fn.Revision { // not the other way: word of a change comes by two ways
		p.set.Image.Close()
		p.fn, p.set, p.keep, p.builds = fn, p.w.setupOf(fn, p.key.version, p.module), keepsState(fn, p.module), builds{}
		old, p.ready = p.ready, nil
		p.retired = fn.Version != p.key.version // it may be the current one again, after a roll-back
	}
	p.mu.Unlock()
	closeAll(old)
	return true
}

// take returns a Faaslet for one call, whose initialisers found shared: a ready one, or a new one. It notes in r how it came
// to be. Preconditions: the caller is between acquire and put.
func (p *pool) take(ctx context.Context, shared vfs.Shared, r *faas.Result) (lent, *faas.Error) {
	p.mu.Lock()
	stale := p.suit(shared) // under the same lock: another call with other files must not come between
	l := lent{set: p.set, keep: p.keep}
	if n := len(p.ready); n > 0 {
		l.f = p.ready[n-1].f
		p.ready[n-1] = ready{}
		p.ready = p.ready[:n-1]
		p.mu.Unlock()
		r.Start, r.Reset = faas.Warm, l.f.LastReset().Took
		return l, nil
	}
	p.mu.Unlock()
	closeAll(stale)
	err := p.w.withRoom(ctx, func() (err *faas.Error) {
		l.f, err = p.make(ctx, l.set)
		return err
	})
	if err != nil {
		return l, err
	}
	b := l.f.Birth()
	if r.Start = b.Kind; b.Kind == faas.Restored {
		r.Restore = b.Took
	} else {
		r.Init = b.Took
	}
	return l, nil
}

// make makes a Faaslet and notes how long that took.
func (p *pool) make(ctx context.Context, set *faaslet.Setup) (*faaslet.Faaslet, *faas.Error) {
	f, err := p.module.New(ctx, *set)
	if err == nil {
		p.born(f.Birth())
	}
	return f, err
}

// giveBack resets a Faaslet that served its call and has it ready for the next one, or closes it and makes up for it. One
// that keeps its state is ready as it is. Preconditions: as take's.
func (p *pool) giveBack(l lent) {
	if !p.keeps(l) || !p.putBack(l) || !p.add(l, false) {
		l.f.Close()
	}
	p.refill()
}

// keeps reports whether a Faaslet that is reset would be kept.
func (p *pool) keeps(l lent) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.wants(l.set) && (l.keep || len(p.ready) < p.want(p.running-1))
}

// add makes l ready and reports true, unless it is no longer wanted: the caller closes it then. Of Faaslets with a state of
// their own those that served a call come before those that were built ahead, and the last one that did before all: when
// there are more than are wanted, it takes the place of the one that was idle for longest.
func (p *pool) add(l lent, ahead bool) bool {
	p.mu.Lock()
	if !p.wants(l.set) {
		p.mu.Unlock()
		return false
	}
	one := ready{l.f, time.Now()}
	var old []ready
	switch n := len(p.ready); {
	case l.keep && ahead && n > 0:
		one.since = p.ready[0].since // they are in this order
		p.ready = slices.Insert(p.ready, 0, one)
	case l.keep && !ahead && n > 0 && n >= p.want(p.running-1):
		old = []ready{p.ready[0]}
		p.ready = append(slices.Delete(p.ready, 0, 1), one)
	default:
		p.ready = append(p.ready, one)
	}
	p.mu.Unlock()
	closeAll(old)
	return true
}

// wants reports whether Faaslets of that setup are to be ready. Preconditions: mu is held.
func (p *pool) wants(set *faaslet.Setup) bool {
	return !p.closed && !p.retired && p.set == set && !p.w.overMark.Load()
}

// put ends a use.
func (p *pool) put() {
	p.mu.Lock()
	p.running--
	p.mu.Unlock()
}

// want returns how many Faaslets the pool should have ready while that many run: one for the next call, and as many more as
// ran at once lately. Preconditions: mu is held.
func (p *pool) want(running int) int { return max(1, p.peak-running+1, p.minWarm()) }

// minWarm is how many stay ready however long they are idle. Preconditions: mu is held.
func (p *pool) minWarm() int { return min(p.fn.Settings.MinWarm, p.w.maxWarm()) }

// maxWarm bounds what the settings of one function can make this worker keep.
func (w *Worker) maxWarm() int { return max(64, 4*w.cfg.Slots) }

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
	for n < len(p.ready)-p.minWarm() && p.ready[n].since.Before(limit) {
		n++
	}
	old := slices.Clone(p.ready[:n])
	p.ready = slices.Delete(p.ready, 0, n)
	p.peak = max(p.running, p.peak-max(1, p.peak/8)) // what a burst needed is forgotten within seconds
	empty := !p.closed && len(p.ready) == 0 && p.running+p.building == 0 && p.used.Before(limit)
	if empty {
		p.closed = true
		p.set.Image.Close()
	}
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
	return faas.WarmCounts{
		Name: p.key.name, Version: p.key.version, Ready: len(p.ready), Running: p.running,
		Starts:   faas.Starts{Cold: p.past.cold.Load(), Restored: p.past.restored.Load(), Warm: p.past.warm.Load()},
		MedianUs: faas.Times{Init: p.past.init.us(), Restore: p.past.restore.us(), Run: p.past.run.us(), Reset: p.past.reset.us()},
	}
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
	old := p.ready
	p.ready = nil
	p.set.Image.Close()
	p.mu.Unlock()
	closeAll(old)
}

func closeAll(rs []ready) {
	for _, r := range rs {
		r.f.Close()
	}
}
