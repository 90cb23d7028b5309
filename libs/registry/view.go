package registry

import (
	"context"
	"errors"
	"log/slog"
	"maps"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/shoal-run/shoal/bus/faas"
	"github.com/shoal-run/shoal/libs/natserr"
	"github.com/shoal-run/shoal/libs/telemetry"
)

// View is a mirror of the registry in this process's memory. Reading it takes no lock, so a call can look up its function
// there. Changes come from the bucket, and from Apply and Remove, with which a service folds in what it learned sooner;
// in whatever order they come, a function's revision never goes back.
type View struct {
	reg *Registry
	log *slog.Logger

	functions atomic.Pointer[map[faas.Name]*faas.Function] // never changed, only replaced, under mu
	ready     chan struct{}

	mu        sync.Mutex
	onChange  []func(old, new *faas.Function)
	removed   map[faas.Name]tombstone
	high      uint64 // the highest revision seen
	readyOnce sync.Once
}

// tombstone says up to which revision a function is gone.
type tombstone struct {
	rev  uint64
	when time.Time
}

// forgetAfter is how long a View remembers a removal: much longer than any message about the function can be on its way.
const forgetAfter = time.Hour

// NewView returns an empty View of reg. Run fills it.
func NewView(reg *Registry, log *slog.Logger) *View {
	v := &View{reg: reg, log: log, ready: make(chan struct{}), removed: map[faas.Name]tombstone{}}
	v.functions.Store(&map[faas.Name]*faas.Function{})
	return v
}

// Ready is closed when the View has everything that was in the bucket when Run began.
func (v *View) Ready() <-chan struct{} { return v.ready }

// OnChange adds a function that is told every change, in the order in which the View makes them and after the View has
// made it: old is nil for a function that is new, new is nil for one that is removed. It must be quick, must not change
// what it gets, and must not call Apply, Remove or OnChange.
func (v *View) OnChange(f func(old, new *faas.Function)) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.onChange = append(v.onChange, f)
}

// Get returns a function. Its Imports and Env are shared: nobody may change them.
func (v *View) Get(name faas.Name) (faas.Function, bool) {
	if fn := (*v.functions.Load())[name]; fn != nil {
		return *fn, true
	}
	return faas.Function{}, false
}

// List returns the functions of a tenant, of every tenant for "", by name.
func (v *View) List(tenant string) []faas.Function {
	var out []faas.Function
	for name, fn := range *v.functions.Load() {
		if tenant == "" || name.Tenant == tenant {
			out = append(out, *fn)
		}
	}
	slices.SortFunc(out, func(a, b faas.Function) int { return compare(a.Name, b.Name) })
	return out
}

// Apply folds in a function as the registry has it, with its Revision. It reports whether that was news.
func (v *View) Apply(fn faas.Function) bool {
	return v.fold([]update{{name: fn.Name, rev: fn.Revision, fn: &fn}}) == 1
}

// Remove folds in that the function was removed when it had revision rev, or that its removal has revision rev. It reports
// whether that was news.
func (v *View) Remove(name faas.Name, rev uint64) bool {
	return v.fold([]update{{name: name, rev: rev}}) == 1
}

// update is one change: fn is nil for a removal.
type update struct {
	name faas.Name
	rev  uint64
	fn   *faas.Function
}

// fold makes those of the updates that are news, all at once for a reader, and returns how many they were.
func (v *View) fold(updates []update) int {
	v.mu.Lock()
	defer v.mu.Unlock()
	return v.foldLocked(updates)
}

// foldLocked is fold. Preconditions: mu is held.
func (v *View) foldLocked(updates []update) int {
	before := *v.functions.Load()
	var after map[faas.Name]*faas.Function
	old := map[faas.Name]*faas.Function{} // what was there of each that changes
	news := 0
	for _, u := range updates {
		present := before
		if after != nil {
			present = after
		}
		now := present[u.name]
		if u.rev <= v.removed[u.name].rev || now != nil && (u.rev < now.Revision || u.rev == now.Revision && u.fn != nil) {
			continue
		}
		v.high = max(v.high, u.rev)
		if u.fn == nil {
			v.removed[u.name] = tombstone{u.rev, time.Now()}
			if now == nil {
				continue
			}
		}
		if after == nil {
			after = maps.Clone(before)
		}
		if u.fn == nil {
			delete(after, u.name)
		} else {
			after[u.name] = u.fn
			delete(v.removed, u.name) // the function's own revision guards it now
		}
		old[u.name] = before[u.name]
		news++
	}
	if after == nil {
		return 0
	}
	v.functions.Store(&after)
	v.prune()
	for name, fn := range old {
		if now := after[name]; fn != now {
			v.tell(fn, now)
		}
	}
	return news
}

// tell calls the OnChange functions. Preconditions: mu is held.
func (v *View) tell(old, now *faas.Function) {
	for _, f := range v.onChange {
		f(old, now)
	}
}

// prune forgets old removals. Preconditions: mu is held.
func (v *View) prune() {
	for name, t := range v.removed {
		if time.Since(t.when) > forgetAfter {
			delete(v.removed, name)
		}
	}
}

// Run keeps the View up to date until ctx ends, then returns nil. Errors of the bus are logged and outlived; only a closed
// connection ends it. While the bus is away the View keeps answering with what it knows. Run tells the server that it
// stops: one that has just died makes it wait five seconds for the answer.
func (v *View) Run(ctx context.Context) error {
	nc := v.reg.js.Conn()
	status := nc.StatusChanged(nats.CONNECTED, nats.CLOSED)
	defer nc.RemoveStatusListener(status)
	const shortest, longest = 50 * time.Millisecond, 2 * time.Second
	for wait := shortest; ; wait = min(2*wait, longest) {
		err := v.follow(ctx, status)
		switch {
		case ctx.Err() != nil:
			return nil
		case nc.IsClosed():
			return faas.Errorf(faas.Unavailable, "follow the registry: the bus connection was closed")
		case err == nil: // reconnected
			wait = shortest / 2
			continue
		}
		v.log.Warn("following the registry", telemetry.KeyErr, err, "retry", wait)
		select {
		case <-ctx.Done():
			return nil
		case <-status:
		case <-time.After(wait):
		}
	}
}

// follow watches the bucket until ctx ends, the watch fails, or the connection was lost and is back, which is the nil
// error: then a new watch is quicker and surer than waiting for the old one to notice what it missed.
func (v *View) follow(ctx context.Context, status <-chan nats.Status) error {
	last, err := v.reg.last(ctx) // what the bucket had no later than the watch began
	if err != nil {
		return err
	}
	w, err := v.reg.kv.WatchAll(ctx)
	if err != nil {
		return natserr.Wrap(err, "watch the registry")
	}
	defer stop(w)
	initial := true
	var batch []update
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-status:
			return nil
		case e, ok := <-w.Updates():
			switch {
			case !ok:
				return errors.New("watch the registry: the watch ended")
			case e != nil:
				batch = v.add(batch, e)
			case initial:
				initial = false
				if err := v.replace(ctx, batch, last); err != nil {
					return err
				}
				batch = nil
				v.readyOnce.Do(func() { close(v.ready) })
			}
			if !initial && len(w.Updates()) == 0 {
				v.fold(batch)
				batch = nil
			}
		}
	}
}

func (v *View) add(batch []update, e jetstream.KeyValueEntry) []update {
	name, err := parseKey(e.Key())
	if err != nil {
		v.log.Warn("registry entry skipped", "key", e.Key(), telemetry.KeyErr, err)
		return batch
	}
	u := update{name: name, rev: e.Revision()}
	if e.Operation() == jetstream.KeyValuePut {
		fn, err := decode(e)
		if err != nil {
			v.log.Warn("registry entry skipped", telemetry.KeyFunc, name.String(), telemetry.KeyErr, err)
			return batch
		}
		u.fn = &fn
	}
	return append(batch, u)
}

// replace takes the whole bucket: what is not in it and is not newer than last, which was its highest revision before it
// was read, is gone.
func (v *View) replace(ctx context.Context, all []update, last uint64) error {
	v.mu.Lock()
	high := v.high
	v.mu.Unlock()
	if last < high { // the view knows better: from an Apply since then, or from a bucket that was there before this one
		now, err := v.reg.last(ctx)
		if err != nil {
			return err
		}
		if now < high {
			v.log.Warn("the registry was replaced by an older one", "revision", now, "known", high)
			v.restart(all)
			return nil
		}
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	there := make(map[faas.Name]bool, len(all))
	for _, u := range all {
		there[u.name] = true
	}
	for name, fn := range *v.functions.Load() {
		if !there[name] && fn.Revision <= last {
			all = append(all, update{name: name, rev: fn.Revision})
		}
	}
	v.foldLocked(all)
	return nil
}

// restart forgets everything for what another bucket has, all at once for a reader.
func (v *View) restart(all []update) {
	v.mu.Lock()
	defer v.mu.Unlock()
	before, after := *v.functions.Load(), make(map[faas.Name]*faas.Function, len(all))
	v.removed, v.high = map[faas.Name]tombstone{}, 0
	for _, u := range all {
		v.high = max(v.high, u.rev)
		if u.fn == nil {
			delete(after, u.name)
			v.removed[u.name] = tombstone{u.rev, time.Now()}
		} else {
			after[u.name] = u.fn
			delete(v.removed, u.name)
		}
	}
	v.functions.Store(&after)
	for name, fn := range before {
		v.tell(fn, after[name])
	}
	for name, fn := range after {
		if before[name] == nil {
			v.tell(nil, fn)
		}
	}
}
