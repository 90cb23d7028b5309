package wasi

import "github.com/shoal-run/shoal/libs/vfs"

// Functions for open files. stdin, stdout and stderr answer what POSIX answers for a pipe.

// FdAdvise tells how a range of a file will be used. It has no effect: files are in memory, or in a cache on this machine.
//
// Parameters
//   - fd: the descriptor
//   - offset: where the range starts, in bytes
//   - length: how long it is, in bytes; 0 is to the end
//   - advice: 0 normal, 1 sequential, 2 random, 3 willneed, 4 dontneed, 5 noreuse
//
// Errors
//   - EBADF: fd is not open
//   - EINVAL: advice is none of the above
//   - ESPIPE: fd is stdin, stdout or stderr, which have no ranges
//   - EISDIR: fd is a directory
//   - ENOTCAPABLE: fd has not the right to advise
//
// Nothing in memory changes. It is posix_fadvise in POSIX. See
// https://github.com/WebAssembly/WASI/blob/main/legacy/preview1/docs.md#fd_advise
func (s *System) FdAdvise(fd uint32, offset, length uint64, advice uint32) Errno {
	if advice > 5 {
		return s.only(fd, EINVAL)
	}
	_, errno := s.regular(fd, RightAdvise, ESPIPE)
	return errno
}

// FdAllocate makes sure that a range of a file has space. The file grows to the end of the range; what is in it stays.
//
// Parameters
//   - fd: the descriptor
//   - offset: where the range starts, in bytes
//   - length: how long it is, in bytes
//
// Errors
//   - EBADF: fd is not open
//   - ESPIPE: fd is stdin, stdout or stderr, which have no ranges
//   - EISDIR: fd is a directory
//   - ENOTCAPABLE: fd has not the right to allocate
//   - EINVAL: length is 0
//   - EFBIG: the range ends beyond 1 TiB
//   - EDQUOT, ENOSPC: the limit of bytes, or of files, has no room for it
//   - EIO, EINTR: as FdWrite
//
// Nothing in memory changes. It is posix_fallocate in POSIX. See
// https://github.com/WebAssembly/WASI/blob/main/legacy/preview1/docs.md#fd_allocate
func (s *System) FdAllocate(fd uint32, offset, length uint64) Errno {
	f, errno := s.regular(fd, RightAllocate, ESPIPE)
	switch {
	case errno != ESUCCESS:
		return errno
	case offset > vfs.MaxFile || length > vfs.MaxFile:
		return EFBIG
	}
	return errnoOf(f.handle.Allocate(s.ctx(), int64(offset), int64(length)))
}

// FdDatasync makes the data of a file safe on its device. There is none: a call's files end with it, and until then it sees what it
// wrote.
//
// Parameters
//   - fd: the descriptor
//
// Errors
//   - EBADF: fd is not open
//   - EINVAL: fd is stdin, stdout or stderr, which have no device
//   - ENOTCAPABLE: fd has not the right to do so
//
// Nothing in memory changes. It is fdatasync in POSIX. See
// https://github.com/WebAssembly/WASI/blob/main/legacy/preview1/docs.md#fd_datasync
func (s *System) FdDatasync(fd uint32) Errno { return s.sync(fd, RightDatasync) }

// FdSync makes the data and attributes of a file safe on its device, as FdDatasync.
//
// Parameters
//   - fd: the descriptor
//
// Errors
//   - EBADF: fd is not open
//   - EINVAL: fd is stdin, stdout or stderr, which have no device
//   - ENOTCAPABLE: fd has not the right to do so
//
// Nothing in memory changes. It is fsync in POSIX. See
// https://github.com/WebAssembly/WASI/blob/main/legacy/preview1/docs.md#fd_sync
func (s *System) FdSync(fd uint32) Errno { return s.sync(fd, RightSync) }

// sync answers for both.
func (s *System) sync(fd uint32, right uint64) Errno {
	f := s.open(fd)
	switch {
	case f == nil:
		return EBADF
	case f.source != regular && f.source != directory:
		return EINVAL
	case f.rights&right == 0:
		return ENOTCAPABLE
	}
	return ESUCCESS
}

// FdFilestatSetSize sets the size of a file: what is beyond is gone, what is new is zero and takes no space.
//
// Parameters
//   - fd: the descriptor
//   - size: the new size, in bytes
//
// Errors
//   - EBADF: fd is not open
//   - EINVAL: fd is stdin, stdout or stderr, which have no size
//   - EISDIR: fd is a directory
//   - ENOTCAPABLE: fd has not the right to set the size
//   - EFBIG: size is over 1 TiB
//   - ENOSPC: it is a shared file, for whose change the limit of files has no room
//   - EINTR: the call ended meanwhile
//
// Nothing in memory changes. It is ftruncate in POSIX. See
// https://github.com/WebAssembly/WASI/blob/main/legacy/preview1/docs.md#fd_filestat_set_size
func (s *System) FdFilestatSetSize(fd uint32, size uint64) Errno {
	f, errno := s.regular(fd, RightSetSize, EINVAL)
	if errno != ESUCCESS {
		return errno
	}
	return errnoOf(f.handle.Truncate(s.ctx(), int64(min(size, vfs.MaxFile+1))))
}

// FdFilestatSetTimes sets the times of a file or directory.
//
// Parameters
//   - fd: the descriptor
//   - atim: of the last access, in nanoseconds since 1970
//   - mtim: of the last modification, likewise
//   - fstFlags: which to set: 1 atim, 2 access to now, 4 mtim, 8 modification to now
//
// Errors
//   - EBADF: fd is not open
//   - ENOTSUP: fd is stdin, stdout or stderr, which keep no times
//   - ENOTCAPABLE: fd has not the right to set times
//   - EINVAL: a flag that does not exist, or one time to a value and to now
//   - ENOSPC: it is a shared file, for whose change the limit of files has no room
//
// Nothing in memory changes. It is futimens in POSIX. See
// https://github.com/WebAssembly/WASI/blob/main/legacy/preview1/docs.md#fd_filestat_set_times
func (s *System) FdFilestatSetTimes(fd uint32, atim, mtim uint64, fstFlags uint32) Errno {
	f := s.open(fd)
	switch {
	case f == nil:
		return EBADF
	case f.source != regular && f.source != directory:
		return ENOTSUP
	case f.rights&RightSetTimes == 0:
		return ENOTCAPABLE
	}
	accessed, modified, errno := times(atim, mtim, fstFlags)
	if errno != ESUCCESS {
		return errno
	}
	if f.source == directory {
		if f, errno = s.dir(fd, 0); errno != ESUCCESS {
			return errno
		}
	}
	return errnoOf(f.handle.SetTimes(accessed, modified))
}
