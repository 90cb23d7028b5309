//go:build linux && cgo

package faaslet

import (
	"bytes"
	"context"
	"encoding/binary"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/shoal-run/shoal/bus/faas"
	"github.com/shoal-run/shoal/internal/testenv"
	"github.com/shoal-run/shoal/libs/hostapi"
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

func newImage(t testing.TB, m *Module) *Image {
	i := m.NewImage()
	t.Cleanup(i.Close)
	return i
}

func runWith(ctx context.Context, f *Faaslet, input string) Outcome {
	return f.Run(ctx, hostapi.NewCall(hostapi.CallConfig{Kind: f.module.info.Kind, Input: []byte(input), Args: f.setup.Args, Env: f.setup.Env}))
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

func TestGrownIsReplaced(t *testing.T) {
	eachScan(t, func(t *testing.T, e *Engine) {
		m := load(t, e, watSecret)
		s := Setup{Image: newImage(t, m)}
		f := newFaaslet(t, m, s)
		if o := runWith(t.Context(), f, "lg"); o.Err != nil || o.Memory != 5<<16 {
			t.Fatalf("%v, memory %d", o.Err, o.Memory)
		}
		if f.Reset() {
			t.Error("reset though memory grew")
		}
		if o := runWith(t.Context(), f, "q"); o.Err == nil || o.Err.Code != faas.Internal {
			t.Errorf("a call in it ended with %v", o.Err)
		}
		f.Close()
		if o := runWith(t.Context(), newFaaslet(t, m, s), "q"); o.Err != nil {
			t.Errorf("the one after it: %v", o.Err)
		}
	})
}

// What the initialiser grew is there in every Faaslet, and only that.
func TestImageOfGrownMemory(t *testing.T) {
	m := load(t, newEngine(t, nil), `(module
	  (memory (export "memory") 1)
	  (func (export "_initialize") (drop (memory.grow (i32.const 3))) (i32.store (i32.const 0x30000) (i32.const 5)))
	  (func (export "handle") (result i32)
	    (i32.store (i32.const 0x3fffc) (i32.add (i32.const 1) (i32.load (i32.const 0x3fffc))))
	    (i32.sub (i32.add (memory.size) (i32.mul (i32.const 100) (i32.load (i32.const 0x3fffc))))
	      (i32.add (i32.const 99) (i32.load (i32.const 0x30000))))))`)
	s := Setup{Image: newImage(t, m)}
	for range 3 {
		f := newFaaslet(t, m, s)
		for range 3 {
			if o := runWith(t.Context(), f, ""); o.Err != nil {
				t.Fatal(o.Err)
			}
			if !f.Reset() {
				t.Fatal("not reset")
			}
		}
	}
}

func TestTooMuchWritten(t *testing.T) {
	m := load(t, newEngine(t, nil), `(module
	  (import "env" "__faasm_read_input" (func $read (param i32 i32) (result i32)))
	  (memory (export "memory") 256)
	  (func (export "handle")
	    (drop (call $read (i32.const 0) (i32.const 4)))
	    (memory.fill (i32.const 65536) (i32.const 1) (i32.load (i32.const 0)))))`)
	s := Setup{Image: newImage(t, m)}
	for pages, want := range map[int]bool{0: true, maxDirty - 1: true, maxDirty: false, 3000: false} {
		f := newFaaslet(t, m, s)
		n := pages * 4096
		if o := runWith(t.Context(), f, string([]byte{byte(n), byte(n >> 8), byte(n >> 16), byte(n >> 24)})); o.Err != nil {
			t.Fatal(o.Err)
		}
		if got := f.Reset(); got != want { // one more page has the input
			t.Errorf("%d pages: reset %t", pages, got)
		}
	}
}

// The counter of refused grows is state, too.
func TestResetForgetsRefusals(t *testing.T) {
	m := load(t, newEngine(t, nil), watSecret)
	f := newFaaslet(t, m, Setup{Image: newImage(t, m), Memory: faas.MiB})
	if o := runWith(t.Context(), f, "lr"); o.Err != nil || f.instance.Refused() != 1 {
		t.Fatal(o.Err, f.instance.Refused())
	}
	if !f.Reset() {
		t.Fatal("not reset")
	}
	wantCode(t, runWith(t.Context(), f, "lt"), faas.GuestTrapped)
}

// Guests that can't be put back, or whose Faaslets must not have a state in common.
func TestNeverReset(t *testing.T) {
	const handle = `(memory (export "memory") 1) (func (export "handle"))`
	guests := map[string]string{
		"table.set":  `(module (table 1 funcref) (func (export "f") (table.set (i32.const 0) (ref.null func)))` + handle + `)`,
		"elem.drop":  `(module (table 1 funcref) (elem $e func $g) (func $g) (func (export "f") (elem.drop $e))` + handle + `)`,
		"data.drop":  `(module (data $d "x") (func (export "f") (data.drop $d))` + handle + `)`,
		"vector":     `(module (global (mut v128) (v128.const i64x2 0 0))` + handle + `)`,
		"reference":  `(module (global (mut externref) (ref.null extern))` + handle + `)`,
		"start":      watStart,
		"large":      `(module (memory (export "memory") 1025) (func (export "handle")))`,
		"random":     `(module (import "wasi_snapshot_preview1" "random_get" (func $r (param i32 i32) (result i32))) (func (export "_initialize") (drop (call $r (i32.const 0) (i32.const 8))))` + handle + `)`,
		"clock":      `(module (import "wasi_snapshot_preview1" "clock_time_get" (func $c (param i32 i64 i32) (result i32))) (func (export "_initialize") (drop (call $c (i32.const 1) (i64.const 0) (i32.const 8))))` + handle + `)`,
		"of another": "",
	}
	e := newEngine(t, nil)
	other := load(t, e, watNop)
	for name, wat := range guests {
		m, i := other, newImage(t, load(t, e, watEcho))
		if wat != "" {
			m = load(t, e, wat)
			i = newImage(t, m)
		}
		for range 2 {
			f := newFaaslet(t, m, Setup{Image: i, Memory: 128 * faas.MiB})
			if o := runWith(t.Context(), f, ""); o.Err != nil {
				t.Fatalf("%s: %v", name, o.Err)
			}
			if f.Reset() || i.Taken() {
				t.Errorf("%s: was reset (image taken: %t)", name, i.Taken())
			}
		}
	}
	// Random bytes in a call are the call's own.
	m := load(t, e, strings.Replace(guests["random"], "_initialize", "elsewhere", 1))
	f := newFaaslet(t, m, Setup{Image: newImage(t, m)})
	if o := runWith(t.Context(), f, ""); o.Err != nil || !f.Reset() {
		t.Errorf("a guest that asks for random bytes later is not reset: %v", o.Err)
	}
}

// A Go guest seeds its runtime in its initialiser.
func TestGoGuestIsNeverReset(t *testing.T) {
	testenv.Need(t, testenv.GoWasm)
	dir := t.TempDir()
	for name, text := range map[string]string{
		"go.mod":  "module guest\n\ngo 1.26\n",
		"main.go": "package main\n\n//go:wasmexport handle\nfunc handle() int32 { return 0 }\n\nfunc main() {}\n",
	} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	build := exec.Command("go", "build", "-buildmode=c-shared", "-o", "guest.wasm", ".")
	build.Dir, build.Env = dir, append(os.Environ(), "GOOS=wasip1", "GOARCH=wasm", "GOWORK=off", "GOFLAGS=")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("building the guest: %v\n%s", err, out)
	}
	module, err := os.ReadFile(filepath.Join(dir, "guest.wasm"))
	if err != nil {
		t.Fatal(err)
	}
	e := newEngine(t, nil)
	artefact, err := e.Compile(module)
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(dir, "artefact")
	if err := os.WriteFile(file, artefact, 0o600); err != nil {
		t.Fatal(err)
	}
	m, err := e.LoadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(m.Close)
	if !m.resets {
		t.Error("the module itself could be reset, and is taken not to be")
	}
	i := newImage(t, m)
	for range 2 {
		f := newFaaslet(t, m, Setup{Image: i})
		if o := runWith(t.Context(), f, ""); o.Err != nil {
			t.Fatal(o.Err)
		}
		if f.Reset() || i.Taken() {
			t.Error("reset, with the random state of its start")
		}
	}
}

// A Faaslet that was reset, or restored, answers as one that was built.
func TestResetBehavesAlike(t *testing.T) {
	eachScan(t, func(t *testing.T, e *Engine) {
		for name, wat := range map[string]string{
			"echo": watEcho, "recurse": watRecurse, "grow": watGrow, "grow and go on": watGrowAndGoOn, "exit 1": watExit1,
			"exit 0": watExit0, "unreachable": watUnreachable, "out of bounds": watOutOfBounds, "near top": watNearTop,
			"divide": watDivide, "null call": watNullCall, "wrong type": watWrongType, "nop": watNop, "stdio": watStdio,
			"init": watInit, "start": watStart,
		} {
			m := load(t, e, wat)
			plain := Setup{Memory: 4 * faas.MiB, Args: []string{"name"}}
			reset := plain
			reset.Image = newImage(t, m)
			f := newFaaslet(t, m, reset)
			for i, input := range []string{"hello", "", "a longer input of a call", "x"} {
				want := said(t, call(t, t.Context(), m, plain, input))
				if got := said(t, runWith(t.Context(), f, input)); got != want {
					t.Errorf("%s, call %d: %s\nwant %s", name, i, got, want)
				}
				if !f.Reset() {
					f.Close()
					f = newFaaslet(t, m, reset)
				}
			}
		}
	})
}

// said is all of an outcome but what is measured.
func said(t *testing.T, o Outcome) string {
	o.Duration = 0
	b, err := json.Marshal(o)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
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

// Faaslets that begin at the same time with an empty image end up with the same one.
func TestImageIsTakenOnce(t *testing.T) {
	m := load(t, newEngine(t, nil), watSecret)
	s := Setup{Image: newImage(t, m)}
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			f := newFaaslet(t, m, s)
			for range 5 {
				if o := runWith(context.Background(), f, "q"); o.Err != nil {
					t.Error(o.Err)
				}
				runWith(context.Background(), f, "ln")
				if f.Reset(); f.image != s.Image.get() {
					t.Error("an image of its own")
				}
			}
			f.Close()
		})
	}
	wg.Wait()
	if n := imageDescriptors(t); n != 1 {
		t.Errorf("%d images are open", n)
	}
	if n := strings.Count(readMaps(t), "shoal-image"); n != 1 {
		t.Errorf("%d maps of images, want that of the image alone", n)
	}
	f := newFaaslet(t, m, s)
	s.Image.Close()
	if o := runWith(context.Background(), f, "ln"); o.Err != nil || !f.Reset() {
		t.Error("not reset after its image was given up", o.Err)
	}
	f.Close()
	if n := imageDescriptors(t) + strings.Count(readMaps(t), "shoal-image"); n != 0 {
		t.Errorf("%d descriptors and maps of images are left", n)
	}
	f = newFaaslet(t, m, s)
	if f.image != nil {
		t.Error("a Faaslet has an image that was given up")
	}
}

func readMaps(t *testing.T) string {
	t.Helper()
	b, err := os.ReadFile("/proc/self/maps")
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func imageDescriptors(t *testing.T) (n int) {
	t.Helper()
	fds, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Fatal(err)
	}
	for _, fd := range fds {
		if to, err := os.Readlink("/proc/self/fd/" + fd.Name()); err == nil && strings.Contains(to, "shoal-image") {
			n++
		}
	}
	return n
}
