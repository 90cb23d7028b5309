//go:build linux && cgo

package compile_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/bytecodealliance/wasmtime-go/v25"
	"github.com/shoal-run/shoal/bus/faas"
	"github.com/shoal-run/shoal/internal/leakcheck"
	"github.com/shoal-run/shoal/libs/faaslet"
	"github.com/shoal-run/shoal/libs/faaslet/compile"
	"github.com/shoal-run/shoal/libs/hostapi"
	"github.com/shoal-run/shoal/libs/wasmbin"
	"golang.org/x/sys/unix"
)

func TestMain(m *testing.M) {
	compile.MaybeChild()
	leakcheck.Main(m)
}

func assemble(t *testing.T, wat string) []byte {
	t.Helper()
	b, err := wasmtime.Wat2Wasm(wat)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

const nop = `(module (memory (export "memory") 1) (func (export "handle") (result i32) (i32.const 0)))`

// large returns a module that takes the compiler long, and a lot of memory: one function of n additions and branches.
func large(t *testing.T, funcs, n int) []byte {
	var b strings.Builder
	b.WriteString(`(module (memory (export "memory") 1) (func (export "_start"))`)
	for f := range funcs {
		fmt.Fprintf(&b, "(func (param i32 i32) (result i32) (local $x%d i32)", f)
		for i := range n {
			fmt.Fprintf(&b, "(local.set 0 (i32.add (i32.load offset=%d (local.get 0)) (if (result i32) (local.get 1) (then (local.get 0)) (else (i32.const %d)))))", i%4096, i)
		}
		b.WriteString("(local.get 0))")
	}
	b.WriteString(")")
	return assemble(t, b.String())
}

func TestCompileAndRun(t *testing.T) {
	module := assemble(t, nop)
	r, err := compile.Compiler{}.Run(t.Context(), module)
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("confinement %+v; %d bytes, %s of processor time", r.Confinement, len(r.Artefact), r.CPU)
	m, err := wasmbin.Parse(module)
	if err != nil {
		t.Fatal(err)
	}
	info, err := wasmbin.Check(m, wasmbin.Host{})
	if err != nil {
		t.Fatal(err)
	}
	e, err := faaslet.NewEngine(faaslet.Config{})
	if err != nil {
		t.Fatal(err)
	}
	defer e.Close()
	mod, err := e.LoadBytes(r.Artefact, info)
	if err != nil {
		t.Fatal(err)
	}
	defer mod.Close()
	f, ferr := mod.New(t.Context(), faaslet.Setup{})
	if ferr != nil {
		t.Fatal(ferr)
	}
	defer f.Close()
	if o := f.Run(t.Context(), hostapi.NewCall(hostapi.CallConfig{Kind: info.Kind})); o.Err != nil {
		t.Error(o.Err)
	}
}

func TestConfinement(t *testing.T) {
	// A descriptor as a careless parent leaves it: not closed on exec.
	open, err := unix.Open("/etc", unix.O_RDONLY|unix.O_DIRECTORY, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = unix.Close(open) }()
	c, err := compile.Compiler{}.Probe(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if !c.NoNewPrivs || !c.Files || !c.Memory || !c.CPU || !c.Parent || !c.Inherited || !c.Priority {
		t.Errorf("what any user may do does not hold: %v", c.Missing())
	}
	if os.Geteuid() == 0 && c.User == "" {
		t.Error("root's child is root")
	}
	t.Logf("network: %q, user: %q, missing: %v", c.Network, c.User, c.Missing())
}

func wantError(t *testing.T, err error, code faas.Code, words string) {
	t.Helper()
	if faas.CodeOf(err) != code || !strings.Contains(err.Error(), words) {
		t.Errorf("error %v, want %s with %q", err, code, words)
	}
}

func TestBadModules(t *testing.T) {
	for _, c := range []struct {
		name, words string
		module      []byte
	}{
		{"empty", "", nil},
		{"text", "", []byte("(module)")},
		{"truncated", "", assemble(t, nop)[:40]},
		{"wrong types", "type mismatch", invalid},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, err := compile.Compiler{}.Compile(t.Context(), c.module)
			wantError(t, err, faas.InvalidModule, c.words)
		})
	}
}

// invalid is (module (func (result i32))): well-formed, but the function returns nothing.
var invalid = []byte("\x00asm\x01\x00\x00\x00" + "\x01\x05\x01\x60\x00\x01\x7f" + "\x03\x02\x01\x00" + "\x0a\x04\x01\x02\x00\x0b")

func TestLimits(t *testing.T) {
	module := large(t, 40, 2500)
	for _, c := range []struct {
		name     string
		compiler compile.Compiler
		words    string
	}{
		{"memory", compile.Compiler{Memory: 48 * faas.MiB}, "more than 48MiB of memory"},
		{"processor time", compile.Compiler{CPU: time.Second}, "more than 1s of processor time"},
		{"wall time", compile.Compiler{Wall: 100 * time.Millisecond}, "more than 100ms"},
	} {
		t.Run(c.name, func(t *testing.T) {
			r, err := c.compiler.Run(t.Context(), module)
			wantError(t, err, faas.InvalidModule, c.words)
			t.Logf("%v; took %s", err, r.CPU)
		})
	}
}

func TestContextEndsTheChild(t *testing.T) {
	module := large(t, 40, 2500)
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	_, err := compile.Compiler{}.Compile(ctx, module)
	wantError(t, err, faas.DeadlineExceeded, "out of time")

	own := errors.New("the worker drains")
	cctx, ccancel := context.WithCancelCause(t.Context())
	ccancel(faas.Errorf(faas.Unavailable, "%v", own))
	_, err = compile.Compiler{}.Compile(cctx, module)
	wantError(t, err, faas.Unavailable, own.Error())
}
