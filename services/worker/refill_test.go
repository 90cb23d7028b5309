package worker

import (
	"slices"
	"testing"
	"time"

	"github.com/shoal-run/shoal/bus"
	"github.com/shoal-run/shoal/bus/faas"
	"github.com/shoal-run/shoal/libs/faaslet"
)

const (
	// Initialisers that spin, or trap, on every other random byte.
	watOddSpins = `(module
	  (import "wasi_snapshot_preview1" "random_get" (func $random (param i32 i32) (result i32)))
	  (memory (export "memory") 1)
	  (func $spin (loop $l (br $l)))
	  (func (export "_initialize")
	    (drop (call $random (i32.const 0) (i32.const 1)))
	    (if (i32.and (i32.load8_u (i32.const 0)) (i32.const 1)) (then (call $spin))))
	  (func (export "handle")))`
	watOddTraps = `(module
	  (import "wasi_snapshot_preview1" "random_get" (func $random (param i32 i32) (result i32)))
	  (memory (export "memory") 1)
	  (func (export "_initialize")
	    (drop (call $random (i32.const 0) (i32.const 1)))
	    (if (i32.and (i32.load8_u (i32.const 0)) (i32.const 1)) (then unreachable)))
	  (func (export "handle")))`
	// Answers how many calls it knows of, this one included.
	watCount = `(module
	  (import "env" "__faasm_write_output" (func $write (param i32 i32)))
	  (memory (export "memory") 2)
	  (global $calls (mut i32) (i32.const 0))
	  (func (export "handle")
	    (global.set $calls (i32.add (global.get $calls) (i32.const 1)))
	    (i32.store8 (i32.const 100000) (i32.add (i32.load8_u (i32.const 100000)) (i32.const 1)))
	    (i32.store8 (i32.const 16) (i32.add (i32.const 48) (global.get $calls)))
	    (i32.store8 (i32.const 17) (i32.add (i32.const 48) (i32.load8_u (i32.const 100000))))
	    (call $write (i32.const 16) (i32.const 2))))`
	watTables = `(module
	  (memory (export "memory") 1)
	  (table 1 funcref)
	  (func (export "handle") (result i32)
	    (local $was i32)
	    (local.set $was (i32.eqz (ref.is_null (table.get (i32.const 0)))))
	    (table.set (i32.const 0) (ref.func $f))
	    (local.get $was))
	  (func $f) (elem declare func $f))`
)

// readyOnes returns the ready Faaslets of a pool.
func (f *fixture) readyOnes(n faas.Name, v faas.Version) (out []*faaslet.Faaslet) {
	for _, p := range f.allPools() {
		if p.key == (poolKey{n, v}) {
			p.mu.Lock()
			for _, r := range p.ready {
				out = append(out, r.f)
			}
			p.mu.Unlock()
		}
	}
	return out
}

// A Faaslet that was reset serves the next call, which sees nothing of the one before.
func TestResetIsWarm(t *testing.T) {
	f := start(t)
	v := f.artefacts.Add(watCount)
	var same *faaslet.Faaslet
	for i := range 5 {
		r := result(t, f.send(t, f.call(echo, v, 5*time.Second)))
		if r.Err != nil || string(r.Output) != "11" || r.Start != faas.Warm && i > 0 {
			t.Fatalf("call %d: %+v", i, r)
		}
		until(t, "it is back", func() bool { c := f.counts(echo, v); return c.Ready == 1 && c.Running == 0 })
		got := f.readyOnes(echo, v)
		if len(got) != 1 || i > 0 && got[0] != same {
			t.Errorf("after call %d another Faaslet is ready", i)
		}
		same = got[0]
	}
}

// What can't be reset is replaced: calls are as warm, and as clean.
func TestUnresettableIsReplaced(t *testing.T) {
	f := start(t)
	v := f.artefacts.Add(watTables)
	var seen []*faaslet.Faaslet
	for i := range 5 {
		r := result(t, f.send(t, f.call(echo, v, 5*time.Second)))
		if r.Err != nil || r.Start != faas.Warm && i > 0 {
			t.Fatalf("call %d: %+v", i, r)
		}
		until(t, "one is ready", func() bool { c := f.counts(echo, v); return c.Ready == 1 && c.Running == 0 })
		got := f.readyOnes(echo, v)
		if len(got) != 1 || slices.Contains(seen, got[0]) {
			t.Errorf("after call %d a Faaslet is ready that served one", i)
		}
		seen = append(seen, got...)
	}
}

// A burst leaves as many Faaslets as ran at once, and they go when nobody calls.
func TestBurstIsKept(t *testing.T) {
	f := start(t, func(c *Config) { c.Slots, c.Queue = 4, 64 })
	v := f.artefacts.Add(watEcho)
	for range 5 {
		for range 16 {
			f.send(t, f.call(echo, v, 5*time.Second))
		}
		until(t, "all are answered", func() bool { return f.Describe().Slots.Free == 4 })
	}
	until(t, "nothing runs and some are ready", func() bool { // on a busy machine the builder makes them, a moment later
		c := f.counts(echo, v)
		return c.Running == 0 && c.Ready > 0
	})
	if c := f.counts(echo, v); c.Ready > 5 {
		t.Errorf("%+v after a burst on 4 slots", c)
	}
	until(t, "none is ready after an hour", func() bool {
		f.expire(time.Now().Add(time.Hour))
		return f.counts(echo, v).Ready == 0
	})
}

// An initialiser that spins takes slots from no other function, beyond the budget of a refill.
func TestSlowInitialiserTakesNoSlots(t *testing.T) {
	f := start(t, func(c *Config) { c.Slots = 1 })
	slow, quick := f.artefacts.Add(watOddSpins), f.artefacts.Add(watEcho)
	result(t, f.send(t, f.call(echo, quick, 5*time.Second)))
	for range 12 {
		r := result(t, f.send(t, f.call(spin, slow, 100*time.Millisecond)))
		if r.Err != nil && r.Err.Code != faas.DeadlineExceeded {
			t.Fatalf("%+v", r)
		}
		began := time.Now()
		if r := result(t, f.send(t, f.call(echo, quick, 5*time.Second))); r.Err != nil {
			t.Fatalf("%+v", r)
		}
		if took := time.Since(began); took > 2*time.Second {
			t.Fatalf("a call of another function waited %v for a slot", took)
		}
	}
}

// The builder goes on after failures, and a failure of one function holds up no other.
func TestBuilderTriesAgain(t *testing.T) {
	f := start(t)
	odd, bad := f.artefacts.Add(watOddTraps), f.artefacts.Add(watBadInit)
	f.functions.set(faas.Function{Name: echo, Version: odd, Revision: 1, Settings: faas.Settings{MinWarm: 8}})
	f.control(t, bus.Control{Kind: bus.Prewarm, Name: spin, Version: bad, Count: 2})
	f.control(t, bus.Control{Kind: bus.Prewarm, Name: echo, Version: odd, Count: 8})
	until(t, "all that were asked for", func() bool { return f.counts(echo, odd).Ready >= 8 })
	if c := f.counts(spin, bad); c.Ready != 0 {
		t.Errorf("%+v", c)
	}
}

func TestMinWarmIsCapped(t *testing.T) {
	f := start(t)
	v := f.artefacts.Add(watEcho)
	f.functions.set(faas.Function{Name: echo, Version: v, Revision: 1, Settings: faas.Settings{MinWarm: 1000}})
	f.control(t, bus.Control{Kind: bus.Prewarm, Name: echo, Version: v, Count: 1000})
	until(t, "as many as there may be", func() bool { return f.counts(echo, v).Ready == f.maxWarm() })
	for range 5 {
		result(t, f.send(t, f.call(echo, v, 5*time.Second)))
	}
	until(t, "nothing runs", func() bool { return f.counts(echo, v).Running == 0 })
	if c := f.counts(echo, v); c.Ready > f.maxWarm()+1 {
		t.Errorf("%+v, want no more than %d", c, f.maxWarm())
	}
	f.expire(time.Now().Add(time.Hour))
	if c := f.counts(echo, v); c.Ready != f.maxWarm() {
		t.Errorf("an hour later: %+v", c)
	}
}

func TestBuilds(t *testing.T) {
	now := time.Now()
	var b builds
	for i, rest := range []time.Duration{100, 200, 400, 800, 1600, 3200, 6400, 12800, 25600, 51200, 60000, 60000} {
		b.took(time.Millisecond, true, now)
		if got := b.notYet.Sub(now); !b.slow || got != rest*time.Millisecond {
			t.Errorf("failure %d: rest of %v, slow %t", i, got, b.slow)
		}
	}
	for i := range quickAgain {
		if !b.slow {
			t.Errorf("back on slots after %d", i)
		}
		b.took(time.Millisecond, false, now)
	}
	if b.slow || !b.notYet.IsZero() || b.failures != 0 {
		t.Errorf("after %d quick ones: %+v", quickAgain, b)
	}
	if b.took(slotBudget, false, now); !b.slow || !b.notYet.IsZero() {
		t.Errorf("after a slow one: %+v", b)
	}
}

// The builder takes each pool once, at its time, and no more pools than it has room for.
func TestBuilderQueue(t *testing.T) {
	b := newBuilder()
	now := time.Now()
	soon, late := &pool{builds: builds{notYet: now.Add(time.Minute)}}, &pool{builds: builds{notYet: now.Add(time.Hour)}}
	for range 3 {
		b.ask(late)
		b.ask(soon)
	}
	if p, wait := b.next(now); p != nil || wait != time.Minute {
		t.Errorf("%v in %v", p, wait)
	}
	if p, _ := b.next(now.Add(2 * time.Minute)); p != soon {
		t.Error("not the one whose time has come")
	}
	if p, wait := b.next(now.Add(2 * time.Minute)); p != nil || wait != 58*time.Minute {
		t.Errorf("%v in %v", p, wait)
	}
	for range 2 * maxAsked {
		b.ask(&pool{})
	}
	if len(b.asked) != maxAsked {
		t.Errorf("%d pools wait", len(b.asked))
	}
}
