package wasi

import (
	"github.com/shoal-run/shoal/libs/guest"
	"github.com/shoal-run/shoal/libs/vfs"
)

// Functions that make and remove names beneath an open directory. Those that read attributes are in pathstat.go.

// at returns a directory with rights and a path beneath it.
func (s *System) at(mem guest.Memory, fd uint32, rights uint64, off, n uint32) (*fdesc, string, Errno) {
	d, errno := s.dir(fd, rights)
	if errno != ESUCCESS {
		return nil, "", errno
	}
	name, errno := path(mem, off, n)
	return d, name, errno
}

// PathCreateDirectory makes a directory.
//
// Parameters
//   - fd: the directory it is made in
//   - path: where the path is, in UTF-8, without a NUL
//   - pathLen: its length in bytes
//
// Errors
//   - EBADF: fd is not open
//   - ENOTDIR: fd, or something on the path, is no directory
//   - ENOTCAPABLE: fd has not the right; or the path leads out of fd: it is absolute, ".." or a symbolic link leads above it
//   - EFAULT: the path is out of bounds
//   - EINVAL, EILSEQ: the path has a NUL, or is not UTF-8
//   - ENAMETOOLONG: the path is longer than 4096 bytes, or a name in it than 255
//   - ENOENT: the path is empty, or a directory on it is not there
//   - ELOOP: there are more than 40 symbolic links on the path
//   - EEXIST: something is there
//   - ENOSPC: the limit of files has no room for it
//
// Nothing in memory changes. It is mkdirat in POSIX. See
// https://github.com/WebAssembly/WASI/blob/main/legacy/preview1/docs.md#path_create_directory
func (s *System) PathCreateDirectory(mem guest.Memory, fd, path, pathLen uint32) Errno {
	d, name, errno := s.at(mem, fd, RightPathCreateDirectory, path, pathLen)
	if errno != ESUCCESS {
		return errno
	}
	return errnoOf(s.tree().Mkdir(d.handle, name))
}

// PathRemoveDirectory removes an empty directory.
//
// Parameters
//   - fd: the directory it is in
//   - path: where the path is, in UTF-8, without a NUL
//   - pathLen: its length in bytes
//
// Errors, beside those of a path (see PathCreateDirectory)
//   - EBADF: fd is not open
//   - ENOTDIR: fd, or what is there, is no directory
//   - ENOTCAPABLE: fd has not the right
//   - ENOTEMPTY: something is in it
//   - EINVAL: the path ends in "."
//   - ENOSPC: it is a shared one, whose removal the limit of files has no room to keep in mind
//
// Nothing in memory changes. It is unlinkat with AT_REMOVEDIR in POSIX. See
// https://github.com/WebAssembly/WASI/blob/main/legacy/preview1/docs.md#path_remove_directory
func (s *System) PathRemoveDirectory(mem guest.Memory, fd, path, pathLen uint32) Errno {
	d, name, errno := s.at(mem, fd, RightPathRemoveDirectory, path, pathLen)
	if errno != ESUCCESS {
		return errno
	}
	return errnoOf(s.tree().Rmdir(d.handle, name))
}

// PathUnlinkFile removes a name of a file. Descriptors of it stay as they are until they are closed. A shared file is gone for
// this call alone.
//
// Parameters
//   - fd: the directory it is in
//   - path: where the path is, in UTF-8, without a NUL
//   - pathLen: its length in bytes
//
// Errors, beside those of a path (see PathCreateDirectory)
//   - EBADF: fd is not open
//   - ENOTDIR: fd is no directory, or a slash comes after the path
//   - ENOTCAPABLE: fd has not the right
//   - EISDIR: it is a directory
//   - ENOSPC: it is a shared one, whose removal the limit of files has no room to keep in mind
//
// Nothing in memory changes. It is unlinkat in POSIX. See
// https://github.com/WebAssembly/WASI/blob/main/legacy/preview1/docs.md#path_unlink_file
func (s *System) PathUnlinkFile(mem guest.Memory, fd, path, pathLen uint32) Errno {
	d, name, errno := s.at(mem, fd, RightPathUnlinkFile, path, pathLen)
	if errno != ESUCCESS {
		return errno
	}
	return errnoOf(s.tree().Unlink(d.handle, name))
}

// PathRename moves a file or directory, in place of a file or an empty directory that is there.
//
// Parameters
//   - oldFd: the directory it is in
//   - oldPath, oldPathLen: where its path is, and its length in bytes
//   - newFd: the directory it goes to
//   - newPath, newPathLen: where its new path is, and its length in bytes
//
// Errors, beside those of a path (see PathCreateDirectory)
//   - EBADF: oldFd or newFd is not open
//   - ENOTDIR: one of them is no directory; or a directory over a file, or a slash after the path of a file
//   - ENOTCAPABLE: oldFd has not the right to be moved from, or newFd to be moved to
//   - EISDIR: a file over a directory
//   - ENOTEMPTY: something is in the directory that is there
//   - EINVAL: a directory would come to lie in itself
//   - EBUSY: a path ends in "." or ".."
//   - ENOSPC: the limit of files has no room for it
//
// Nothing in memory changes. It is renameat in POSIX. See
// https://github.com/WebAssembly/WASI/blob/main/legacy/preview1/docs.md#path_rename
func (s *System) PathRename(mem guest.Memory, oldFd, oldPath, oldPathLen, newFd, newPath, newPathLen uint32) Errno {
	from, old, errno := s.at(mem, oldFd, RightPathRenameSource, oldPath, oldPathLen)
	if errno != ESUCCESS {
		return errno
	}
	to, name, errno := s.at(mem, newFd, RightPathRenameTarget, newPath, newPathLen)
	if errno != ESUCCESS {
		return errno
	}
	return errnoOf(s.tree().Rename(from.handle, old, to.handle, name))
}

// PathLink gives a file one more name.
//
// Parameters
//   - oldFd: the directory of the file
//   - oldFlags: 1 = follow a symbolic link at the end of the old path
//   - oldPath, oldPathLen: where the path of the file is, and its length in bytes
//   - newFd: the directory of the new name
//   - newPath, newPathLen: where the path of the new name is, and its length in bytes
//
// Errors, beside those of a path (see PathCreateDirectory)
//   - EBADF: oldFd or newFd is not open
//   - ENOTDIR: one of them is no directory
//   - ENOTCAPABLE: oldFd has not the right to be linked from, or newFd to be linked to
//   - EINVAL: a flag that does not exist
//   - EPERM: it is a directory
//   - EEXIST: something is there
//   - ENOSPC: the limit of files has no room for it
//
// Nothing in memory changes. It is linkat in POSIX. See
// https://github.com/WebAssembly/WASI/blob/main/legacy/preview1/docs.md#path_link
func (s *System) PathLink(mem guest.Memory, oldFd, oldFlags, oldPath, oldPathLen, newFd, newPath, newPathLen uint32) Errno {
	from, old, errno := s.at(mem, oldFd, RightPathLinkSource, oldPath, oldPathLen)
	if errno != ESUCCESS {
		return errno
	}
	to, name, errno := s.at(mem, newFd, RightPathLinkTarget, newPath, newPathLen)
	switch {
	case errno != ESUCCESS:
		return errno
	case oldFlags&^lookupFollow != 0:
		return EINVAL
	}
	return errnoOf(s.tree().Link(from.handle, old, oldFlags&lookupFollow != 0, to.handle, name))
}

// PathSymlink makes a symbolic link.
//
// Parameters
//   - oldPath, oldPathLen: where the target is, and its length in bytes: a path that starts in the directory of the link
//   - fd: the directory of the link
//   - newPath, newPathLen: where the path of the link is, and its length in bytes
//
// Errors, beside those of a path (see PathCreateDirectory), also for the target
//   - EBADF: fd is not open
//   - ENOTDIR: fd is no directory
//   - ENOTCAPABLE: fd has not the right; or the target is absolute, which would lead out of every directory
//   - EEXIST: something is there
//   - ENOSPC, EDQUOT: the limit of files, or of bytes, has no room for it
//
// Nothing in memory changes. It is symlinkat in POSIX. See
// https://github.com/WebAssembly/WASI/blob/main/legacy/preview1/docs.md#path_symlink
func (s *System) PathSymlink(mem guest.Memory, oldPath, oldPathLen, fd, newPath, newPathLen uint32) Errno {
	d, name, errno := s.at(mem, fd, RightPathSymlink, newPath, newPathLen)
	if errno != ESUCCESS {
		return errno
	}
	target, errno := path(mem, oldPath, oldPathLen)
	if errno != ESUCCESS {
		return errno
	}
	return errnoOf(s.tree().Symlink(target, d.handle, name))
}

// PathReadlink reads the target of a symbolic link, as much of it as there is room for, without a NUL.
//
// Parameters
//   - fd: the directory
//   - path: where the path is, in UTF-8, without a NUL
//   - pathLen: its length in bytes
//   - buf: where to write the target
//   - bufLen: the size of that, in bytes
//   - bufused: where to write the number of bytes used, 4 bytes
//
// Errors, beside those of a path (see PathCreateDirectory)
//   - EBADF: fd is not open
//   - ENOTDIR: fd is no directory
//   - ENOTCAPABLE: fd has not the right
//   - EFAULT: path, buf or bufused is out of bounds
//   - EINVAL: what is there is no symbolic link
//
// Memory after PathReadlink(mem, 3, 1, 1, 3, 4, 8) of "l", which leads to "to":
//
//	     path     buf             bufused
//	     ┌┐       ┌ 4 bytes ┐     ┌ 4 bytes ┐
//	?    'l'   ?  't' 'o' ? ?  ?  2  0  0  0    ?
//
// It is readlinkat in POSIX. See
// https://github.com/WebAssembly/WASI/blob/main/legacy/preview1/docs.md#path_readlink
func (s *System) PathReadlink(mem guest.Memory, fd, path, pathLen, buf, bufLen, bufused uint32) Errno {
	d, name, errno := s.at(mem, fd, RightPathReadlink, path, pathLen)
	if errno != ESUCCESS {
		return errno
	}
	b, ok := filled(mem, buf, bufLen, bufused)
	if !ok {
		return EFAULT
	}
	target, e := s.tree().Readlink(d.handle, name)
	if e != vfs.OK {
		return errnoOf(e)
	}
	mem.PutUint32(bufused, uint32(copy(b, target)))
	return ESUCCESS
}
