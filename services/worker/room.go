package worker

import (
	"cmp"
	"context"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/shoal-run/shoal/bus/faas"
)

// The engine refuses modules, images and Faaslets beyond what the process may have of maps, address space and descriptors.
// Calls go first: for a call that is refused what is idle is given up, the least recently used first, and the call is tried
// again. What is only likely to be used, prefetched modules and Faaslets that are built ahead, never costs anybody anything:
// it keeps to a share of what there is.
const (
	// prefetchShare is how full the engine may be, in percent, for something to be fetched that nobody has called yet.
	prefetchShare = 50
	// aheadShare is how full it may be for a Faaslet to be built ahead of a call.
	aheadShare = 90
	// evictPart is the part of the idle pools that is given up at once: finding them costs more than giving up one.
	evictPart = 32
	// roomTries bounds how often a call is tried again, while others take the room that it made.
	roomTries = 16
)

// room is where calls that the engine refused make room.
type room struct {
	mu     sync.Mutex    // held while some is made
	rounds atomic.Uint64 // in which something was given up
}

// withRoom does try, and as long as that is refused with no_capacity, and something can be given up for it, again.
// Preconditions: try keeps nothing after an error.
func (w *Worker) withRoom(ctx context.Context, try func() *faas.Error) *faas.Error {
	for again := 0; ; again++ {
		round := w.room.rounds.Load()
		err := try()
		if err == nil || err.Code != faas.NoCapacity || again >= roomTries || ctx.Err() != nil || !w.makeRoom(round) {
			return err
		}
	}
}

// makeRoom gives up what is idle, and reports whether there was something. It does nothing when another call has done so
// since round.
func (w *Worker) makeRoom(round uint64) bool {
	w.room.mu.Lock()
	defer w.room.mu.Unlock()
	if w.room.rounds.Load() != round {
		return true
	}
	pools, faaslets := w.evictPools(), 0
	if pools == 0 {
		for _, p := range w.allPools() {
			faaslets += p.evict(maxPrewarm)
		}
	}
	if pools+faaslets == 0 {
		return false
	}
	w.room.rounds.Add(1)
	w.meters.evictions.Add()
	w.log.Debug("made room for a call", "pools", pools, "faaslets", faaslets)
	return true
}

// idlePool is a pool that nobody used a moment ago.
type idlePool struct {
	*pool
	rank int // what goes first
	used time.Time
}

// idlePools returns the pools that nobody uses, in the order in which they can be spared.
func (w *Worker) idlePools() []idlePool {
	all := w.allPools()
	idle := make([]idlePool, 0, len(all))
	for _, p := range all {
		p.mu.Lock()
		one := idlePool{p, 1, p.used}
		switch {
		case p.running+p.building > 0:
			one.pool = nil
		case p.minWarm() > 0:
			one.rank = 2
		case !p.called:
			one.rank = 0
		}
		p.mu.Unlock()
		if one.pool != nil {
			idle = append(idle, one)
		}
	}
	slices.SortFunc(idle, func(a, b idlePool) int { return cmp.Or(a.rank-b.rank, a.used.Compare(b.used)) })
	return idle
}

// evictPools closes some of the pools that nobody uses, with all that they have, and returns how many.
func (w *Worker) evictPools() (n int) {
	idle := w.idlePools()
	enough := max(len(idle)/evictPart, 1)
	for _, p := range idle {
		if n >= enough {
			break
		}
		if p.closeIdle() {
			w.unload(p.pool)
			n++
		}
	}
	return n
}

// closeIdle closes the pool unless somebody uses it, and reports whether it did: the caller unloads it.
func (p *pool) closeIdle() bool {
	p.mu.Lock()
	if p.closed || p.running+p.building > 0 {
		p.mu.Unlock()
		return false
	}
	p.closed = true
	old := p.ready
	p.ready = nil
	p.set.Image.Close()
	p.mu.Unlock()
	closeAll(old)
	return true
}

// unload forgets a closed pool and gives up its module.
func (w *Worker) unload(p *pool) {
	w.forget(p)
	w.modules.release(p.key.version)
}
