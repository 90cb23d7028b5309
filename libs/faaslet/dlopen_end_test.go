//go:build linux && cgo

package faaslet

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/shoal-run/shoal/bus/faas"
)

// endings are functions of a library that do not return, and constructors.
const watEndings = `
  (import "wasi_snapshot_preview1" "proc_exit" (func $exit (param i32)))
  (func $spin (export "spin") (result i32) (loop $l (br $l)) unreachable)
  (func $deep (export "deep") (result i32) (i32.add (i32.const 1) (call $deep)))
  (func $trap (export "trap") (result i32) unreachable)
  (func $quit (export "quit") (result i32) (call $exit (i32.const 3)) unreachable)
  (func (export "grow") (result i32)
    (loop $l (br_if $l (i32.ne (memory.grow (i32.const 16)) (i32.const -1)))) unreachable)
  (func (export "fill") (result i32)
    (drop (memory.grow (i32.const 32)))
    (loop $l (memory.fill (i32.const 196608) (i32.const 1) (i32.const 1048576)) (br $l)) unreachable)`

// TestLibraryEnds has a library's functions end the guest, called by the program through the table and as constructors.
func TestLibraryEnds(t *testing.T) {
	e := newEngine(t, nil)
	m := load(t, e, watOpener)
	libs := files{"called.so": lib(t, watEndings)}
	for _, name := range []string{"spin", "deep", "trap", "quit"} {
		libs[name] = lib(t, watEndings+`(func (export "__wasm_call_ctors") (drop (call $`+name+`)))`)
	}
	for _, c := range []struct {
		path, symbol string
		code         faas.Code
		trap         string
		frames       []string
	}{
		{"called.so", "spin", faas.DeadlineExceeded, "", []string{"spin"}},
		{"called.so", "fill", faas.DeadlineExceeded, "", nil},
		{"called.so", "deep", faas.GuestTrapped, "stack_overflow", []string{"deep", "deep"}},
		{"called.so", "trap", faas.GuestTrapped, "unreachable", []string{"trap"}},
		{"called.so", "quit", faas.GuestFailed, "", nil},
		{"called.so", "grow", faas.OutOfMemory, "unreachable", nil},
		{"spin", "f", faas.DeadlineExceeded, "", []string{"spin"}},
		{"deep", "f", faas.GuestTrapped, "stack_overflow", []string{"deep", "deep"}},
		{"trap", "f", faas.GuestTrapped, "unreachable", []string{"trap"}},
		{"quit", "f", faas.GuestFailed, "", nil},
	} {
		t.Run(c.path+" "+c.symbol, func(t *testing.T) {
			f := newFaaslet(t, m, Setup{Memory: 16 * faas.MiB})
			f.host.begin(t.Context(), nil)
			warm(t, e, libs[c.path])
			f.host.end()
			ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
			defer cancel()
			began := time.Now()
			o := openedIn(ctx, f, libs.shared(), c.path, c.symbol)
			if took := time.Since(began); took > time.Second {
				t.Errorf("it took %s", took)
			}
			err := wantCode(t, o, c.code)
			if err.Trap != c.trap && c.code != faas.OutOfMemory {
				t.Errorf("trap %q, want %q", err.Trap, c.trap)
			}
			if c.symbol == "quit" && err.ExitCode != 3 || c.path == "quit" && err.ExitCode != 3 {
				t.Errorf("exit code %d", err.ExitCode)
			}
			for i, name := range c.frames {
				if i >= len(err.Backtrace) || err.Backtrace[i].Function != name {
					t.Fatalf("backtrace %v, want it to start with %v", err.Backtrace, c.frames)
				}
			}
			outer := err.Backtrace
			if c.code != faas.GuestFailed && c.symbol != "deep" && c.path != "deep" && c.symbol != "fill" && c.symbol != "grow" &&
				(len(outer) == 0 || !hasFrame(outer, "open") && !hasFrame(outer, "handle") && !hasFrame(outer, "func[9]")) {
				t.Errorf("the program is not in the backtrace: %v", outer)
			}
		})
	}
}

func hasFrame(frames []faas.Frame, name string) bool {
	for _, f := range frames {
		if f.Function == name || strings.HasPrefix(f.Function, "func[") {
			return true
		}
	}
	return false
}

// warm has a library compiled, so that a test measures what comes after.
func warm(t testing.TB, e *Engine, module []byte) {
	t.Helper()
	l, err := e.libraries.get(t.Context(), "", module)
	if err != nil {
		t.Fatal(err)
	}
	l.release()
}

// TestKilledWhileItCompiles has a call end while its library is compiled, which ends then too.
func TestKilledWhileItCompiles(t *testing.T) {
	ended := make(chan error, 1)
	e := newEngineWith(t, Config{Compile: func(ctx context.Context, _ []byte) ([]byte, error) {
		<-ctx.Done()
		ended <- ctx.Err()
		return nil, ctx.Err()
	}})
	m := load(t, e, watOpener)
	libs := files{"a.so": lib(t, "")}
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	o := openedIn(ctx, newFaaslet(t, m, Setup{}), libs.shared(), "a.so", "f")
	wantCode(t, o, faas.DeadlineExceeded)
	select {
	case err := <-ended:
		if !errors.Is(err, context.Canceled) {
			t.Error(err)
		}
	case <-time.After(5 * time.Second):
		t.Error("the compiler goes on for nobody")
	}
}

// TestEndsThroughStubs ends the guest below hundreds of calls from one library to another that came after it.
func TestEndsThroughStubs(t *testing.T) {
	m := load(t, newEngine(t, nil), watOpener)
	ends := map[string]string{"exit": "(call $exit (i32.const 3))", "trap": "unreachable", "spin": "(loop $l (br $l))", "puts": "(drop (call $puts (i32.const -1)))"}
	var b, a strings.Builder
	for name := range ends {
		a.WriteString(`(import "env" "b_` + name + `" (func $b_` + name + ` (param i32) (result i32)))`)
		b.WriteString(`(import "env" "a_` + name + `" (func $a_` + name + ` (param i32) (result i32)))`)
	}
	a.WriteString(`(import "wasi_snapshot_preview1" "proc_exit" (func $exit (param i32))) (import "env" "puts" (func $puts (param i32) (result i32)))`)
	for name, code := range ends {
		b.WriteString(`(func (export "b_` + name + `") (param i32) (result i32) (call $a_` + name + ` (i32.sub (local.get 0) (i32.const 1))))`)
		a.WriteString(`(func $f_` + name + ` (export "a_` + name + `") (param i32) (result i32)
		  (if (i32.eqz (local.get 0)) (then ` + code + `)) (call $b_` + name + ` (local.get 0)))
		  (func (export "run_` + name + `") (result i32) (call $f_` + name + ` (i32.const 800)))
		  (func (export "for_ever_` + name + `") (result i32) (call $f_` + name + ` (i32.const -1)))`)
	}
	libs := files{"a.so": lib(t, a.String(), "b.so"), "b.so": lib(t, b.String(), "a.so")}
	gives(t, m, files{"x.so": lib(t, `(func (export "f") (result i32) (i32.const 1))`)}.shared(), "x.so", "f", 1)
	for _, module := range libs {
		warm(t, m.engine, module)
	}
	for _, c := range []struct {
		symbol string
		code   faas.Code
		trap   string
		inner  string
	}{
		{"run_exit", faas.GuestFailed, "", "f_exit"},
		{"run_trap", faas.GuestTrapped, "unreachable", "f_trap"},
		{"run_puts", faas.GuestTrapped, trapHost, "f_puts"},
		{"run_spin", faas.DeadlineExceeded, "", "f_spin"},
		{"for_ever_exit", faas.GuestTrapped, "stack_overflow", ""},
	} {
		t.Run(c.symbol, func(t *testing.T) {
			ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
			defer cancel()
			o := openedIn(ctx, newFaaslet(t, m, Setup{}), libs.shared(), "a.so", c.symbol)
			err := wantCode(t, o, c.code)
			if err.Trap != c.trap {
				t.Errorf("trap %q, want %q", err.Trap, c.trap)
			}
			if len(err.Backtrace) == 0 || c.inner != "" && err.Backtrace[0].Function != c.inner {
				t.Errorf("backtrace %v, want it to start with %q", err.Backtrace, c.inner)
			}
			if o.Duration > 500*time.Millisecond {
				t.Errorf("it took %s", o.Duration)
			}
			t.Logf("%s after %s: %s", c.symbol, o.Duration, err.Message)
		})
	}
}
