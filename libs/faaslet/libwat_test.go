//go:build linux && cgo

package faaslet

import (
	"bytes"
	"context"
	"encoding/binary"
	"strings"
	"testing"

	"github.com/shoal-run/shoal/libs/hostapi"
	"github.com/shoal-run/shoal/libs/vfs"
	"github.com/shoal-run/shoal/libs/vfs/vfstest"
)

// watOpener opens the library whose path is its input, up to a NUL, and calls the function that is named behind it, of type
// () -> i32. Its output is the function's result in four bytes, or what dlerror says. It has what a C program has for libraries.
const watOpener = `(module
  (import "env" "__faasm_read_input" (func $read (param i32 i32) (result i32)))
  (import "env" "__faasm_write_output" (func $write (param i32 i32)))
  (import "env" "dlopen" (func $dlopen (param i32 i32) (result i32)))
  (import "env" "dlsym" (func $dlsym (param i32 i32) (result i32)))
  (import "env" "dlerror" (func $dlerror (result i32)))
  (memory (export "memory") 2)
  (global $sp (export "__stack_pointer") (mut i32) (i32.const 4096))
  (global $top (mut i32) (i32.const 69632))
  (global (export "answer") i32 (i32.const 8192)) ;; a variable
  (data (i32.const 8192) "\2a\00\00\00")
  (table 3 3 funcref)
  (elem (i32.const 1) $double)
  (type $fn (func (result i32)))
  (func $malloc (export "malloc") (param $n i32) (result i32)
    (local $at i32)
    (local $end i32)
    (local.set $at (global.get $top))
    (local.set $end (i32.and (i32.add (i32.add (local.get $at) (local.get $n)) (i32.const 15)) (i32.const -16)))
    (if (i32.gt_u (local.get $end) (i32.shl (memory.size) (i32.const 16))) (then
      (if (i32.eq (memory.grow (i32.add (i32.shr_u (local.get $n) (i32.const 16)) (i32.const 1))) (i32.const -1))
        (then (return (i32.const 0))))))
    (global.set $top (local.get $end))
    (local.get $at))
  (func $double (export "double") (param i32) (result i32) (i32.shl (local.get 0) (i32.const 1)))
  (func $len (param $p i32) (result i32)
    (local $n i32)
    (loop $l (if (i32.load8_u (i32.add (local.get $p) (local.get $n))) (then
      (local.set $n (i32.add (local.get $n) (i32.const 1))) (br $l))))
    (local.get $n))
  (func $failed (local $p i32)
    (local.set $p (call $dlerror))
    (call $write (local.get $p) (call $len (local.get $p))))
  (func $open (export "open") (result i32) (local $h i32) (local $f i32)
    (drop (call $read (i32.const 12288) (i32.const 4096)))
    (local.set $h (call $dlopen (i32.const 12288) (i32.const 0)))
    (if (i32.eqz (local.get $h)) (then (call $failed) (return (i32.const 0))))
    (local.set $f (call $dlsym (local.get $h) (i32.add (i32.const 12289) (call $len (i32.const 12288)))))
    (if (i32.eqz (local.get $f)) (then (call $failed)))
    (local.get $f))
  (func (export "handle") (local $f i32)
    (local.set $f (call $open))
    (if (i32.eqz (local.get $f)) (then return))
    (i32.store (i32.const 16384) (call_indirect (type $fn) (local.get $f)))
    (call $write (i32.const 16384) (i32.const 4))))`

// custom prepends a custom section to a module.
func custom(module []byte, name string, content []byte) []byte {
	body := append(binary.AppendUvarint(nil, uint64(len(name))), name...)
	body = append(body, content...)
	section := append(binary.AppendUvarint([]byte{0}, uint64(len(body))), body...)
	return bytes.Join([][]byte{module[:8], section, module[8:]}, nil)
}

// dylinkOf is the content of a dylink.0 section: bytes of memory, elements of the table, both aligned to 2⁴, and names of libraries.
func dylinkOf(memory, table uint64, needed ...string) []byte {
	info := binary.AppendUvarint(nil, memory)
	info = binary.AppendUvarint(binary.AppendUvarint(append(info, 4), table), 0)
	out := append([]byte{1, byte(len(info))}, info...)
	if len(needed) > 0 {
		list := []byte{byte(len(needed))}
		for _, n := range needed {
			list = append(append(list, byte(len(n))), n...)
		}
		out = append(append(out, 2, byte(len(list))), list...)
	}
	return out
}

// libHead is how the libraries of tests begin.
const libHead = `(module
  (import "env" "memory" (memory 0))
  (import "env" "__indirect_function_table" (table 0 funcref))
  (import "env" "__stack_pointer" (global $sp (mut i32)))
  (import "env" "__memory_base" (global $memory i32))
  (import "env" "__table_base" (global $table i32))
`

// lib assembles a library with 64 bytes of memory and 4 elements.
func lib(t testing.TB, wat string, needed ...string) []byte {
	t.Helper()
	return custom(assemble(t, libHead+wat+")"), "dylink.0", dylinkOf(64, 4, needed...))
}

// files are libraries by path.
type files map[string][]byte

// shared returns them as shared files.
func (f files) shared() vfs.Shared {
	byPath := make(map[string]string)
	for path, b := range f {
		byPath[strings.TrimPrefix(path, "/")] = string(b)
	}
	return vfstest.New(byPath)
}

// opened runs a call of watOpener with a library and a symbol.
func opened(t testing.TB, f *Faaslet, shared vfs.Shared, path, symbol string) Outcome {
	t.Helper()
	return openedIn(t.Context(), f, shared, path, symbol)
}

func openedIn(ctx context.Context, f *Faaslet, shared vfs.Shared, path, symbol string) Outcome {
	return f.Run(ctx, hostapi.NewCall(hostapi.CallConfig{
		Kind: f.module.info.Kind, Input: []byte(path + "\x00" + symbol + "\x00"), Shared: shared,
	}))
}

// gives runs a call in a new Faaslet and wants that result.
func gives(t testing.TB, m *Module, shared vfs.Shared, path, symbol string, want uint32) {
	t.Helper()
	f := newFaaslet(t, m, Setup{})
	defer f.Close()
	isResult(t, opened(t, f, shared, path, symbol), want)
}

func isResult(t testing.TB, o Outcome, want uint32) {
	t.Helper()
	if o.Err != nil {
		t.Fatalf("%v %v", o.Err, o.Err.Backtrace)
	}
	if len(o.Output) != 4 || binary.LittleEndian.Uint32(o.Output) != want {
		t.Fatalf("output %q, want %d", o.Output, want)
	}
}
