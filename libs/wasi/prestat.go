package wasi

import "github.com/shoal-run/shoal/libs/guest"

// prestatSize is the size of the description of a preopened directory in guest memory, in bytes.
const prestatSize = 8

// FdPrestatGet describes a preopened directory. C libraries ask from descriptor 3 on until they hear EBADF.
//
// Parameters
//   - fd: the descriptor
//   - prestat: where to write the description, 8 bytes
//
// Errors
//   - EBADF: fd is not open, or is not a preopened directory
//   - EFAULT: prestat is out of bounds
//
// Memory after FdPrestatGet(mem, 3, 1) of "/":
//
//	     ┌────────── 8 bytes ─────────┐
//	?    0  0  0  0  1  0  0  0     ?
//	     │           └ length of the name, in bytes
//	     └ kind (1 byte), a directory
//
// It has no cousin in POSIX. See
// https://github.com/WebAssembly/WASI/blob/main/legacy/preview1/docs.md#fd_prestat_get
func (s *System) FdPrestatGet(mem guest.Memory, fd, prestat uint32) Errno {
	f := s.open(fd)
	if f == nil || f.preopen == "" {
		return EBADF
	}
	b, ok := mem.Bytes(prestat, prestatSize)
	if !ok {
		return EFAULT
	}
	clear(b)
	guest.Memory(b).PutUint32(4, uint32(len(f.preopen)))
	return ESUCCESS
}

// FdPrestatDirName writes the name of a preopened directory, without a NUL.
//
// Parameters
//   - fd: the descriptor
//   - path: where to write the name
//   - pathLen: the size of that, in bytes; what is beyond the name is left alone
//
// Errors
//   - EBADF: fd is not open, or is not a preopened directory
//   - EFAULT: path is out of bounds
//   - ENAMETOOLONG: the name is longer than pathLen; nothing was written
//
// Memory after FdPrestatDirName(mem, 3, 1, 1):
//
//	?    '/'    ?
//
// It has no cousin in POSIX. See
// https://github.com/WebAssembly/WASI/blob/main/legacy/preview1/docs.md#fd_prestat_dir_name
func (s *System) FdPrestatDirName(mem guest.Memory, fd, path, pathLen uint32) Errno {
	f := s.open(fd)
	if f == nil || f.preopen == "" {
		return EBADF
	}
	b, ok := mem.Bytes(path, pathLen)
	if !ok {
		return EFAULT
	}
	if len(b) < len(f.preopen) {
		return ENAMETOOLONG
	}
	copy(b, f.preopen)
	return ESUCCESS
}
