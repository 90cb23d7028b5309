//go:build linux && cgo

package capi

// #include <stdlib.h>
// #include "capi.h"
import "C"

import (
	"errors"
	"unsafe"

	"github.com/bytecodealliance/wasmtime-go/v25"
)

// Slot is one parameter or result of a host function: 16 bytes, of which the low 32 or 64 bits are used.
type Slot = [2]uint64

// Host answers the guest's calls of host functions.
type Host interface {
	// HostCall serves the function that was defined with row. It runs on the guest's thread while the guest waits. mem is
	// the guest's memory, args its parameters; both are C memory and valid until HostCall returns. The word is the
	// function's result. An error ends the guest with a trap of that text.
	HostCall(row uint32, mem []byte, args []Slot) (uint64, error)
}

// Limits are what an instance may have.
type Limits struct {
	Memory        int64 // bytes of linear memory
	TableElements int64 // of each table
	Tables        int64
}

// Instance is a store with one instance. Only Kill may be called while another goroutine is in one of its methods.
type Instance struct {
	c      *C.shoal_instance
	host   Host
	slot   uint32
	reason string         // what the host function said that ended the guest; used on the guest's goroutine, as what follows
	inner  *C.wasm_trap_t // owned: how a call ended that a host function made; nil when none has failed
	frames []Frame        // of that
	passed bool           // it is what the host function ended the guest with
}

// NewInstance makes an empty instance, which Start fills. The caller closes it, and keeps e open until then.
func NewInstance(e *wasmtime.Engine, host Host, l Limits) (*Instance, error) {
	in := &Instance{host: host}
	n, err := slots.put(in)
	if err != nil {
		return nil, err
	}
	in.slot = n
	cl := C.shoal_limits{memory: C.int64_t(l.Memory), table_elements: C.int64_t(l.TableElements), tables: C.int64_t(l.Tables)}
	in.c = C.shoal_instance_new(enginePtr(e), C.uint32_t(n), &cl)
	if in.c == nil {
		slots.drop(n)
		return nil, errors.New("no memory for an instance")
	}
	return in, nil
}

// Start instantiates p, which runs no code of the guest unless the module has a start function that is not an export. It
// returns nil when all went well.
// Preconditions: it is the first call on in.
func (in *Instance) Start(p *Pre) *Failure {
	if C.shoal_instance_start(in.c, p.p) {
		return nil
	}
	return in.failure(false)
}

// HasEntry reports whether the entry function was found.
func (in *Instance) HasEntry() bool { return bool(in.c.has_entry) }

// HasRestored reports whether the restored function was found.
func (in *Instance) HasRestored() bool { return bool(in.c.has_restored) }

// Call runs the entry function, which takes no parameters, and returns its i32 result, 0 when it has none.
// Preconditions: HasEntry, and the function has that type: nothing checks it.
func (in *Instance) Call() (uint32, *Failure) {
	if C.shoal_instance_call(in.c, C.SHOAL_ENTRY) {
		return *(*uint32)(unsafe.Pointer(&in.c.raw[0])), nil
	}
	return 0, in.failure(false)
}

// CallExport runs the exported function of that name, which takes no parameters, and returns its i32 result, 0 when it has
// none; found says whether there is such a function. Preconditions: a function of that name has that type: nothing checks it.
func (in *Instance) CallExport(name string) (result uint32, fail *Failure, found bool) {
	n := C.CString(name)
	defer C.free(unsafe.Pointer(n))
	switch C.shoal_instance_call_export(in.c, n, C.size_t(len(name))) {
	case 1:
		return *(*uint32)(unsafe.Pointer(&in.c.raw[0])), nil, true
	case 0:
		return 0, in.failure(false), true
	}
	return 0, nil, false
}

// Restored runs the restored function, which takes no parameters, and returns its i32 result, 0 when it has none.
// Preconditions: HasRestored, and the function has that type: nothing checks it.
func (in *Instance) Restored() (uint32, *Failure) {
	if C.shoal_instance_call(in.c, C.SHOAL_RESTORED) {
		return *(*uint32)(unsafe.Pointer(&in.c.raw[0])), nil
	}
	return 0, in.failure(false)
}

// Kill ends the guest at its next interruption point, now or when it next comes to one; once is enough. It may be called
// from any goroutine until Close, also before Start. It does nothing to a host function, and nothing to a module that was
// loaded without Exports.Kill.
func (in *Instance) Kill() { C.shoal_instance_kill(in.c) }

// Killed reports whether Kill ended a guest.
func (in *Instance) Killed() bool { return bool(C.shoal_instance_killed(in.c)) }

// Refused returns the value of the global that counts refused grows, 0 when the module has none.
func (in *Instance) Refused() uint32 { return uint32(C.shoal_instance_refused(in.c)) }

// Memory returns the guest's linear memory itself, nil when it has none. The slice is valid until the guest runs again or
// the instance is closed.
func (in *Instance) Memory() []byte {
	var n C.size_t
	p := C.shoal_instance_memory(in.c, &n)
	return unsafe.Slice((*byte)(p), int(n))
}

// Grow makes the memory so many pages of 64 KiB larger and reports whether that was within its limits. Preconditions: the
// guest does not run, or is in a host function.
func (in *Instance) Grow(pages uint32) bool {
	return bool(C.shoal_instance_grow(in.c, C.uint32_t(pages)))
}

// Malloc calls the guest's export of that name during a host function; found says whether there is one. Preconditions: it
// has the type (i32) -> i32: nothing checks it.
func (in *Instance) Malloc(size uint32) (at uint32, fail *Failure, found bool) {
	var p C.uint32_t
	switch C.shoal_instance_malloc(in.c, C.uint32_t(size), &p) {
	case 1:
		return uint32(p), nil, true
	case 0:
		return 0, in.nested(), true
	}
	return 0, nil, false
}

// Close frees the instance and its store. It is idempotent.
func (in *Instance) Close() {
	if in.c == nil {
		return
	}
	in.dropNested()
	C.shoal_instance_delete(in.c)
	in.c = nil
	slots.drop(in.slot)
}
