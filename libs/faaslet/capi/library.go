//go:build linux && cgo

package capi

// #include <stdlib.h>
// #include "capi.h"
import "C"

import (
	"errors"
	"fmt"
	"runtime"
	"sync/atomic"
	"unsafe"

	"github.com/bytecodealliance/wasmtime-go/v25"
)

// MaxLibraries is how many libraries an Instance can have.
const MaxLibraries = C.SHOAL_LIBRARIES

// Main is the number of an Instance's own module, where a library's may be.
const Main = -1

// Extern is something that an instance exports or a library imports. It is good for one Instance, as long as that is open.
type Extern struct{ c C.wasmtime_extern_t }

// Kind is what an Extern is.
type Kind uint8

// The kinds that are used here.
const (
	Function Kind = C.WASMTIME_EXTERN_FUNC
	Value    Kind = C.WASMTIME_EXTERN_GLOBAL
	Table    Kind = C.WASMTIME_EXTERN_TABLE
	Memory32 Kind = C.WASMTIME_EXTERN_MEMORY
)

// Is reports whether x is of that kind.
func (x Extern) Is(k Kind) bool { return Kind(x.c.kind) == k }

// Code is a compiled library. It is safe for concurrent use.
type Code struct {
	Module              *wasmtime.Module // open as long as instances of it
	Refused, Kill, Here string           // as in Exports
	hint                atomic.Uint32    // where the last instance has its kill global
}

// OpenLibraries makes in ready for libraries; table is the export that they share. Preconditions: in was started. It is done
// before any other method of this file, and may be done again.
func (in *Instance) OpenLibraries(table string) error {
	name := C.CString(table)
	defer C.free(unsafe.Pointer(name))
	if !C.shoal_libraries_open(in.c, name, C.size_t(len(table))) {
		return errNoMemory
	}
	return nil
}

// SharedTable returns the table that libraries share, false when the module has none.
func (in *Instance) SharedTable() (x Extern, ok bool) {
	if in.c.libraries.has_table {
		x.c.kind = C.WASMTIME_EXTERN_TABLE
		*(*C.wasmtime_table_t)(unsafe.Pointer(&x.c.of)) = in.c.libraries.table
	}
	return x, bool(in.c.libraries.has_table)
}

// Export returns what a library exports, or the module itself for Main.
func (in *Instance) Export(library int, name string) (x Extern, ok bool) {
	n := C.CString(name)
	defer C.free(unsafe.Pointer(n))
	ok = bool(C.shoal_library_export(in.c, C.int(library), n, C.size_t(len(name)), &x.c))
	return x, ok
}

// HostFunction returns a function that was defined in l.
func (in *Instance) HostFunction(l *wasmtime.Linker, module, name string) (x Extern, ok bool) {
	defer runtime.KeepAlive(l)
	cm, cn := C.CString(module), C.CString(name)
	defer C.free(unsafe.Pointer(cm))
	defer C.free(unsafe.Pointer(cn))
	ok = bool(C.shoal_library_host(in.c, (*C.wasmtime_linker_t)(word(unsafe.Pointer(l))), cm, C.size_t(len(module)), cn, C.size_t(len(name)), &x.c))
	return x, ok && x.Is(Function)
}

// RowFunction makes a function that is a call of Host.HostCall with f.Row.
func (in *Instance) RowFunction(f Import) (x Extern, _ error) {
	p, r, err := types(f.Params, f.Results)
	if err != nil {
		return x, err
	}
	C.shoal_library_trap(in.c, (*C.uint8_t)(unsafe.SliceData(p)), C.size_t(len(p)), (*C.uint8_t)(unsafe.SliceData(r)), C.size_t(len(r)), C.uint32_t(f.Row), &x.c)
	return x, nil
}

// Stub is a function that calls another, which Bind names later.
type Stub struct{ c *C.shoal_stub }

// NewStub makes one of that type, in its binary encoding.
func (in *Instance) NewStub(params, results []byte) (s Stub, x Extern, _ error) {
	p, r, err := types(params, results)
	if err != nil {
		return s, x, err
	}
	s.c = C.shoal_library_stub(in.c, (*C.uint8_t)(unsafe.SliceData(p)), C.size_t(len(p)), (*C.uint8_t)(unsafe.SliceData(r)), C.size_t(len(r)), &x.c)
	if s.c == nil {
		return s, x, errNoMemory
	}
	return s, x, nil
}

// Bind has s call f, a function of the same type.
func (s Stub) Bind(f Extern) { C.shoal_library_bind(s.c, &f.c) }

// types returns a function's types as C has them, if a function may have them.
func types(params, results []byte) (p, r []byte, err error) {
	if len(params) > 32 || len(results) > 4 {
		return nil, nil, fmt.Errorf("%d parameters and %d results", len(params), len(results))
	}
	if p, err = valkinds(params); err == nil {
		r, err = valkinds(results)
	}
	return p, r, err
}

// MemoryExtern returns the module's memory, false when it has none.
func (in *Instance) MemoryExtern() (x Extern, ok bool) {
	if in.c.has_memory {
		x.c.kind = C.WASMTIME_EXTERN_MEMORY
		*(*C.wasmtime_memory_t)(unsafe.Pointer(&x.c.of)) = in.c.memory
	}
	return x, bool(in.c.has_memory)
}

// NewGlobal makes an i32 global.
func (in *Instance) NewGlobal(mutable bool, value uint32) (x Extern, _ error) {
	return x, takeError(C.shoal_library_global(in.c, C.bool(mutable), C.uint32_t(value), &x.c))
}

// SetGlobal gives a mutable i32 global a value.
func (in *Instance) SetGlobal(g Extern, value uint32) error {
	return takeError(C.shoal_library_set(in.c, &g.c, C.uint32_t(value)))
}

// GlobalValue returns the value of an i32 global.
func (in *Instance) GlobalValue(g Extern) uint32 { return uint32(C.shoal_library_value(in.c, &g.c)) }

// Elements returns how many elements the shared table has. Preconditions, as below: there is one.
func (in *Instance) Elements() uint32 { return uint32(C.shoal_library_slots(in.c)) }

// GrowTable makes the shared table larger, within its limits, and returns where the new elements begin.
func (in *Instance) GrowTable(n uint32) (at uint32, ok bool) {
	var p C.uint32_t
	ok = bool(C.shoal_library_grow(in.c, C.uint32_t(n), &p))
	return uint32(p), ok
}

// Point makes an element of the shared table the function f.
func (in *Instance) Point(element uint32, f Extern) error {
	return takeError(C.shoal_library_point(in.c, C.uint32_t(element), &f.c))
}

// Identity returns what tells the function f from others of in.
func (in *Instance) Identity(f Extern) uintptr { return uintptr(C.shoal_library_identity(in.c, &f.c)) }

// Identities returns those of the functions in the first n elements of the shared table, 0 for an empty one.
func (in *Instance) Identities(n uint32) []uintptr {
	out := make([]C.uintptr_t, n+1)
	C.shoal_library_scan(in.c, &out[0], C.uint32_t(n))
	return unsafe.Slice((*uintptr)(unsafe.Pointer(&out[0])), n)
}

// AddLibrary adds an instance of code with those imports, in the order of its module. No code of it runs. It returns the
// library's number: 0 for the first. After a failure there may be a part of it, with functions in the shared table that Kill does
// not reach: the guest must not run on.
func (in *Instance) AddLibrary(code *Code, imports []Extern) (library int, _ *Failure) {
	defer runtime.KeepAlive(code)
	list := (*C.wasmtime_extern_t)(C.calloc(C.size_t(len(imports)+1), C.size_t(unsafe.Sizeof(C.wasmtime_extern_t{}))))
	if list == nil {
		return 0, &Failure{Code: -1, Message: errNoMemory.Error()}
	}
	defer C.free(unsafe.Pointer(list))
	for i, x := range imports {
		unsafe.Slice(list, len(imports))[i] = x.c
	}
	names := C.shoal_library_names{refused: C.CString(code.Refused), kill: C.CString(code.Kill), here: C.CString(code.Here)}
	defer C.free(unsafe.Pointer(names.refused))
	defer C.free(unsafe.Pointer(names.kill))
	defer C.free(unsafe.Pointer(names.here))
	hint := C.uint32_t(code.hint.Load())
	n := C.shoal_library_add(in.c, (*C.wasmtime_module_t)(word(unsafe.Pointer(code.Module))), list, C.size_t(len(imports)), &names, &hint)
	if n < 0 {
		return 0, in.failure(false)
	}
	code.hint.Store(uint32(hint))
	return int(n), nil
}

// CallLibrary runs a function without parameters and results that a library exports, during a host function or while the guest
// does not run; found says whether there is one. Preconditions: it has that type: nothing checks it.
func (in *Instance) CallLibrary(library int, name string) (_ *Failure, found bool) {
	n := C.CString(name)
	defer C.free(unsafe.Pointer(n))
	switch C.shoal_library_call(in.c, C.int(library), n, C.size_t(len(name))) {
	case 1:
		return nil, true
	case 0:
		return in.nested(), true
	}
	return nil, false
}

// SaveToo makes g one of the globals that images of in have beside those of its module, in the order of these calls: whoever is
// restored from such an image has as many of the same types.
func (in *Instance) SaveToo(g Extern) error {
	if !C.shoal_library_save(in.c, &g.c) {
		return errors.New("no memory for the state of a library")
	}
	return nil
}
