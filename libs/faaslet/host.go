//go:build linux && cgo

package faaslet

import (
	"context"
	"fmt"
	"runtime/debug"
	"strings"
	"unsafe"

	"github.com/shoal-run/shoal/bus/faas"
	"github.com/shoal-run/shoal/libs/faaslet/capi"
	"github.com/shoal-run/shoal/libs/guest"
	"github.com/shoal-run/shoal/libs/hostapi"
	"github.com/shoal-run/shoal/libs/telemetry"
	"github.com/shoal-run/shoal/libs/wasmbin"
)

// host is a Faaslet as its host functions see it. It is used on the goroutine that runs the guest only.
type host struct {
	faaslet *Faaslet
	ctx     context.Context // of what the guest does now
	call    *hostapi.Call   // nil until an initialiser calls a host function
	err     error           // what the last host function to fail ended the guest with
}

var (
	_ capi.Host     = (*host)(nil)
	_ hostapi.Guest = (*host)(nil)
)

// begin makes c the call that is served; nil for an initialiser.
func (h *host) begin(ctx context.Context, c *hostapi.Call) {
	h.end()
	h.ctx, h.call, h.err = ctx, c, nil
	if c != nil {
		c.Guest = h
		if c.WASI != nil {
			c.WASI.Ctx = ctx
		}
	}
}

// end forgets the call, whose files are closed.
func (h *host) end() {
	if h.call != nil && h.call.WASI != nil {
		h.call.WASI.Close()
	}
	h.ctx, h.call = nil, nil
}

// HostCall serves the row with that index.
func (h *host) HostCall(row uint32, mem []byte, args []capi.Slot) (word uint64, err error) {
	r := &h.faaslet.module.engine.table[row]
	defer func() {
		if p := recover(); p != nil {
			h.err = h.panicked(r, p)
			err = h.err
		}
	}()
	if h.call == nil {
		h.call = h.faaslet.callFor(h.ctx)
	}
	word, err = r.Func(h.call, guest.Memory(mem), unsafe.Slice((*hostapi.Raw)(unsafe.Pointer(unsafe.SliceData(args))), len(args)))
	if err != nil {
		h.err = err
	}
	return word, err
}

// panicError is a bug in a host function.
type panicError struct{ row *hostapi.Row }

func (e *panicError) Error() string {
	return fmt.Sprintf("host function %s.%s panicked", e.row.Module, e.row.Name)
}

func (h *host) panicked(r *hostapi.Row, p any) error {
	err := &panicError{r}
	h.faaslet.module.engine.log.Error(err.Error(), telemetry.KeyFunc, h.faaslet.setup.Func.String(),
		telemetry.KeyErr, fmt.Sprint(p), "stack", string(debug.Stack()))
	return err
}

// Backtrace returns the guest's stack as it is during a host function.
func (h *host) Backtrace() []faas.Frame { return frames(h.faaslet.instance.Backtrace()) }

// frames turns a backtrace into the contract's words.
func frames(in []capi.Frame) []faas.Frame {
	if len(in) == 0 {
		return nil
	}
	out := make([]faas.Frame, len(in))
	for i, f := range in {
		out[i] = faas.Frame{Function: strings.TrimPrefix(f.Name, wasmbin.NamePrefix), Offset: f.Offset}
		if out[i].Function == "" {
			out[i].Function = fmt.Sprintf("func[%d]", f.Func)
		}
	}
	return out
}
