//go:build linux && cgo

package faaslet

import (
	"context"
	"encoding/json"
	"errors"
	"strings"

	"github.com/shoal-run/shoal/bus/faas"
	"github.com/shoal-run/shoal/libs/faaslet/capi"
	"github.com/shoal-run/shoal/libs/wasi"
)

// trapHost is the kind of a trap that a host function asked for.
const trapHost = "host_function"

// failed says in the contract's words why the guest did not return; nil when it exited with code 0.
func (f *Faaslet) failed(ctx context.Context, fail *capi.Failure) *faas.Error {
	trace := frames(fail.Frames)
	herr := f.host.err
	var exit wasi.Exit
	var known *faas.Error
	var bug *panicError
	var nested *nestedError
	switch {
	case errors.As(herr, &nested): // its trace has the frames of both
		f.host.err = nested.cause
		return f.failed(ctx, nested.fail)
	case fail.Killed, errors.Is(herr, wasi.ErrInterrupted) && ctx.Err() != nil:
		e := *endOf(ctx)
		e.Backtrace = trace
		return &e
	case errors.As(herr, &exit):
		if exit.Code == 0 {
			return nil
		}
		return f.exited(int32(exit.Code), trace)
	case errors.As(herr, &bug):
		e := faas.Errorf(faas.Internal, "%s", bug.Error())
		e.Backtrace = trace
		return e
	case errors.As(herr, &known):
		e := *known
		e.Backtrace = trace
		return &e
	case herr != nil:
		return f.trapped(trapHost, herr.Error(), trace)
	case fail.Trap() != "":
		return f.trapped(fail.Trap(), trapText(fail.Trap()), trace)
	}
	e := faas.Errorf(faas.Internal, "%s", fail.Message)
	e.Backtrace = trace
	return e
}

// trapText says a trap's name as words.
func trapText(name string) string {
	if name == "unreachable" {
		return "the guest reached code that it declared unreachable"
	}
	return "the guest trapped: " + strings.ReplaceAll(name, "_", " ")
}

func (f *Faaslet) trapped(kind, text string, trace []faas.Frame) *faas.Error {
	e := faas.Errorf(faas.GuestTrapped, "%s", text)
	e.Trap, e.Backtrace = kind, trace
	return f.orOutOfMemory(e)
}

func (f *Faaslet) exited(code int32, trace []faas.Frame) *faas.Error {
	e := faas.Errorf(faas.GuestFailed, "the guest exited with code %d", code)
	e.ExitCode, e.Backtrace = int(code), trace
	return f.orOutOfMemory(e)
}

// orOutOfMemory makes e out_of_memory when the guest was refused memory before.
func (f *Faaslet) orOutOfMemory(e *faas.Error) *faas.Error {
	what := "memory.grow"
	switch {
	case f.instance.Refused() != f.refused:
	case f.host.refused:
		what = "more memory"
	default:
		return e
	}
	e.Code = faas.OutOfMemory
	e.Message = what + " was refused at the limit of " + f.limit.String() + ", then " + e.Message
	return e
}

// endOf says why ctx, which is done, ended.
func endOf(ctx context.Context) *faas.Error {
	cause := context.Cause(ctx)
	var e *faas.Error
	switch {
	case errors.As(cause, &e):
		return e
	case errors.Is(cause, context.DeadlineExceeded), errors.Is(ctx.Err(), context.DeadlineExceeded):
		return faas.Errorf(faas.DeadlineExceeded, "the call ran out of time")
	case cause == nil, errors.Is(cause, context.Canceled):
		return faas.Errorf(faas.Cancelled, "the call was cancelled")
	}
	return faas.Errorf(faas.Cancelled, "the call was cancelled: %v", cause)
}

// maxError is how large an Error of a guest is as JSON, in bytes, with room for what is added on its way.
const maxError = 60 << 10

// fit returns e, or a copy of it with less text, so that it is no larger than maxError.
func fit(e *faas.Error) *faas.Error {
	for size := encoded(e); size > maxError; size = encoded(e) {
		c := *e // it may be somebody's cause
		switch {
		case len(c.Message) > maxError/16:
			c.Message = strings.ToValidUTF8(c.Message[:maxError/16], "")
		case c.Stderr != "":
			c.Stderr = strings.ToValidUTF8(c.Stderr[:len(c.Stderr)/2], "")
		case len(c.Backtrace) > 0:
			c.Backtrace = c.Backtrace[:len(c.Backtrace)/2]
		default:
			return e
		}
		e = &c
	}
	return e
}

func encoded(e *faas.Error) int {
	b, err := json.Marshal(e)
	if err != nil {
		return 0
	}
	return len(b)
}

// cut returns what of a guest's words travels with an Error.
func cut(b []byte) string {
	if len(b) > faas.MaxErrorStderr {
		b = b[:faas.MaxErrorStderr]
	}
	return strings.ToValidUTF8(string(b), "\ufffd")
}
