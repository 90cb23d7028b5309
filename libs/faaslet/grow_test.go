//go:build linux && cgo

package faaslet

import (
	"bytes"
	"context"
	"strings"
	"testing"
	"time"

	"github.com/shoal-run/shoal/bus/faas"
	"github.com/shoal-run/shoal/libs/hostapi"
	"github.com/shoal-run/shoal/libs/wasmbin"
)

// watPages maps, writes and gives back: its input's first byte says what.
const watPages = `(module
  (import "env" "mmap" (func $mmap (param i32 i32 i32 i32 i32 i64) (result i32)))
  (import "env" "__sbrk" (func $sbrk (param i32) (result i32)))
  (import "env" "__faasm_read_input" (func $read (param i32 i32) (result i32)))
  (import "env" "__faasm_write_output" (func $write (param i32 i32)))
  (memory (export "memory") 1)
  (func (export "handle") (result i32) (local $p i32)
    (drop (call $read (i32.const 0) (i32.const 1)))
    (if (i32.eq (i32.load8_u (i32.const 0)) (i32.const 109)) ;; m: four pages, a mark in the last one
      (then
        (local.set $p (call $mmap (i32.const 0) (i32.const 262144) (i32.const 3) (i32.const 34) (i32.const -1) (i64.const 0)))
        (i32.store offset=262140 (local.get $p) (i32.const 7))))
    (if (i32.eq (i32.load8_u (i32.const 0)) (i32.const 98)) ;; b: a gigabyte, unseen
      (then
        (local.set $p (call $sbrk (i32.const 1073741824)))
        (if (i32.eq (local.get $p) (i32.const -1)) (then (return (i32.const 12))))))
    (i32.store (i32.const 16) (local.get $p))
    (i32.store (i32.const 20) (memory.size))
    (call $write (i32.const 16) (i32.const 8))
    (i32.const 0)))`

// TestGuestsGrowByHostFunctions has memory that host functions gave: it is there, within the limit, and gone in the next call.
func TestGuestsGrowByHostFunctions(t *testing.T) {
	e := newEngine(t, hostapi.New())
	m := load(t, e, watPages)
	image := m.NewImage("")
	defer image.Close()
	f := newFaaslet(t, m, Setup{Memory: 1 << 20, Image: image})
	run := func(input string) Outcome {
		return f.Run(t.Context(), hostapi.NewCall(hostapi.CallConfig{Kind: faas.Reactor, Input: []byte(input)}))
	}
	if o := run("m"); o.Err != nil || !bytes.Equal(o.Output, []byte{0, 0, 1, 0, 5, 0, 0, 0}) || o.Memory != 5<<16 {
		t.Fatalf("%x %v, %s", o.Output, o.Err, o.Memory)
	}
	if f.Reset() {
		t.Error("a memory that grew was reset")
	}
	f.Close()
	f = newFaaslet(t, m, Setup{Memory: 1 << 20, Image: image})
	if o := run("?"); o.Err != nil || !bytes.Equal(o.Output, []byte{0, 0, 0, 0, 1, 0, 0, 0}) {
		t.Errorf("afterwards: %x %v", o.Output, o.Err)
	}
	f.Close()
	f = newFaaslet(t, m, Setup{Memory: 1 << 20, Image: image})
	if err := wantCode(t, run("b"), faas.OutOfMemory); !strings.Contains(err.Message, "1MiB") {
		t.Errorf("past the limit: %v", err)
	}
	f.Close()
	f = newFaaslet(t, m, Setup{Memory: 1 << 20, Image: image})
	if o := run("m"); o.Err != nil {
		t.Errorf("a limit that was met lasts: %v", o.Err)
	}
}

const watMalloc = `(module
  (import "env" "getpwuid" (func $pw (param i32) (result i32)))
  (import "wasi_snapshot_preview1" "proc_exit" (func $exit (param i32)))
  (import "env" "__faasm_write_output" (func $write (param i32 i32)))
  (memory (export "memory") 1)
  (func (export "malloc") (param $n i32) (result i32) BODY)
  (func (export "handle") (local $p i32)
    (local.set $p (call $pw (i32.const 0)))
    (call $write (i32.load (local.get $p)) (i32.const 5))))`

// TestHostCallsMalloc has a host function call back into the guest, which does what it likes.
func TestHostCallsMalloc(t *testing.T) {
	e := newEngine(t, hostapi.New())
	guest := func(body string) *Module { return load(t, e, strings.Replace(watMalloc, "BODY", body, 1)) }
	grows := `(drop (memory.grow (i32.const 2))) (i32.const 70000)`
	if o := call(t, t.Context(), guest(grows), Setup{}, ""); o.Err != nil || string(o.Output) != "faasm" {
		t.Errorf("%q %v", o.Output, o.Err)
	}
	for body, want := range map[string]struct {
		code faas.Code
		text string
	}{
		`unreachable`: {faas.GuestTrapped, "getpwuid: the guest's malloc did not return: trap: unreachable"},
		`(call $exit (i32.const 9)) (i32.const 1)`: {faas.GuestFailed, "code 9"},
		`(i32.const -8)`:                                   {faas.GuestTrapped, "outside the guest's memory"},
		`(call $pw (i32.const 0))`:                         {faas.GuestTrapped, "getpwuid: host functions and the guest have called each other 128 times"},
		`(loop $l (br $l)) (i32.const 1)`:                  {faas.DeadlineExceeded, ""},
		`(return (i32.div_u (i32.const 1) (i32.const 0)))`: {faas.GuestTrapped, "integer_divide_by_zero"},
	} {
		ctx, cancel := context.WithTimeout(t.Context(), time.Second/2)
		err := wantCode(t, call(t, ctx, guest(body), Setup{}, ""), want.code)
		cancel()
		if !strings.Contains(err.Message, want.text) {
			t.Errorf("%s: %v", body, err)
		}
	}
	// A host function that is the guest's malloc: no code of the guest is there to check its stack.
	host := load(t, e, `(module (import "env" "getpwuid" (func $pw (param i32) (result i32))) (memory (export "memory") 1)
	  (export "malloc" (func $pw)) (func (export "handle") (drop (call $pw (i32.const 0)))))`)
	if err := wantCode(t, call(t, t.Context(), host, Setup{}, ""), faas.GuestTrapped); !strings.Contains(err.Message, "have called each other 128 times") {
		t.Errorf("a host function for malloc: %v", err)
	}
	none := load(t, e, strings.Replace(strings.Replace(watMalloc, "BODY", "(i32.const 0)", 1), `"malloc"`, `"m"`, 1))
	if err := wantCode(t, call(t, t.Context(), none, Setup{}, ""), faas.GuestTrapped); !strings.Contains(err.Message, "--export=malloc") {
		t.Errorf("without malloc: %v", err)
	}
	wrong := load(t, e, `(module (import "env" "getpwuid" (func $pw (param i32) (result i32))) (memory (export "memory") 1)
	  (func (export "malloc")) (func (export "handle") (drop (call $pw (i32.const 0)))))`)
	if err := wantCode(t, call(t, t.Context(), wrong, Setup{}, ""), faas.GuestTrapped); !strings.Contains(err.Message, "of type (i32) -> i32") {
		t.Errorf("another malloc: %v", err)
	}
}

// TestMissingImports loads a module with imports that nobody has: it runs until it calls one.
func TestMissingImports(t *testing.T) {
	e := newEngine(t, hostapi.New())
	b := assemble(t, `(module
	  (import "env" "MPI_Wtime" (func $mpi (result f64)))
	  (import "env" "MPI_Wtime" (func $again (result f64)))
	  (import "other" "thing" (func $thing (param i64 f32) (result i32)))
	  (import "env" "__faasm_read_input" (func $read (param i32 i32) (result i32)))
	  (memory (export "memory") 1)
	  (func (export "handle") (local $n i32)
	    (local.set $n (call $read (i32.const 0) (i32.const 0)))
	    (if (i32.eq (local.get $n) (i32.const 1)) (then (drop (call $mpi))))
	    (if (i32.eq (local.get $n) (i32.const 2)) (then (drop (call $again))))
	    (if (i32.eq (local.get $n) (i32.const 3)) (then (drop (call $thing (i64.const 0) (f32.const 0)))))))`)
	mod := loadAs(t, e, b, wasmbin.Host{Types: e.table.Types, Why: e.table.Why, AllowUnknown: true})
	for input, want := range map[string]string{
		"": "", "1": "env.MPI_Wtime was called: MPI is not supported", "22": "env.MPI_Wtime was called",
		"333": "other.thing was called: the host interface has no such function",
	} {
		o := call(t, t.Context(), mod, Setup{}, input)
		if want == "" {
			if o.Err != nil {
				t.Errorf("never called: %v", o.Err)
			}
			continue
		}
		if err := wantCode(t, o, faas.GuestTrapped); !strings.Contains(err.Message, want) || len(err.Backtrace) == 0 {
			t.Errorf("%d bytes: %v", len(input), err)
		}
	}
}
