//go:build linux && cgo

package capi

import (
	"errors"
	"testing"

	"github.com/bytecodealliance/wasmtime-go/v25"
)

// newLibrary compiles a library with a kill global, as the pre-pass makes them.
func newLibrary(t *testing.T, e *wasmtime.Engine, wat string) *Code {
	t.Helper()
	b, err := wasmtime.Wat2Wasm(wat)
	if err != nil {
		t.Fatal(err)
	}
	m, err := wasmtime.NewModule(e, b)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(m.Close)
	return &Code{Module: m, Refused: "refused", Kill: "kill", Here: "here"}
}

const watLibrary = `(module
  (import "env" "memory" (memory 1))
  (import "env" "g" (func $g (param i32 i32) (result i32)))
  (import "GOT.mem" "x" (global $x (mut i32)))
  (global $kill (export "kill") (mut i32) (i32.const 0))
  (global (export "refused") (mut i32) (i32.const 2))
  (func (export "f") (param i32 i32) (result i32)
    (i32.add (global.get $x) (call $g (local.get 0) (local.get 1))))
  (func (export "go") (drop (call $g (i32.const 1) (i32.const 2))))
  (func (export "here"))
  (func (export "spin")
    (loop (loop $poll (if (global.get $kill) (then
      (global.get $kill) (global.set $kill (i32.const 2)) (br_if $poll (i32.ne (i32.const 1))) unreachable)))
      (br 0))))`

// TestLibraries links two instances of a library, the first to a stub of the second, which calls the host.
func TestLibraries(t *testing.T) {
	c := wasmtime.NewConfig()
	Configure(c, Memory{Reserve: 4 << 30, Guard: 2 << 20}, true)
	e := wasmtime.NewEngineWithConfig(c)
	defer e.Close()
	l := wasmtime.NewLinker(e)
	defer l.Close()
	two := []byte{0x7f, 0x7f}
	if err := Define(l, Import{Module: "env", Name: "g", Params: two, Results: two[:1], Row: 5}); err != nil {
		t.Fatal(err)
	}
	program := newLibrary(t, e, `(module (memory (export "memory") 1) (table (export "table") 2 funcref) (elem (i32.const 1) $own)
	  (func $own (export "own")) (global (export "v") i32 (i32.const 77)))`)
	pre, err := NewPre(l, program.Module, Exports{}, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer pre.Close()
	var answer error
	in, err := NewInstance(e, hostFunc(func(row uint32, _ []byte, args []Slot) (uint64, error) {
		return args[0][0] + 10*args[1][0] + uint64(row)*100, answer
	}), Limits{Memory: 1 << 20, TableElements: 3, Tables: 1})
	if err != nil {
		t.Fatal(err)
	}
	defer in.Close()
	if fail := in.Start(pre); fail != nil {
		t.Fatal(fail)
	}
	for range 2 {
		if err := in.OpenLibraries("table"); err != nil {
			t.Fatal(err)
		}
	}
	code := newLibrary(t, e, watLibrary)
	memory, ok := in.MemoryExtern()
	host, ok2 := in.HostFunction(l, "env", "g")
	if _, ok3 := in.HostFunction(l, "env", "none"); !ok || !ok2 || ok3 {
		t.Fatal(ok, ok2, ok3)
	}
	x, err := in.NewGlobal(true, 7)
	if err != nil {
		t.Fatal(err)
	}
	stub, f, err := in.NewStub(two, two[:1])
	if err != nil {
		t.Fatal(err)
	}
	first, fail := in.AddLibrary(code, []Extern{memory, f, x})
	if fail != nil || first != 0 {
		t.Fatal(first, fail)
	}
	if fail, found := in.CallLibrary(first, "go"); fail == nil || !found {
		t.Error("a stub that leads nowhere returned")
	}
	second, fail := in.AddLibrary(code, []Extern{memory, host, x})
	if fail != nil || second != 1 || in.Refused() != 4 {
		t.Fatal(second, fail, in.Refused())
	}
	target, _ := in.Export(second, "f")
	stub.Bind(target)
	if fail, found := in.CallLibrary(first, "go"); fail != nil || !found {
		t.Error(fail, found)
	}
	if _, found := in.CallLibrary(first, "none"); found {
		t.Error("a function that is not there")
	}
	answer = errors.New("no answer") // through a stub it keeps its words and the frames of both
	if fail, _ := in.CallLibrary(first, "go"); fail == nil || fail.Message != "no answer" || len(fail.Frames) != 2 || fail.Frames[0].Offset == fail.Frames[1].Offset {
		t.Errorf("%+v", fail)
	}
	if _, fail := in.AddLibrary(code, []Extern{memory, x, x}); fail == nil {
		t.Error("a global was linked as a function")
	}
	testTable(t, in, target)
	in.Kill()
	for _, n := range []int{first, second} {
		if fail, _ := in.CallLibrary(n, "spin"); fail == nil || !fail.Killed {
			t.Errorf("library %d: %+v", n, fail)
		}
		in.Unkill()
		in.Kill()
	}
}

// testTable puts a function into the table of in, which has two elements, the second one its own.
func testTable(t *testing.T, in *Instance, f Extern) {
	t.Helper()
	own, _ := in.Export(Main, "own")
	ids := in.Identities(in.Elements())
	if len(ids) != 2 || ids[0] != 0 || ids[1] != in.Identity(own) || ids[1] == in.Identity(f) {
		t.Errorf("the table has %x, own is %x", ids, in.Identity(own))
	}
	at, ok := in.GrowTable(1)
	if _, more := in.GrowTable(1); at != 2 || !ok || more {
		t.Errorf("grown at %d: %t, then %t", at, ok, more)
	}
	if err := in.Point(at, f); err != nil || in.Identities(3)[2] != in.Identity(f) {
		t.Error(err)
	}
	if err := in.Point(at+1, f); err == nil {
		t.Error("an element beyond the table")
	}
	v, _ := in.Export(Main, "v")
	if in.GlobalValue(v) != 77 || in.SetGlobal(v, 1) == nil {
		t.Error("a constant was changed")
	}
}
