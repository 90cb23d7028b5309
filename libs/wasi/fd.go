package wasi

import "github.com/shoal-run/shoal/libs/guest"

// FdClose closes a descriptor. Closing stdin, stdout or stderr is allowed; what was written stays.
//
// Parameters
//   - fd: the descriptor
//
// Errors
//   - EBADF: fd is not open
//
// Nothing in memory changes. It is close in POSIX. See
// https://github.com/WebAssembly/WASI/blob/main/legacy/preview1/docs.md#fd_close
func (s *System) FdClose(fd uint32) Errno {
	f := s.open(fd)
	if f == nil {
		return EBADF
	}
	*f = file{}
	return ESUCCESS
}

// FdRead reads into a list of buffers, in order, until they are full or the input ends. It never blocks; at the end of the
// input it reads 0 bytes.
//
// Parameters
//   - fd: the descriptor
//   - iovs: where the list is, 8 bytes for each buffer: its address and its length in bytes
//   - iovsLen: how many buffers, at most 1024
//   - nread: where to write how many bytes were read, 4 bytes
//
// Errors
//   - EBADF: fd is not open, or is stdout or stderr
//   - ENOTCAPABLE: the guest gave up the right to read
//   - EINVAL: more than 1024 buffers, or 4 GiB or more in all
//   - EFAULT: the list, a buffer or nread is out of bounds; nothing was read
//   - EINTR: the call ended meanwhile; what was read is of no use
//
// Memory after FdRead(mem, 0, 1, 2, 26) with Stdin = "wazero" and buffers of 4 and 3 bytes at 18 and 23:
//
//	     iovs                                                          nread
//	     ┌────────── 8 bytes ────────┐┌────────── 8 bytes ────────┐    ┌ 4 bytes ┐
//	?    18 0  0  0  4  0  0  0        23 0  0  0  3  0  0  0        ? 6  0  0  0   ?
//
// with the first 4 bytes of the input at 18, the other 2 at 23, and the last byte of the second buffer left alone.
//
// It is readv in POSIX. See
// https://github.com/WebAssembly/WASI/blob/main/legacy/preview1/docs.md#fd_read
func (s *System) FdRead(mem guest.Memory, fd, iovs, iovsLen, nread uint32) Errno {
	f := s.open(fd)
	if f == nil || f.source != stdin {
		return EBADF
	}
	if f.rights&RightRead == 0 {
		return ENOTCAPABLE
	}
	v, errno := vector(mem, iovs, iovsLen)
	if errno != ESUCCESS {
		return errno
	}
	if _, ok := mem.Bytes(nread, 4); !ok {
		return EFAULT
	}
	from := s.stdinPos
	for i := range v.len() {
		b, ok := v.buffer(i)
		if !ok { // this very read changed the list
			s.stdinPos = from
			return EFAULT
		}
		n := min(len(b), len(s.Stdin)-s.stdinPos)
		if !s.Copy(b[:n], s.Stdin[s.stdinPos:][:n]) {
			s.stdinPos = from
			return EINTR
		}
		s.stdinPos += n
		if n < len(b) {
			break
		}
	}
	mem.PutUint32(nread, uint32(s.stdinPos-from))
	return ESUCCESS
}

// FdWrite writes a list of buffers, in order, whole or not at all.
//
// Parameters
//   - fd: the descriptor
//   - iovs: where the list is, 8 bytes for each buffer: its address and its length in bytes
//   - iovsLen: how many buffers, at most 1024
//   - nwritten: where to write how many bytes were written, 4 bytes
//
// Errors
//   - EBADF: fd is not open, or is stdin
//   - ENOTCAPABLE: the guest gave up the right to write
//   - EINVAL: more than 1024 buffers, or 4 GiB or more in all
//   - EFAULT: the list, a buffer or nwritten is out of bounds; nothing was written
//   - EFBIG: the stream is the call's output and has no room for all of it; nothing was written. A log takes everything
//     and drops what is over its limit
//   - EINTR: the call ended meanwhile
//
// Memory after FdWrite(mem, 1, 1, 2, 26), which wrote "sho" from 17 and "al" from 21:
//
//	     iovs                                                                 nwritten
//	     ┌─────── 8 bytes ──────┐┌─────── 8 bytes ──────┐                       ┌ 4 bytes ┐
//	?    17 0  0  0  3  0  0  0   21 0  0  0  2  0  0  0   's' 'h' 'o' ? 'a' 'l' ? ?  5  0  0  0   ?
//
// It is writev in POSIX. See
// https://github.com/WebAssembly/WASI/blob/main/legacy/preview1/docs.md#fd_write
func (s *System) FdWrite(mem guest.Memory, fd, iovs, iovsLen, nwritten uint32) Errno {
	f := s.open(fd)
	if f == nil || f.source == stdin {
		return EBADF
	}
	if f.rights&RightWrite == 0 {
		return ENOTCAPABLE
	}
	v, errno := vector(mem, iovs, iovsLen)
	if errno != ESUCCESS {
		return errno
	}
	if _, ok := mem.Bytes(nwritten, 4); !ok {
		return EFAULT
	}
	if out := s.stream(f); out != nil {
		if !out.admit(uint64(v.total)) {
			return EFBIG
		}
		for i := range v.len() {
			b, _ := v.buffer(i)
			if !out.add(b, s.Copy) {
				return EINTR
			}
		}
	}
	mem.PutUint32(nwritten, v.total)
	return ESUCCESS
}

// FdSeek moves the offset of a descriptor. stdin, stdout and stderr have none.
//
// Parameters
//   - fd: the descriptor
//   - offset: how far to move, in bytes
//   - whence: from where: 0 the start, 1 the present offset, 2 the end
//   - newoffset: where the new offset would be written, 8 bytes, in bytes from the start
//
// Errors
//   - EBADF: fd is not open
//   - EINVAL: whence is none of the above
//   - ESPIPE: always, else
//
// Nothing in memory changes. It is lseek in POSIX. See
// https://github.com/WebAssembly/WASI/blob/main/legacy/preview1/docs.md#fd_seek
func (s *System) FdSeek(mem guest.Memory, fd uint32, offset int64, whence, newoffset uint32) Errno {
	if whence > 2 {
		return s.only(fd, EINVAL)
	}
	return s.only(fd, ESPIPE)
}

// FdTell tells the offset of a descriptor. stdin, stdout and stderr have none.
//
// Parameters
//   - fd: the descriptor
//   - offset: where it would be written, 8 bytes, in bytes from the start
//
// Errors
//   - EBADF: fd is not open
//   - ESPIPE: always, else
//
// Nothing in memory changes. It is lseek(fd, 0, SEEK_CUR) in POSIX. See
// https://github.com/WebAssembly/WASI/blob/main/legacy/preview1/docs.md#fd_tell
func (s *System) FdTell(mem guest.Memory, fd, offset uint32) Errno { return s.only(fd, ESPIPE) }

// FdRenumber moves a descriptor to another number, which is closed first; the old number is free then. Afterwards, for
// example, what is written to descriptor 1 goes to stderr.
//
// Parameters
//   - fd: the descriptor to move
//   - to: its new number, an open descriptor; the same as fd changes nothing
//
// Errors
//   - EBADF: fd or to is not open
//
// Nothing in memory changes. It is dup2 followed by close in POSIX. See
// https://github.com/WebAssembly/WASI/blob/main/legacy/preview1/docs.md#fd_renumber
func (s *System) FdRenumber(fd, to uint32) Errno {
	f, t := s.open(fd), s.open(to)
	if f == nil || t == nil {
		return EBADF
	}
	if f != t {
		*t, *f = *f, file{}
	}
	return ESUCCESS
}
