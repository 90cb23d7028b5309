package wasi

import (
	"github.com/shoal-run/shoal/libs/guest"
	"github.com/shoal-run/shoal/libs/vfs"
)

// FdClose closes a descriptor. Closing stdin, stdout, stderr or a preopened directory is allowed; what was written stays.
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
	if s.open(fd) == nil {
		return EBADF
	}
	s.release(fd)
	return ESUCCESS
}

// FdRead reads into a list of buffers, in order, until they are full or the input or file ends. It never blocks, but for a
// shared file that is fetched the first time; at the end it reads 0 bytes. In a file it moves the offset.
//
// Parameters
//   - fd: the descriptor
//   - iovs: where the list is, 8 bytes for each buffer: its address and its length in bytes
//   - iovsLen: how many buffers, at most 1024
//   - nread: where to write how many bytes were read, 4 bytes
//
// Errors
//   - EBADF: fd is not open, or is stdout or stderr
//   - EISDIR: fd is a directory
//   - ENOTCAPABLE: fd has not the right to read
//   - EINVAL: more than 1024 buffers, or 4 GiB or more in all
//   - EFAULT: the list, a buffer or nread is out of bounds; nothing was read
//   - EIO: a shared file can't be fetched
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
	if f == nil || f.source == stdout || f.source == stderr {
		return EBADF
	}
	if f.source == directory {
		return EISDIR
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
	var n uint32
	if f.source == regular {
		if n, errno = s.readFile(&v, f.file, f.pos); errno == ESUCCESS {
			f.pos += int64(n)
		}
	} else {
		n, errno = s.readStdin(&v)
	}
	if errno == ESUCCESS {
		mem.PutUint32(nread, n)
	}
	return errno
}

// readStdin reads from stdin into buffers.
func (s *System) readStdin(v *iovecs) (uint32, Errno) {
	from := s.stdinPos
	for i := range v.len() {
		b, ok := v.buffer(i)
		if !ok { // this very read changed the list
			s.stdinPos = from
			return 0, EFAULT
		}
		if i > 0 && s.interrupted() { // each may be short enough not to ask
			s.stdinPos = from
			return 0, EINTR
		}
		n := min(len(b), len(s.Stdin)-s.stdinPos)
		if !s.Copy(b[:n], s.Stdin[s.stdinPos:][:n]) {
			s.stdinPos = from
			return 0, EINTR
		}
		s.stdinPos += n
		if n < len(b) {
			break
		}
	}
	return uint32(s.stdinPos - from), ESUCCESS
}

// readFile reads from a file into buffers, from an offset on.
func (s *System) readFile(v *iovecs, f *file, pos int64) (total uint32, _ Errno) {
	for i := range v.len() {
		b, ok := v.buffer(i)
		if !ok { // this very read changed the list
			return 0, EFAULT
		}
		if i > 0 && s.interrupted() {
			return 0, EINTR
		}
		n, errno := f.handle.ReadAt(s.ctx(), b, pos)
		if errno != vfs.OK {
			return 0, errnoOf(errno)
		}
		total += uint32(n)
		pos += int64(n)
		if n < len(b) {
			break
		}
	}
	return total, ESUCCESS
}

// FdWrite writes a list of buffers, in order: to stdout and stderr whole or not at all, to a file as much as its limit has room
// for. In a file it moves the offset, which is the end of the file before the write when the flag append is set.
//
// Parameters
//   - fd: the descriptor
//   - iovs: where the list is, 8 bytes for each buffer: its address and its length in bytes
//   - iovsLen: how many buffers, at most 1024
//   - nwritten: where to write how many bytes were written, 4 bytes
//
// Errors
//   - EBADF: fd is not open, or is stdin
//   - EISDIR: fd is a directory
//   - ENOTCAPABLE: fd has not the right to write
//   - EINVAL: more than 1024 buffers, or 4 GiB or more in all
//   - EFAULT: the list, a buffer or nwritten is out of bounds; nothing was written
//   - EFBIG: the stream is the call's output and has no room for all of it; nothing was written. A log takes everything
//     and drops what is over its limit. Or a file would have more than 1 TiB
//   - EDQUOT, ENOSPC: the limit of bytes, or of files, has no room for any of it
//   - EIO: a shared file that is changed can't be fetched
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
	if f.source == directory {
		return EISDIR
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
	n := v.total
	if f.source == regular {
		if f.flags&FlagAppend != 0 {
			f.pos = f.handle.Size()
		}
		if n, errno = s.writeFile(&v, f.file, f.pos); errno != ESUCCESS {
			return errno
		}
		f.pos += int64(n)
	} else if out := s.stream(f.file); out != nil {
		if !out.admit(uint64(v.total)) {
			return EFBIG
		}
		for i := range v.len() {
			b, _ := v.buffer(i)
			if i > 0 && s.interrupted() || !out.add(b, s.Copy) {
				return EINTR
			}
		}
	}
	mem.PutUint32(nwritten, n)
	return ESUCCESS
}

// writeFile writes buffers to a file, from an offset on. It fails only when nothing was written.
func (s *System) writeFile(v *iovecs, f *file, pos int64) (total uint32, _ Errno) {
	for i := range v.len() {
		b, _ := v.buffer(i)
		if i > 0 && s.interrupted() {
			return 0, EINTR
		}
		n, errno := f.handle.WriteAt(s.ctx(), b, pos)
		if errno != vfs.OK && (total == 0 || errno == vfs.EINTR) {
			return 0, errnoOf(errno)
		}
		total += uint32(n)
		pos += int64(n)
		if n < len(b) {
			break
		}
	}
	return total, ESUCCESS
}

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
	if s.open(fd) == nil || s.open(to) == nil {
		return EBADF
	}
	if fd != to {
		moved := s.table[fd]
		moved.refs++
		s.release(to)
		s.table[to] = moved
		s.release(fd)
	}
	return ESUCCESS
}
