//go:build linux && cgo

package faaslet

import (
	"bytes"
	"context"
	"encoding/binary"
	"sync"
	"testing"
	"time"

	"github.com/shoal-run/shoal/bus/faas"
)

// watSecret does what the first byte of its input says: l leaves a secret in all of its memory, its globals and its deeper
// stack, then ends as the second byte says; q looks for the secret everywhere and answers how much of it there is.
const watSecret = `(module
  (import "env" "__faasm_read_input" (func $read (param i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "proc_exit" (func $exit (param i32)))
  (memory (export "memory") 4)
  (global $a (mut i32) (i32.const 7))
  (global $b (mut i64) (i64.const 8))
  (global $c (mut f32) (f32.const 9))
  (global $d (export "shown") (mut f64) (f64.const 10))
  (data (i32.const 70000) "what the module starts with")
  (func (export "_initialize")
    (i64.store (i32.const 9000) (i64.const 77))
    (i64.store (i32.const 70000) (i64.const 78))
    (global.set $a (i32.const 1007)))
  (func $deep (param i32) (result i64)
    (if (result i64) (local.get 0)
      (then (i64.add (i64.const 0x5ec2e75ec2e75ec2) (call $deep (i32.sub (local.get 0) (i32.const 1)))))
      (else (i64.const 0x5ec2e75ec2e75ec2))))
  (func $leave (local $p i32)
    (local.set $p (i32.const 64))
    (loop $l
      (i64.store (local.get $p) (i64.const 0x5ec2e75ec2e75ec2))
      (local.set $p (i32.add (local.get $p) (i32.const 8)))
      (br_if $l (i32.lt_u (local.get $p) (i32.shl (memory.size) (i32.const 16)))))
    (global.set $a (i32.const 0x5ec2e75e))
    (global.set $b (i64.const 0x5ec2e75ec2e75ec2))
    (global.set $c (f32.const 12345.5))
    (global.set $d (f64.const 12345.5))
    (drop (call $deep (i32.const 1000))))
  (func $look (result i32) (local $p i32) (local $n i32)
    (local.set $p (i32.const 64))
    (loop $l
      (local.set $n (i32.add (local.get $n) (i64.eq (i64.load (local.get $p)) (i64.const 0x5ec2e75ec2e75ec2))))
      (local.set $p (i32.add (local.get $p) (i32.const 8)))
      (br_if $l (i32.lt_u (local.get $p) (i32.shl (memory.size) (i32.const 16)))))
    (local.set $n (i32.add (local.get $n) (i32.ne (global.get $a) (i32.const 1007))))
    (local.set $n (i32.add (local.get $n) (i64.ne (global.get $b) (i64.const 8))))
    (local.set $n (i32.add (local.get $n) (f32.ne (global.get $c) (f32.const 9))))
    (local.set $n (i32.add (local.get $n) (f64.ne (global.get $d) (f64.const 10))))
    (local.set $n (i32.add (local.get $n) (i64.ne (i64.load (i32.const 9000)) (i64.const 77))))
    (i32.add (local.get $n) (i64.ne (i64.load (i32.const 70000)) (i64.const 78))))
  (func $spin (loop $l (br $l)))
  (func $how (param i32) (result i32) (i32.eq (i32.load8_u (i32.const 1)) (local.get 0)))
  (func (export "handle") (result i32)
    (drop (call $read (i32.const 0) (i32.const 2)))
    (if (i32.eq (i32.load8_u (i32.const 0)) (i32.const 113)) (then (return (call $look))))
    (call $leave)
    (if (call $how (i32.const 116)) (then unreachable))                                        ;; t
    (if (call $how (i32.const 98)) (then (drop (i32.load (i32.const 0xfffffff0)))))            ;; b
    (if (call $how (i32.const 115)) (then (drop (call $deep (i32.const 100000000)))))          ;; s
    (if (call $how (i32.const 101)) (then (call $exit (i32.const 3))))                         ;; e
    (if (call $how (i32.const 108)) (then (call $spin)))                                       ;; l
    (if (call $how (i32.const 102)) (then (return (i32.const 9))))                             ;; f
    (if (call $how (i32.const 103)) (then (drop (memory.grow (i32.const 1))) (call $leave)))   ;; g
    (if (call $how (i32.const 114)) (then (drop (memory.grow (i32.const 60000)))))             ;; r
    (i32.const 0)))`

// eachScan runs f with an engine that finds written pages in each of the ways that there are.
func eachScan(t *testing.T, f func(t *testing.T, e *Engine)) {
	for _, slow := range []bool{false, true} {
		name := "scan"
		if slow {
			name = "pagemap"
		}
		t.Run(name, func(t *testing.T) {
			e := newEngineWith(t, Config{SlowReset: slow})
			p := e.pages.get()
			if p == nil {
				t.Log("this kernel does not tell which pages were written: nothing is reset")
				return
			}
			if p.Scans() == slow && slow {
				t.Fatal("the slow way is not taken")
			}
			f(t, e)
		})
	}
}

var secret = binary.LittleEndian.AppendUint64(nil, 0x5ec2e75ec2e75ec2)

func TestNothingLeaks(t *testing.T) {
	eachScan(t, func(t *testing.T, e *Engine) {
		m := load(t, e, watSecret)
		for _, k := range []struct {
			how    string
			code   faas.Code
			rounds int
		}{
			{"n", "", 500},
			{"f", faas.GuestFailed, 200},
			{"t", faas.GuestTrapped, 200},
			{"b", faas.GuestTrapped, 200},
			{"s", faas.GuestTrapped, 50},
			{"e", faas.GuestFailed, 200},
			{"r", "", 200},
			{"l", faas.DeadlineExceeded, 25},
		} {
			s := Setup{Image: newImage(t, m), Memory: faas.MiB}
			newFaaslet(t, m, s).Close() // takes the image
			f := newFaaslet(t, m, s)
			before := bytes.Clone(f.instance.Memory())
			for i := range k.rounds {
				ctx, cancel := context.Background(), context.CancelFunc(func() {})
				if k.code == faas.DeadlineExceeded {
					ctx, cancel = context.WithTimeout(ctx, 2*time.Millisecond)
				}
				o := runWith(ctx, f, "l"+k.how)
				cancel()
				if k.code != "" {
					wantCode(t, o, k.code)
				} else if o.Err != nil {
					t.Fatal(o.Err)
				}
				if !bytes.Contains(f.instance.Memory(), secret) {
					t.Fatal("the guest left no secret")
				}
				if !f.Reset() {
					t.Fatalf("%s, round %d: not reset", k.how, i)
				}
				if !bytes.Equal(f.instance.Memory(), before) {
					t.Fatalf("%s, round %d: memory is not what it was", k.how, i)
				}
				if o := runWith(context.Background(), f, "q"); o.Err != nil {
					t.Fatalf("%s, round %d: the next call finds something: %v", k.how, i, o.Err)
				}
				if !f.Reset() {
					t.Fatalf("%s, round %d: not reset after a look", k.how, i)
				}
			}
			f.Close()
		}
	})
}

// TestResetHammer has Faaslets of several functions called, killed, reset, replaced and closed side by side, while their
// images come and go.
func TestResetHammer(t *testing.T) {
	eachScan(t, func(t *testing.T, e *Engine) {
		m := load(t, e, watSecret)
		shared := newImage(t, m)
		var wg sync.WaitGroup
		for g := range 6 {
			wg.Go(func() {
				own := shared
				for life := range 12 {
					if g%2 == 1 {
						own = m.NewImage()
					}
					f, err := m.New(context.Background(), Setup{Image: own, Memory: faas.MiB})
					if g%2 == 1 {
						own.Close()
					}
					if err != nil {
						t.Error(err)
						return
					}
					for i := range 20 {
						ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
						how := "ntefr"[(i+life)%5 : (i+life)%5+1]
						if i == 10 {
							cancel()
							ctx, cancel = context.WithTimeout(context.Background(), time.Millisecond)
							how = "l"
						}
						runWith(ctx, f, "l"+how)
						cancel()
						if !f.Reset() {
							t.Errorf("not reset after %s", how)
							break
						}
						if o := runWith(context.Background(), f, "q"); o.Err != nil {
							t.Errorf("after %s: %v", how, o.Err)
						}
						if !f.Reset() {
							t.Error("not reset")
							break
						}
					}
					f.Close()
				}
			})
		}
		wg.Wait()
	})
}
