package worker

import (
	"context"
	"errors"
	"log/slog"
	"os"
	"sync"
	"time"

	"github.com/shoal-run/shoal/bus/faas"
	"github.com/shoal-run/shoal/libs/faaslet"
	"github.com/shoal-run/shoal/libs/telemetry"
)

// fetchTimeout bounds fetching and verifying a module; what compiling it may take, where no artefact fits this machine,
// comes on top.
const fetchTimeout = 2 * time.Minute

// modules holds the loaded modules, one per version. A load is done once however many calls wait for it, and goes on when
// the call that began it has ended.
type modules struct {
	engine    *faaslet.Engine
	artefacts Artefacts
	timeout   time.Duration // of a load
	log       *slog.Logger
	wg        sync.WaitGroup

	mu     sync.Mutex
	loaded map[faas.Version]*module
	failed failures
	closed bool
}

type module struct {
	refs    int           // of load, guarded by modules.mu
	done    chan struct{} // closed when m or err is set
	m       *faaslet.Module
	err     error
	release func()
}

func newModules(e *faaslet.Engine, a Artefacts, compileWall time.Duration, log *slog.Logger) *modules {
	return &modules{engine: e, artefacts: a, timeout: fetchTimeout + compileWall, log: log, loaded: make(map[faas.Version]*module), failed: make(failures)}
}

// load returns the module of a version, which stays loaded until as many releases as loads that succeeded. For a while
// after a failure of the worker's own it fails at once, as the load before did.
func (ms *modules) load(ctx context.Context, v faas.Version) (*faaslet.Module, error) {
	ms.mu.Lock()
	if ms.closed {
		ms.mu.Unlock()
		return nil, faas.Errorf(faas.Unavailable, "the worker has left")
	}
	e := ms.loaded[v]
	if e == nil {
		if err := ms.failed.resting(v, time.Now()); err != nil {
			ms.mu.Unlock()
			return nil, err
		}
		e = &module{done: make(chan struct{})}
		ms.loaded[v] = e
		ms.wg.Go(func() { ms.fill(context.WithoutCancel(ctx), v, e) })
	}
	e.refs++
	ms.mu.Unlock()
	select {
	case <-e.done:
		return e.m, e.err
	case <-ctx.Done():
		ms.drop(v, e)
		return nil, context.Cause(ctx)
	}
}

// release ends a use of a module that load returned; the last one unloads it.
func (ms *modules) release(v faas.Version) {
	ms.mu.Lock()
	e := ms.loaded[v] // it stays there for as long as it has a use
	ms.mu.Unlock()
	ms.drop(v, e)
}

// drop ends a use of e, which may have failed to load since and been replaced.
func (ms *modules) drop(v faas.Version, e *module) {
	ms.mu.Lock()
	if ms.loaded[v] != e {
		ms.mu.Unlock()
		return
	}
	if e.refs--; e.refs > 0 || !isDone(e.done) { // fill unloads what nobody waits for any more
		ms.mu.Unlock()
		return
	}
	delete(ms.loaded, v)
	ms.mu.Unlock()
	e.close()
}

func (ms *modules) fill(ctx context.Context, v faas.Version, e *module) {
	ctx, cancel := context.WithTimeout(ctx, ms.timeout)
	defer cancel()
	began := time.Now()
	var err error
	e.m, e.release, err = ms.open(ctx, v)
	e.err = err
	ms.mu.Lock()
	unwanted := e.refs == 0
	if err != nil || unwanted {
		delete(ms.loaded, v)
	}
	tell := ms.failed.note(v, err, time.Now())
	close(e.done)
	ms.mu.Unlock()
	switch {
	case err != nil:
		if !tell {
			return
		}
		ms.log.Warn("module not loaded", telemetry.KeyVersion, v.Short(), telemetry.KeyErr, err)
	case unwanted:
		e.close()
	default:
		ms.log.Debug("module loaded", telemetry.KeyVersion, v.Short(), "took", time.Since(began))
	}
}

// open loads the module of a version from its file, from another one when somebody has deleted that.
func (ms *modules) open(ctx context.Context, v faas.Version) (*faaslet.Module, func(), error) {
	for again := false; ; again = true {
		began := time.Now()
		path, release, err := ms.artefacts.Open(ctx, v)
		if err != nil {
			return nil, nil, err
		}
		ms.log.Debug("artefact there", telemetry.KeyVersion, v.Short(), "took", time.Since(began))
		m, err := ms.engine.LoadFile(path)
		if err == nil {
			return m, release, nil
		}
		_, there := os.Stat(path) // the engine's error does not tell
		release()
		if faas.CodeOf(err) == faas.NoCapacity {
			return nil, nil, noRoom{err}
		}
		if again || !errors.Is(there, os.ErrNotExist) {
			return nil, nil, err
		}
	}
}

// noRoom is why a module is not loaded when the engine has no room for it.
type noRoom struct{ error }

func (e noRoom) Unwrap() error { return e.error }

// close waits for loads and drops every module. Preconditions: no Faaslet of any lives.
func (ms *modules) close() {
	ms.mu.Lock()
	ms.closed = true
	ms.mu.Unlock()
	ms.wg.Wait()
	for _, e := range ms.loaded {
		e.close()
	}
	ms.loaded = nil
}

func (e *module) close() {
	if e.m != nil {
		e.m.Close()
		e.release()
	}
}

func isDone(ch chan struct{}) bool {
	select {
	case <-ch:
		return true
	default:
		return false
	}
}
