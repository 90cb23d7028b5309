package wasi

import "github.com/shoal-run/shoal/libs/guest"

// Functions that resolve a path beneath an open directory. No directory is open so far, so that the descriptor decides
// each answer before a path is looked at.

// PathCreateDirectory makes a directory.
//
// Parameters
//   - fd: the directory
//   - path: where the path is, in UTF-8, without a NUL
//   - pathLen: its length in bytes
//
// Errors
//   - EBADF: fd is not open
//   - ENOTDIR: always, else: stdio is no directory
//
// Nothing in memory changes. It is mkdirat in POSIX. See
// https://github.com/WebAssembly/WASI/blob/main/legacy/preview1/docs.md#path_create_directory
func (s *System) PathCreateDirectory(mem guest.Memory, fd, path, pathLen uint32) Errno {
	return s.only(fd, ENOTDIR)
}

// PathFilestatGet writes the attributes of a file.
//
// Parameters
//   - fd: the directory
//   - flags: 1 = follow a symbolic link at the end of the path
//   - path: where the path is, in UTF-8, without a NUL
//   - pathLen: its length in bytes
//   - stat: where they would be written, 64 bytes, as in FdFilestatGet
//
// Errors
//   - EBADF: fd is not open
//   - ENOTDIR: always, else: stdio is no directory
//
// Nothing in memory changes. It is fstatat in POSIX. See
// https://github.com/WebAssembly/WASI/blob/main/legacy/preview1/docs.md#path_filestat_get
func (s *System) PathFilestatGet(mem guest.Memory, fd, flags, path, pathLen, stat uint32) Errno {
	return s.only(fd, ENOTDIR)
}

// PathFilestatSetTimes sets the times of a file.
//
// Parameters
//   - fd: the directory
//   - flags: 1 = follow a symbolic link at the end of the path
//   - path: where the path is, in UTF-8, without a NUL
//   - pathLen: its length in bytes
//   - atim: of the last access, in nanoseconds since 1970
//   - mtim: of the last modification, likewise
//   - fstFlags: which to set, as in FdFilestatSetTimes
//
// Errors
//   - EBADF: fd is not open
//   - ENOTDIR: always, else: stdio is no directory
//
// Nothing in memory changes. It is utimensat in POSIX. See
// https://github.com/WebAssembly/WASI/blob/main/legacy/preview1/docs.md#path_filestat_set_times
func (s *System) PathFilestatSetTimes(mem guest.Memory, fd, flags, path, pathLen uint32, atim, mtim uint64, fstFlags uint32) Errno {
	return s.only(fd, ENOTDIR)
}

// PathLink makes a hard link.
//
// Parameters
//   - oldFd: the directory of the file
//   - oldFlags: 1 = follow a symbolic link at the end of the old path
//   - oldPath, oldPathLen: where the path of the file is, and its length in bytes
//   - newFd: the directory of the link
//   - newPath, newPathLen: where the path of the link is, and its length in bytes
//
// Errors
//   - EBADF: oldFd is not open
//   - ENOTDIR: always, else: stdio is no directory
//
// Nothing in memory changes. It is linkat in POSIX. See
// https://github.com/WebAssembly/WASI/blob/main/legacy/preview1/docs.md#path_link
func (s *System) PathLink(mem guest.Memory, oldFd, oldFlags, oldPath, oldPathLen, newFd, newPath, newPathLen uint32) Errno {
	return s.only(oldFd, ENOTDIR)
}

// PathOpen opens a file or a directory.
//
// Parameters
//   - fd: the directory
//   - dirflags: 1 = follow a symbolic link at the end of the path
//   - path: where the path is, in UTF-8, without a NUL
//   - pathLen: its length in bytes
//   - oflags: 1 create, 2 only a directory, 4 only if it does not exist, 8 truncate
//   - rightsBase: the rights of the new descriptor, Right… or-ed together
//   - rightsInheriting: the rights of descriptors made from it
//   - fdflags: its flags, Flag… or-ed together
//   - openedFd: where the descriptor would be written, 4 bytes
//
// Errors
//   - EBADF: fd is not open
//   - ENOTDIR: always, else: stdio is no directory
//
// Nothing in memory changes. It is openat in POSIX. See
// https://github.com/WebAssembly/WASI/blob/main/legacy/preview1/docs.md#path_open
func (s *System) PathOpen(mem guest.Memory, fd, dirflags, path, pathLen, oflags uint32, rightsBase, rightsInheriting uint64, fdflags, openedFd uint32) Errno {
	return s.only(fd, ENOTDIR)
}

// PathReadlink reads the target of a symbolic link.
//
// Parameters
//   - fd: the directory
//   - path: where the path is, in UTF-8, without a NUL
//   - pathLen: its length in bytes
//   - buf: where the target would be written
//   - bufLen: its length in bytes
//   - bufused: where the number of bytes used would be written, 4 bytes
//
// Errors
//   - EBADF: fd is not open
//   - ENOTDIR: always, else: stdio is no directory
//
// Nothing in memory changes. It is readlinkat in POSIX. See
// https://github.com/WebAssembly/WASI/blob/main/legacy/preview1/docs.md#path_readlink
func (s *System) PathReadlink(mem guest.Memory, fd, path, pathLen, buf, bufLen, bufused uint32) Errno {
	return s.only(fd, ENOTDIR)
}

// PathRemoveDirectory removes an empty directory.
//
// Parameters
//   - fd: the directory
//   - path: where the path is, in UTF-8, without a NUL
//   - pathLen: its length in bytes
//
// Errors
//   - EBADF: fd is not open
//   - ENOTDIR: always, else: stdio is no directory
//
// Nothing in memory changes. It is unlinkat with AT_REMOVEDIR in POSIX. See
// https://github.com/WebAssembly/WASI/blob/main/legacy/preview1/docs.md#path_remove_directory
func (s *System) PathRemoveDirectory(mem guest.Memory, fd, path, pathLen uint32) Errno {
	return s.only(fd, ENOTDIR)
}

// PathRename moves a file or directory.
//
// Parameters
//   - oldFd: the directory of the file
//   - oldPath, oldPathLen: where its path is, and its length in bytes
//   - newFd: the directory it goes to
//   - newPath, newPathLen: where its new path is, and its length in bytes
//
// Errors
//   - EBADF: oldFd is not open
//   - ENOTDIR: always, else: stdio is no directory
//
// Nothing in memory changes. It is renameat in POSIX. See
// https://github.com/WebAssembly/WASI/blob/main/legacy/preview1/docs.md#path_rename
func (s *System) PathRename(mem guest.Memory, oldFd, oldPath, oldPathLen, newFd, newPath, newPathLen uint32) Errno {
	return s.only(oldFd, ENOTDIR)
}

// PathSymlink makes a symbolic link.
//
// Parameters
//   - oldPath, oldPathLen: where the target is, and its length in bytes
//   - fd: the directory of the link
//   - newPath, newPathLen: where the path of the link is, and its length in bytes
//
// Errors
//   - EBADF: fd is not open
//   - ENOTDIR: always, else: stdio is no directory
//
// Nothing in memory changes. It is symlinkat in POSIX. See
// https://github.com/WebAssembly/WASI/blob/main/legacy/preview1/docs.md#path_symlink
func (s *System) PathSymlink(mem guest.Memory, oldPath, oldPathLen, fd, newPath, newPathLen uint32) Errno {
	return s.only(fd, ENOTDIR)
}

// PathUnlinkFile removes a file.
//
// Parameters
//   - fd: the directory
//   - path: where the path is, in UTF-8, without a NUL
//   - pathLen: its length in bytes
//
// Errors
//   - EBADF: fd is not open
//   - ENOTDIR: always, else: stdio is no directory
//
// Nothing in memory changes. It is unlinkat in POSIX. See
// https://github.com/WebAssembly/WASI/blob/main/legacy/preview1/docs.md#path_unlink_file
func (s *System) PathUnlinkFile(mem guest.Memory, fd, path, pathLen uint32) Errno {
	return s.only(fd, ENOTDIR)
}
