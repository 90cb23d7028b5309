//go:build linux && cgo

package faaslet

import (
	"context"
	"time"

	"github.com/shoal-run/shoal/bus/faas"
	"github.com/shoal-run/shoal/libs/hostapi"
	"github.com/shoal-run/shoal/libs/wasmbin"
)

// A module that exports wasmbin.Restored renews itself: the engine calls that function in every Faaslet that it restored or
// reset, before the next call can enter it, and what it draws there is the Faaslet's own. It also does so when the
// initialiser ran. Then the initialiser may have been given random bytes and have read clocks, as far as the function's
// answer says so.

// renewTime is how long a guest may take to renew itself at a reset, which a slot waits for. Longer ones are left to New,
// which has its caller's limit.
const renewTime = 20 * time.Millisecond

// errNotRenewed is what start returns when the guest says that the image must not be used. The image is given up then.
var errNotRenewed = faas.Errorf(faas.Internal, "the guest can't renew itself after a restore")

// initialized is called after the initialisers of f ran. It has f renew itself, so that a guest can count on that having
// happened before any call, and gives image up, if it is not nil, when none may be taken of f. An error is a failure of the guest's
// function. Preconditions: f.mu is held, f's host still has the initialiser's call.
func (f *Faaslet) initialized(ctx context.Context, image *Image) *faas.Error {
	call := f.host.call
	shareable := call == nil || !call.WASI.Unique()
	if f.module.renews {
		answer, err := f.callRestored(ctx)
		if err != nil {
			return err
		}
		shareable = answer == wasmbin.RenewsAll || answer == wasmbin.RenewsRuntime && (call == nil || call.WASI.Startup())
	}
	f.shareable, f.own = shareable, call != nil && call.WASI.Own()
	f.noteFiles(call)
	if now := f.host.call; now != nil && now != call { // what the guest's function was told is in its memory too
		f.own = f.own || now.WASI.Own()
		f.noteFiles(now)
	}
	if image != nil && !f.shareable {
		image.never.Store(true)
	}
	if image != nil && f.looked {
		image.looked.Store(true)
	}
	return nil
}

// noteFiles notes what a call of the initialisers did with files. call may be nil.
func (f *Faaslet) noteFiles(call *hostapi.Call) {
	if call == nil {
		return
	}
	f.looked = f.looked || call.WASI.Looked()
	if call.WASI.LeftFiles() { // which no other has, and none of them open
		f.shareable = false
		f.left = true
	}
}

// renew has f, which was restored, renew itself. Preconditions: f.mu is held, and f's host is between begin and end.
func (f *Faaslet) renew(ctx context.Context) *faas.Error {
	if !f.module.renews {
		return nil
	}
	answer, err := f.callRestored(ctx)
	if c := f.host.call; c != nil && c.WASI.Looked() { // as it did not when the image was taken
		f.setup.Image.looked.Store(true)
	}
	if err == nil && answer != wasmbin.RenewsAll && answer != wasmbin.RenewsRuntime {
		f.setup.Image.never.Store(true)
		return errNotRenewed
	}
	return err
}

// renewWithin is renew at a reset.
func (f *Faaslet) renewWithin(limit time.Duration) *faas.Error {
	if !f.module.renews {
		return nil
	}
	ctx, cancel := context.WithTimeout(context.Background(), limit)
	defer cancel()
	f.host.begin(ctx, nil)
	defer f.host.end()
	err := f.renew(ctx)
	f.measure()
	return err
}

// callRestored runs the guest's function as a call of its own: what it is told does not count as the initialiser's.
// Preconditions: as renew's.
func (f *Faaslet) callRestored(ctx context.Context) (uint32, *faas.Error) {
	if !f.instance.HasRestored() {
		return 0, faas.Errorf(faas.Internal, "the instance lacks %q", wasmbin.Restored)
	}
	f.host.begin(ctx, nil)
	stop := f.watch(ctx)
	answer, fail := f.instance.Restored()
	stop()
	if fail != nil {
		return 0, f.in(wasmbin.Restored, f.failed(ctx, fail))
	}
	if ctx.Err() != nil { // the watch may have marked the instance after its guest had ended
		return 0, endOf(ctx)
	}
	return answer, nil
}
