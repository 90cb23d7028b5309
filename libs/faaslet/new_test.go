//go:build linux && cgo

package faaslet

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/shoal-run/shoal/bus/faas"
	"github.com/shoal-run/shoal/libs/faaslet/capi"
	"github.com/shoal-run/shoal/libs/hostapi"
	"github.com/shoal-run/shoal/libs/wasmbin"
)

func TestInitialisers(t *testing.T) {
	e := newEngine(t, nil)
	for name, wat := range map[string]string{"_initialize": watInit, "start function": watStart} {
		if o := call(t, t.Context(), load(t, e, wat), Setup{}, ""); o.Err != nil {
			t.Errorf("%s: %v", name, o.Err)
		}
	}
}

// The initialiser of a Go reactor reads its arguments and environment; both come from the Setup.
func TestInitialiserSeesSetup(t *testing.T) {
	m := load(t, newEngine(t, nil), `(module
	  (import "wasi_snapshot_preview1" "args_sizes_get" (func $args (param i32 i32) (result i32)))
	  (import "wasi_snapshot_preview1" "environ_sizes_get" (func $env (param i32 i32) (result i32)))
	  (memory (export "memory") 1)
	  (func (export "_initialize")
	    (drop (call $args (i32.const 0) (i32.const 8))) (drop (call $env (i32.const 4) (i32.const 8))))
	  (func (export "handle") (result i32)
	    (i32.sub (i32.add (i32.mul (i32.load (i32.const 0)) (i32.const 10)) (i32.load (i32.const 4))) (i32.const 21))))`)
	if o := call(t, t.Context(), m, Setup{Args: []string{"f", "x"}, Env: []string{"A=1"}}, ""); o.Err != nil {
		t.Error(o.Err)
	}
}

func TestFailingInitialisers(t *testing.T) {
	e := newEngine(t, nil)
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	for _, c := range []struct {
		name, wat string
		code      faas.Code
		words     string
		stderr    string
	}{
		{"traps", watInitTraps, faas.GuestTrapped, "in the initialiser _initialize: ", "cannot go on"},
		{"loops", watInitLoops, faas.DeadlineExceeded, "in the initialiser _initialize: ", ""},
		{"loops in start", strings.Replace(watInitLoops, `(func (export "_initialize")`, "(start $s) (func $s", 1), faas.DeadlineExceeded, "out of time", ""},
		{"larger than its limit", strings.Replace(watNop, `"memory") 2`, `"memory") 5000`, 1), faas.OutOfMemory, "more than its limit of 128MiB", ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			m := load(t, e, c.wat)
			before := e.Stats()
			f, err := m.New(ctx, Setup{})
			if err == nil {
				f.Close()
				t.Fatal("no error")
			}
			if err.Code != c.code || !strings.Contains(err.Message, c.words) || err.Stderr != c.stderr {
				t.Errorf("error %v, stderr %q", err, err.Stderr)
			}
			if after := e.Stats(); after != before {
				t.Errorf("before %+v, after %+v", before, after)
			}
		})
	}
}

func TestAdmission(t *testing.T) {
	e := newEngineWith(t, Config{MaxFaaslets: 2})
	m := load(t, e, watNop)
	a, b := newFaaslet(t, m, Setup{}), newFaaslet(t, m, Setup{})
	if s := e.Stats(); s.Faaslets != 2 || s.MaxFaaslets != 2 || s.Modules != 1 || s.Memory != 256*faas.KiB {
		t.Errorf("%+v", s)
	}
	if _, err := m.New(t.Context(), Setup{}); err == nil || err.Code != faas.NoCapacity {
		t.Errorf("a third Faaslet: %v", err)
	}
	a.Close()
	newFaaslet(t, m, Setup{}).Close()
	b.Close()
	if s := e.Stats(); s.Faaslets != 0 || s.Memory != 0 {
		t.Errorf("%+v", s)
	}
}

func TestFaasletLimit(t *testing.T) {
	for _, c := range []struct {
		maps, space uint64
		want        int64
	}{
		{65530, addressSpace, 12286},
		{1 << 30, addressSpace, 24552},
		{1 << 62, 1 << 62, capi.MaxInstances - instanceHeadroom},
		{65530, 16 << 30, 2},
		{0, 0, 1},
	} {
		if got := faasletLimit(c.maps, c.space); got != c.want {
			t.Errorf("%d maps and %d bytes: %d, want %d", c.maps, c.space, got, c.want)
		}
	}
}

// Owners may close in any order; what is in use stays.
func TestCloseInAnyOrder(t *testing.T) {
	e, err := NewEngine(Config{Table: hostapi.New(), Compiler: true})
	if err != nil {
		t.Fatal(err)
	}
	m := load(t, e, watEcho)
	f := newFaaslet(t, m, Setup{})
	e.Close()
	m.Close()
	m.Close()
	o := f.Run(t.Context(), hostapi.NewCall(hostapi.CallConfig{Kind: faas.Reactor, Input: []byte("still here")}))
	if o.Err != nil || string(o.Output) != "still here" {
		t.Errorf("output %q, error %v", o.Output, o.Err)
	}
	if _, err := m.New(t.Context(), Setup{}); err == nil {
		t.Error("a closed module gave a Faaslet")
	}
	if _, err := e.LoadBytes(nil, wasmbin.Info{}); err == nil {
		t.Error("a closed engine loaded a module")
	}
	f.Close()
	if n := e.refs.Load(); n != 0 {
		t.Errorf("%d references to the engine are left", n)
	}
	e.Close()
}

func TestLoadFile(t *testing.T) {
	e := newEngine(t, nil)
	b := assemble(t, watNop)
	artefact, err := e.Compile(b)
	if err != nil {
		t.Fatal(err)
	}
	info := wasmbin.Info{Kind: faas.Reactor, Entry: "handle"}
	path := filepath.Join(t.TempDir(), "a.cwasm")
	if err := os.WriteFile(path, artefact, 0o600); err != nil {
		t.Fatal(err)
	}
	m, err := e.Load(path, info)
	if err != nil {
		t.Fatal(err)
	}
	defer m.Close()
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	if o := call(t, t.Context(), m, Setup{}, ""); o.Err != nil {
		t.Error(o.Err)
	}
	if _, err := e.Load(path, info); err == nil {
		t.Error("loaded a file that is not there")
	}
	if _, err := e.LoadBytes(artefact[:len(artefact)/2], info); err == nil {
		t.Error("loaded half an artefact")
	}
	if _, err := e.LoadBytes(artefact, wasmbin.Info{Kind: faas.Reactor, Entry: "memory"}); faas.CodeOf(err) != faas.InvalidModule {
		t.Errorf("loaded with an entry that is no function: %v", err)
	}
	if n := e.Stats().Modules; n != 1 {
		t.Errorf("%d modules are loaded", n)
	}
}

// Every step that the table allows is possible, every other one panics.
func TestStates(t *testing.T) {
	for from := starting; from <= gone; from++ {
		for to := starting; to <= gone; to++ {
			f := &Faaslet{state: from}
			func() {
				defer func() {
					if p := recover(); (p == nil) != from.leadsTo(to) {
						t.Errorf("from %s to %s: %v", from, to, p)
					}
				}()
				f.step(to)
			}()
		}
	}
}
