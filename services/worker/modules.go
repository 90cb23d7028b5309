package worker

import (
	"context"
	"log/slog"
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
	return &modules{engine: e, artefacts: a, timeout: fetchTimeout + compileWall, log: log, loaded: make(map[faas.Version]*module)}
}

// load returns the module of a version, which stays loaded until as many releases as loads that succeeded.
func (ms *modules) load(ctx context.Context, v faas.Version) (*faaslet.Module, error) {
	ms.mu.Lock()
	if ms.closed {
		ms.mu.Unlock()
		return nil, faas.Errorf(faas.Unavailable, "the worker has left")
	}
	e := ms.loaded[v]
	if e == nil {
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
	path, release, err := ms.artefacts.Open(ctx, v)
	if err == nil {
		e.release = release
		if e.m, err = ms.engine.LoadFile(path); err != nil {
			release()
		}
	}
	e.err = err
	ms.mu.Lock()
	unwanted := e.refs == 0
	if err != nil || unwanted { // after a failure the next call tries again
		delete(ms.loaded, v)
	}
	close(e.done)
	ms.mu.Unlock()
	switch {
	case err != nil:
		ms.log.Warn("module not loaded", telemetry.KeyVersion, v.Short(), telemetry.KeyErr, err)
	case unwanted:
		e.close()
	default:
		ms.log.Debug("module loaded", telemetry.KeyVersion, v.Short(), "took", time.Since(began))
	}
}

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
