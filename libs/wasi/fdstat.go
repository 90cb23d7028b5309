package wasi

import "github.com/shoal-run/shoal/libs/guest"

// Sizes of structures in guest memory, in bytes.
const (
	fdstatSize   = 24
	filestatSize = 64
)

// FdFdstatGet writes the type, flags and rights of a descriptor: unknown for stdin, stdout and stderr, 3 for a directory, 4 for a
// regular file.
//
// Parameters
//   - fd: the descriptor
//   - stat: where to write them, 24 bytes
//
// Errors
//   - EBADF: fd is not open
//   - EFAULT: stat is out of bounds
//
// Memory after FdFdstatGet(mem, 0, 1), bytes that the layout does not use being 0:
//
//	     ┌─────────────────────────────── 24 bytes ───────────────────────────────┐
//	?    0  0  0  0  0  0  0  0   0x0a 0 0x20 0x08 0  0  0  0   0  0  0  0  0  0  0  0    ?
//	     │     └ flags            └ rights                      └ rights to inherit
//	     └ file type, unknown
//
// A C library's isatty is false and fcntl(fd, F_GETFL) tells reading from writing by it. It is the latter in POSIX. See
// https://github.com/WebAssembly/WASI/blob/main/legacy/preview1/docs.md#fd_fdstat_get
func (s *System) FdFdstatGet(mem guest.Memory, fd, stat uint32) Errno {
	f := s.open(fd)
	if f == nil {
		return EBADF
	}
	b, ok := mem.Bytes(stat, fdstatSize)
	if !ok {
		return EFAULT
	}
	clear(b)
	m := guest.Memory(b)
	m.PutUint8(0, uint8(f.fileType()))
	m.PutUint16(2, f.flags)
	m.PutUint64(8, f.rights)
	m.PutUint64(16, f.inheriting)
	return ESUCCESS
}

// fileType returns the type of what f leads to.
func (f *file) fileType() FileType {
	switch f.source {
	case regular:
		return FileTypeRegularFile
	case directory:
		return FileTypeDirectory
	}
	return FileTypeUnknown
}

// FdFdstatSetFlags sets the flags of a descriptor, and of those made of it by Dup. With append, each write to a file goes to its
// end; the others are remembered and change nothing, as no file blocks or has anything to synchronise.
//
// Parameters
//   - fd: the descriptor
//   - flags: the new flags, Flag… or-ed together
//
// Errors
//   - EBADF: fd is not open
//   - EINVAL: flags has a bit that preview1 does not define
//   - ENOTCAPABLE: the guest gave up the right to set flags
//
// Nothing in memory changes. It is fcntl(fd, F_SETFL, flags) in POSIX. See
// https://github.com/WebAssembly/WASI/blob/main/legacy/preview1/docs.md#fd_fdstat_set_flags
func (s *System) FdFdstatSetFlags(fd, flags uint32) Errno {
	f := s.open(fd)
	switch {
	case f == nil:
		return EBADF
	case flags&^uint32(flagsKnown) != 0:
		return EINVAL
	case f.rights&RightSetFlags == 0:
		return ENOTCAPABLE
	}
	f.flags = uint16(flags)
	return ESUCCESS
}

// FdFdstatSetRights gives up rights of a descriptor.
//
// Parameters
//   - fd: the descriptor
//   - base: the rights to keep, Right… or-ed together
//   - inheriting: the rights to keep for descriptors opened from fd, a directory; the others have none
//
// Errors
//   - EBADF: fd is not open
//   - ENOTCAPABLE: base or inheriting has a right that fd has not; nothing changed
//
// Nothing in memory changes. It is cap_rights_limit of FreeBSD; POSIX has no such thing. See
// https://github.com/WebAssembly/WASI/blob/main/legacy/preview1/docs.md#fd_fdstat_set_rights
func (s *System) FdFdstatSetRights(fd uint32, base, inheriting uint64) Errno {
	f := s.open(fd)
	switch {
	case f == nil:
		return EBADF
	case base&^f.rights != 0 || inheriting&^f.inheriting != 0:
		return ENOTCAPABLE
	}
	f.rights, f.inheriting = base, inheriting
	return ESUCCESS
}

// FdFilestatGet writes the attributes of an open file or directory. For stdin, stdout and stderr all are 0 but the inode, which
// tells them apart, and the number of links, 1. A directory has one link, whatever is in it.
//
// Parameters
//   - fd: the descriptor
//   - stat: where to write them, 64 bytes
//
// Errors
//   - EBADF: fd is not open
//   - ENOTCAPABLE: the guest gave up the right to ask
//   - EFAULT: stat is out of bounds
//   - ENOENT, ENOTDIR: a preopened directory that is not there
//
// Memory after FdFilestatGet(mem, 1, 1), a row for each 8 bytes:
//
//	?    0  0  0  0  0  0  0  0    device; 1 for files and directories
//	     2  0  0  0  0  0  0  0    inode
//	     0  0  0  0  0  0  0  0    file type (1 byte), unknown; else as in FdFdstatGet, 7 for a symbolic link
//	     1  0  0  0  0  0  0  0    links
//	     0  0  0  0  0  0  0  0    size in bytes
//	     0  0  0  0  0  0  0  0    access, in nanoseconds since 1970
//	     0  0  0  0  0  0  0  0    modification, likewise
//	     0  0  0  0  0  0  0  0    change, likewise   ?
//
// It is fstat in POSIX. See
// https://github.com/WebAssembly/WASI/blob/main/legacy/preview1/docs.md#fd_filestat_get
func (s *System) FdFilestatGet(mem guest.Memory, fd, stat uint32) Errno {
	f := s.open(fd)
	if f == nil {
		return EBADF
	}
	if f.rights&RightFilestatGet == 0 {
		return ENOTCAPABLE
	}
	b, ok := mem.Bytes(stat, filestatSize)
	if !ok {
		return EFAULT
	}
	if f.source == directory {
		if _, errno := s.dir(fd, 0); errno != ESUCCESS {
			return errno
		}
	}
	if f.handle != nil {
		s.putStat(b, f.handle.Stat())
		return ESUCCESS
	}
	clear(b)
	m := guest.Memory(b)
	m.PutUint64(8, uint64(f.source))
	m.PutUint8(16, uint8(FileTypeUnknown))
	m.PutUint64(24, 1)
	return ESUCCESS
}
