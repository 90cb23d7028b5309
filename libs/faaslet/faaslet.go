//go:build linux && cgo

package faaslet

import (
	"cmp"
	"context"
	"strings"
	"sync"
	"time"

	"github.com/shoal-run/shoal/bus/faas"
	"github.com/shoal-run/shoal/libs/faaslet/capi"
	"github.com/shoal-run/shoal/libs/hostapi"
	"github.com/shoal-run/shoal/libs/vfs"
	"github.com/shoal-run/shoal/libs/wasmbin"
)

// Setup is what a Faaslet is made with besides its module.
type Setup struct {
	Func   faas.Name // for the log; may be zero
	Memory faas.Size // linear memory, at most; 0 means faas.DefaultMemory
	// Args and Env are what an initialiser sees of them. A call brings its own, with its hostapi.Call.
	Args, Env []string
	// Shared are the files that an initialiser finds; nil is none. What it leaves of its own is gone afterwards. A call brings its
	// own, with its hostapi.Call.
	Shared vfs.Shared
	// Image is what the Faaslet begins from and is reset to: one of the module's, for equal Setups. With nil the Faaslet is
	// built from the module and never reset.
	Image *Image
}

// Faaslet is an isolated instance of a module. It serves one call, and another one each time that it was reset. Its methods
// are safe for concurrent use, but there is one Run at a time, and Close waits for it.
type Faaslet struct {
	module *Module
	setup  Setup
	limit  faas.Size      // of the linear memory
	host   host           // what host functions see
	killer sync.WaitGroup // the function that the end of a watched context runs, until it has ended or will never start

	mu       sync.Mutex // held by New, Run and Close
	state    state
	instance *capi.Instance
	memory   int64       // bytes of linear memory, as last measured
	sound    bool        // the last call ended in a way that leaves the instance usable
	kept     bool        // it was made ready by Keep: its calls have left what they did
	returned bool        // the guest's function returned in the last call, and with 0
	refused  uint32      // grows that were refused before the last call
	image    *capi.Image // what it was restored from, nil when it can't be reset
	// What initialized found: others may begin from what the initialisers left; it depends on arguments and environment; it
	// depends on the files of the Setup.
	shareable, own, looked bool
	left                   bool          // files, that no other has
	birth                  Birth         // not changed any more once New has returned
	waited                 time.Duration // of New, for the source of the image
	reset                  ResetResult   // of the last one
	linked                 *linked       // libraries; nil without
}

// New makes a Faaslet that is ready for one call: it instantiates the module and runs its initialisers, or restores what the
// Setup's Image has and calls the function with which the module renews itself, if there is one. ctx bounds that and nothing after; the goroutine stays on its thread while the guest runs. Errors are the guest's
// (guest_trapped, guest_failed, out_of_memory, with "in the initialiser" and its name or "in shoal_restored" in their words), the caller's
// (deadline_exceeded, cancelled) or the worker's (no_capacity, internal). The caller closes what it gets.
func (m *Module) New(ctx context.Context, s Setup) (*Faaslet, *faas.Error) {
	limit := s.Memory
	if limit <= 0 {
		limit = faas.DefaultMemory
	}
	if m.info.MemoryMin > uint64(limit) {
		return nil, faas.Errorf(faas.OutOfMemory, "the module starts with %s of memory, more than its limit of %s",
			faas.Size(m.info.MemoryMin), limit).Hint("raise the function's memory setting")
	}
	if ctx.Err() != nil {
		return nil, endOf(ctx)
	}
	if err := m.engine.admit(); err != nil {
		return nil, err
	}
	if !m.acquire() {
		m.engine.leave()
		return nil, faas.Errorf(faas.Internal, "the module is closed")
	}
	if s.Image != nil && (s.Image.module != m || !s.Image.acquire()) {
		s.Image = nil
	}
	f := &Faaslet{module: m, setup: s, limit: limit}
	f.host.faaslet = f
	began := time.Now()
	err := f.start(ctx)
	if err == nil {
		f.birth.Took = time.Since(began) - f.waited
		return f, nil
	}
	f.Close()
	if err == errNotRenewed { // the image is given up: this time it is built
		return m.New(ctx, s)
	}
	return nil, err
}

// start builds the instance and brings it to ready.
func (f *Faaslet) start(ctx context.Context) *faas.Error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if ok, err := f.moveIn(ctx); ok || err != nil {
		return err
	}
	in, err := capi.NewInstance(f.module.engine.engine, &f.host, capi.Limits{
		Memory: int64(f.limit), TableElements: faas.MaxTableElements, Tables: faas.MaxTables,
	})
	if err != nil {
		return faas.Errorf(faas.NoCapacity, "%v", err)
	}
	f.instance = in
	if ferr := f.initialize(ctx); ferr != nil {
		return ferr
	}
	if !in.HasEntry() {
		return faas.Errorf(faas.Internal, "the instance lacks its entry %q", f.module.info.Entry)
	}
	f.measure()
	f.step(ready)
	return nil
}

// moveIn makes f of a shell, if there is one for it, and brings it to ready.
func (f *Faaslet) moveIn(ctx context.Context) (ok bool, _ *faas.Error) {
	image := f.setup.Image.get()
	in := f.module.shells.take(image, f.limit)
	if in == nil {
		return false, nil
	}
	in.Adopt(&f.host, image)
	f.instance, f.image = in, image
	f.birth.Kind = faas.Restored
	f.host.begin(ctx, nil)
	defer f.host.end()
	f.refused = in.Refused()
	if err := f.renew(ctx); err != nil {
		return false, err
	}
	f.measure()
	f.step(ready)
	return true, nil
}

// initialize instantiates the module and makes of it what the image has, or what the initialisers do.
func (f *Faaslet) initialize(ctx context.Context) *faas.Error {
	f.host.begin(ctx, nil)
	defer f.host.end()
	if fail := f.instance.Start(f.module.pre); fail != nil {
		if isNoMap(fail) {
			return faas.Errorf(faas.NoCapacity, "no address space for a Faaslet: %s", fail.Message)
		}
		return f.in("the start of the module", f.failed(ctx, fail))
	}
	asked := time.Now()
	image := f.setup.Image.bring(ctx)
	f.waited = time.Since(asked)
	if ctx.Err() != nil {
		return endOf(ctx)
	}
	own := f.setup.Image
	if image != nil {
		if memory, _ := image.Size(); memory > int64(f.limit) { // taken under another limit: the initialisers shall say so
			image, own = nil, nil
		}
	}
	f.birth.Kind = bornOf(image)
	if image == nil {
		if err := f.runInits(ctx); err != nil {
			return err
		}
		f.refused = f.instance.Refused()
		if err := f.initialized(ctx, own); err != nil {
			return err
		}
		image = own.take(f)
	}
	if d := own.libraries(); d != nil && f.birth.Kind == faas.Restored {
		memory, _ := image.Size()
		if err := f.relink(d, memory); ctx.Err() != nil {
			return endOf(ctx)
		} else if err != nil {
			return faas.Errorf(faas.Internal, "link the libraries of an image: %v", err)
		}
	}
	if err := f.restore(image); err != nil || f.image == nil {
		return err
	}
	f.refused = f.instance.Refused()
	return f.renew(ctx)
}

// runInits runs the initialisers, as guest code that may be ended.
func (f *Faaslet) runInits(ctx context.Context) *faas.Error {
	for _, name := range f.module.inits {
		stop := f.watch(ctx)
		result, fail, found := f.instance.CallExport(name)
		stop()
		where := "the initialiser " + cmp.Or(wasmbin.InitName(name), "constructors")
		switch {
		case !found:
			return faas.Errorf(faas.Internal, "the instance lacks %q", name)
		case fail != nil:
			return f.in(where, f.failed(ctx, fail))
		case ctx.Err() != nil: // the watch may have marked the instance after its guest had ended
			return endOf(ctx)
		case result != 0:
			return f.in(where, f.exited(int32(result), nil))
		}
	}
	return nil
}

// isNoMap reports whether instantiation failed because the kernel gave no memory.
func isNoMap(fail *capi.Failure) bool {
	return fail.Code < 0 && !fail.Killed && strings.Contains(fail.Message, "os error 12")
}

// in adds to err where it happened, ahead of a call, and what the guest said.
func (f *Faaslet) in(where string, err *faas.Error) *faas.Error {
	if err == nil {
		err = faas.Errorf(faas.GuestFailed, "the guest exited with code 0")
	}
	if err.Code == faas.Cancelled {
		return err
	}
	err.Message = "in " + where + ": " + err.Message
	if c := f.host.call; c != nil {
		_, stdout, stderr, _ := c.Finish(faas.Reactor, true)
		if len(stderr) == 0 {
			stderr = stdout
		}
		err.Stderr = cut(stderr)
	}
	return fit(err)
}

// step changes the state. Preconditions: f.mu is held, and transitions has the step: callers check the state first.
func (f *Faaslet) step(to state) {
	if !f.state.leadsTo(to) {
		panic("faaslet: no step from " + f.state.String() + " to " + to.String())
	}
	f.state = to
}

// measure notes how much memory the guest has. Preconditions: f.mu is held, the guest does not run.
func (f *Faaslet) measure() {
	n := int64(len(f.instance.Memory()))
	if n == f.memory { // as after nearly every call: the engine's count is everybody's
		return
	}
	f.module.engine.mapped.Add(n - f.memory)
	f.memory = n
}

// Memory returns the size of the guest's linear memory, as it was after New or after Run.
func (f *Faaslet) Memory() faas.Size {
	f.mu.Lock()
	defer f.mu.Unlock()
	return faas.Size(f.memory)
}

// Close frees the Faaslet, after its Run has returned. Its instance may be left to a later one of the same image, with
// nothing of its calls (shell.go). It is idempotent.
func (f *Faaslet) Close() {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.state == gone {
		return
	}
	from := f.state
	f.step(gone)
	e := f.module.engine
	e.leave() // first: a shell is on the account too
	if f.instance != nil && !f.leave(from) {
		f.instance.Close()
	}
	f.instance = nil
	f.linked.release()
	f.linked = nil
	e.mapped.Add(-f.memory)
	f.memory, f.image = 0, nil
	f.setup.Image.release()
	f.module.release()
}

// callFor returns the Call that host functions see while no call runs.
func (f *Faaslet) callFor(ctx context.Context) *hostapi.Call {
	return hostapi.NewCall(hostapi.CallConfig{
		Ctx: ctx, Kind: faas.Reactor, Args: f.setup.Args, Env: f.setup.Env, Guest: &f.host, Shared: f.setup.Shared,
		FileLimits: vfs.Limits{Bytes: int64(faas.InitFileBytes)},
	})
}
