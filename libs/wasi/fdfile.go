package wasi

import "github.com/shoal-run/shoal/libs/guest"

// Functions for regular files and directories. Only stdio is open so far, so that each answers what POSIX answers for a
// pipe.

// FdAdvise tells how a range of a file will be used.
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
//   - ESPIPE: always, else: a pipe has no ranges
//
// Nothing in memory changes. It is posix_fadvise in POSIX. See
// https://github.com/WebAssembly/WASI/blob/main/legacy/preview1/docs.md#fd_advise
func (s *System) FdAdvise(fd uint32, offset, length uint64, advice uint32) Errno {
	return s.advise(fd, advice)
}

func (s *System) advise(fd, advice uint32) Errno {
	if advice > 5 {
		return s.only(fd, EINVAL)
	}
	return s.only(fd, ESPIPE)
}

// FdAllocate makes sure that a range of a file has space.
//
// Parameters
//   - fd: the descriptor
//   - offset: where the range starts, in bytes
//   - length: how long it is, in bytes
//
// Errors
//   - EBADF: fd is not open
//   - ESPIPE: always, else: a pipe has no ranges
//
// Nothing in memory changes. It is posix_fallocate in POSIX. See
// https://github.com/WebAssembly/WASI/blob/main/legacy/preview1/docs.md#fd_allocate
func (s *System) FdAllocate(fd uint32, offset, length uint64) Errno { return s.only(fd, ESPIPE) }

// FdDatasync makes the data of a file safe on its device.
//
// Parameters
//   - fd: the descriptor
//
// Errors
//   - EBADF: fd is not open
//   - EINVAL: always, else: a pipe has no device
//
// Nothing in memory changes. It is fdatasync in POSIX. See
// https://github.com/WebAssembly/WASI/blob/main/legacy/preview1/docs.md#fd_datasync
func (s *System) FdDatasync(fd uint32) Errno { return s.only(fd, EINVAL) }

// FdSync makes the data and attributes of a file safe on its device.
//
// Parameters
//   - fd: the descriptor
//
// Errors
//   - EBADF: fd is not open
//   - EINVAL: always, else: a pipe has no device
//
// Nothing in memory changes. It is fsync in POSIX. See
// https://github.com/WebAssembly/WASI/blob/main/legacy/preview1/docs.md#fd_sync
func (s *System) FdSync(fd uint32) Errno { return s.only(fd, EINVAL) }

// FdFilestatSetSize sets the size of a file.
//
// Parameters
//   - fd: the descriptor
//   - size: the new size, in bytes
//
// Errors
//   - EBADF: fd is not open
//   - EINVAL: always, else: a pipe has no size
//
// Nothing in memory changes. It is ftruncate in POSIX. See
// https://github.com/WebAssembly/WASI/blob/main/legacy/preview1/docs.md#fd_filestat_set_size
func (s *System) FdFilestatSetSize(fd uint32, size uint64) Errno { return s.only(fd, EINVAL) }

// FdFilestatSetTimes sets the times of a file.
//
// Parameters
//   - fd: the descriptor
//   - atim: of the last access, in nanoseconds since 1970
//   - mtim: of the last modification, likewise
//   - fstFlags: which to set: 1 atim, 2 access to now, 4 mtim, 8 modification to now
//
// Errors
//   - EBADF: fd is not open
//   - ENOTSUP: always, else: stdio keeps no times
//
// Nothing in memory changes. It is futimens in POSIX. See
// https://github.com/WebAssembly/WASI/blob/main/legacy/preview1/docs.md#fd_filestat_set_times
func (s *System) FdFilestatSetTimes(fd uint32, atim, mtim uint64, fstFlags uint32) Errno {
	return s.only(fd, ENOTSUP)
}

// FdPread reads from a file at an offset.
//
// Parameters
//   - fd: the descriptor
//   - iovs: where the list of buffers is, as in FdRead
//   - iovsLen: how many buffers
//   - offset: where in the file, in bytes
//   - nread: where the number of bytes read would be written, 4 bytes
//
// Errors
//   - EBADF: fd is not open
//   - ESPIPE: always, else: a pipe has no offsets
//
// Nothing in memory changes. It is preadv of Linux, or pread in POSIX. See
// https://github.com/WebAssembly/WASI/blob/main/legacy/preview1/docs.md#fd_pread
func (s *System) FdPread(mem guest.Memory, fd, iovs, iovsLen uint32, offset uint64, nread uint32) Errno {
	return s.only(fd, ESPIPE)
}

// FdPwrite writes to a file at an offset.
//
// Parameters
//   - fd: the descriptor
//   - iovs: where the list of buffers is, as in FdRead
//   - iovsLen: how many buffers
//   - offset: where in the file, in bytes
//   - nwritten: where the number of bytes written would be written, 4 bytes
//
// Errors
//   - EBADF: fd is not open
//   - ESPIPE: always, else: a pipe has no offsets
//
// Nothing in memory changes. It is pwritev of Linux, or pwrite in POSIX. See
// https://github.com/WebAssembly/WASI/blob/main/legacy/preview1/docs.md#fd_pwrite
func (s *System) FdPwrite(mem guest.Memory, fd, iovs, iovsLen uint32, offset uint64, nwritten uint32) Errno {
	return s.only(fd, ESPIPE)
}

// FdReaddir reads the entries of a directory.
//
// Parameters
//   - fd: the descriptor
//   - buf: where entries would be written
//   - bufLen: its length in bytes
//   - cookie: where in the directory to start; 0 is the first entry
//   - bufused: where the number of bytes used would be written, 4 bytes
//
// Errors
//   - EBADF: fd is not open
//   - ENOTDIR: always, else
//
// Nothing in memory changes. It is readdir in POSIX. See
// https://github.com/WebAssembly/WASI/blob/main/legacy/preview1/docs.md#fd_readdir
func (s *System) FdReaddir(mem guest.Memory, fd, buf, bufLen uint32, cookie uint64, bufused uint32) Errno {
	return s.only(fd, ENOTDIR)
}
