//go:build wasip1

package state

import (
	"syscall"
	"unsafe"
)

// The host's functions, by Faasm's names. Keys end with a NUL; sizes and offsets are in bytes.

//go:wasmimport env __faasm_read_state
func readStateImport(key, buf unsafe.Pointer, size uint32) int32

//go:wasmimport env __faasm_read_state_offset
func readStateOffsetImport(key unsafe.Pointer, total, offset int32, buf unsafe.Pointer, size int32)

//go:wasmimport env __faasm_write_state
func writeStateImport(key, data unsafe.Pointer, size int32)

//go:wasmimport env __faasm_write_state_offset
func writeStateOffsetImport(key unsafe.Pointer, total, offset int32, data unsafe.Pointer, size int32)

//go:wasmimport env __faasm_push_state
func pushStateImport(key unsafe.Pointer)

//go:wasmimport env __faasm_push_state_partial
func pushStatePartialImport(key unsafe.Pointer)

//go:wasmimport env __faasm_pull_state
func pullStateImport(key unsafe.Pointer, size int32)

//go:wasmimport env __faasm_append_state
func appendStateImport(key, data unsafe.Pointer, size int32)

//go:wasmimport env __faasm_read_appended_state
func readAppendedStateImport(key, buf unsafe.Pointer, size, count int32)

//go:wasmimport env __faasm_clear_appended_state
func clearAppendedStateImport(key unsafe.Pointer)

//go:wasmimport env __faasm_lock_state_read
func lockStateReadImport(key unsafe.Pointer)

//go:wasmimport env __faasm_unlock_state_read
func unlockStateReadImport(key unsafe.Pointer)

//go:wasmimport env __faasm_lock_state_write
func lockStateWriteImport(key unsafe.Pointer)

//go:wasmimport env __faasm_unlock_state_write
func unlockStateWriteImport(key unsafe.Pointer)

//go:wasmimport env __faasm_lock_state_global
func lockStateGlobalImport(key unsafe.Pointer)

//go:wasmimport env __faasm_unlock_state_global
func unlockStateGlobalImport(key unsafe.Pointer)

// z returns the address of key with a NUL behind it.
func z(key string) unsafe.Pointer { return unsafe.Pointer(unsafe.SliceData(append([]byte(key), 0))) }

func data(b []byte) unsafe.Pointer { return unsafe.Pointer(unsafe.SliceData(b)) }

func size(key string) (int, error) {
	n := readStateImport(z(key), nil, 0)
	if n < 0 {
		return 0, syscall.Errno(-n)
	}
	return int(n), nil
}

func read(key string) ([]byte, error) {
	n, err := size(key)
	if n == 0 || err != nil {
		return nil, err
	}
	value := make([]byte, n)
	got := readStateImport(z(key), data(value), uint32(n))
	if got < 0 {
		return nil, syscall.Errno(-got)
	}
	return value[:min(n, int(got))], nil
}

func readAt(key string, total, offset int, part []byte) error {
	readStateOffsetImport(z(key), int32(total), int32(offset), data(part), int32(len(part)))
	return nil
}

func write(key string, value []byte) error {
	writeStateImport(z(key), data(value), int32(len(value)))
	return nil
}

func writeAt(key string, total, offset int, part []byte) error {
	writeStateOffsetImport(z(key), int32(total), int32(offset), data(part), int32(len(part)))
	return nil
}

func push(key string) error {
	pushStateImport(z(key))
	return nil
}

func pushPartial(key string) error {
	pushStatePartialImport(z(key))
	return nil
}

func pull(key string, size int) error {
	pullStateImport(z(key), int32(size))
	return nil
}

func appendTo(key string, element []byte) error {
	appendStateImport(z(key), data(element), int32(len(element)))
	return nil
}

func readAppended(key string, count, size int) ([]byte, error) {
	elements := make([]byte, size)
	readAppendedStateImport(z(key), data(elements), int32(size), int32(count))
	return elements, nil
}

func clearAppended(key string) error {
	clearAppendedStateImport(z(key))
	return nil
}

func rlock(key string) (func(), error) {
	lockStateReadImport(z(key))
	return func() { unlockStateReadImport(z(key)) }, nil
}

func lock(key string) (func(), error) {
	lockStateWriteImport(z(key))
	return func() { unlockStateWriteImport(z(key)) }, nil
}

func lockGlobal(key string) (func(), error) {
	lockStateGlobalImport(z(key))
	return func() { unlockStateGlobalImport(z(key)) }, nil
}
