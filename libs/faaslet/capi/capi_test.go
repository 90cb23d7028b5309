//go:build linux && cgo

package capi

import (
	"errors"
	"runtime"
	"strings"
	"sync"
	"testing"

	"github.com/bytecodealliance/wasmtime-go/v25"
	"github.com/shoal-run/shoal/internal/leakcheck"
)

func TestMain(m *testing.M) { leakcheck.Main(m) }

type hostFunc func(row uint32, mem []byte, args []Slot) (uint64, error)

func (f hostFunc) HostCall(row uint32, mem []byte, args []Slot) (uint64, error) {
	return f(row, mem, args)
}

// newPre makes a module whose entry calls host function 5 with 40 and 2, and returns what it answers.
func newPre(t *testing.T) (*wasmtime.Engine, *Pre) {
	t.Helper()
	return newPreOf(t, `(module
	  (import "m" "f" (func $f (param i32 i32) (result i32)))
	  (memory (export "memory") 1)
	  (global (export "refused") (mut i32) (i32.const 3))
	  (func (export "init") (drop (call $f (i32.const 1) (i32.const 1))))
	  (func (export "run") (result i32) (call $f (i32.const 40) (i32.const 2))))`)
}

func newPreOf(t *testing.T, wat string) (*wasmtime.Engine, *Pre) {
	t.Helper()
	c := wasmtime.NewConfig()
	Configure(c, Memory{Reserve: 4 << 30, Guard: 2 << 20}, true)
	e := wasmtime.NewEngineWithConfig(c)
	l := wasmtime.NewLinker(e)
	if err := Define(l, Import{Module: "m", Name: "f", Params: []byte{0x7f, 0x7f}, Results: []byte{0x7f}, Row: 5}); err != nil {
		t.Fatal(err)
	}
	b, err := wasmtime.Wat2Wasm(wat)
	if err != nil {
		t.Fatal(err)
	}
	m, err := wasmtime.NewModule(e, b)
	if err != nil {
		t.Fatal(err)
	}
	p, err := NewPre(l, m, Exports{Entry: "run", Refused: "refused", Kill: "kill", Here: "run"}, nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { p.Close(); p.Close(); m.Close(); l.Close(); e.Close() })
	return e, p
}

func newInstance(t *testing.T, e *wasmtime.Engine, p *Pre, h Host) *Instance {
	t.Helper()
	in, err := NewInstance(e, h, Limits{Memory: 1 << 20, TableElements: 10, Tables: 1})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(in.Close)
	if fail := in.Start(p); fail != nil {
		t.Fatal(fail)
	}
	return in
}

func TestCalls(t *testing.T) {
	e, p := newPre(t)
	in := newInstance(t, e, p, hostFunc(func(row uint32, mem []byte, args []Slot) (uint64, error) {
		if row != 5 || len(mem) != 65536 || len(args) != 2 {
			return 0, errors.New("wrong call")
		}
		return uint64(uint32(args[0][0]) + uint32(args[1][0])), nil
	}))
	if got, fail := in.Call(); fail != nil || got != 42 {
		t.Errorf("got %d, %v", got, fail)
	}
	if _, fail, found := in.CallExport("init"); fail != nil || !found {
		t.Error(fail, found)
	}
	if got, fail, found := in.CallExport("run"); got != 42 || fail != nil || !found {
		t.Error(got, fail, found)
	}
	if _, fail, found := in.CallExport("memory"); fail != nil || found {
		t.Error(fail, found)
	}
	if in.Refused() != 3 || len(in.Memory()) != 65536 || in.Killed() {
		t.Errorf("refused %d, memory %d, killed %t", in.Refused(), len(in.Memory()), in.Killed())
	}
}

func TestPanicThroughHost(t *testing.T) {
	e, p := newPre(t)
	in := newInstance(t, e, p, hostFunc(func(uint32, []byte, []Slot) (uint64, error) { panic("a bug") }))
	if _, fail := in.Call(); fail == nil || fail.Message != "host function panicked" || fail.Trap() != "" {
		t.Errorf("%+v", fail)
	}
}

// TestFailuresOfMangledNames has a name in which wasmtime's demangler passes its limit: a message that has it in a
// backtrace ends the process. No pre-pass has changed it here.
func TestFailuresOfMangledNames(t *testing.T) {
	name := "_Z1f3FooIiiES_IS0_iES_IS1_iES_IS2_iES_IS3_iES_IS4_iES_IS5_iES_IS6_iES_IS7_iES_IS8_iES_IS9_iES_ISA_iES_ISB_iES_ISC_iE" +
		"S_ISD_iES_ISE_iES_ISF_iES_ISG_iES_ISH_iES_ISI_iES_ISJ_iES_ISK_iES_ISL_iES_ISM_iES_ISN_iES_ISO_iES_ISP_iES_ISQ_iES_ISR_iE" +
		"S_ISS_iES_IST_iE"
	e, p := newPreOf(t, `(module (import "m" "f" (func $f (param i32 i32) (result i32))) (memory (export "memory") 1)
	  (global $kill (export "kill") (mut i32) (i32.const 0))
	  (func $`+name+` (export "run") (result i32)
	    (loop (loop $poll (if (global.get $kill) (then
	        (global.get $kill) (global.set $kill (i32.const 2)) (br_if $poll (i32.ne (i32.const 1))) unreachable)))
	      (drop (call $f (i32.const 1) (i32.const 1))) (br 0)) unreachable))`)
	for _, c := range []struct {
		words string
		host  func(in *Instance) error
	}{
		{"no more", func(*Instance) error { return errors.New("no more") }},
		{"host function panicked", func(*Instance) error { panic("a bug") }},
		{"killed", func(in *Instance) error { in.Kill(); return nil }},
		{"probed", func(in *Instance) error { return errors.New("prob" + in.Backtrace()[0].Name[:0] + "ed") }},
	} {
		var in *Instance
		in = newInstance(t, e, p, hostFunc(func(uint32, []byte, []Slot) (uint64, error) { return 0, c.host(in) }))
		_, fail := in.Call()
		if fail == nil || fail.Message != c.words || len(fail.Frames) != 1 || !strings.HasPrefix(name, fail.Frames[0].Name) {
			t.Errorf("%s: %+v", c.words, fail)
		}
	}
}

func TestSlotsAreReused(t *testing.T) {
	e, p := newPre(t)
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for n := range 200 {
				want := uint64(n)
				in, err := NewInstance(e, hostFunc(func(uint32, []byte, []Slot) (uint64, error) { return want, nil }), Limits{Memory: 1 << 20, TableElements: 10, Tables: 1})
				if err != nil {
					t.Error(err)
					return
				}
				if fail := in.Start(p); fail != nil {
					t.Error(fail)
				} else if got, fail := in.Call(); fail != nil || uint64(got) != want {
					t.Errorf("got %d of %d, %v", got, want, fail)
				}
				in.Close()
				if n%50 == 0 {
					runtime.GC()
				}
			}
		})
	}
	wg.Wait()
	slots.mu.Lock()
	defer slots.mu.Unlock()
	if int(slots.next) != len(slots.free) {
		t.Errorf("%d slots were given out, %d came back", slots.next, len(slots.free))
	}
}

func TestSlotTableFills(t *testing.T) {
	var table slotTable
	in := new(Instance)
	for range MaxInstances {
		if _, err := table.put(in); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := table.put(in); !errors.Is(err, errFull) {
		t.Errorf("one more: %v", err)
	}
	table.drop(7)
	if n, err := table.put(in); n != 7 || err != nil {
		t.Errorf("after one left: %d, %v", n, err)
	}
}

func TestCause(t *testing.T) {
	for in, want := range map[string]string{
		"plain": "plain",
		"error while executing at wasm backtrace:\n    0: 0x4a - <unknown>!f\n\nCaused by:\n    wasm trap: unreachable": "wasm trap: unreachable",
		"outer\n\nCaused by:\n    0: middle\n    1: inner: with a colon":                                                "inner: with a colon",
		"": "",
	} {
		if got := Cause(in); got != want {
			t.Errorf("%q: %q, want %q", in, got, want)
		}
	}
}

func TestDefineRefuses(t *testing.T) {
	e := wasmtime.NewEngine()
	defer e.Close()
	l := wasmtime.NewLinker(e)
	defer l.Close()
	if err := Define(l, Import{Module: "m", Name: "f", Params: []byte{0x70}}); err == nil || !strings.Contains(err.Error(), "0x70") {
		t.Errorf("a reference: %v", err)
	}
	if err := Define(l, Import{Module: "m", Name: "f", Params: make33()}); err == nil {
		t.Error("33 parameters were taken")
	}
}

func make33() []byte {
	b := make([]byte, 33)
	for i := range b {
		b[i] = 0x7f
	}
	return b
}
