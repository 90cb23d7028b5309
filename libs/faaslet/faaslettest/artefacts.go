//go:build linux && cgo

package faaslettest

import (
	"context"
	"log/slog"
	"os"
	"path/filepath"
	"sync"
	"testing"

	"github.com/shoal-run/shoal/bus/faas"
	"github.com/shoal-run/shoal/libs/faaslet"
	"github.com/shoal-run/shoal/libs/hostapi"
)

// MustAssemble is Assemble for a test.
func MustAssemble(t testing.TB, wat string) []byte {
	t.Helper()
	b, err := Assemble(wat)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// Engine returns an engine with the whole host interface, which ends with the test.
func Engine(t testing.TB) *faaslet.Engine { return EngineWith(t, faaslet.Config{}) }

// EngineWith is Engine with other limits, or other settings for tests, than the default.
func EngineWith(t testing.TB, cfg faaslet.Config) *faaslet.Engine {
	t.Helper()
	cfg.Table, cfg.Log, cfg.Compiler = hostapi.New(), slog.New(slog.DiscardHandler), true
	e, err := faaslet.NewEngine(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(e.Close)
	return e
}

// Artefacts keeps compiled modules of a test as files. It is what a worker takes them from.
type Artefacts struct {
	t      testing.TB
	engine *faaslet.Engine
	dir    string

	mu     sync.Mutex
	opened map[faas.Version]int
}

// NewArtefacts returns Artefacts that hold nothing.
func NewArtefacts(t testing.TB, e *faaslet.Engine) *Artefacts {
	return &Artefacts{t: t, engine: e, dir: t.TempDir(), opened: make(map[faas.Version]int)}
}

// Add compiles a module in text form and returns its version.
func (a *Artefacts) Add(wat string) faas.Version {
	a.t.Helper()
	module := MustAssemble(a.t, wat)
	compiled, err := a.engine.Compile(module)
	if err != nil {
		a.t.Fatal(err)
	}
	v := faas.VersionOf(module)
	if err := os.WriteFile(a.path(v), compiled, 0o600); err != nil {
		a.t.Fatal(err)
	}
	return v
}

// AddAs has a version that was added be another one too, as which no module has it: a cheap way to have many.
func (a *Artefacts) AddAs(v, as faas.Version) {
	a.t.Helper()
	if err := os.Link(a.path(v), a.path(as)); err != nil {
		a.t.Fatal(err)
	}
}

func (a *Artefacts) path(v faas.Version) string { return filepath.Join(a.dir, string(v)) }

// Open implements what a worker asks of its artefacts.
func (a *Artefacts) Open(_ context.Context, v faas.Version) (string, func(), error) {
	if _, err := os.Stat(a.path(v)); err != nil {
		return "", nil, faas.Errorf(faas.NotFound, "no artefact of %s", v.Short())
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	a.opened[v]++
	return a.path(v), func() {
		a.mu.Lock()
		defer a.mu.Unlock()
		a.opened[v]--
	}, nil
}

// Drop implements what a worker asks of its artefacts: these stay.
func (a *Artefacts) Drop(faas.Version) {}

// Full implements what a worker asks of its artefacts: these have no bound.
func (a *Artefacts) Full(int) bool { return false }

// InUse returns how many opens of a version were not released.
func (a *Artefacts) InUse(v faas.Version) int {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.opened[v]
}
