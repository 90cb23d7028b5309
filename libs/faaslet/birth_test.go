//go:build linux && cgo

package faaslet

import (
	"context"
	"testing"
	"time"

	"github.com/shoal-run/shoal/bus/faas"
)

func TestBirth(t *testing.T) {
	e := newEngine(t, nil)
	m := load(t, e, watSecret)
	s := Setup{Image: newImage(t, m)}
	for i, want := range []faas.StartKind{faas.Cold, faas.Restored, faas.Restored} {
		f := newFaaslet(t, m, s)
		if b := f.Birth(); b.Kind != want || b.Took <= 0 {
			t.Errorf("Faaslet %d: %+v, want %s", i, b, want)
		}
		if o := runWith(t.Context(), f, "q"); o.Err != nil || !f.Reset() {
			t.Fatal(o.Err)
		}
		if b, r := f.Birth(), f.LastReset(); b.Kind != want || r.Took <= 0 || r.Why != "" || r.Err != nil {
			t.Errorf("after its reset: %+v, %+v", b, r)
		}
	}
	if st := e.Stats(); st.Images != 1 || st.ImageMemory <= 0 {
		t.Errorf("%+v", st)
	}
	if b := newFaaslet(t, m, Setup{}).Birth(); b.Kind != faas.Cold {
		t.Errorf("without an image: %+v", b)
	}
}

func TestWhyNotReset(t *testing.T) {
	e := newEngine(t, nil)
	for want, c := range map[NotReset]struct{ wat, input string }{
		NoImage: {`(module (memory (export "memory") 1) (table 1 funcref) (func (export "handle") (table.set (i32.const 0) (ref.null func))))`, ""},
		Grew:    {watSecret, "lg"},
		TooMuch: {`(module (memory (export "memory") 256) (func (export "handle")
		  (memory.fill (i32.const 0) (i32.const 1) (i32.const 0x900000))))`, ""},
		Unsound: {watSecret, ""},
	} {
		t.Run(string(want), func(t *testing.T) {
			m := load(t, e, c.wat)
			f := newFaaslet(t, m, Setup{Image: newImage(t, m)})
			if want != Unsound {
				if o := runWith(t.Context(), f, c.input); o.Err != nil {
					t.Fatal(o.Err)
				}
			}
			if f.Reset() {
				t.Error("was reset")
			}
			if r := f.LastReset(); r.Why != want || r.Err != nil {
				t.Errorf("%+v", r)
			}
		})
	}
}

// watTally answers the calls that it remembers, in a global and in memory, and does what its input says after that.
const watTally = `(module
  (import "env" "__faasm_read_input" (func $read (param i32 i32) (result i32)))
  (import "env" "__faasm_write_output" (func $write (param i32 i32)))
  (import "wasi_snapshot_preview1" "proc_exit" (func $exit (param i32)))
  (memory (export "memory") 2)
  (global $n (mut i32) (i32.const 48))
  (func (export "handle") (result i32) (local $do i32)
    (drop (call $read (i32.const 0) (i32.const 1)))
    (local.set $do (i32.load8_u (i32.const 0)))
    (global.set $n (i32.add (global.get $n) (i32.const 1)))
    (i32.store8 (i32.const 70000) (i32.add (i32.const 1) (i32.load8_u (i32.const 70000))))
    (i32.store8 (i32.const 16) (global.get $n))
    (i32.store8 (i32.const 17) (i32.add (i32.const 48) (i32.load8_u (i32.const 70000))))
    (call $write (i32.const 16) (i32.const 2))
    (if (i32.eq (local.get $do) (i32.const 116)) (then unreachable))
    (if (i32.eq (local.get $do) (i32.const 115)) (then (loop $l (br $l))))
    (if (i32.eq (local.get $do) (i32.const 120)) (then (call $exit (i32.const 0))))
    (if (i32.eq (local.get $do) (i32.const 103)) (then (drop (memory.grow (i32.const 3)))))
    (if (i32.eq (local.get $do) (i32.const 114)) (then (drop (memory.grow (i32.const 60000)))))
    (i32.eq (local.get $do) (i32.const 102))))`

func TestKeep(t *testing.T) {
	m := load(t, newEngine(t, nil), watTally)
	s := Setup{Image: newImage(t, m), Memory: faas.MiB}
	f := newFaaslet(t, m, s)
	for _, c := range []struct{ input, want string }{{"-", "11"}, {"g", "22"}, {"r", "33"}, {"-", "44"}} {
		if o := runWith(t.Context(), f, c.input); o.Err != nil || string(o.Output) != c.want {
			t.Fatalf("%q: %q, %v; want %s", c.input, o.Output, o.Err, c.want)
		}
		if !f.Keep() {
			t.Fatalf("not kept after %q", c.input)
		}
	}
	// What an earlier call was refused is not this one's end.
	wantCode(t, runWith(t.Context(), f, "t"), faas.GuestTrapped)

	for _, end := range []string{"t", "s", "x", "f"} {
		f := newFaaslet(t, m, s)
		ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
		runWith(ctx, f, end)
		cancel()
		if f.Keep() {
			t.Errorf("kept after %q", end)
		}
	}
}

// A call that ends as its guest has just returned marks the instance: the next call does not feel it.
func TestKeepForgetsKill(t *testing.T) {
	m := load(t, newEngine(t, nil), watTally)
	f := newFaaslet(t, m, Setup{Image: newImage(t, m)})
	if o := runWith(t.Context(), f, "-"); o.Err != nil {
		t.Fatal(o.Err)
	}
	f.instance.Kill()
	if !f.Keep() {
		t.Fatal("not kept")
	}
	if o := runWith(t.Context(), f, "-"); o.Err != nil || string(o.Output) != "22" {
		t.Errorf("%q, %v", o.Output, o.Err)
	}
	over, cancel := context.WithCancel(t.Context())
	cancel()
	if !f.Keep() {
		t.Fatal("not kept")
	}
	if o := runWith(over, f, "-"); o.Err == nil || !f.Keep() { // it did not run
		t.Errorf("a call that was over before it began: %v", o.Err)
	}
}

// What a Faaslet keeps ends with it: the next one of its image has nothing of it, wherever it lives.
func TestKeptLeavesNothing(t *testing.T) {
	m := load(t, newEngine(t, nil), watTally)
	s := Setup{Image: newImage(t, m), Memory: faas.MiB}
	for _, input := range []string{"-", "g", "-"} {
		f := newFaaslet(t, m, s)
		for i, want := range []string{"11", "22"} {
			if o := runWith(t.Context(), f, input); o.Err != nil || string(o.Output) != want || !f.Keep() {
				t.Fatalf("call %d: %q, %v; want %s", i, o.Output, o.Err, want)
			}
		}
		f.Close()
	}
}
