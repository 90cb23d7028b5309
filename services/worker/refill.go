package worker

import (
	"context"
	"sync"
	"time"

	"github.com/shoal-run/shoal/bus/faas"
	"github.com/shoal-run/shoal/libs/telemetry"
)

// How Faaslets are built ahead of calls.
const (
	// slotBudget is how long a slot may be taken for it after a call. Initialisers that take longer, or fail, are left to
	// the builder: a slot belongs to every function of the worker.
	slotBudget = 20 * time.Millisecond
	// quickAgain is how many in a row the builder has to have built within the budget before slots build again.
	quickAgain = 8
	// initTimeout bounds an initialiser on the builder, as the function's own timeout does.
	initTimeout = 10 * time.Second
	// After a failure the builder lets a pool rest, twice as long each time.
	firstRest = 100 * time.Millisecond
	lastRest  = time.Minute
	// maxAsked is how many pools wait for the builder. What does not fit asks again after its next call.
	maxAsked = 1024
)

// builds is what a pool knows of building its Faaslets.
type builds struct {
	slow     bool      // not on a slot
	quick    int       // built within the budget in a row, while slow
	failures int       // in a row
	notYet   time.Time // when to try again after failures
}

// took notes how a build went.
func (b *builds) took(d time.Duration, failed bool, now time.Time) {
	switch {
	case failed:
		b.slow, b.quick = true, 0
		b.notYet = now.Add(min(firstRest<<min(b.failures, 16), lastRest))
		b.failures++
		return
	case d >= slotBudget:
		b.slow, b.quick = true, 0
	case b.slow:
		if b.quick++; b.quick >= quickAgain {
			b.slow = false
		}
	}
	b.failures, b.notYet = 0, time.Time{}
}

// refill makes one more Faaslet ready on the calling goroutine, a runner's, when the pool has less than it wants and
// building is known to be quick; else it asks the builder.
func (p *pool) refill() {
	p.mu.Lock()
	missing, slow := p.missing(), p.builds.slow && !p.set.Image.Taken()
	p.mu.Unlock()
	if !missing {
		return
	}
	if slow || !p.build(slotBudget) {
		p.w.builder.ask(p)
	}
}

// missing reports whether to build one more. Preconditions: mu is held.
func (p *pool) missing() bool {
	return p.wants(p.set) && !p.w.draining.Load() && len(p.ready)+p.building < p.want(p.running) && p.w.cfg.Engine.Used() < aheadShare
}

// build builds one Faaslet ahead of any call, within limit, if one is missing. It reports false when that failed. A drain
// ends it.
func (p *pool) build(limit time.Duration) bool {
	began := time.Now()
	init, cancel := context.WithTimeout(p.w.ahead, limit)
	defer cancel()
	if err := p.suitNow(init); err != nil {
		p.mu.Lock()
		p.builds.took(0, limit > slotBudget, time.Now())
		p.mu.Unlock()
		p.w.log.Debug("Faaslet not built ahead: its files are not known", telemetry.KeyFunc, p.key.name, telemetry.KeyErr, err)
		return false
	}
	p.mu.Lock()
	if !p.missing() {
		p.mu.Unlock()
		return true
	}
	p.building++
	l := lent{set: p.set, keep: p.keep}
	p.mu.Unlock()

	f, err := p.make(init, l.set)
	l.f = f

	failed := err != nil && (limit > slotBudget || err.Code != faas.DeadlineExceeded) // else it may only be slow
	p.mu.Lock()
	if now := time.Now(); p.set == l.set {
		p.builds.took(now.Sub(began), failed, now)
	}
	p.mu.Unlock()
	if err == nil && !p.add(l, true) {
		f.Close()
	}
	p.mu.Lock()
	p.building--
	p.mu.Unlock()
	if err != nil { // the next call finds out by itself and is told why
		p.w.log.Debug("Faaslet not built ahead", telemetry.KeyFunc, p.key.name, telemetry.KeyErr, err)
		return false
	}
	return true
}

// initLimit is how long an initialiser may take that no slot waits for.
func (p *pool) initLimit() time.Duration {
	p.mu.Lock()
	defer p.mu.Unlock()
	limit := time.Duration(p.fn.Settings.Timeout)
	if limit <= 0 {
		limit = faas.DefaultTimeout
	}
	return min(limit, initTimeout)
}

// warm makes ready until there are n, on the calling goroutine; the first failure leaves the rest to the builder.
// Preconditions: as take's, and no slot waits.
func (p *pool) warm(ctx context.Context, n int) {
	n = min(n, p.w.maxWarm())
	for have := -1; ctx.Err() == nil; {
		p.mu.Lock()
		p.peak = max(p.peak, p.running+n)
		now := len(p.ready)
		p.mu.Unlock()
		if now >= n || now <= have {
			return
		}
		have = now
		if !p.build(p.initLimit()) {
			p.w.builder.ask(p)
			return
		}
	}
}

// builder makes up for what slots must not build, one Faaslet at a time, the pool first that may be tried first.
type builder struct {
	wake chan struct{}

	mu    sync.Mutex
	asked map[*pool]time.Time // when to try each
}

func newBuilder() *builder {
	return &builder{wake: make(chan struct{}, 1), asked: make(map[*pool]time.Time)}
}

// ask has the builder fill p up. It does not block.
func (b *builder) ask(p *pool) {
	p.mu.Lock()
	at := p.builds.notYet
	p.mu.Unlock()
	b.mu.Lock()
	_, waits := b.asked[p]
	if !waits && len(b.asked) < maxAsked {
		b.asked[p] = later(at, time.Now())
	}
	b.mu.Unlock()
	select {
	case b.wake <- struct{}{}:
	default:
	}
}

func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}

// next takes out the pool whose time has come, or says how long that will be; 0 means that nobody waits.
func (b *builder) next(now time.Time) (p *pool, wait time.Duration) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for q, at := range b.asked {
		if p == nil || at.Before(b.asked[p]) {
			p = q
		}
	}
	if p == nil {
		return nil, 0
	}
	if wait = b.asked[p].Sub(now); wait > 0 {
		return nil, wait
	}
	delete(b.asked, p)
	return p, 0
}

// run builds until ctx ends.
func (b *builder) run(ctx context.Context) error {
	for ctx.Err() == nil {
		p, wait := b.next(time.Now())
		if p != nil {
			p.build(p.initLimit())
			p.mu.Lock()
			again := p.missing()
			p.mu.Unlock()
			if again { // behind the others
				b.ask(p)
			}
			continue
		}
		var due <-chan time.Time
		if wait > 0 {
			due = time.After(wait)
		}
		select {
		case <-ctx.Done():
		case <-b.wake:
		case <-due:
		}
	}
	return nil
}
