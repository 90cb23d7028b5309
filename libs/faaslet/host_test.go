//go:build linux && cgo

package faaslet

import (
	"bytes"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"testing"

	"github.com/shoal-run/shoal/bus/faas"
	"github.com/shoal-run/shoal/libs/guest"
	"github.com/shoal-run/shoal/libs/hostapi"
)

// fake makes a table of one function, test.f of type () -> (), and a guest that calls it from $inner.
func fake(f hostapi.Func) (hostapi.Table, string) {
	return hostapi.Table{{Module: "test", Name: "f", Func: f}}, `(module
	  (import "test" "f" (func $f))
	  (memory (export "memory") 1)
	  (func $inner (call $f))
	  (func $outer (call $inner))
	  (func (export "_start") (call $outer)))`
}

func TestPanicInHostFunction(t *testing.T) {
	table, wat := fake(func(*hostapi.Call, guest.Memory, hostapi.Args) (uint64, error) { panic("a bug") })
	var log bytes.Buffer
	m := load(t, newEngineWith(t, Config{Table: table, Log: slog.New(slog.NewTextHandler(&log, nil))}), wat)
	for range 3 {
		err := wantCode(t, call(t, t.Context(), m, Setup{Func: faas.Name{Tenant: "demo", Function: "f"}}, ""), faas.Internal)
		if err.Message != "host function test.f panicked" || len(err.Backtrace) != 3 {
			t.Errorf("message %q, backtrace %v", err.Message, err.Backtrace)
		}
	}
	if s := log.String(); strings.Count(s, "level=ERROR") != 3 || !strings.Contains(s, "a bug") || !strings.Contains(s, "demo/f") {
		t.Errorf("log: %s", s)
	}
}

func TestErrorsOfHostFunctions(t *testing.T) {
	for _, c := range []struct {
		name string
		err  error
		code faas.Code
		trap string
	}{
		{"words", errors.New("pointer 0xffffffff is out of bounds"), faas.GuestTrapped, trapHost},
		{"coded", fmt.Errorf("chain: %w", faas.Errorf(faas.NoCapacity, "nothing is free")), faas.NoCapacity, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			table, wat := fake(func(*hostapi.Call, guest.Memory, hostapi.Args) (uint64, error) { return 0, c.err })
			err := wantCode(t, call(t, t.Context(), load(t, newEngine(t, table), wat), Setup{}, ""), c.code)
			if err.Trap != c.trap || !strings.HasSuffix(c.err.Error(), err.Message) || len(err.Backtrace) != 3 {
				t.Errorf("trap %q, message %q, backtrace %v", err.Trap, err.Message, err.Backtrace)
			}
		})
	}
}

func TestBacktraceDuringHostFunction(t *testing.T) {
	var first, second []faas.Frame
	table, wat := fake(func(c *hostapi.Call, _ guest.Memory, _ hostapi.Args) (uint64, error) {
		first, second = c.Guest.Backtrace(), c.Guest.Backtrace()
		return 0, nil
	})
	if o := call(t, t.Context(), load(t, newEngine(t, table), wat), Setup{}, ""); o.Err != nil {
		t.Fatal(o.Err)
	}
	for _, got := range [][]faas.Frame{first, second} {
		if len(got) != 3 || got[0].Function != "inner" || got[1].Function != "outer" || got[0].Offset == 0 {
			t.Errorf("backtrace %v", got)
		}
	}
}

// Every number type arrives and returns as it was sent.
func TestArguments(t *testing.T) {
	row := func(name string, v hostapi.ValType) hostapi.Row {
		return hostapi.Row{
			Module: "test", Name: name, Params: []hostapi.Param{{Type: hostapi.I32}, {Type: v}}, Results: []hostapi.ValType{v},
			Func: func(_ *hostapi.Call, mem guest.Memory, a hostapi.Args) (uint64, error) {
				if len(a) != 2 || a.U32(0) != 0x80000001 || len(mem) != 65536 {
					return 0, fmt.Errorf("%d arguments, the first %#x, %d bytes of memory", len(a), a.U32(0), len(mem))
				}
				return a.U64(1), nil
			},
		}
	}
	table := hostapi.Table{row("i32", hostapi.I32), row("i64", hostapi.I64), row("f32", hostapi.F32), row("f64", hostapi.F64)}
	var body strings.Builder
	for _, v := range []struct{ typ, value string }{
		{"i32", "-7"}, {"i64", "-70000000000"}, {"f32", "-1.5"}, {"f64", "1.25e300"},
	} {
		fmt.Fprintf(&body, `(if (%[1]s.ne (call $%[1]s (i32.const 0x80000001) (%[1]s.const %[2]s)) (%[1]s.const %[2]s)) (then unreachable))`, v.typ, v.value)
	}
	m := load(t, newEngine(t, table), `(module
	  (import "test" "i32" (func $i32 (param i32 i32) (result i32)))
	  (import "test" "i64" (func $i64 (param i32 i64) (result i64)))
	  (import "test" "f32" (func $f32 (param i32 f32) (result f32)))
	  (import "test" "f64" (func $f64 (param i32 f64) (result f64)))
	  (memory (export "memory") 1)
	  (func (export "_start") `+body.String()+`))`)
	if o := call(t, t.Context(), m, Setup{}, ""); o.Err != nil {
		t.Error(o.Err)
	}
}

// The memory that a host function sees is the one of now: it grew between two calls, and keeps its base.
func TestMemoryGrowsBetweenHostCalls(t *testing.T) {
	var sizes []int
	table, _ := fake(func(_ *hostapi.Call, mem guest.Memory, _ hostapi.Args) (uint64, error) {
		sizes = append(sizes, len(mem))
		mem.PutUint8(uint32(len(mem)-1), 42)
		return 0, nil
	})
	m := load(t, newEngine(t, table), `(module
	  (import "test" "f" (func $f))
	  (memory (export "memory") 1)
	  (func (export "_start")
	    (call $f) (drop (memory.grow (i32.const 100))) (call $f)
	    (if (i32.ne (i32.load8_u (i32.const 65535)) (i32.const 42)) (then unreachable))
	    (if (i32.ne (i32.load8_u (i32.const 6619135)) (i32.const 42)) (then unreachable))))`)
	o := call(t, t.Context(), m, Setup{}, "")
	if o.Err != nil || len(sizes) != 2 || sizes[0] != 65536 || sizes[1] != 101*65536 {
		t.Errorf("sizes %v, error %v", sizes, o.Err)
	}
	if o.Memory != 101*64*faas.KiB {
		t.Errorf("measured %s", o.Memory)
	}
}

func TestGuestWithoutMemory(t *testing.T) {
	table, _ := fake(func(_ *hostapi.Call, mem guest.Memory, _ hostapi.Args) (uint64, error) {
		if len(mem) != 0 {
			return 0, errors.New("memory from nowhere")
		}
		return 0, nil
	})
	m := load(t, newEngine(t, table), `(module (import "test" "f" (func $f)) (func (export "_start") (call $f)))`)
	if o := call(t, t.Context(), m, Setup{}, ""); o.Err != nil || o.Memory != 0 {
		t.Errorf("memory %s, error %v", o.Memory, o.Err)
	}
}

func TestUnsoundTables(t *testing.T) {
	nop := func(*hostapi.Call, guest.Memory, hostapi.Args) (uint64, error) { return 0, nil }
	for name, table := range map[string]hostapi.Table{
		"without a function": {{Module: "m", Name: "f"}},
		"twice the same":     {{Module: "m", Name: "f", Func: nop}, {Module: "m", Name: "f", Func: nop}},
		"two results":        {{Module: "m", Name: "f", Func: nop, Results: []hostapi.ValType{hostapi.I32, hostapi.I32}}},
		"not a number":       {{Module: "m", Name: "f", Func: nop, Params: []hostapi.Param{{Type: 0x70}}}},
	} {
		if e, err := NewEngine(Config{Table: table}); err == nil {
			e.Close()
			t.Errorf("a table with a row %s was taken", name)
		}
	}
}
