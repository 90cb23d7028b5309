package wasi

import (
	"github.com/shoal-run/shoal/libs/guest"
	"github.com/shoal-run/shoal/libs/vfs"
)

// PathOpen opens a file or a directory, as the lowest descriptor that is free.
//
// Parameters
//   - fd: the directory
//   - dirflags: 1 = follow a symbolic link at the end of the path
//   - path: where the path is, in UTF-8, without a NUL
//   - pathLen: its length in bytes
//   - oflags: 1 create, 2 only a directory, 4 only if it does not exist, 8 truncate
//   - rightsBase: the rights of the new descriptor, Right… or-ed together; those that do not apply to what it is are left out
//   - rightsInheriting: the rights of descriptors opened from it, when it is a directory
//   - fdflags: its flags, Flag… or-ed together
//   - openedFd: where to write the descriptor, 4 bytes
//
// Errors, beside those of a path (see PathCreateDirectory)
//   - EBADF: fd is not open
//   - ENOTDIR: fd is no directory, or with oflags 2, or with a slash after the path, what is there
//   - ENOTCAPABLE: fd has not the right to open, to create or to truncate; or the rights asked for are not among its rights to inherit
//   - EINVAL: a flag that does not exist, or to create a directory
//   - EFAULT: path or openedFd is out of bounds; nothing was opened
//   - EEXIST: it exists, with oflags 1 and 4
//   - EISDIR: a directory, with the right to write, or to create or truncate it
//   - ELOOP: a symbolic link that is not to be followed
//   - EMFILE: too many descriptors are open
//   - ENOSPC: the limit of files has no room for it
//   - EINTR: the call ended meanwhile
//
// Memory after PathOpen(mem, 3, 1, 1, 1, 0, RightRead, 0, 0, 3) of "f":
//
//	     path     openedFd
//	     ┌┐       ┌ 4 bytes ┐
//	?    'f'   ?  4  0  0  0    ?
//
// It is openat in POSIX. See
// https://github.com/WebAssembly/WASI/blob/main/legacy/preview1/docs.md#path_open
func (s *System) PathOpen(mem guest.Memory, fd, dirflags, path, pathLen, oflags uint32, rightsBase, rightsInheriting uint64, fdflags, openedFd uint32) Errno {
	need := uint64(RightPathOpen)
	if oflags&OpenCreate != 0 {
		need |= RightPathCreateFile
	}
	if oflags&OpenTruncate != 0 {
		need |= RightPathSetSize
	}
	d, name, errno := s.at(mem, fd, need, path, pathLen)
	switch {
	case errno != ESUCCESS:
		return errno
	case oflags&^openKnown != 0, fdflags&^flagsKnown != 0, dirflags&^lookupFollow != 0:
		return EINVAL
	}
	if _, ok := mem.Bytes(openedFd, 4); !ok {
		return EFAULT
	}
	m := vfs.Mode{
		Create: oflags&OpenCreate != 0, Exclusive: oflags&OpenExclusive != 0, Truncate: oflags&OpenTruncate != 0,
		Directory: oflags&OpenDirectory != 0, Follow: dirflags&lookupFollow != 0, Write: rightsBase&RightWrite != 0,
	}
	opened, errno := s.openAt(d, name, m, rightsBase, rightsInheriting)
	if errno != ESUCCESS {
		return errno
	}
	s.table[opened].flags = uint16(fdflags)
	mem.PutUint32(openedFd, opened)
	return ESUCCESS
}

// openAt opens a descriptor with rights.
func (s *System) openAt(d *fdesc, name string, m vfs.Mode, base, inheriting uint64) (uint32, Errno) {
	at, granted := d.handle, d.inheriting
	if wanted := (base | inheriting) & (rightsFile | rightsDirectory); wanted&^granted != 0 {
		// Some are not granted: do they apply to what is there?
		kind, e := s.tree().CanOpen(at, name, m)
		if e != vfs.OK {
			return 0, errnoOf(e)
		}
		base, inheriting = applicable(kind, base, inheriting)
		if (base|inheriting)&^granted != 0 {
			return 0, ENOTCAPABLE
		}
	}
	to, errno := s.free() // d is not valid any more
	if errno != ESUCCESS {
		return 0, errno
	}
	h, e := s.tree().Open(s.ctx(), at, name, m)
	if e != vfs.OK {
		return 0, errnoOf(e)
	}
	f := &file{source: regular, refs: 1, handle: h}
	if h.Kind() == vfs.Directory {
		f.source = directory
	}
	base, inheriting = applicable(h.Kind(), base, inheriting)
	s.table[to] = fdesc{file: f, rights: base, inheriting: inheriting}
	return to, ESUCCESS
}

// applicable leaves out the rights that say nothing of a kind of file.
func applicable(kind vfs.Kind, base, inheriting uint64) (uint64, uint64) {
	if kind == vfs.Directory {
		return base & rightsDirectory, inheriting & (rightsDirectory | rightsFile)
	}
	return base & rightsFile, 0
}
