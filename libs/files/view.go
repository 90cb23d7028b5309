package files

import (
	"context"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/shoal-run/shoal/bus/faas"
)

// ViewConfig says what a View is made of.
type ViewConfig struct {
	Bucket   *Bucket
	Idle     time.Duration // after which a tenant that nobody asks for is not followed any more; default 10 minutes
	Tenants  int           // followed at once; beyond it the one that was asked for longest ago makes way. Default 4096
	Patience time.Duration // how long At waits at most; default 2 seconds
	Log      *slog.Logger
}

// View mirrors the index of the tenants that somebody asks for, in this process's memory. While the bus is away it goes on
// with what it knew. Run it; before and after, only what it knows already is to be had.
type View struct {
	cfg   ViewConfig
	alive context.Context // of the followers: until Run ends
	end   context.CancelFunc

	tenants   sync.Map     // of string to *follower; written under mu
	told      atomic.Int64 // when away last logged, in Unix seconds
	restarted atomic.Int64 // when the index was last found to be another one, or an older copy, in Unix nanoseconds

	mu        sync.Mutex
	count     int // of tenants
	closed    bool
	followers sync.WaitGroup
}

// NewView returns a View that follows nobody yet.
func NewView(cfg ViewConfig) *View {
	if cfg.Idle == 0 {
		cfg.Idle = 10 * time.Minute
	}
	if cfg.Tenants == 0 {
		cfg.Tenants = 4096
	}
	if cfg.Patience == 0 {
		cfg.Patience = 2 * time.Second
	}
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	v := &View{cfg: cfg}
	v.alive, v.end = context.WithCancel(context.Background())
	return v
}

// Run lets go of tenants that nobody asks for, until ctx ends; then it ends every following, waits for that and returns nil.
func (v *View) Run(ctx context.Context) error {
	tick := time.NewTicker(max(v.cfg.Idle/10, time.Millisecond))
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			v.close()
			return nil
		case now := <-tick.C:
			v.dropIdle(now)
		}
	}
}

// Len returns how many tenants are followed.
func (v *View) Len() int {
	v.mu.Lock()
	defer v.mu.Unlock()
	return v.count
}

func (v *View) close() {
	v.mu.Lock()
	v.closed = true
	v.mu.Unlock()
	v.end()
	v.followers.Wait()
}

func (v *View) dropIdle(now time.Time) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.tenants.Range(func(_, value any) bool {
		if f := value.(*follower); now.Sub(time.Unix(0, f.used.Load())) > v.cfg.Idle {
			v.drop(f)
		}
		return true
	})
}

// drop ends a following. Preconditions: mu is held.
func (v *View) drop(f *follower) {
	if v.tenants.CompareAndDelete(f.tenant, f) {
		v.count--
	}
	f.end()
}

// At returns the files of a tenant at a revision that is at least revision. What is known it returns at once; else it
// waits, until ctx ends or the View's patience, and fails with that or with unavailable.
func (v *View) At(ctx context.Context, tenant string, revision uint64) (*Tree, error) {
	if f, ok := v.tenants.Load(tenant); ok { // the way of a call
		f := f.(*follower)
		f.used.Store(time.Now().UnixNano())
		if t := f.tree.Load(); t != nil && t.revision >= revision {
			return t, nil
		}
	}
	if err := faas.CheckName("tenant", tenant); err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeoutCause(ctx, v.cfg.Patience, faas.Errorf(faas.Unavailable,
		"the shared files of tenant %s are not known: the index in JetStream did not answer in %s", tenant, faas.Duration(v.cfg.Patience)))
	defer cancel()
	for {
		f := v.follow(tenant)
		if f == nil {
			return nil, faas.Errorf(faas.Unavailable, "the shared files of tenant %s are not followed any more", tenant)
		}
		t, err := f.wait(ctx, func(t *Tree) bool { return t.revision >= revision })
		if t != nil || err != nil {
			return t, err
		}
	}
}

// Want begins to follow a tenant.
func (v *View) Want(tenant string) {
	if _, ok := v.tenants.Load(tenant); !ok && faas.CheckName("tenant", tenant) == nil {
		v.follow(tenant)
	}
}

// follow returns the follower of a tenant, which it starts when there is none; nil when the View has ended.
func (v *View) follow(tenant string) *follower {
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.closed {
		return nil
	}
	if f, ok := v.tenants.Load(tenant); ok {
		return f.(*follower)
	}
	if v.count >= v.cfg.Tenants {
		v.makeWay()
	}
	f := newFollower(v, tenant)
	v.tenants.Store(tenant, f)
	v.count++
	v.followers.Go(f.run)
	return f
}

// makeWay drops the tenant that was asked for longest ago. Preconditions: mu is held.
func (v *View) makeWay() {
	var oldest *follower
	v.tenants.Range(func(_, value any) bool {
		if f := value.(*follower); oldest == nil || f.used.Load() < oldest.used.Load() {
			oldest = f
		}
		return true
	})
	if oldest != nil {
		v.drop(oldest)
	}
}

// wrote folds in a change that this process has just made to base, a tenant's tree: the index has compared that nothing of
// the tenant came between. A follower that has another tree by now hears of the change from the bus.
func (v *View) wrote(tenant string, base *Tree, c change) {
	value, ok := v.tenants.Load(tenant)
	if !ok {
		return
	}
	f := value.(*follower)
	f.mu.Lock()
	defer f.mu.Unlock()
	if t := f.tree.Load(); t == base {
		f.set(t.with([]change{c}, c.rev))
	}
}

// refresh reads a tenant anew and returns it as soon as that was done.
func (v *View) refresh(ctx context.Context, tenant string) (*Tree, error) {
	ctx, cancel := context.WithTimeoutCause(ctx, v.cfg.Patience, faas.Errorf(faas.Unavailable, "the index of tenant %s did not answer", tenant))
	defer cancel()
	for {
		f := v.follow(tenant)
		if f == nil {
			return nil, faas.Errorf(faas.Unavailable, "the shared files of tenant %s are not followed any more", tenant)
		}
		t, err := f.anew(ctx)
		if t != nil || err != nil {
			return t, err
		}
	}
}

// follower follows one tenant.
type follower struct {
	view   *View
	tenant string
	ctx    context.Context // of the following
	end    context.CancelFunc
	used   atomic.Int64         // when it was asked for last, in Unix nanoseconds
	tree   atomic.Pointer[Tree] // nil before the present values are there; replaced under mu
	again  chan struct{}        // asks for reading anew

	mu      sync.Mutex
	changed chan struct{} // closed, and made anew, when tree or reads changes
	reads   int           // how often the tenant was read as a whole
}

func newFollower(v *View, tenant string) *follower {
	f := &follower{view: v, tenant: tenant, again: make(chan struct{}, 1), changed: make(chan struct{})}
	f.ctx, f.end = context.WithCancel(v.alive)
	f.used.Store(time.Now().UnixNano())
	return f
}

// wait returns the tree as soon as it is good; nil when the following has ended, or why ctx did.
func (f *follower) wait(ctx context.Context, good func(*Tree) bool) (*Tree, error) {
	for {
		f.mu.Lock()
		t, changed := f.tree.Load(), f.changed
		f.mu.Unlock()
		if t != nil && good(t) {
			return t, nil
		}
		select {
		case <-changed:
		case <-f.ctx.Done():
			return nil, nil
		case <-ctx.Done():
			return nil, context.Cause(ctx)
		}
	}
}

// anew is wait for a whole reading that begins now or later.
func (f *follower) anew(ctx context.Context) (*Tree, error) {
	f.mu.Lock()
	reads := f.reads
	f.mu.Unlock()
	select {
	case f.again <- struct{}{}:
	default: // it was asked for, and has not begun
	}
	return f.wait(ctx, func(*Tree) bool {
		f.mu.Lock()
		defer f.mu.Unlock()
		return f.reads > reads
	})
}

// fold makes the changes that are news; they are in the order of their revisions.
func (f *follower) fold(changes []change) {
	f.mu.Lock()
	defer f.mu.Unlock()
	t := f.tree.Load()
	if t == nil {
		return // all is read soon
	}
	for len(changes) > 0 && changes[0].rev <= t.revision {
		changes = changes[1:]
	}
	if len(changes) > 0 {
		f.set(t.with(changes, changes[len(changes)-1].rev))
	}
}

// replace takes a whole reading: all that the tenant has, of which high is the highest revision. restarted says that the
// index is another one than that of the readings before.
func (f *follower) replace(all []change, high uint64, restarted bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.reads++
	if restarted {
		now := time.Now().UnixNano()
		if before := f.view.restarted.Swap(now); now-before > int64(time.Minute) { // of all tenants the first
			f.view.cfg.Log.Warn("the index of shared files is another one or an older copy: what was written since is gone", "tenant", f.tenant)
		}
	}
	t := f.tree.Load()
	switch {
	case t == nil || restarted || high > t.revision:
		f.set(treeOf(all, high))
	default: // nothing new; what was last may have expired
		same := *t
		same.expect = high
		f.set(&same)
	}
}

// set replaces the tree and tells who waits. Preconditions: mu is held.
func (f *follower) set(t *Tree) {
	f.tree.Store(t)
	close(f.changed)
	f.changed = make(chan struct{})
}
