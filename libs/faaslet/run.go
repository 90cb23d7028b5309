//go:build linux && cgo

package faaslet

import (
	"context"
	"runtime"
	"time"

	"github.com/shoal-run/shoal/bus/faas"
	"github.com/shoal-run/shoal/libs/hostapi"
)

// Outcome is how a call ended.
type Outcome struct {
	Output         []byte // nil when Err is not
	Stdout, Stderr []byte // what is log of them
	Err            *faas.Error
	Duration       time.Duration // of the guest's run
	Memory         faas.Size     // linear memory at the end; it never shrinks, so this is its peak
}

// Run runs the call c in f, on the thread that the goroutine is on and locked to it meanwhile. When ctx ends, the guest
// ends: host functions that block see it at once, code within well under 100 ms. The error is then ctx's cause when that
// is a *faas.Error, else deadline_exceeded or cancelled. c is used up. A Faaslet has one Run,
// and one more after each Reset; another is an internal error that leaves c alone.
func (f *Faaslet) Run(ctx context.Context, c *hostapi.Call) Outcome {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.state != ready {
		return Outcome{Err: faas.Errorf(faas.Internal, "the Faaslet is not ready for a call: it is %s", f.state)}
	}
	f.step(running)
	f.returned = true // unless the guest runs and does not
	o := Outcome{Memory: faas.Size(f.memory)}
	if ctx.Err() != nil {
		o.Err = endOf(ctx)
	} else {
		f.run(ctx, c, &o)
	}
	f.step(spent)
	f.sound = o.Err == nil || o.Err.Code != faas.Internal
	f.settle(c, &o)
	return o
}

// run calls the guest.
func (f *Faaslet) run(ctx context.Context, c *hostapi.Call, o *Outcome) {
	f.host.begin(ctx, c)
	defer f.host.end()
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	stop := f.watch(ctx)
	start := time.Now()
	code, fail := f.instance.Call()
	o.Duration = time.Since(start)
	stop()
	f.measure()
	o.Memory = faas.Size(f.memory)
	f.returned = fail == nil && code == 0
	if fail != nil {
		o.Err = f.failed(ctx, fail)
	} else if code != 0 {
		o.Err = f.exited(int32(code), nil)
	}
}

// settle fills in what the guest said.
func (f *Faaslet) settle(c *hostapi.Call, o *Outcome) {
	output, stdout, stderr, err := c.Finish(f.module.info.Kind, o.Err != nil)
	o.Stdout, o.Stderr = stdout, stderr
	if o.Err == nil {
		o.Err = err
	}
	if o.Err == nil {
		o.Output = output
		return
	}
	if len(stderr) > 0 && o.Err.Stderr == "" {
		e := *o.Err // it may be somebody's cause
		e.Stderr = cut(stderr)
		o.Err = &e
	}
	o.Err = fit(o.Err)
}

// watch begins to watch ctx, whose end ends the guest. The function it returns ends that, after which nothing touches the instance any more; it is
// called once, and before the next watch.
func (f *Faaslet) watch(ctx context.Context) (stop func()) {
	if ctx.Done() == nil {
		return func() {}
	}
	f.killer.Add(1)
	unhook := context.AfterFunc(ctx, f.killWatched)
	return func() {
		if unhook() {
			f.killer.Done()
			return
		}
		f.killer.Wait()
	}
}

// killWatched kills the guest, or marks an instance whose guest has just ended: a Reset forgets that.
func (f *Faaslet) killWatched() {
	defer f.killer.Done()
	f.instance.Kill()
}
