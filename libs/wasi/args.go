package wasi

import (
	"math"

	"github.com/shoal-run/shoal/libs/guest"
)

// ArgsGet writes the arguments: their addresses, then their bytes, each ended by a NUL.
//
// Parameters
//   - argv: where to write the addresses, 4 bytes for each argument
//   - argvBuf: where to write the bytes; ArgsSizesGet says how many
//
// Errors
//   - EFAULT: either area is out of bounds; nothing was written
//
// Memory after ArgsGet(mem, 7, 1) with Args = ["a", "bc"]:
//
//	     argvBuf              argv
//	     ┌─── 5 bytes ───┐    ┌────── 8 bytes ──────┐
//	?    'a' 0 'b' 'c' 0   ?  1  0  0  0  3  0  0  0    ?
//	                          └ "a"       └ "bc"
//
// It is what main is called with in POSIX. See
// https://github.com/WebAssembly/WASI/blob/main/legacy/preview1/docs.md#args_get
func (s *System) ArgsGet(mem guest.Memory, argv, argvBuf uint32) Errno {
	s.own = true
	return putStrings(mem, s.Args, argv, argvBuf)
}

// ArgsSizesGet writes how many arguments there are and how many bytes they need, NULs included.
//
// Parameters
//   - argc: where to write the count, 4 bytes
//   - argvBufSize: where to write the size, 4 bytes, in bytes
//
// Errors
//   - EFAULT: either address is out of bounds; nothing was written
//   - EOVERFLOW: they need 4 GiB or more
//
// Memory after ArgsSizesGet(mem, 1, 6) with Args = ["a", "bc"]:
//
//	     ┌─ 4 bytes ┐     ┌─ 4 bytes ┐
//	?    2  0  0  0    ?  5  0  0  0    ?
//	     └ argc           └ argvBufSize
//
// It has no cousin in POSIX. See
// https://github.com/WebAssembly/WASI/blob/main/legacy/preview1/docs.md#args_sizes_get
func (s *System) ArgsSizesGet(mem guest.Memory, argc, argvBufSize uint32) Errno {
	s.own = true
	return putSizes(mem, s.Args, argc, argvBufSize)
}

// putStrings writes list as C strings from buf on, and their addresses from ptrs on.
func putStrings(mem guest.Memory, list []string, ptrs, buf uint32) Errno {
	size := stringsSize(list)
	if size > math.MaxUint32 || uint64(len(list))*4 > math.MaxUint32 {
		return EFAULT
	}
	table, ok := mem.Bytes(ptrs, uint32(len(list))*4)
	if !ok {
		return EFAULT
	}
	text, ok := mem.Bytes(buf, uint32(size))
	if !ok {
		return EFAULT
	}
	at := buf
	for i, v := range list {
		guest.Memory(table).PutUint32(uint32(i)*4, at)
		n := copy(text, v)
		text[n] = 0
		text = text[n+1:]
		at += uint32(n) + 1
	}
	return ESUCCESS
}

// putSizes writes the number of strings in list and the bytes they need.
func putSizes(mem guest.Memory, list []string, count, size uint32) Errno {
	n := stringsSize(list)
	if n > math.MaxUint32 {
		return EOVERFLOW
	}
	if _, ok := mem.Bytes(count, 4); !ok {
		return EFAULT
	}
	if !mem.PutUint32(size, uint32(n)) {
		return EFAULT
	}
	mem.PutUint32(count, uint32(len(list)))
	return ESUCCESS
}

// stringsSize returns how many bytes list needs as C strings.
func stringsSize(list []string) uint64 {
	n := uint64(len(list))
	for _, v := range list {
		n += uint64(len(v))
	}
	return n
}
