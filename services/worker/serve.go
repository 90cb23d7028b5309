package worker

import (
	"context"
	"errors"
	"time"

	"github.com/shoal-run/shoal/bus"
	"github.com/shoal-run/shoal/bus/faas"
	"github.com/shoal-run/shoal/libs/faaslet"
	"github.com/shoal-run/shoal/libs/hostapi"
	"github.com/shoal-run/shoal/libs/telemetry"
	"github.com/shoal-run/shoal/libs/vfs"
)

// runner is one slot: it serves one call after the other on an ordinary goroutine. It ends with ctx, by when every
// admitted call was answered.
func (w *Worker) runner(ctx context.Context) error {
	for {
		select {
		case <-ctx.Done():
			return nil
		case j := <-w.jobs:
			began := time.Now()
			w.running.Add(1)
			p, used := w.serve(j)
			w.running.Add(-1)
			w.done(j)
			if used.f != nil {
				p.giveBack(used)
			}
			if p != nil {
				p.put()
			}
			w.pace.took(time.Since(began))
		}
	}
}

// serve runs one call and answers it. It returns the pool that it acquired, which the caller puts, and the Faaslet that it
// used, if any, which the caller gives back: the answer is on its way by then, and no other goroutine has to be woken for it.
func (w *Worker) serve(j *job) (p *pool, used lent) {
	r := &faas.Result{Call: j.call.ID, Worker: w.id}
	if j.ctx.Err() != nil { // cancelled or out of time while it waited for a slot
		r.Err = ended(j.ctx)
		w.answer(j, r)
		return p, used
	}
	if r.Err = w.reserve(j); r.Err != nil {
		w.answer(j, r)
		return p, used
	}
	input, err := w.input(j)
	if err != nil {
		r.Err = withCause(j.ctx, err)
		w.answer(j, r)
		return p, used
	}
	p, err = w.acquire(j.ctx, j.call.Name, j.call.Version)
	if err != nil {
		r.Err = w.notLoaded(j, err)
		w.answer(j, r)
		return p, used
	}
	shared, ferr := w.shared(j, p)
	if ferr != nil {
		r.Err = ferr
		w.answer(j, r)
		return p, used
	}
	l, ferr := p.take(j.ctx, shared, r)
	if ferr != nil {
		r.Err = ferr // has the cause, where the guest was, and what it said
		w.answer(j, r)
		return p, used
	}
	var trace *hostapi.Trace
	if j.call.HostTrace {
		trace = new(hostapi.Trace)
	}
	out := l.f.Run(j.ctx, hostapi.NewCall(hostapi.CallConfig{
		Ctx: j.ctx, Kind: p.module.Info().Kind, Input: input, Args: l.set.Args, Env: l.set.Env,
		MaxOutput: int(w.cfg.MaxOutput), Shared: shared, Trace: trace,
		FileLimits: vfs.Limits{Reserve: func(bytes int64) bool { return w.reserveMore(j, bytes) }},
	}))
	if trace != nil {
		r.HostTrace = trace.Text()
	}
	r.Duration, r.Output, r.Err = out.Duration, out.Output, out.Err
	w.answer(j, r)
	p.started(r)
	w.tellLog(j.call, out)
	return p, l
}

// answer sends r to the call's holder, if it wants an answer, frees j's slot and counts the call.
func (w *Worker) answer(j *job, r *faas.Result) {
	defer w.meters.ended(r)
	if j.reply == "" {
		return
	}
	w.offload(j, r)
	w.free(j)
	if err := w.cfg.Calls.PublishMsg(bus.EncodeResult(r, j.reply)); err != nil { // a lost connection: the holder is told by lose
		w.log.Warn("answer not sent", telemetry.KeyCall, j.call.ID, telemetry.KeyFunc, j.call.Name, telemetry.KeyErr, err)
	}
}

// ended returns why ctx, a job's, is over.
func ended(ctx context.Context) *faas.Error {
	var e *faas.Error
	if errors.As(context.Cause(ctx), &e) {
		return e
	}
	return faas.Errorf(faas.Cancelled, "the call was cancelled")
}

// withCause returns why the job's context ended when it has, else err.
func withCause(ctx context.Context, err error) *faas.Error {
	if ctx.Err() != nil {
		return ended(ctx)
	}
	return faas.AsError(err)
}

// memoryOf returns how much linear memory a Faaslet of fn may have.
func memoryOf(fn faas.Function) faas.Size {
	if fn.Settings.Memory == 0 {
		return faas.DefaultMemory
	}
	return fn.Settings.Memory
}

// keepsState reports whether Faaslets of fn keep what a call leaves in them for the next one. A command never does: the
// settings of one that says so are of another module.
func keepsState(fn faas.Function, m *faaslet.Module) bool {
	return fn.Settings.Reset == faas.ResetNever && m.Info().Kind == faas.Reactor
}

// setupOf returns how Faaslets of version v of fn are set up, with an image that its Proto-Faaslet fills, or else the first
// of them.
func (w *Worker) setupOf(fn faas.Function, v faas.Version, m *faaslet.Module) *faaslet.Setup {
	return &faaslet.Setup{Func: fn.Name, Image: w.imageOf(fn, v, m), Memory: memoryOf(fn), Args: fn.Args(), Env: fn.Environ()}
}

// imageOf returns an image for them.
func (w *Worker) imageOf(fn faas.Function, v faas.Version, m *faaslet.Module) *faaslet.Image {
	if w.cfg.Protos == nil || fn.Version != v { // the registry tells of the present version only
		return m.NewImage(fn.Name.Tenant)
	}
	return m.NewImageFrom(fn.Name.Tenant, func(ctx context.Context, i *faaslet.Image) error { return w.fill(ctx, fn, i) })
}
