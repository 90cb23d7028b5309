//go:build linux && cgo

package faaslet

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/shoal-run/shoal/bus/faas"
	"github.com/shoal-run/shoal/libs/hostapi"
)

// chain is a module in which every function calls the next one twice: without a loop or a recursion, the entry takes 2⁶⁴
// calls.
func chain() string {
	var b strings.Builder
	b.WriteString(`(module (memory (export "memory") 1) (func $f0 (i32.store8 (i32.const 0) (i32.const 1)))`)
	for i := 1; i <= 64; i++ {
		fmt.Fprintf(&b, `(func $f%d (call $f%d) (call $f%[2]d))`, i, i-1)
	}
	return b.String() + `(func (export "handle") (call $f64)))`
}

// endless are guests that never end by themselves, each in a way of its own.
var endless = map[string]string{
	"empty loop": `(module (memory (export "memory") 1) (func (export "handle") (loop $l (br $l))))`,
	// The inner loop's point reads what the outer one's has read, with no store in between: the compiler may not reuse it.
	"inner loop": `(module (memory (export "memory") 1) (func (export "handle") (loop $o (loop $i (br $i)) (br $o))))`,
	"second loop": `(module (memory (export "memory") 1) (func (export "handle") (local $n i32)
		(loop $a (br_if $a (i32.lt_u (local.tee $n (i32.add (local.get $n) (i32.const 1))) (i32.const 1000))))
		(loop $b (br $b))))`,
	"sums": `(module (memory (export "memory") 1) (func (export "handle") (result i32) (local $n i32)
		(loop $l (result i32) (local.set $n (i32.add (i32.mul (local.get $n) (i32.const 5)) (i32.load (i32.const 8))))
		  (br_if $l (i32.ne (local.get $n) (i32.const -1))) (local.get $n))))`,
	"loop with parameters": `(module (memory (export "memory") 1) (func (export "handle")
		(i32.const 1) (i64.const 2) (loop $l (param i32 i64) (br $l)) unreachable))`,
	"switch": `(module (memory (export "memory") 1) (func (export "handle") (loop $a (loop $b (br_table $a $b $a (i32.load (i32.const 4)))))))`,
	"writes a global": `(module (memory (export "memory") 1) (global $g (mut i32) (i32.const 0))
		(func (export "handle") (loop $l (global.set $g (i32.const 7)) (br $l))))`,
	"fibonacci": `(module (memory (export "memory") 1) (func $fib (param i64) (result i64)
		(if (result i64) (i64.lt_u (local.get 0) (i64.const 2)) (then (local.get 0))
		  (else (i64.add (call $fib (i64.sub (local.get 0) (i64.const 1))) (call $fib (i64.sub (local.get 0) (i64.const 2)))))))
		(func (export "handle") (drop (call $fib (i64.const 90)))))`,
	"calls in a tree": chain(),
	"recursion through a table": `(module (memory (export "memory") 1) (type $t (func (param i64))) (table funcref (elem $f))
		(func $f (type $t) (if (i64.ne (local.get 0) (i64.const 0)) (then
		  (call_indirect (type $t) (i64.sub (local.get 0) (i64.const 1)) (i32.const 0))
		  (call_indirect (type $t) (i64.sub (local.get 0) (i64.const 1)) (i32.const 0)))))
		(func (export "handle") (call $f (i64.const 90))))`,
	"fills": `(module (memory (export "memory") 1024) (func (export "handle")
		(loop $l (memory.fill (i32.const 0) (i32.const 1) (i32.const 0x3000000)) (br $l))))`,
}

func TestEndlessGuestsEndAtTheDeadline(t *testing.T) {
	e := newEngine(t, nil)
	for name, wat := range endless {
		t.Run(name, func(t *testing.T) {
			if err := wantDeadline(t, load(t, e, wat)); len(err.Backtrace) == 0 {
				t.Error("no backtrace says where the guest was")
			}
		})
	}
}

// A start function runs before there is an instance to speak of, and an initialiser before the first call.
func TestEndlessStartEndsAtTheDeadline(t *testing.T) {
	e := newEngine(t, nil)
	for name, wat := range map[string]string{
		"start":      `(module (memory (export "memory") 1) (start $s) (func $s (loop $l (br $l))) (func (export "handle")))`,
		"initialise": `(module (memory (export "memory") 1) (func (export "_initialize") (loop $l (br $l))) (func (export "handle")))`,
	} {
		t.Run(name, func(t *testing.T) {
			m := load(t, e, wat)
			ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
			defer cancel()
			deadline, _ := ctx.Deadline()
			f, err := m.New(ctx, Setup{})
			if err == nil {
				f.Close()
				t.Fatal("it came to an end")
			}
			if late := time.Since(deadline); late < 0 || late > lateAt {
				t.Errorf("ended %s after the deadline", late)
			}
			if err.Code != faas.DeadlineExceeded {
				t.Error(err)
			}
		})
	}
}

func TestStartFunctionRuns(t *testing.T) {
	m := load(t, newEngine(t, nil), `(module (memory (export "memory") 1) (start $s)
	  (func $s (local $n i32) (loop $l (br_if $l (i32.lt_u (local.tee $n (i32.add (local.get $n) (i32.const 1))) (i32.const 9))))
	    (i32.store (i32.const 16) (i32.add (i32.load (i32.const 16)) (local.get $n))))
	  (func (export "handle") (result i32) (i32.ne (i32.load (i32.const 16)) (i32.const 9))))`)
	if o := call(t, t.Context(), m, Setup{}, ""); o.Err != nil {
		t.Error(o.Err)
	}
}

// A trap of the guest's own is not taken for a kill, also when the guest was to be killed at the same time.
func TestOwnTrapIsNoKill(t *testing.T) {
	f := newFaaslet(t, load(t, newEngine(t, nil), `(module (memory (export "memory") 1)
	  (func (export "handle") unreachable (loop $l (br $l))))`), Setup{})
	f.instance.Kill()
	if _, fail := f.instance.Call(); fail == nil || fail.Killed || fail.Trap() != "unreachable" {
		t.Errorf("ended with %+v", fail)
	}
}

// A Faaslet whose call was killed, or marked when it had just ended, serves the next one after a reset.
func TestKillIsForgottenByReset(t *testing.T) {
	m := load(t, newEngine(t, nil), `(module (memory (export "memory") 1)
	  (func (export "handle") (local $n i32)
	    (loop $l (br_if $l (i32.ne (local.tee $n (i32.add (local.get $n) (i32.const 1))) (i32.load (i32.const 16)))))))`)
	image := m.NewImage("")
	defer image.Close()
	f := newFaaslet(t, m, Setup{Image: image})
	if !image.Taken() {
		t.Log("the kernel does not tell which pages were written")
		return
	}
	for i := range 20 {
		f.instance.Memory()[16] = byte(i % 2) // an even call goes round 2³² times, the others once
		f.instance.Memory()[20] = 1
		ctx, cancel := context.WithTimeout(t.Context(), 2*time.Second)
		if i%2 == 0 {
			cancel()
			ctx, cancel = context.WithTimeout(t.Context(), 3*time.Millisecond)
		}
		o := f.Run(ctx, hostapi.NewCall(hostapi.CallConfig{Kind: faas.Reactor}))
		cancel()
		if i%2 == 0 {
			wantCode(t, o, faas.DeadlineExceeded)
		} else if o.Err != nil {
			t.Fatalf("call %d: %v", i, o.Err)
		}
		if i%2 != 0 {
			f.instance.Kill() // too late for the call
		}
		if !f.Reset() {
			t.Fatal("not reset")
		}
		if f.instance.Memory()[20] != 0 {
			t.Error("memory was not reset")
		}
	}
}
