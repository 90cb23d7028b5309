//go:build linux && cgo

package faaslet

import (
	"bytes"
	"context"
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/shoal-run/shoal/bus/faas"
	"github.com/shoal-run/shoal/libs/guest"
	"github.com/shoal-run/shoal/libs/hostapi"
)

// watSecret does what the first byte of its input says: l leaves a secret in all of its memory, its globals, its deeper stack
// and on its stdout and stderr, then ends as the second byte says; q looks for the secret everywhere and answers how much of
// it there is. Either has its arguments and its environment written into its memory.
const watSecret = `(module
  (import "env" "__faasm_read_input" (func $read (param i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "proc_exit" (func $exit (param i32)))
  (import "wasi_snapshot_preview1" "args_get" (func $args (param i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "environ_get" (func $environ (param i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "fd_write" (func $write (param i32 i32 i32 i32) (result i32)))
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
  (func $words
    (drop (call $args (i32.const 200) (i32.const 400)))
    (drop (call $environ (i32.const 300) (i32.const 600))))
  (func $say (param $fd i32)
    (i32.store (i32.const 16) (i32.const 1000))
    (i32.store (i32.const 20) (i32.const 64))
    (drop (call $write (local.get $fd) (i32.const 16) (i32.const 1) (i32.const 24))))
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
    (call $words)
    (call $say (i32.const 1))
    (call $say (i32.const 2))
    (drop (call $deep (i32.const 1000))))
  (func $look (result i32) (local $p i32) (local $n i32)
    (call $words)
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

// leftHost is a host interface with one function more, test.left, which a guest calls when it has left its secret and is
// about to loop for ever.
func leftHost(left *func()) hostapi.Table {
	return append(hostapi.New(), hostapi.Row{
		Module: "test", Name: "left", Doc: "For a test.",
		Func: func(*hostapi.Call, guest.Memory, hostapi.Args) (uint64, error) {
			(*left)()
			return 0, nil
		},
	})
}

// watLeft is watSecret, small, and calls test.left before it loops.
var watLeft = strings.NewReplacer(
	"(module", `(module (import "test" "left" (func $left))`,
	`(memory (export "memory") 4)`, `(memory (export "memory") 2)`,
	"(func $spin", "(func $spin (call $left)",
).Replace(watSecret)

// What a call leaves, the next one does not find: not in the guest's memory and globals, and not in its arguments, its
// environment, its input and its output. The next call is in the same Faaslet after a reset, in another one that moves
// into its shell, or in one that is built for it.
func TestNothingLeaks(t *testing.T) {
	rounds := 340 // each way of making the next Faaslet: 1020 for each way of ending
	if testing.Short() {
		rounds = 40
	}
	for _, k := range []struct {
		name, how string
		code      faas.Code
		few       bool // a reset puts few pages back
		rounds    int
	}{
		{name: "returns", how: "n"},
		{name: "returns an error", how: "f", code: faas.GuestFailed},
		{name: "exits", how: "e", code: faas.GuestFailed},
		{name: "traps", how: "t", code: faas.GuestTrapped},
		{name: "out of bounds", how: "b", code: faas.GuestTrapped},
		{name: "out of stack", how: "s", code: faas.GuestTrapped, rounds: rounds / 20},
		{name: "killed", how: "l", code: faas.Cancelled},
		{name: "was refused memory", how: "r"},
		{name: "grew", how: "g"},
		{name: "wrote much", how: "n", few: true},
	} {
		for _, cfg := range []Config{{}, {SlowReset: true}, {NoShells: true}} {
			t.Run(fmt.Sprintf("%s/slow=%t,shells=%t", k.name, cfg.SlowReset, !cfg.NoShells), func(t *testing.T) {
				left := func() {}
				cfg.Table = leftHost(&left)
				e := newEngineWith(t, cfg)
				if k.few {
					e.maxDirty = 20
				}
				m := load(t, e, watLeft)
				s := withImage(t, m)
				s.Args, s.Env = []string{string(secret)}, []string{"S=" + string(secret)}
				f := newFaaslet(t, m, s)
				before := bytes.Clone(f.instance.Memory())
				n := rounds
				if k.rounds > 0 {
					n = k.rounds
				}
				resets := 0
				next := func(i int) {
					if i%3 != 0 && f.Reset() {
						resets++
					} else {
						f.Close()
						f = newFaaslet(t, m, s)
					}
					if !bytes.Equal(f.instance.Memory(), before) {
						t.Fatalf("round %d: memory is not what it was", i)
					}
				}
				for i := range n {
					ctx, cancel := context.WithCancel(t.Context())
					left = cancel
					o := leakCall(ctx, f, "l"+k.how+string(secret), s.Args, s.Env)
					cancel()
					if k.code != "" {
						wantCode(t, o, k.code)
					} else if o.Err != nil {
						t.Fatal(o.Err)
					}
					if !bytes.Contains(f.instance.Memory(), secret) || !bytes.Contains(o.Stdout, secret) || !bytes.Contains(o.Stderr, secret) {
						t.Fatal("the guest left no secret")
					}
					next(i)
					if o := leakCall(t.Context(), f, "q", []string{"name"}, []string{"K=V"}); o.Err != nil {
						t.Fatalf("round %d: the next call finds something: %v", i, o.Err)
					} else if bytes.Contains(slices.Concat(o.Stdout, o.Stderr, o.Output, f.instance.Memory()), secret) {
						t.Fatalf("round %d: the next call has something", i)
					}
					next(i)
				}
				f.Close()
				if never := k.few || k.how == "g"; resets == 0 || never && resets > n {
					t.Errorf("%d resets in %d rounds", resets, n)
				}
			})
		}
	}
}

func leakCall(ctx context.Context, f *Faaslet, input string, args, env []string) Outcome {
	return f.Run(ctx, hostapi.NewCall(hostapi.CallConfig{Kind: f.module.info.Kind, Input: []byte(input), Args: args, Env: env}))
}

// goSecret keeps what its input says after "keep " wherever a Go program can, and finds in its memory what is the complement
// of its input after "find ".
const goSecret = `package main

import (
	"bytes"
	"fmt"
	"os"
	"unsafe"

	shoal "github.com/shoal-run/shoal/sdk/go"
)

var (
	kept  []byte
	byKey = map[string][]byte{}
	more  = make(chan []byte, 8)
)

func init() {
	shoal.Handle(func(in []byte) ([]byte, error) {
		word, rest, _ := bytes.Cut(in, []byte(" "))
		switch string(word) {
		case "keep":
			kept = bytes.Repeat(rest, 4000)
			byKey[string(rest)] = bytes.Clone(rest)
			more <- bytes.Clone(rest)
			go func(own []byte) { more <- own; select {} }(bytes.Repeat(rest, 100))
			fmt.Printf("%s\n", rest)
			fmt.Fprintf(os.Stderr, "%s\n", rest)
			os.Setenv("KEPT", string(rest))
			if len(kept) < 0 { panic(kept) }
			return nil, nil
		case "panic":
			kept = bytes.Repeat(rest, 4000)
			panic(string(rest))
		}
		for i := range rest {
			rest[i] = ^rest[i]
		}
		first := rest[0]
		own := uintptr(unsafe.Pointer(&rest[0]))
		for i := range rest {
			rest[i] = ^rest[i]
		}
		found := len(byKey) + len(kept) + len(more) + len(os.Getenv("KEPT"))
		end := uintptr(SIZE)
		for p := uintptr(4096); p < end-16; p++ {
			if *(*byte)(unsafe.Pointer(p)) != first || p == own {
				continue
			}
			same := true
			for i, c := range rest {
				if *(*byte)(unsafe.Pointer(p + uintptr(i))) != ^c {
					same = false
					break
				}
			}
			if same {
				found++
			}
		}
		return []byte(fmt.Sprint(found)), nil
	})
}

func main() {}
`

func TestNothingLeaksInGo(t *testing.T) {
	m := goModule(t, strings.Replace(goSecret, "SIZE", "3 << 20", 1))
	s := withImage(t, m)
	rounds := 100
	if testing.Short() {
		rounds = 20
	}
	f := newFaaslet(t, m, s)
	resets := 0
	for i := range rounds {
		word := make([]byte, 12)
		for j := range word {
			word[j] = "bcdfghjklmnpqrstvwxz"[rand.IntN(20)]
		}
		hidden := bytes.Clone(word)
		for j := range hidden {
			hidden[j] = ^hidden[j]
		}
		how := "keep"
		if i%4 == 3 {
			how = "panic"
		}
		if o := leakCall(t.Context(), f, how+" "+string(word), nil, nil); (o.Err != nil) != (how == "panic") {
			t.Fatalf("%s: %v", how, o.Err)
		}
		if !bytes.Contains(f.instance.Memory(), word) {
			t.Fatal("the guest left no secret")
		}
		if i%3 != 0 && f.Reset() {
			resets++
		} else {
			f.Close()
			f = newFaaslet(t, m, s)
		}
		if bytes.Contains(f.instance.Memory(), word) {
			t.Fatalf("round %d: memory has the secret", i)
		}
		if got := answered(t, f, "find "+string(hidden)); got != "0" {
			t.Fatalf("round %d: the next call finds %s", i, got)
		}
		if i%5 == 0 || !f.Reset() {
			f.Close()
			f = newFaaslet(t, m, s)
		}
	}
	f.Close()
	if resets == 0 {
		t.Error("nothing was reset")
	}
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
						own = m.NewImage("")
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
