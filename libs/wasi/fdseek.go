package wasi

import "github.com/shoal-run/shoal/libs/guest"

// FdSeek moves the offset of a file. It may lie beyond the end; what is written there leaves a hole of zeros.
//
// Parameters
//   - fd: the descriptor
//   - offset: how far to move, in bytes
//   - whence: from where: 0 the start, 1 the present offset, 2 the end
//   - newoffset: where to write the new offset, 8 bytes, in bytes from the start
//
// Errors
//   - EBADF: fd is not open
//   - EINVAL: whence is none of the above, or the new offset would be negative, or beyond 2⁶³-1
//   - ESPIPE: fd is stdin, stdout or stderr, which have none
//   - EISDIR: fd is a directory
//   - ENOTCAPABLE: fd has not the right to seek; to ask for the present offset takes the right to tell it alone
//   - EFAULT: newoffset is out of bounds; the offset did not move
//
// Memory after FdSeek(mem, 4, 2, 0, 1):
//
//	     ┌────────── 8 bytes ─────────┐
//	?    2  0  0  0  0  0  0  0     ?
//
// It is lseek in POSIX. See
// https://github.com/WebAssembly/WASI/blob/main/legacy/preview1/docs.md#fd_seek
func (s *System) FdSeek(mem guest.Memory, fd uint32, offset int64, whence, newoffset uint32) Errno {
	if whence > 2 {
		return s.only(fd, EINVAL)
	}
	f, errno := s.regular(fd, 0, ESPIPE)
	switch {
	case errno != ESUCCESS:
		return errno
	case f.rights&RightSeek == 0 && (f.rights&RightTell == 0 || offset != 0 || whence != 1):
		return ENOTCAPABLE
	}
	from := [...]int64{0, f.pos, f.handle.Size()}[whence]
	to := from + offset
	if to < 0 { // no sum of an offset, which is not negative, and another passes 2⁶⁴
		return EINVAL
	}
	if !mem.PutUint64(newoffset, uint64(to)) {
		return EFAULT
	}
	f.pos = to
	return ESUCCESS
}

// FdTell tells the offset of a file.
//
// Parameters
//   - fd: the descriptor
//   - offset: where to write it, 8 bytes, in bytes from the start
//
// Errors
//   - EBADF: fd is not open
//   - ESPIPE: fd is stdin, stdout or stderr, which have none
//   - EISDIR: fd is a directory
//   - ENOTCAPABLE: fd has neither the right to tell it nor the right to seek
//   - EFAULT: offset is out of bounds
//
// Memory is written as by FdSeek. It is lseek(fd, 0, SEEK_CUR) in POSIX. See
// https://github.com/WebAssembly/WASI/blob/main/legacy/preview1/docs.md#fd_tell
func (s *System) FdTell(mem guest.Memory, fd, offset uint32) Errno {
	f, errno := s.regular(fd, 0, ESPIPE)
	switch {
	case errno != ESUCCESS:
		return errno
	case f.rights&(RightTell|RightSeek) == 0:
		return ENOTCAPABLE
	}
	if !mem.PutUint64(offset, uint64(f.pos)) {
		return EFAULT
	}
	return ESUCCESS
}
