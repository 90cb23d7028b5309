//go:build linux && cgo

package faaslet

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/shoal-run/shoal/bus/faas"
)

// Every mutable global is state, whatever it is exported as.
func TestGlobalsWithOddNamesAreReset(t *testing.T) {
	var names strings.Builder
	for i := range 5000 {
		fmt.Fprintf(&names, `(export "n%d" (global $b))`, i)
	}
	m := load(t, newEngine(t, nil), `(module (memory (export "memory") 1)
	  (global $a (export "x") (mut i32) (i32.const 0)) (global $b (export "x\00y") (mut i32) (i32.const 0))`+names.String()+`
	  (func (export "handle") (result i32) (local $was i32)
	    (local.set $was (i32.or (global.get $a) (global.get $b)))
	    (global.set $a (i32.const 41)) (global.set $b (i32.const 42))
	    (local.get $was)))`)
	if len(m.saved) != 2 {
		t.Errorf("%d globals are saved, there are 2", len(m.saved))
	}
	f := newFaaslet(t, m, Setup{Image: newImage(t, m)})
	for range 3 {
		if o := runWith(t.Context(), f, ""); o.Err != nil {
			t.Fatal(o.Err)
		}
		if !f.Reset() {
			t.Fatal("not reset")
		}
	}
}

// What shoal_restored is told of a Setup is in the memory that others would begin from.
func TestCaptureKnowsWhatTheHookWasTold(t *testing.T) {
	const wat = `(module
	  (import "wasi_snapshot_preview1" "environ_sizes_get" (func $sizes (param i32 i32) (result i32)))
	  (memory (export "memory") 1)
	  (func (export "_initialize") (i32.store (i32.const 8) (i32.const 1)))
	  (func (export "shoal_restored") (drop (call $sizes (i32.const 16) (i32.const 20))))
	  (func (export "handle")))`
	for text, own := range map[string]bool{wat: true, strings.Replace(wat, "(drop (call $sizes (i32.const 16) (i32.const 20)))", "", 1): false} {
		m := load(t, newEngine(t, nil), text)
		c, why, err := m.Capture(t.Context(), Setup{Env: []string{"SECRET=hunter2"}})
		if err != nil || c == nil {
			t.Fatal(why, err)
		}
		if c.Own != own {
			t.Errorf("its own: %t", c.Own)
		}
		c.Close()
	}
}

// An initialiser that was refused memory would not be with a higher limit.
func TestNothingIsCapturedOfWhoWasRefused(t *testing.T) {
	m := load(t, newEngine(t, nil), `(module (memory (export "memory") 1)
	  (func (export "_initialize") (i32.store (i32.const 0) (memory.grow (i32.const 512))))
	  (func (export "handle") (result i32) (i32.load (i32.const 0))))`)
	if c, why, err := m.Capture(t.Context(), Setup{Memory: faas.MiB}); c != nil || why != wasRefused || err != nil {
		t.Errorf("%v, %q, %v", c, why, err)
	}
	c, why, err := m.Capture(t.Context(), Setup{Memory: 64 * faas.MiB})
	if err != nil || c == nil {
		t.Fatal(why, err)
	}
	c.Close()
	// The refusal is the initialiser's, not that of the call which fails for another reason.
	for range 2 {
		s := Setup{Memory: faas.MiB, Image: newImage(t, m)}
		wantCode(t, runWith(t.Context(), newFaaslet(t, m, s), ""), faas.GuestFailed)
		wantCode(t, runWith(t.Context(), newFaaslet(t, m, s), ""), faas.GuestFailed)
	}
}

// watLarge has more memory than an image is taken of in line.
const watLarge = `(module (memory (export "memory") 1025) (func (export "_initialize")) (func (export "handle")))`

// A source that is slow delays nobody for longer than a part of his own time, and one that failed is asked again.
func TestSourceOfAnImage(t *testing.T) {
	m := load(t, newEngine(t, nil), watLarge)
	proceed, asked := make(chan error), 0
	i := m.NewImageFrom("", func(context.Context, *Image) error { asked++; return <-proceed })
	defer i.Close()
	for _, time := range []time.Duration{400 * time.Millisecond, 0} { // a quarter of it, and what another has begun
		ctx, cancel := context.WithTimeout(t.Context(), time)
		f, err := m.New(ctx, Setup{Image: i})
		cancel()
		if (time == 0) != (err != nil) || err == nil && f.Birth().Kind != faas.Cold {
			t.Errorf("with %v: %v", time, err)
		}
		if f != nil {
			f.Close()
		}
	}
	proceed <- errors.New("the store is away")
	i.source.mu.Lock()
	for i.source.asked != nil {
		ended := i.source.asked
		i.source.mu.Unlock()
		<-ended
		i.source.mu.Lock()
	}
	rests := time.Now().Before(i.source.notYet)
	i.source.notYet = time.Time{}
	i.source.mu.Unlock()
	if !rests {
		t.Error("a source that failed is asked again at once")
	}
	go func() { proceed <- nil }()
	newFaaslet(t, m, Setup{Image: i})
	newFaaslet(t, m, Setup{Image: i})
	if asked != 2 {
		t.Errorf("the source was asked %d times", asked)
	}
}
