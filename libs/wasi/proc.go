package wasi

import "runtime"

// Signals that ProcRaise tells apart, by their numbers in preview1.
//
// See https://github.com/WebAssembly/WASI/blob/main/legacy/preview1/docs.md#signal
const (
	signalNone  = 0
	signalPipe  = 13
	signalChld  = 16
	signalCont  = 17
	signalStop  = 18
	signalTtou  = 21 // stop, tstp, ttin, ttou are neighbours
	signalUrg   = 22
	signalWinch = 27
	signalLast  = 30

	signalExit = 128 // a guest ended by signal n exits with 128 + n, as a shell reports it
)

// ProcExit ends the guest.
//
// Parameters
//   - rval: the exit code; 0 is success, anything else fails the call
//
// The error is always Exit, with rval: the engine unwinds the guest with it, and the guest never sees the function return.
// Nothing in memory changes.
//
// It is _Exit in POSIX, with all 32 bits of the code. See
// https://github.com/WebAssembly/WASI/blob/main/legacy/preview1/docs.md#proc_exit
func (s *System) ProcExit(rval uint32) error { return Exit{Code: rval} }

// ProcRaise sends the guest a signal. Guests have no handlers, so the action is the one that preview1 lists.
//
// Parameters
//   - sig: the signal, 0 (none) to 30 (sys)
//
// Errors
//   - EINVAL: sig is no signal
//   - ENOTSUP: stop, tstp, ttin, ttou: nobody could continue the guest
//
// The error is Exit with code 128 + sig for a signal that terminates, else nil. none, pipe, chld, cont, urg and winch have
// no effect and succeed. Nothing in memory changes.
//
// It is raise in POSIX. See
// https://github.com/WebAssembly/WASI/blob/main/legacy/preview1/docs.md#proc_raise
func (s *System) ProcRaise(sig uint32) (Errno, error) {
	switch {
	case sig > signalLast:
		return EINVAL, nil
	case sig >= signalStop && sig <= signalTtou:
		return ENOTSUP, nil
	}
	switch sig {
	case signalNone, signalPipe, signalChld, signalCont, signalUrg, signalWinch:
		return ESUCCESS, nil
	}
	return ESUCCESS, Exit{Code: signalExit + sig}
}

// SchedYield lets other work run on this processor. It always succeeds and changes nothing in memory.
//
// It is sched_yield in POSIX. See
// https://github.com/WebAssembly/WASI/blob/main/legacy/preview1/docs.md#sched_yield
func (s *System) SchedYield() Errno {
	runtime.Gosched()
	return ESUCCESS
}
