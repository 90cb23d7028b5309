//go:build linux && cgo

package capi

// #include "capi.h"
import "C"

import "unsafe"

// shoalHostCall is how a guest's call of a host function reaches Go.
//
//export shoalHostCall
func shoalHostCall(slot, row C.uint32_t, base *C.uint8_t, size C.size_t, args unsafe.Pointer, nargs C.size_t) (trap *C.wasm_trap_t) {
	in := slots.get(uint32(slot))
	defer func() {
		if recover() != nil { // a Host that lets a panic through has lost its words; the guest still ends cleanly
			trap = in.trap("host function panicked")
		}
	}()
	a := unsafe.Slice((*Slot)(args), int(nargs))
	word, err := in.host.HostCall(uint32(row), unsafe.Slice((*byte)(base), int(size)), a)
	if err != nil {
		return in.trap(err.Error())
	}
	in.dropNested()
	if len(a) > 0 {
		a[0][0] = word
	}
	return nil
}

// trap makes a trap that wasmtime takes over, and keeps why: wasmtime is not asked for it again.
func (in *Instance) trap(reason string) *C.wasm_trap_t {
	in.reason = reason
	if t := in.inner; t != nil {
		in.inner, in.passed = nil, true
		return t
	}
	b := []byte("host")
	return C.wasmtime_trap_new((*C.char)(unsafe.Pointer(unsafe.SliceData(b))), C.size_t(len(b)))
}
