//go:build linux && cgo

package faaslet

import (
	"context"
	"log/slog"
	"testing"
	"time"

	"github.com/bytecodealliance/wasmtime-go/v25"
	"github.com/shoal-run/shoal/bus/faas"
	"github.com/shoal-run/shoal/internal/leakcheck"
	"github.com/shoal-run/shoal/libs/hostapi"
	"github.com/shoal-run/shoal/libs/wasmbin"
)

func TestMain(m *testing.M) { leakcheck.Main(m) }

// newEngine makes an engine for a test; a nil table is the real one.
func newEngine(t testing.TB, table hostapi.Table) *Engine {
	t.Helper()
	return newEngineWith(t, Config{Table: table})
}

func newEngineWith(t testing.TB, cfg Config) *Engine {
	t.Helper()
	if cfg.Table == nil {
		cfg.Table = hostapi.New()
	}
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.NewTextHandler(t.Output(), nil))
	}
	cfg.Compiler = true
	e, err := NewEngine(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(e.Close)
	return e
}

func assemble(t testing.TB, wat string) []byte {
	t.Helper()
	b, err := wasmtime.Wat2Wasm(wat)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// load takes a module the way a deploy does: parse, check, compile, load.
func load(t testing.TB, e *Engine, wat string) *Module {
	t.Helper()
	return loadModule(t, e, assemble(t, wat))
}

// loadModule is load for a module in binary.
func loadModule(t testing.TB, e *Engine, b []byte) *Module {
	t.Helper()
	return loadAs(t, e, b, wasmbin.Host{Types: e.table.Types})
}

// loadAs is loadModule with what a deploy takes the host for.
func loadAs(t testing.TB, e *Engine, b []byte, host wasmbin.Host) *Module {
	t.Helper()
	m, err := wasmbin.Parse(b)
	if err != nil {
		t.Fatal(err)
	}
	info, err := wasmbin.Check(m, host)
	if err != nil {
		t.Fatal(err)
	}
	artefact, err := e.Compile(b)
	if err != nil {
		t.Fatal(err)
	}
	mod, err := e.LoadBytes(artefact, info)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(mod.Close)
	return mod
}

func newFaaslet(t testing.TB, m *Module, s Setup) *Faaslet {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	f, err := m.New(ctx, s)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(f.Close)
	return f
}

// call runs a call in a fresh Faaslet of m.
func call(t testing.TB, ctx context.Context, m *Module, s Setup, input string) Outcome {
	t.Helper()
	f := newFaaslet(t, m, s)
	defer f.Close()
	return f.Run(ctx, hostapi.NewCall(hostapi.CallConfig{Kind: m.info.Kind, Input: []byte(input), Args: s.Args, Env: s.Env}))
}

func wantCode(t testing.TB, o Outcome, code faas.Code) *faas.Error {
	t.Helper()
	if o.Err == nil || o.Err.Code != code {
		t.Fatalf("the call ended with %v, want %s", o.Err, code)
	}
	if o.Output != nil {
		t.Errorf("a failed call has output %q", o.Output)
	}
	return o.Err
}
