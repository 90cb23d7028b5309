//go:build wasip1

package chain

import (
	"syscall"
	"unsafe"
)

// chainNameImport calls the function that name, which ends with a NUL, names, with size bytes at in as its input. It returns
// the call's number, or a negative errno.
//
//go:wasmimport env __faasm_chain_name
func chainNameImport(name, in unsafe.Pointer, size uint32) int32

// awaitCallImport waits for a call and returns its exit code.
//
//go:wasmimport env __faasm_await_call
func awaitCallImport(id uint32) int32

// awaitCallOutputImport waits for a call and returns its exit code. The host calls mallocExport for memory, puts the output
// there, and the address and the size where out and size point.
//
//go:wasmimport env __faasm_await_call_output
func awaitCallOutputImport(id uint32, out, size unsafe.Pointer) int32

// given are the buffers that the host was given and that were not taken yet: nothing else in Go holds them.
var given = map[uintptr][]byte{}

// mallocExport gives the host memory for an output; it is called while awaitCallOutputImport is.
//
//go:wasmexport malloc
func mallocExport(size uint32) unsafe.Pointer {
	buf := make([]byte, max(size, 1))
	p := unsafe.Pointer(unsafe.SliceData(buf))
	given[uintptr(p)] = buf
	return p
}

func start(name string, in []byte) (uint32, error) {
	z := append([]byte(name), 0)
	id := chainNameImport(unsafe.Pointer(&z[0]), unsafe.Pointer(unsafe.SliceData(in)), uint32(len(in)))
	if id < 0 {
		return 0, syscall.Errno(-id)
	}
	return uint32(id), nil
}

func await(id uint32) (int32, error) { return awaitCallImport(id), nil }

func awaitOutput(id uint32) (int32, []byte, error) {
	var at, size uint32
	code := awaitCallOutputImport(id, unsafe.Pointer(&at), unsafe.Pointer(&size))
	buf := given[uintptr(at)]
	delete(given, uintptr(at))
	return code, buf[:min(int(size), len(buf))], nil
}
