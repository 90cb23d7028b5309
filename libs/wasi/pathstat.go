package wasi

import (
	"github.com/shoal-run/shoal/libs/guest"
	"github.com/shoal-run/shoal/libs/vfs"
)

// PathFilestatGet writes the attributes of a file or directory.
//
// Parameters
//   - fd: the directory
//   - flags: 1 = follow a symbolic link at the end of the path
//   - path: where the path is, in UTF-8, without a NUL
//   - pathLen: its length in bytes
//   - stat: where to write them, 64 bytes, as FdFilestatGet does
//
// Errors, beside those of a path (see PathCreateDirectory)
//   - EBADF: fd is not open
//   - ENOTDIR: fd, or with a slash after the path what is there, is no directory
//   - ENOTCAPABLE: fd has not the right
//   - EINVAL: a flag that does not exist
//   - EFAULT: path or stat is out of bounds
//
// It is fstatat in POSIX. See
// https://github.com/WebAssembly/WASI/blob/main/legacy/preview1/docs.md#path_filestat_get
func (s *System) PathFilestatGet(mem guest.Memory, fd, flags, path, pathLen, stat uint32) Errno {
	d, name, errno := s.at(mem, fd, RightPathFilestatGet, path, pathLen)
	switch {
	case errno != ESUCCESS:
		return errno
	case flags&^lookupFollow != 0:
		return EINVAL
	}
	b, ok := mem.Bytes(stat, filestatSize)
	if !ok {
		return EFAULT
	}
	st, e := s.tree().Stat(d.handle, name, flags&lookupFollow != 0)
	if e != vfs.OK {
		return errnoOf(e)
	}
	s.putStat(b, st)
	return ESUCCESS
}

// PathFilestatSetTimes sets the times of a file or directory.
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
// Errors, beside those of a path (see PathCreateDirectory)
//   - EBADF: fd is not open
//   - ENOTDIR: fd, or with a slash after the path what is there, is no directory
//   - ENOTCAPABLE: fd has not the right
//   - EINVAL: a flag that does not exist, or one time to a value and to now
//   - ENOSPC: it is a shared file, for whose change the limit of files has no room
//
// Nothing in memory changes. It is utimensat in POSIX. See
// https://github.com/WebAssembly/WASI/blob/main/legacy/preview1/docs.md#path_filestat_set_times
func (s *System) PathFilestatSetTimes(mem guest.Memory, fd, flags, path, pathLen uint32, atim, mtim uint64, fstFlags uint32) Errno {
	d, name, errno := s.at(mem, fd, RightPathSetTimes, path, pathLen)
	switch {
	case errno != ESUCCESS:
		return errno
	case flags&^lookupFollow != 0:
		return EINVAL
	}
	accessed, modified, errno := times(atim, mtim, fstFlags)
	if errno != ESUCCESS {
		return errno
	}
	return errnoOf(s.tree().SetTimes(d.handle, name, flags&lookupFollow != 0, accessed, modified))
}
