//go:build linux && cgo

package faaslet

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"runtime"
	"runtime/debug"
	"sync"

	"github.com/shoal-run/shoal/libs/telemetry"
)

const (
	// What an engine keeps of libraries that were loaded, for whoever loads them next: the least recently used go first.
	keptLibraries     = 64
	keptLibraryMemory = 512 << 20 // bytes of artefacts
	// What all that are loaded take together, those that are kept and those that Faaslets have, and each alone.
	maxLibraryMemory = 1 << 30
	maxLibraryCode   = 256 << 20
)

// digest is the sha256 of a library's module.
type digest = [sha256.Size]byte

// libraries are the compiled libraries of an engine, by what they were compiled from. Whoever has the same bytes gets the same
// code, whatever tenant it is: there is nothing of a Faaslet in it. It is safe for concurrent use.
type libraries struct {
	engine  *Engine
	compile func(context.Context, []byte) ([]byte, error) // nil where there is no compiler
	slots   chan struct{}                                 // one for each that is compiled at the same time

	mu      sync.Mutex
	kept    map[digest]*library
	used    []digest // the keys of kept, the least recently used first
	bytes   int64    // of those
	shares  shares   // of all that are loaded
	opening map[digest]*opening
}

// opening is a library that is compiled for those who wait for it. Preconditions of its fields: libraries.mu is held.
type opening struct {
	done    chan struct{} // closed when it has ended
	cancel  context.CancelFunc
	waiters int
	ended   bool
	library *library // with a reference for each waiter
	err     error
}

func newLibraries(e *Engine, compile func(context.Context, []byte) ([]byte, error)) *libraries {
	return &libraries{
		engine: e, compile: compile, slots: make(chan struct{}, max(1, runtime.GOMAXPROCS(0)/2)),
		kept: make(map[digest]*library), opening: make(map[digest]*opening), shares: shares{owners: make(map[string]*share)},
	}
}

// get returns the library that module is, compiled if need be, with a reference that the caller releases. All that ask for
// it at the same time wait for one compilation, each as long as its ctx; it ends with the last of them. It is on owner's share, a tenant's. module must not change.
func (l *libraries) get(ctx context.Context, owner string, module []byte) (*library, error) {
	key, err := digestOf(ctx, module)
	if err != nil {
		return nil, err
	}
	l.mu.Lock()
	if lib := l.kept[key]; lib != nil {
		l.touch(key)
		lib.refs.Add(1)
		l.mu.Unlock()
		return lib, nil
	}
	o := l.opening[key]
	if o == nil {
		own, cancel := context.WithCancel(context.WithoutCancel(ctx))
		o = &opening{done: make(chan struct{}), cancel: cancel}
		l.opening[key] = o
		l.engine.refs.Add(1)
		go l.run(own, owner, key, module, o) // ends with its last waiter
	}
	o.waiters++
	l.mu.Unlock()
	select {
	case <-o.done:
	case <-ctx.Done():
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if o.ended {
		return o.library, o.err
	}
	if o.waiters--; o.waiters == 0 {
		o.cancel()
		delete(l.opening, key)
	}
	return nil, context.Cause(ctx)
}

// digestOf returns the digest of module, unless ctx ends before.
func digestOf(ctx context.Context, module []byte) (d digest, _ error) {
	const chunk = 1 << 20
	h := sha256.New()
	for len(module) > 0 {
		if ctx.Err() != nil {
			return d, context.Cause(ctx)
		}
		n := min(len(module), chunk)
		h.Write(module[:n])
		module = module[n:]
	}
	h.Sum(d[:0])
	return d, nil
}

// take counts a library of that many bytes among those that are loaded, as shares.take.
func (l *libraries) take(owner string, bytes int64) (ok, own bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.shares.take(owner, bytes)
}

// give counts it out.
func (l *libraries) give(owner string, bytes int64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.shares.give(owner, bytes)
}

// run compiles module for those who wait at o.
func (l *libraries) run(ctx context.Context, owner string, key digest, module []byte, o *opening) {
	defer l.engine.release()
	defer o.cancel()
	lib, err := l.build(ctx, owner, module)
	l.mu.Lock()
	if l.opening[key] == o {
		delete(l.opening, key)
	}
	var gone []*library
	if err == nil {
		lib.digest = key
		lib.refs.Store(1 + int64(o.waiters))
		if l.kept[key] == nil {
			l.kept[key] = lib
			l.used = append(l.used, key)
			l.bytes += lib.cost.space
			gone = l.overflow()
		} else { // an opening that nobody waited for any more has ended after another one
			gone = append(gone, lib)
		}
	}
	o.library, o.err, o.ended = lib, err, true
	close(o.done)
	l.mu.Unlock()
	for _, lib := range gone {
		lib.release()
	}
}

// build parses, compiles and loads. A panic is a bug there, which ends what the guest asked for and not the worker: the goroutine
// is nobody's who would recover it.
func (l *libraries) build(ctx context.Context, owner string, module []byte) (_ *library, err error) {
	defer func() {
		if p := recover(); p != nil {
			l.engine.log.Error("loading a library panicked", telemetry.KeyErr, fmt.Sprint(p), "stack", string(debug.Stack()))
			err = errors.New("it could not be loaded: a bug of the worker")
		}
	}()
	info, err := checkLibrary(module)
	if err != nil {
		return nil, err
	}
	if l.compile == nil {
		return nil, errors.New("there is no compiler for libraries here")
	}
	artefact, err := l.inTurn(ctx, owner, func() ([]byte, error) { return l.compile(ctx, module) })
	if err != nil {
		return nil, err
	}
	return l.engine.loadLibrary(owner, info, artefact)
}

// touch makes key the one that was used last. Preconditions, as below: l.mu is held.
func (l *libraries) touch(key digest) {
	for i, k := range l.used {
		if k == key {
			copy(l.used[i:], l.used[i+1:])
			l.used[len(l.used)-1] = key
			return
		}
	}
}

// overflow takes out what is too much, for the caller to release without the lock.
func (l *libraries) overflow() (gone []*library) {
	for len(l.used) > keptLibraries || l.bytes > keptLibraryMemory && len(l.used) > 1 {
		gone = append(gone, l.remove(0))
	}
	return gone
}

// remove takes out the library at i of used.
func (l *libraries) remove(i int) *library {
	key := l.used[i]
	lib := l.kept[key]
	delete(l.kept, key)
	l.used = append(l.used[:i], l.used[i+1:]...)
	l.bytes -= lib.cost.space
	return lib
}

// dropIdle gives up the least recently used library that no Faaslet has, of owner's or, for "", of anybody's, and reports whether
// there was one.
func (l *libraries) dropIdle(owner string) bool {
	l.mu.Lock()
	var idle *library
	for i, key := range l.used {
		if lib := l.kept[key]; lib.refs.Load() == 1 && (owner == "" || lib.owner == owner) { // only get adds one, with the lock held
			idle = l.remove(i)
			break
		}
	}
	l.mu.Unlock()
	if idle == nil {
		return false
	}
	idle.release()
	return true
}

// count returns how many libraries are kept.
func (l *libraries) count() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.kept)
}

// close gives up all that are kept; what images that are still open have, goes with those. Preconditions: nobody opens any more.
func (l *libraries) close() {
	l.mu.Lock()
	var gone []*library
	for len(l.used) > 0 {
		gone = append(gone, l.remove(0))
	}
	l.mu.Unlock()
	for _, lib := range gone {
		lib.release()
	}
}
