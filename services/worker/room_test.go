package worker

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/shoal-run/shoal/bus"
	"github.com/shoal-run/shoal/bus/bustest"
	"github.com/shoal-run/shoal/bus/faas"
	"github.com/shoal-run/shoal/internal/testenv"
	"github.com/shoal-run/shoal/libs/faaslet"
	"github.com/shoal-run/shoal/libs/faaslet/faaslettest"
)

// limited starts a worker on an engine with lower limits.
func limited(t *testing.T, limits faaslet.Config, change ...func(*Config)) *fixture {
	engine := faaslettest.EngineWith(t, limits)
	artefacts := faaslettest.NewArtefacts(t, engine)
	f := start(t, append(change, func(c *Config) { c.Engine, c.Artefacts = engine, artefacts })...)
	f.artefacts = artefacts
	return f
}

// many adds n functions that share a module's artefact, and have a version each.
func (f *fixture) many(t *testing.T, n int, wat string) []faas.Function {
	v := f.artefacts.Add(wat)
	out := make([]faas.Function, n)
	for i := range out {
		fn := faas.Function{
			Name:     faas.Name{Tenant: "many", Function: fmt.Sprintf("f%d", i)},
			Version:  faas.VersionOf(fmt.Appendf(nil, "%s %d", v, i)),
			Revision: uint64(i + 1),
		}
		f.artefacts.AddAs(v, fn.Version)
		f.functions.set(fn)
		out[i] = fn
	}
	return out
}

func (f *fixture) announce(t *testing.T, fns ...faas.Function) {
	t.Helper()
	for _, fn := range fns {
		if err := f.nc.Publish(bus.FunctionEventSubject(fn.Name), bus.Marshal(bus.FunctionEvent{Kind: bus.FunctionDeployed, Function: fn})); err != nil {
			t.Fatal(err)
		}
	}
	bustest.Flush(t, f.nc)
}

// callAll calls every function once, few enough at a time for the queue, and returns how many calls ended with each code.
func (f *fixture) callAll(t *testing.T, fns []faas.Function, atOnce int) map[faas.Code]int {
	t.Helper()
	codes := map[faas.Code]int{}
	for some := range slices.Chunk(fns, atOnce) {
		var answers []<-chan *nats.Msg
		for _, fn := range some {
			answers = append(answers, f.send(t, f.call(fn.Name, fn.Version, 20*time.Second)))
		}
		for _, a := range answers {
			r := result(t, a)
			if r.Err == nil && string(r.Output) != "hello" {
				t.Errorf("answer %q", r.Output)
			}
			codes[code(r)]++
		}
	}
	return codes
}

// code returns the code that a call ended with, "" for a success.
func code(r *faas.Result) faas.Code {
	if r.Err == nil {
		return ""
	}
	return r.Err.Code
}

// pool returns a function's pool, nil when there is none.
func (f *fixture) pool(fn faas.Function) *pool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.pools[poolKey{fn.Name, fn.Version}]
}

// Far more functions than the process has room for are announced and called: calls find room, what is announced stays below
// its share, what runs stays, and the process stays within its limits.
func TestMoreFunctionsThanRoom(t *testing.T) {
	const (
		most   = 1200 // maps
		files  = 200
		margin = 400 // what the runtime and this test's server take
		slots  = 4
	)
	functions := 2000
	if testenv.Race {
		functions = 400 // some have no room still
	}
	maps0, files0 := testenv.Held(t)
	f := limited(t, faaslet.Config{MaxMaps: most, MaxFiles: files}, func(c *Config) { c.Slots, c.Queue = slots, 64 })
	within := func(when string) {
		t.Helper()
		if maps, open := testenv.Held(t); maps > maps0+most+margin || open > files0+files+margin {
			t.Errorf("%s the process has %d maps and %d descriptors, %d and %d more than at first", when, maps, open, maps-maps0, open-files0)
		}
		if s := f.cfg.Engine.Stats(); s.Maps > most || s.Files > files {
			t.Errorf("%s the account is overdrawn: %+v", when, s)
		}
	}
	fns := f.many(t, functions, watEcho)

	f.announce(t, fns...)
	until(t, "prefetches have taken most of their share", func() bool { return f.cfg.Engine.Used() >= prefetchShare/2 })
	until(t, "all are prefetched or left", func() bool {
		f.prefetches.mu.Lock()
		defer f.prefetches.mu.Unlock()
		return len(f.prefetches.waiting) == 0
	})
	until(t, "the last is done", func() bool { return f.using() == 0 })
	if used := f.cfg.Engine.Used(); used > prefetchShare+10 {
		t.Errorf("prefetches took %d %% of the account", used)
	}
	within("after the announcements")

	v := f.artefacts.Add(watSpin)
	running := f.call(spin, v, time.Minute)
	spun := f.send(t, running)
	until(t, "it runs", func() bool { return f.pool(faas.Function{Name: spin, Version: v}) != nil })
	own := f.pool(faas.Function{Name: spin, Version: v})

	codes := f.callAll(t, fns, 32)
	t.Logf("%d functions, one call each: %v; the account: %+v", functions, codes, f.cfg.Engine.Stats())
	if codes[""] != functions {
		t.Errorf("calls that found no room, with slots enough: %v", codes)
	}
	within("after the calls")

	// The last ones that were called are there still, and are served without another load.
	const last = 20
	before := f.room.rounds.Load()
	if codes := f.callAll(t, fns[functions-last:], 1); codes[""] != last || f.room.rounds.Load() != before {
		t.Errorf("the last %d again: %v, and %d times something was given up", last, codes, f.room.rounds.Load()-before)
	}
	if p := f.pool(fns[0]); p != nil {
		t.Error("the first that was called is there still")
	}
	if codes := f.callAll(t, fns[:1], 1); codes[""] != 1 {
		t.Errorf("the first again: %v", codes)
	}
	if p := f.pool(faas.Function{Name: spin, Version: v}); p != own {
		t.Error("a pool whose call runs was given up")
	}
	f.control(t, bus.Control{Kind: bus.Cancel, Call: running.ID})
	if r := result(t, spun); code(r) != faas.Cancelled {
		t.Errorf("the call that ran all the while: %+v", r)
	}

	// A prefetch gives nothing up.
	before = f.room.rounds.Load()
	f.announce(t, f.renamed(t, fns, "again")...)
	until(t, "it is left", func() bool {
		f.prefetches.mu.Lock()
		defer f.prefetches.mu.Unlock()
		return len(f.prefetches.waiting) == 0
	})
	if f.room.rounds.Load() != before {
		t.Error("a prefetch gave something up")
	}
	within("at the end")
}

// using returns how many uses of pools there are.
func (f *fixture) using() (n int) {
	for _, p := range f.allPools() {
		p.mu.Lock()
		n += p.running + p.building
		p.mu.Unlock()
	}
	return n
}

// renamed returns a few functions of other names with the versions of fns.
func (f *fixture) renamed(t *testing.T, fns []faas.Function, prefix string) []faas.Function {
	t.Helper()
	out := slices.Clone(fns[:50])
	for i := range out {
		out[i].Name.Function = prefix + out[i].Name.Function
		f.functions.set(out[i])
	}
	return out
}

// When everything is in use there is nothing to give up: calls are refused with no_capacity, and served when there is room.
func TestNoRoomIsNoCapacity(t *testing.T) {
	f := limited(t, faaslet.Config{MaxFiles: 2}, func(c *Config) { c.Slots, c.Queue = 4, 4 })
	fns := f.many(t, 2, `(module (memory (export "memory") 1) (table 1 funcref)
	  (func (export "handle") (table.set (i32.const 0) (ref.null func)) (loop $l (br $l))))`) // which have no image
	other := f.one(t, watEcho)
	var busy []<-chan *nats.Msg
	for _, fn := range fns {
		busy = append(busy, f.send(t, f.call(fn.Name, fn.Version, 2*time.Second)))
	}
	until(t, "both run", func() bool { return f.using() == 2 && f.cfg.Engine.Stats().Modules == 2 })
	r := result(t, f.send(t, f.call(other.Name, other.Version, 20*time.Second)))
	if code(r) != faas.NoCapacity {
		t.Errorf("with two modules in use: %+v", r)
	}
	if err := f.modules.check(); err != nil {
		t.Errorf("a worker that is full is not ready: %v", err)
	}
	for _, a := range busy {
		if r := result(t, a); code(r) != faas.DeadlineExceeded {
			t.Errorf("a call that ran: %+v", r)
		}
	}
	until(t, "there is room again", func() bool {
		r := result(t, f.send(t, f.call(other.Name, other.Version, 20*time.Second)))
		return r.Err == nil && string(r.Output) == "hello"
	})
}

// one adds one function of another module.
func (f *fixture) one(t *testing.T, wat string) faas.Function {
	t.Helper()
	fn := faas.Function{Name: echo, Version: f.artefacts.Add(wat), Revision: 1}
	f.functions.set(fn)
	return fn
}

// fullDisk are Artefacts whose open files take all that they may.
type fullDisk struct{ *faaslettest.Artefacts }

func (fullDisk) Full(int) bool { return true }

// Nothing is prefetched beyond the disk's budget; calls are served, and give up what is idle for it.
func TestFullDisk(t *testing.T) {
	engine := faaslettest.Engine(t)
	artefacts := faaslettest.NewArtefacts(t, engine)
	f := start(t, func(c *Config) { c.Engine, c.Artefacts = engine, fullDisk{artefacts} })
	f.artefacts = artefacts
	fns := f.many(t, 3, watEcho)
	f.announce(t, fns...)
	if codes := f.callAll(t, fns, 1); codes[""] != len(fns) {
		t.Errorf("calls: %v", codes)
	}
	until(t, "what is idle was given up", func() bool { return f.pool(fns[0]) == nil })
	if f.pool(fns[2]) == nil {
		t.Error("the last one that was called is gone")
	}
}

func TestPrefetchesAreBounded(t *testing.T) {
	q := newPrefetches()
	name := func(i int) faas.Name { return faas.Name{Tenant: "t", Function: fmt.Sprintf("f%d", i)} }
	for i := range maxPrefetches + 10 {
		if ok := q.add(prefetch{fn: faas.Function{Name: name(i)}}); ok != (i < maxPrefetches) {
			t.Fatalf("the %dth: %t", i, ok)
		}
	}
	q.add(prefetch{fn: faas.Function{Name: name(0)}, version: "new", count: 3})
	q.drop(name(1))
	if p, ok := q.next(); !ok || p.fn.Name != name(0) || p.version != "new" || p.count != 3 {
		t.Errorf("first %+v", p)
	}
	if p, ok := q.next(); !ok || p.fn.Name != name(2) {
		t.Errorf("second %+v", p)
	}
	for range maxPrefetches - 3 {
		if _, ok := q.next(); !ok {
			t.Fatal("too few")
		}
	}
	if _, ok := q.next(); ok || len(q.waiting) != 0 {
		t.Error("too many")
	}
}

// A beat tells of the busiest functions, in order, of however many there are.
func TestBeatTellsTheBusiest(t *testing.T) {
	var most warmest
	for i := range 5000 {
		most.add(faas.WarmCounts{Name: faas.Name{Tenant: "t", Function: fmt.Sprintf("f%04d", i*7919%5000)}, Ready: 1, Running: i * 7919 % 5000 / 4900})
	}
	slices.SortFunc(most, busier)
	if len(most) != maxWarmCounts || most[0].Name.Function != "f4900" || most[99].Name.Function != "f4999" || most[100].Name.Function != "f0000" ||
		most[511].Name.Function != "f0411" {
		t.Errorf("%d, from %v and %v to %v", len(most), most[0], most[100], most[len(most)-1])
	}
}
