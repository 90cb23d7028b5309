//go:build linux && cgo

package compile_test

import (
	"io"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/shoal-run/shoal/bus/faas"
	"github.com/shoal-run/shoal/libs/faaslet"
	"github.com/shoal-run/shoal/libs/faaslet/compile"
	"github.com/shoal-run/shoal/libs/hostapi"
	"github.com/shoal-run/shoal/libs/snapshot"
)

// tables is a reactor whose initialiser fills 3 MiB of a memory that it grows, and two globals, which handle checks.
const tables = `(module (memory (export "memory") 1) (global $n (mut i32) (i32.const 0)) (global $x (export "x") (mut f64) (f64.const 0))
  (func (export "_initialize") (local $at i32)
    (drop (memory.grow (i32.const 255)))
    (global.set $n (i32.const 1234567)) (global.set $x (f64.const -0.5))
    (local.set $at (i32.const 0x800000))
    (loop $l
      (i32.store (local.get $at) (i32.shr_u (local.get $at) (i32.const 12)))
      (br_if $l (i32.lt_u (local.tee $at (i32.add (local.get $at) (i32.const 4))) (i32.const 0xb00000)))))
  (func (export "handle") (result i32) (local $at i32)
    (if (i32.ne (global.get $n) (i32.const 1234567)) (then (return (i32.const 1))))
    (if (f64.ne (global.get $x) (f64.const -0.5)) (then (return (i32.const 2))))
    (if (i32.ne (memory.size) (i32.const 256)) (then (return (i32.const 3))))
    (local.set $at (i32.const 0x800000))
    (loop $l
      (if (i32.ne (i32.load (local.get $at)) (i32.shr_u (local.get $at) (i32.const 12))) (then (return (i32.const 4))))
      (br_if $l (i32.lt_u (local.tee $at (i32.add (local.get $at) (i32.const 4))) (i32.const 0xb00000))))
    (i32.store (i32.const 0x900000) (i32.const 5)) (global.set $n (i32.const 6))
    (i32.const 0)))`

// captured compiles a module and captures it.
func captured(t *testing.T, wat string, req snapshot.Request) (artefact []byte, c snapshot.Captured, err error) {
	t.Helper()
	artefact, err = compile.Compiler{}.Compile(t.Context(), assemble(t, wat))
	if err != nil {
		t.Fatal(err)
	}
	if req.Timeout == 0 {
		req.Timeout = 10 * time.Second
	}
	c, err = compile.Compiler{}.Capture(t.Context(), artefact, req)
	return artefact, c, err
}

// loaded loads an artefact as a worker does, with an image that is empty.
func loaded(t *testing.T, artefact []byte) (*faaslet.Module, *faaslet.Image) {
	t.Helper()
	e, err := faaslet.NewEngine(faaslet.Config{Table: hostapi.New()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(e.Close)
	m, err := e.LoadArtefact(artefact)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(m.Close)
	image := m.NewImage("")
	t.Cleanup(image.Close)
	return m, image
}

// What a child captured is what Faaslets of another process begin with, without running an initialiser.
func TestCaptureAndRestore(t *testing.T) {
	artefact, c, err := captured(t, tables, snapshot.Request{Memory: 64 * faas.MiB})
	if err != nil || c.None != "" || c.Own || !slices.Equal(c.Inits, []string{"_initialize"}) || c.Took <= 0 {
		t.Fatalf("%+v, %v", c, err)
	}
	if n := len(c.Encoded.Pack); n == 0 || n > 2<<20 {
		t.Errorf("3 MiB of numbers are stored in %d bytes", n)
	}
	man, err := snapshot.Parse(c.Encoded.Manifest)
	if err != nil || man.Memory != 16<<20 || man.Kept() < 3<<20 || man.Kept() > 3<<20+2*snapshot.Page {
		t.Fatalf("%d bytes of %d, %v", man.Kept(), man.Memory, err)
	}
	m, image := loaded(t, artefact)
	err = image.Fill(man.Memory, man.Kept(), man.Globals, func(put func(int64, []byte) error) error { return man.Load(c.Encoded.Open, put) })
	if err != nil || !image.Taken() {
		t.Fatal(err)
	}
	for range 3 {
		// An initialiser would be refused its memory.grow, and end before it began.
		f, ferr := m.New(t.Context(), faaslet.Setup{Image: image, Memory: 16 * faas.MiB})
		if ferr != nil {
			t.Fatal(ferr)
		}
		defer f.Close()
		for range 3 {
			if o := f.Run(t.Context(), hostapi.NewCall(hostapi.CallConfig{Kind: m.Info().Kind})); o.Err != nil {
				t.Fatal(o.Err)
			}
			if !f.Reset() {
				t.Fatal("not reset")
			}
		}
	}
	// A function with less memory than the image has runs the initialiser, which says what is wrong.
	f, ferr := m.New(t.Context(), faaslet.Setup{Image: image, Memory: 8 * faas.MiB})
	if f != nil {
		f.Close()
	}
	if ferr == nil || ferr.Code != faas.OutOfMemory {
		t.Errorf("with too little memory: %v", ferr)
	}
}

func TestFillRefusesOtherShapes(t *testing.T) {
	artefact, err := compile.Compiler{}.Compile(t.Context(), assemble(t, tables))
	if err != nil {
		t.Fatal(err)
	}
	_, image := loaded(t, artefact)
	right := []faaslet.Global{{Name: "__shoal_g1", Type: 0x7c}, {Name: "__shoal_g0", Type: 0x7f}, {Name: "__shoal_grow_refused", Type: 0x7f}}
	nothing := func(func(int64, []byte) error) error { return nil }
	for name, fill := range map[string]func() error{
		"no globals": func() error { return image.Fill(1<<16, 0, nil, nothing) },
		"other type": func() error {
			return image.Fill(1<<16, 0, append(right[1:3:3], faaslet.Global{Name: "__shoal_g1", Type: 0x7e}), nothing)
		},
		"other name": func() error {
			return image.Fill(1<<16, 0, append(right[1:3:3], faaslet.Global{Name: "y", Type: 0x7c}), nothing)
		},
		"no memory":   func() error { return image.Fill(0, 0, right, nothing) },
		"half a page": func() error { return image.Fill(1<<15, 0, right, nothing) },
		"too much":    func() error { return image.Fill(1<<33, 0, right, nothing) },
		"no room":     func() error { return image.Fill(1<<16, 1<<50, right, nothing) },
		"beyond memory": func() error {
			return image.Fill(1<<16, 0, right, func(put func(int64, []byte) error) error { return put(1<<16, make([]byte, 4096)) })
		},
		"unaligned": func() error {
			return image.Fill(1<<16, 0, right, func(put func(int64, []byte) error) error { return put(8, make([]byte, 4096)) })
		},
		"load fails": func() error {
			return image.Fill(1<<16, 0, right, func(func(int64, []byte) error) error { return io.ErrUnexpectedEOF })
		},
	} {
		if err := fill(); err == nil || image.Taken() {
			t.Errorf("%s: %v, taken: %t", name, err, image.Taken())
		}
	}
	if err := image.Fill(1<<16, 0, right, nothing); err != nil || !image.Taken() {
		t.Errorf("the right shape: %v", err)
	}
}

func TestCaptureSaysWhyNot(t *testing.T) {
	const handle = `(memory (export "memory") 1) (func (export "handle"))`
	clock := `(module (import "wasi_snapshot_preview1" "clock_time_get" (func $c (param i32 i64 i32) (result i32))) ` + handle +
		`(func (export "_initialize") (drop (call $c (i32.const 0) (i64.const 0) (i32.const 8))))`
	for _, k := range []struct{ name, wat, none string }{
		{"no initialiser", `(module ` + handle + `)`, "no initialiser"},
		{"table", `(module (table 1 funcref) (func (export "_initialize")) (func (export "f") (table.set (i32.const 0) (ref.null func)))` + handle + `)`, "writes to a table"},
		{"segments", `(module (data $d "x") (func (export "_initialize") (data.drop $d))` + handle + `)`, "segments"},
		{"clock", clock + `)`, "shoal_restored"},
		{"large", `(module (memory (export "memory") 17000) (func (export "handle")) (func (export "_initialize")))`, "more than 1GiB"},
	} {
		_, c, err := captured(t, k.wat, snapshot.Request{Memory: 2 * faas.GiB})
		if err != nil || c.Encoded != nil || !strings.Contains(c.None, k.none) {
			t.Errorf("%s: %q, %v; want %q", k.name, c.None, err, k.none)
		}
	}
	_, c, err := captured(t, `(module (memory (export "memory") 4128) (func (export "handle"))
	  (func (export "_initialize") (memory.fill (i32.const 0) (i32.const 7) (i32.const 0x10200000))))`, snapshot.Request{Memory: faas.GiB})
	if err != nil || !strings.Contains(c.None, "258MiB of memory that is not zero") { // though all pages are the same
		t.Errorf("many pages: %q, %v", c.None, err)
	}
	_, c, err = captured(t, clock+`(func (export "shoal_restored")))`, snapshot.Request{})
	if err != nil || c.Encoded == nil {
		t.Errorf("a module that renews itself: %q, %v", c.None, err)
	}
	args := strings.NewReplacer("clock_time_get", "environ_sizes_get", "i32 i64 i32", "i32 i32", "(i64.const 0) ", "").Replace(clock)
	_, c, err = captured(t, args+`)`, snapshot.Request{})
	if err != nil || c.Encoded == nil || !c.Own {
		t.Errorf("a module that asks for its environment: %+v, %v", c, err)
	}
}

func TestCaptureOfFailingInitialisers(t *testing.T) {
	with := func(code string) string {
		return `(module (import "wasi_snapshot_preview1" "proc_exit" (func $exit (param i32)))
		  (import "wasi_snapshot_preview1" "fd_write" (func $write (param i32 i32 i32 i32) (result i32)))
		  (memory (export "memory") 1) (data (i32.const 64) "\80\00\00\00\05\00\00\00") (data (i32.const 128) "no! \n")
		  (func $inner ` + code + `) (func (export "_initialize") (call $inner)) (func (export "handle")))`
	}
	for _, k := range []struct {
		name, code string
		want       faas.Code
		words      string
	}{
		{"trap", "unreachable", faas.GuestTrapped, "in the initialiser _initialize: "},
		{"exit", `(drop (call $write (i32.const 2) (i32.const 64) (i32.const 1) (i32.const 0))) (call $exit (i32.const 3))`, faas.GuestFailed, "exited with code 3"},
		{"loop", "(loop $l (br $l))", faas.DeadlineExceeded, "in the initialiser _initialize: "},
		{"memory", "(if (i32.eq (memory.grow (i32.const 3000)) (i32.const -1)) (then unreachable))", faas.OutOfMemory, "at the limit of 128MiB"},
		{"stack", "(call $inner)", faas.GuestTrapped, "stack overflow"},
	} {
		_, _, err := captured(t, with(k.code), snapshot.Request{Timeout: 200 * time.Millisecond})
		wantError(t, err, k.want, k.words)
		if e := faas.AsError(err); k.name == "trap" && (e.Trap != "unreachable" || len(e.Backtrace) == 0) || k.name == "exit" && (e.ExitCode != 3 || e.Stderr != "no! \n") {
			t.Errorf("%s: %+v", k.name, e)
		}
	}
}
