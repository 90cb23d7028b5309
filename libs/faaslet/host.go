//go:build linux && cgo

package faaslet

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"
	"strings"
	"unsafe"

	"github.com/shoal-run/shoal/bus/faas"
	"github.com/shoal-run/shoal/libs/faaslet/capi"
	"github.com/shoal-run/shoal/libs/guest"
	"github.com/shoal-run/shoal/libs/hostapi"
	"github.com/shoal-run/shoal/libs/telemetry"
	"github.com/shoal-run/shoal/libs/wasi"
	"github.com/shoal-run/shoal/libs/wasmbin"
)

// host is a Faaslet as its host functions see it. It is used on the goroutine that runs the guest only.
type host struct {
	faaslet *Faaslet
	ctx     context.Context // of what the guest does now
	call    *hostapi.Call   // nil until an initialiser calls a host function
	err     error           // what the last host function to fail ended the guest with
	refused bool            // a host function was refused memory
	nested  int             // calls of the guest by host functions that have not returned
}

var (
	_ capi.Host     = (*host)(nil)
	_ hostapi.Guest = (*host)(nil)
)

// begin makes c the call that is served; nil for an initialiser.
func (h *host) begin(ctx context.Context, c *hostapi.Call) {
	h.end()
	h.ctx, h.call, h.err, h.refused = ctx, c, nil, false
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
	if row == weakRow {
		h.err = errWeak
		return 0, h.err
	}
	if row >= firstMissing {
		h.err = h.faaslet.module.missing[row-firstMissing]
		return 0, h.err
	}
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
	if t := h.call.Trace; t != nil {
		t.Enter(r, mem, unsafe.Slice((*hostapi.Raw)(unsafe.Pointer(unsafe.SliceData(args))), len(args)))
		defer func() { t.Leave(r, word, err) }()
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

// Grow makes the guest's memory larger, within the function's limit.
func (h *host) Grow(pages uint32) (guest.Memory, bool) {
	if !h.faaslet.instance.Grow(pages) {
		h.refused = true
		return nil, false
	}
	return h.faaslet.instance.Memory(), true
}

// Malloc calls the guest's own, unless host functions have called the guest maxNested deep.
func (h *host) Malloc(n uint32) (uint32, guest.Memory, error) {
	if !h.faaslet.module.malloc {
		return 0, nil, errNoMalloc
	}
	if err := h.nest(); err != nil {
		return 0, nil, err
	}
	at, fail, found := h.faaslet.instance.Malloc(n)
	h.nested--
	switch {
	case !found:
		return 0, nil, errNoMalloc
	case fail == nil:
		return at, h.faaslet.instance.Memory(), nil
	case fail.Killed:
		return 0, nil, wasi.ErrInterrupted
	case h.err != nil: // of a host function that malloc called
		return 0, nil, h.err
	}
	return 0, nil, fmt.Errorf("the guest's malloc did not return: %s", fail.Message)
}

// maxNested is how deep host functions may call the guest within each other. What the guest exports may be a host function again,
// whose frames no check of the guest's stack sees; this many fit into what a thread's stack has beside that.
const maxNested = 128

// nest counts a call of the guest by a host function, who counts it out of nested again, or refuses it.
func (h *host) nest() error {
	if h.nested == maxNested {
		return errNested
	}
	h.nested++
	return nil
}

// errNested is what the guest traps with that goes deeper.
var errNested = fmt.Errorf("host functions and the guest have called each other %d times within each other", maxNested)

// errNoMalloc is what a guest traps with whose host function needs memory of it.
var errNoMalloc = errors.New("the module does not export a function malloc of type (i32) -> i32: link with -Wl,--export=malloc")

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
