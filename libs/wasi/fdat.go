package wasi

import (
	"math"

	"github.com/shoal-run/shoal/libs/guest"
)

// FdPread reads from a file at an offset, and leaves the file's own offset where it is.
//
// Parameters
//   - fd: the descriptor
//   - iovs: where the list of buffers is, as in FdRead
//   - iovsLen: how many buffers, at most 1024
//   - offset: where in the file, in bytes
//   - nread: where to write how many bytes were read, 4 bytes
//
// Errors
//   - EBADF: fd is not open
//   - ESPIPE: fd is stdin, stdout or stderr, which have no offsets
//   - EISDIR: fd is a directory
//   - ENOTCAPABLE: fd has not the rights to read and to seek
//   - EINVAL: more than 1024 buffers, 4 GiB or more in all, or an offset beyond 2⁶³-1
//   - EFAULT: the list, a buffer or nread is out of bounds
//   - EIO, EINTR: as FdRead
//
// Memory is written as by FdRead. It is preadv of Linux, or pread in POSIX. See
// https://github.com/WebAssembly/WASI/blob/main/legacy/preview1/docs.md#fd_pread
func (s *System) FdPread(mem guest.Memory, fd, iovs, iovsLen uint32, offset uint64, nread uint32) Errno {
	f, v, errno := s.positioned(mem, fd, RightRead, iovs, iovsLen, offset, nread)
	if errno != ESUCCESS {
		return errno
	}
	n, errno := s.readFile(&v, f.file, int64(offset))
	if errno == ESUCCESS {
		mem.PutUint32(nread, n)
	}
	return errno
}

// FdPwrite writes to a file at an offset, whatever its flag append says, and leaves the file's own offset where it is.
//
// Parameters
//   - fd: the descriptor
//   - iovs: where the list of buffers is, as in FdWrite
//   - iovsLen: how many buffers, at most 1024
//   - offset: where in the file, in bytes
//   - nwritten: where to write how many bytes were written, 4 bytes
//
// Errors
//   - EBADF: fd is not open
//   - ESPIPE: fd is stdin, stdout or stderr, which have no offsets
//   - EISDIR: fd is a directory
//   - ENOTCAPABLE: fd has not the rights to write and to seek
//   - EINVAL: more than 1024 buffers, 4 GiB or more in all, or an offset beyond 2⁶³-1
//   - EFAULT: the list, a buffer or nwritten is out of bounds
//   - EFBIG, EDQUOT, ENOSPC, EIO, EINTR: as FdWrite
//
// Memory is written as by FdWrite. It is pwritev of Linux, or pwrite in POSIX. See
// https://github.com/WebAssembly/WASI/blob/main/legacy/preview1/docs.md#fd_pwrite
func (s *System) FdPwrite(mem guest.Memory, fd, iovs, iovsLen uint32, offset uint64, nwritten uint32) Errno {
	f, v, errno := s.positioned(mem, fd, RightWrite, iovs, iovsLen, offset, nwritten)
	if errno != ESUCCESS {
		return errno
	}
	n, errno := s.writeFile(&v, f.file, int64(offset))
	if errno == ESUCCESS {
		mem.PutUint32(nwritten, n)
	}
	return errno
}

// positioned checks the arguments that both have.
func (s *System) positioned(mem guest.Memory, fd uint32, right uint64, iovs, n uint32, offset uint64, count uint32) (*fdesc, iovecs, Errno) {
	f, errno := s.regular(fd, right|RightSeek, ESPIPE)
	if errno != ESUCCESS {
		return nil, iovecs{}, errno
	}
	if offset > math.MaxInt64 {
		return nil, iovecs{}, EINVAL
	}
	v, errno := vector(mem, iovs, n)
	if errno != ESUCCESS {
		return nil, v, errno
	}
	if _, ok := mem.Bytes(count, 4); !ok {
		return nil, v, EFAULT
	}
	return f, v, ESUCCESS
}
