//go:build linux && cgo

package capi

// #cgo CFLAGS: -O2 -Wall
// #include <stdlib.h>
// #include "capi.h"
import "C"

import (
	"errors"
	"fmt"
	"runtime"
	"strings"
	"unsafe"

	"github.com/bytecodealliance/wasmtime-go/v25"
)

// Version is the version of wasmtime that this package was written for.
const Version = "25.0.0"

// Memory is how linear memories lie in the address space.
type Memory struct {
	Reserve uint64 // bytes reserved for each memory; its base never moves within them
	Guard   uint64 // bytes after the reservation that are never mapped
}

// Configure sets on c what wasmtime-go has no setter for: the memory layout, copy-on-write images, no tail calls (they
// crash with host traps in 25.0.0), no unwind tables for native debuggers, and whether the compiler may use threads.
func Configure(c *wasmtime.Config, m Memory, parallel bool) {
	p := (*C.wasm_config_t)(word(unsafe.Pointer(c)))
	C.wasmtime_config_static_memory_maximum_size_set(p, C.uint64_t(m.Reserve))
	C.wasmtime_config_static_memory_guard_size_set(p, C.uint64_t(m.Guard))
	C.wasmtime_config_dynamic_memory_guard_size_set(p, C.uint64_t(m.Guard))
	C.wasmtime_config_memory_init_cow_set(p, true)
	C.wasmtime_config_wasm_tail_call_set(p, false)
	C.wasmtime_config_wasm_function_references_set(p, false)
	C.wasmtime_config_wasm_gc_set(p, false)
	C.wasmtime_config_native_unwind_info_set(p, false)
	C.wasmtime_config_parallel_compilation_set(p, C.bool(parallel))
	runtime.KeepAlive(c)
}

// ThreadStack returns the size of the stacks that new threads get, in bytes; 0 when it can't be had.
func ThreadStack() uint64 { return uint64(C.shoal_thread_stack()) }

// word returns the first word of the object at p: the C pointer of a wasmtime-go object.
func word(p unsafe.Pointer) unsafe.Pointer { return *(*unsafe.Pointer)(p) }

func enginePtr(e *wasmtime.Engine) *C.wasm_engine_t {
	return (*C.wasm_engine_t)(word(unsafe.Pointer(e)))
}

// valkinds turns the binary encoding of number types into the C API's.
func valkinds(types []byte) ([]byte, error) {
	out := make([]byte, len(types))
	for i, t := range types {
		if t < 0x7c || t > 0x7f {
			return nil, fmt.Errorf("type %#x is not a number type", t)
		}
		out[i] = 0x7f - t
	}
	return out, nil
}

// Import is a function that modules can import: a call goes to Host.HostCall with Row.
type Import struct {
	Module, Name    string
	Params, Results []byte // number types in their encoding in a WebAssembly binary
	Row             uint32
}

// Define makes f a function that modules linked by l can import.
func Define(l *wasmtime.Linker, f Import) error {
	defer runtime.KeepAlive(l)
	return define((*C.wasmtime_linker_t)(word(unsafe.Pointer(l))), f)
}

func define(l *C.wasmtime_linker_t, f Import) error {
	p, err := valkinds(f.Params)
	if err != nil {
		return err
	}
	r, err := valkinds(f.Results)
	if err != nil {
		return err
	}
	cm, cn := C.CString(f.Module), C.CString(f.Name)
	defer C.free(unsafe.Pointer(cm))
	defer C.free(unsafe.Pointer(cn))
	return takeError(C.shoal_define(l, cm, C.size_t(len(f.Module)), cn, C.size_t(len(f.Name)),
		(*C.uint8_t)(unsafe.SliceData(p)), C.size_t(len(p)), (*C.uint8_t)(unsafe.SliceData(r)), C.size_t(len(r)), C.uint32_t(f.Row)))
}

// Pre is a module with its imports resolved, ready to be instantiated any number of times, also concurrently.
type Pre struct{ p *C.shoal_pre }

// Exports names what an Instance looks up when it starts; "" is for none.
type Exports struct {
	Entry    string // the function that Instance.Call runs
	Restored string // the function that Instance.Restored runs
	Refused  string // the i32 global that Instance.Refused reads
	// How the guest is ended, as package wasmbin says of Kill and Here. Here is of use with Kill only.
	Kill, Here string
}

// NewPre resolves m's imports in l, or else in own, which no other module sees. The caller keeps m and l's engine alive as
// long as the Pre, and closes it.
func NewPre(l *wasmtime.Linker, m *wasmtime.Module, x Exports, own []Import) (*Pre, error) {
	defer runtime.KeepAlive(l)
	defer runtime.KeepAlive(m)
	linker := (*C.wasmtime_linker_t)(word(unsafe.Pointer(l)))
	if len(own) > 0 {
		linker = C.wasmtime_linker_clone(linker)
		defer C.wasmtime_linker_delete(linker)
	}
	for _, f := range own {
		if err := define(linker, f); err != nil {
			return nil, fmt.Errorf("import %.100q.%.100q: %w", f.Module, f.Name, err)
		}
	}
	var pre *C.wasmtime_instance_pre_t
	if err := takeError(C.wasmtime_linker_instantiate_pre(linker, (*C.wasmtime_module_t)(word(unsafe.Pointer(m))), &pre)); err != nil {
		return nil, err
	}
	p := C.shoal_pre_new(pre)
	if p == nil {
		C.wasmtime_instance_pre_delete(pre)
		return nil, errNoMemory
	}
	for which, name := range [...]string{
		C.SHOAL_NAME_ENTRY: x.Entry, C.SHOAL_NAME_RESTORED: x.Restored, C.SHOAL_NAME_REFUSED: x.Refused,
		C.SHOAL_NAME_KILL: x.Kill, C.SHOAL_NAME_HERE: x.Here,
	} {
		c := C.CString(name)
		ok := bool(C.shoal_pre_name(p, C.int(which), c, C.size_t(len(name))))
		C.free(unsafe.Pointer(c))
		if !ok {
			C.shoal_pre_delete(p)
			return nil, errNoMemory
		}
	}
	return &Pre{p}, nil
}

// errNoMemory is returned when malloc has none.
var errNoMemory = errors.New("no memory for a module")

// Close frees p. It is idempotent. Preconditions: no Instance is starting from it.
func (p *Pre) Close() {
	if p.p != nil {
		C.shoal_pre_delete(p.p)
		p.p = nil
	}
}

// takeError turns e into a Go error and frees it; nil stays nil.
func takeError(e *C.wasmtime_error_t) error {
	if e == nil {
		return nil
	}
	var v C.wasm_byte_vec_t
	C.wasmtime_error_message(e, &v)
	C.wasmtime_error_delete(e)
	return errors.New(Cause(takeBytes(&v)))
}

func takeBytes(v *C.wasm_byte_vec_t) string {
	s := C.GoStringN(v.data, C.int(v.size))
	C.wasm_byte_vec_delete(v)
	return strings.TrimRight(s, "\x00")
}

// Cause returns the innermost reason of a message in wasmtime's form: context, a backtrace, "Caused by:" and the reasons,
// numbered when there are several.
func Cause(msg string) string {
	const mark = "Caused by:\n"
	if i := strings.LastIndex(msg, mark); i >= 0 {
		msg = msg[i+len(mark):]
		if j := strings.LastIndex(msg, "\n"); j >= 0 && strings.HasPrefix(strings.TrimSpace(msg), "0: ") {
			msg = msg[j+1:]
			if k := strings.Index(msg, ": "); k >= 0 && strings.Trim(msg[:k], " 0123456789") == "" {
				msg = msg[k+2:]
			}
		}
	}
	return strings.TrimSpace(msg)
}
