//go:build linux && cgo

package faaslet

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"

	"github.com/bytecodealliance/wasmtime-go/v25"
	"github.com/shoal-run/shoal/bus/faas"
	"github.com/shoal-run/shoal/libs/faaslet/capi"
	"github.com/shoal-run/shoal/libs/hostapi"
	"github.com/shoal-run/shoal/libs/wasmbin"
)

const (
	// settings counts the changes of what an artefact depends on besides wasmtime: the engine's settings and the pre-pass.
	settings = "9"

	memoryReserve = 4 << 30 // a 32-bit memory fits whole, so its base never moves and bounds checks vanish
	memoryGuard   = 2 << 20
	// Reserve is the address space that a Faaslet has, in bytes, whatever it uses of it.
	Reserve    = memoryReserve + 2*memoryGuard
	wasmStack  = int(faas.GuestStack)
	stackSpare = 512 << 10 // of a thread's stack, for what is above and below the guest
)

// Version names the engine as artefacts know it: one made by another version is not loaded.
func Version() string { return "wasmtime-" + capi.Version + "-" + settings }

// Config is what an Engine is made of.
type Config struct {
	Table       hostapi.Table // what guests may import; not changed, kept
	Log         *slog.Logger  // nil drops
	MaxFaaslets int           // live at once, at most; 0 means what the machine's limits allow
	MaxMaps     int           // of modules, images, Faaslets and threads of slots; likewise
	MaxFiles    int           // descriptors of modules and images; likewise
	Compiler    bool          // Compile will be used: let it have threads
	// Compile compiles a library that a guest loads, for this machine and engine, elsewhere than in this process. nil has no
	// libraries, unless Compiler is set: then it is the Engine's own Compile.
	Compile   func(ctx context.Context, module []byte) (artefact []byte, _ error)
	SlowReset bool // find written pages as on Linux before 6.7; for tests
	NoShells  bool // a closed Faaslet leaves nothing to the next one; for tests and measurements
}

// Engine loads modules. It is safe for concurrent use.
type Engine struct {
	engine *wasmtime.Engine
	linker *wasmtime.Linker
	table  hostapi.Table
	log    *slog.Logger
	max    int64 // of faaslets
	keeps  bool  // shells

	refs     atomic.Int64 // the owner's and one for each module
	closed   atomic.Bool
	faaslets atomic.Int64 // live ones
	modules  atomic.Int64 // loaded ones
	mapped   atomic.Int64 // bytes of all linear memories
	shells   atomic.Int64 // that closed Faaslets left
	threads  atomic.Int64 // that slots may have
	account  account
	open     sync.Map // of *Module that are loaded, to nothing

	load sync.Mutex // serialises loading and unloading of modules

	libraries *libraries

	pages    pages // how Faaslets are reset
	maxDirty int   // pages that a reset puts back, at most
	images   images
}

// NewEngine makes an Engine. It fails when the table is not sound, or when the machine can't give a guest what it needs.
func NewEngine(cfg Config) (*Engine, error) {
	if n := capi.ThreadStack(); n != 0 && n < uint64(wasmStack+stackSpare) {
		return nil, fmt.Errorf("threads have stacks of %s, guests need %s (raise it with `ulimit -s 8192`)",
			faas.Size(n), faas.Size(wasmStack+stackSpare))
	}
	e := &Engine{table: cfg.Table, log: cfg.Log, max: int64(cfg.MaxFaaslets), keeps: !cfg.NoShells, pages: pages{slow: cfg.SlowReset}, maxDirty: maxDirty}
	if e.log == nil {
		e.log = slog.New(slog.DiscardHandler)
	}
	e.images.account = &e.account
	e.account.most = machineAccount()
	if limit := faasletLimit(machineMaps(), machineSpace()); e.max <= 0 || e.max > limit {
		e.max = limit
	}
	if n := int64(cfg.MaxMaps); n > 0 {
		e.account.most.maps = min(e.account.most.maps, n)
	}
	if n := int64(cfg.MaxFiles); n > 0 {
		e.account.most.files = min(e.account.most.files, n)
	}
	e.engine = wasmtime.NewEngineWithConfig(newConfig(cfg.Compiler))
	e.linker = wasmtime.NewLinker(e.engine)
	for i := range e.table {
		if e.table[i].Support == hostapi.Unsupported {
			continue
		}
		if err := e.define(uint32(i)); err != nil {
			e.linker.Close()
			e.engine.Close()
			return nil, err
		}
	}
	if cfg.Compile == nil && cfg.Compiler {
		cfg.Compile = func(_ context.Context, module []byte) ([]byte, error) { return e.Compile(module) }
	}
	e.libraries = newLibraries(e, cfg.Compile)
	e.refs.Store(1)
	return e, nil
}

func newConfig(compiler bool) *wasmtime.Config {
	c := wasmtime.NewConfig()
	c.SetStrategy(wasmtime.StrategyCranelift)
	c.SetCraneliftOptLevel(wasmtime.OptLevelSpeed)
	c.SetMaxWasmStack(wasmStack)
	c.SetWasmSIMD(true)
	c.SetWasmRelaxedSIMD(true)
	c.SetWasmBulkMemory(true)
	c.SetWasmReferenceTypes(true)
	c.SetWasmMultiValue(true)
	c.SetWasmThreads(false)
	c.SetWasmMultiMemory(false)
	c.SetWasmMemory64(false)
	capi.Configure(c, capi.Memory{Reserve: memoryReserve, Guard: memoryGuard}, compiler)
	return c
}

func (e *Engine) define(i uint32) error {
	r := &e.table[i]
	if r.Func == nil {
		return fmt.Errorf("host function %s.%s has no Func", r.Module, r.Name)
	}
	if len(r.Results) > 1 {
		return fmt.Errorf("host function %s.%s has %d results, more than one", r.Module, r.Name, len(r.Results))
	}
	params, results, _ := e.table.Types(r.Module, r.Name)
	if err := capi.Define(e.linker, capi.Import{Module: r.Module, Name: r.Name, Params: params, Results: results, Row: i}); err != nil {
		return fmt.Errorf("define host function %s.%s: %w", r.Module, r.Name, err)
	}
	return nil
}

// Version returns the package's Version.
func (e *Engine) Version() string { return Version() }

// Compile validates module, adds the pre-pass and compiles it to an artefact for this machine's processor. It runs the
// compiler on untrusted input in this process: it is for the child process of package compile, and for tests.
// A module that can't be compiled is an invalid_module *faas.Error with the reason.
func (e *Engine) Compile(module []byte) ([]byte, error) {
	if e.closed.Load() {
		return nil, errClosed
	}
	if err := wasmtime.ModuleValidate(e.engine, module); err != nil {
		return nil, invalid(err)
	}
	instrumented, err := wasmbin.Instrument(module)
	if err != nil {
		return nil, err
	}
	e.load.Lock()
	defer e.load.Unlock()
	m, err := wasmtime.NewModule(e.engine, instrumented)
	if err != nil {
		return nil, invalid(err)
	}
	defer m.Close()
	artefact, err := m.Serialize()
	if err != nil {
		return nil, fmt.Errorf("serialise compiled module: %w", err)
	}
	return artefact, nil
}

func invalid(err error) *faas.Error {
	return faas.Errorf(faas.InvalidModule, "%s", capi.Cause(err.Error()))
}

// errClosed is returned by methods of an Engine that was closed; nothing was done.
var errClosed = errors.New("engine is closed")

// Close gives up the engine. Modules that are still open keep what they need of it.
func (e *Engine) Close() {
	if e.closed.CompareAndSwap(false, true) {
		e.release()
	}
}

func (e *Engine) release() {
	if e.refs.Add(-1) == 0 {
		e.libraries.close()
		e.linker.Close()
		e.engine.Close()
		e.pages.close()
	}
}
