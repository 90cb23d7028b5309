//go:build linux && cgo

package capi

// #include "capi.h"
import "C"

import (
	"math"
	"unsafe"
)

// MaxFrames is how many frames of a backtrace are kept, the innermost ones.
const MaxFrames = 32

// maxName is how much of a function's name a frame has, in bytes. What the pre-pass leaves is shorter.
const maxName = 256

// Failure is how a guest ended that did not return.
type Failure struct {
	Code    int    // the trap code, -1 for an error of the host or of wasmtime
	Message string // the innermost reason; "trap: " and its name where there is a code
	Frames  []Frame
	Killed  bool // by Kill
}

// Frame is one WebAssembly frame, the innermost first in a Failure.
type Frame struct {
	Func   uint32 // index of the function in the module
	Name   string // from the name section, "" without one
	Offset uint32 // of the instruction, in bytes from the start of the module; 0 when it is not known
}

// trapNames are wasmtime's trap codes (enum wasmtime_trap_code_enum), by code.
var trapNames = [...]string{
	"stack_overflow", "memory_out_of_bounds", "heap_misaligned", "table_out_of_bounds", "indirect_call_to_null",
	"bad_signature", "integer_overflow", "integer_divide_by_zero", "bad_conversion_to_integer", "unreachable",
	"interrupt", "out_of_fuel",
}

// Trap returns the name of f's trap code, as "memory_out_of_bounds"; "" when it has none.
func (f *Failure) Trap() string {
	switch {
	case f.Code < 0:
		return ""
	case f.Code < len(trapNames):
		return trapNames[f.Code]
	}
	return "trap"
}

// failure takes what the last call left in error or trap. probed says that the call was that of the probe.
//
// wasmtime is asked for words only where nothing else has them and there is no backtrace: it writes every frame down with
// the function's name taken apart, which with a name made for it takes for ever or panics, and so ends the process.
func (in *Instance) failure(probed bool) *Failure {
	f := in.describe(probed)
	in.forget()
	return f
}

// nested is failure for a call that a host function made. If that now ends the guest, it is by the same trap, which knows the whole
// stack: to have wasmtime walk that again for each call in each takes seconds where the stack is deep.
func (in *Instance) nested() *Failure {
	f := in.describe(false)
	in.dropNested()
	in.inner, in.frames = in.c.trap, f.Frames
	if in.inner == nil { // an error is the same record as a trap: library.c
		in.inner = (*C.wasm_trap_t)(unsafe.Pointer(in.c.error))
	}
	in.c.trap, in.c.error = nil, nil
	return f
}

// dropNested forgets a nested call that failed and whose host function did not end the guest for it.
func (in *Instance) dropNested() {
	if in.inner != nil {
		C.wasm_trap_delete(in.inner)
	}
	in.inner, in.frames = nil, nil
}

// forget frees what the last call left in error or trap.
func (in *Instance) forget() {
	if in.c.trap != nil {
		C.wasm_trap_delete(in.c.trap)
	}
	if in.c.error != nil {
		C.wasmtime_error_delete(in.c.error)
	}
	in.c.trap, in.c.error = nil, nil
}

// describe is failure, and leaves error and trap where they are.
func (in *Instance) describe(probed bool) *Failure {
	f := &Failure{Code: -1, Killed: in.Killed(), Message: in.reason}
	in.reason = ""
	if in.passed && !probed { // by a host function, on from a call that it made
		f.Frames, in.frames, in.passed = in.frames, nil, false
		if f.Killed {
			f.Message = "killed"
		}
		return f
	}
	if f.Killed { // by an unreachable of an interruption point
		f.Message = "killed"
	}
	var msg C.wasm_byte_vec_t
	var frames C.wasm_frame_vec_t
	switch {
	case in.c.trap != nil:
		var code C.wasmtime_trap_code_t
		if !f.Killed && bool(C.wasmtime_trap_code(in.c.trap, &code)) {
			f.Code = int(code)
			f.Message = "trap: " + f.Trap()
		}
		C.wasm_trap_trace(in.c.trap, &frames)
	case in.c.error != nil:
		C.wasmtime_error_wasm_trace(in.c.error, &frames)
	}
	switch {
	case f.Message != "":
	case probed, frames.size > 0, in.c.trap == nil && in.c.error == nil:
		f.Message = "ended without a reason"
	case in.c.trap != nil:
		C.wasm_trap_message(in.c.trap, &msg)
		f.Message = Cause(takeBytes(&msg))
	default:
		C.wasmtime_error_message(in.c.error, &msg)
		f.Message = Cause(takeBytes(&msg))
	}
	all := unsafe.Slice(frames.data, int(frames.size))
	if probed {
		all = undouble(all)
	}
	for _, p := range all[:min(len(all), MaxFrames)] {
		f.Frames = append(f.Frames, frame(p))
	}
	C.wasm_frame_vec_delete(&frames) // before what the frames point into
	return f
}

func frame(p *C.wasm_frame_t) Frame {
	fr := Frame{Func: uint32(C.wasm_frame_func_index(p))}
	if at := uint64(C.wasm_frame_module_offset(p)); at <= math.MaxUint32 {
		fr.Offset = uint32(at)
	}
	if v := C.wasmtime_frame_func_name(p); v != nil {
		name := unsafe.Slice((*byte)(unsafe.Pointer(v.data)), v.size)
		fr.Name = string(name[:min(len(name), maxName)])
	}
	return fr
}

// undouble returns all without its second half when that equals the first: a host function called by the host has no
// WebAssembly frames of its own, and wasmtime 25.0.0 then lists those below it twice.
func undouble(all []*C.wasm_frame_t) []*C.wasm_frame_t {
	half := len(all) / 2
	if len(all)%2 != 0 {
		return all
	}
	for i := range half {
		if C.wasm_frame_module_offset(all[i]) != C.wasm_frame_module_offset(all[half+i]) {
			return all
		}
	}
	return all[:half]
}

// Backtrace returns the guest's stack. Preconditions: it is called during a HostCall of in, on its goroutine.
func (in *Instance) Backtrace() []Frame {
	if !C.shoal_instance_probe(in.c) {
		return nil
	}
	return in.failure(true).Frames
}
