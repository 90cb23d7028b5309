//go:build linux && cgo

package faaslet

import (
	"context"
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/shoal-run/shoal/bus/faas"
)

// nested is a mangled C++ name whose parameters are templates of templates: each one refers back to the one before. A
// demangler that follows it to the end passes any limit of its recursion. With twice, it also writes 2ⁿ types.
func nested(n int, twice bool) string {
	var s strings.Builder
	s.WriteString("_Z1f3FooIiiE")
	for i := range n {
		back := "S" + strings.ToUpper(strconv.FormatInt(int64(i), 36)) + "_"
		if twice {
			s.WriteString("S_I" + back + back + "E")
		} else {
			s.WriteString("S_I" + back + "iE")
		}
	}
	return s.String()
}

// TestHostileFunctionNames ends guests in every way there is within functions whose names are made to hurt who demangles
// them. The worker has to live, in time, and to show a name as it is in the module, cut.
func TestHostileFunctionNames(t *testing.T) {
	e := newEngine(t, nil)
	names := map[string]string{
		"deep": nested(30, false), "doubling": nested(30, true), "deeper": nested(400, false),
		"rust": "_RNvC" + strings.Repeat("1a", 4000), "rust old": "_ZN" + strings.Repeat("1a", 4000) + "17h0123456789abcdefE",
	}
	for name, symbol := range names {
		for _, c := range []struct {
			name, body string
			code       faas.Code
		}{
			{"exit", "(call $exit (i32.const 0))", ""},
			{"exit 3", "(call $exit (i32.const 3))", faas.GuestFailed},
			{"trap", "unreachable", faas.GuestTrapped},
			{"host error", "(call $write (i32.const -8) (i32.const 4000))", faas.GuestTrapped},
			{"deadline", "(loop $l (br $l))", faas.DeadlineExceeded},
			{"sleep", "(drop (call $poll (i32.const 0) (i32.const 64) (i32.const 1) (i32.const 128)))", faas.DeadlineExceeded},
		} {
			t.Run(name+"/"+c.name, func(t *testing.T) {
				m := load(t, e, `(module
				  (import "wasi_snapshot_preview1" "proc_exit" (func $exit (param i32)))
				  (import "wasi_snapshot_preview1" "poll_oneoff" (func $poll (param i32 i32 i32 i32) (result i32)))
				  (import "env" "__faasm_write_output" (func $write (param i32 i32)))
				  (memory (export "memory") 1)
				  (func $`+symbol+` (export "_start")
				    (i32.store offset=16 (i32.const 0) (i32.const 1))
				    (i64.store offset=24 (i32.const 0) (i64.const 3600000000000))
				    `+c.body+`))`)
				ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
				defer cancel()
				deadline, _ := ctx.Deadline()
				o := call(t, ctx, m, Setup{}, "")
				if late := time.Since(deadline); late > lateAt {
					t.Errorf("ended %s after the deadline", late)
				}
				if c.code == "" {
					if o.Err != nil {
						t.Error(o.Err)
					}
					return
				}
				err := wantCode(t, o, c.code)
				if len(err.Backtrace) != 1 || err.Backtrace[0].Function == "" || !strings.HasPrefix(symbol, err.Backtrace[0].Function) {
					t.Errorf("backtrace %v, want the beginning of %q", err.Backtrace, symbol)
				}
			})
		}
	}
}

// TestLongNamesInADeepStack has names of 100 kB, the module's own among them, on a stack of thousands of frames.
func TestLongNamesInADeepStack(t *testing.T) {
	e := newEngine(t, nil)
	long := strings.Repeat("n", 99_999)
	for name, wat := range map[string]string{
		"function": strings.ReplaceAll(watRecurse, "$deeper", "$"+long),
		"module":   strings.Replace(watRecurse, "(module", "(module $"+long, 1),
	} {
		t.Run(name, func(t *testing.T) {
			m := load(t, e, wat)
			start := time.Now()
			err := wantCode(t, call(t, t.Context(), m, Setup{}, ""), faas.GuestTrapped)
			if d := time.Since(start); d > time.Second {
				t.Errorf("a stack overflow took %s", d)
			}
			if err.Trap != "stack_overflow" {
				t.Errorf("trap %s", err.Trap)
			}
			for _, f := range err.Backtrace {
				if len(f.Function) > 128 {
					t.Errorf("a name of %d bytes", len(f.Function))
				}
			}
		})
	}
}

// TestErrorsAreBounded has a guest say and be called as much as it can before it fails: what comes out fits in a message.
func TestErrorsAreBounded(t *testing.T) {
	e := newEngine(t, nil)
	name := strings.Repeat("<", 200)
	m := load(t, e, fmt.Sprintf(`(module
	  (import "wasi_snapshot_preview1" "fd_write" (func $write (param i32 i32 i32 i32) (result i32)))
	  (memory (export "memory") 2)
	  (func $%s (param i32)
	    (if (i32.eqz (local.get 0)) (then unreachable))
	    (call $%[1]s (i32.sub (local.get 0) (i32.const 1))))
	  (func (export "_start")
	    (memory.fill (i32.const 1024) (i32.const 1) (i32.const 65536))
	    (i32.store (i32.const 0) (i32.const 1024)) (i32.store (i32.const 4) (i32.const 65536))
	    (drop (call $write (i32.const 2) (i32.const 0) (i32.const 1) (i32.const 8)))
	    (call $%[1]s (i32.const 100))))`, name))
	err := wantCode(t, call(t, t.Context(), m, Setup{}, ""), faas.GuestTrapped)
	b, jerr := json.Marshal(err)
	if jerr != nil || len(b) >= 64<<10 {
		t.Errorf("the error has %d bytes as JSON: %v", len(b), jerr)
	}
	if len(err.Backtrace) != 32 || len(err.Backtrace[0].Function) != 128 || err.Stderr == "" {
		t.Errorf("%d frames, stderr of %d bytes", len(err.Backtrace), len(err.Stderr))
	}
}
