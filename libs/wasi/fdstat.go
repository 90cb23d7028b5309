package wasi

import "github.com/shoal-run/shoal/libs/guest"

// Sizes of structures in guest memory, in bytes.
const (
	fdstatSize   = 24
	filestatSize = 64
)

// FdFdstatGet writes the type, flags and rights of a descriptor.
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
	m.PutUint8(0, uint8(FileTypeUnknown))
	m.PutUint16(2, f.flags)
	m.PutUint64(8, f.rights)
	return ESUCCESS
}

// FdFdstatSetFlags sets the flags of a descriptor. stdin, stdout and stderr remember them; none changes what they do, as
// they never block and have nothing to synchronise.
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
//   - inheriting: the rights to keep for descriptors made from fd; stdio has none
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
	case base&^f.rights != 0 || inheriting != 0:
		return ENOTCAPABLE
	}
	f.rights = base
	return ESUCCESS
}

// FdFilestatGet writes the attributes of an open file. For stdin, stdout and stderr all are 0 but the inode, which tells
// them apart, and the number of links, 1.
//
// Parameters
//   - fd: the descriptor
//   - stat: where to write them, 64 bytes
//
// Errors
//   - EBADF: fd is not open
//   - ENOTCAPABLE: the guest gave up the right to ask
//   - EFAULT: stat is out of bounds
//
// Memory after FdFilestatGet(mem, 1, 1), a row for each 8 bytes:
//
//	?    0  0  0  0  0  0  0  0    device
//	     2  0  0  0  0  0  0  0    inode
//	     0  0  0  0  0  0  0  0    file type (1 byte), unknown
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
	clear(b)
	m := guest.Memory(b)
	m.PutUint64(8, uint64(f.source))
	m.PutUint8(16, uint8(FileTypeUnknown))
	m.PutUint64(24, 1)
	return ESUCCESS
}

// FdPrestatGet describes a preopened directory. There is none: C libraries ask from descriptor 3 on until they hear EBADF.
//
// Parameters
//   - fd: the descriptor
//   - prestat: where a description would be written, 8 bytes
//
// Errors
//   - EBADF: always: fd is not open, or is not a preopened directory
//
// Nothing in memory changes. It has no cousin in POSIX. See
// https://github.com/WebAssembly/WASI/blob/main/legacy/preview1/docs.md#fd_prestat_get
func (s *System) FdPrestatGet(mem guest.Memory, fd, prestat uint32) Errno { return EBADF }

// FdPrestatDirName tells the name of a preopened directory. There is none.
//
// Parameters
//   - fd: the descriptor
//   - path: where the name would be written
//   - pathLen: its length in bytes
//
// Errors
//   - EBADF: always: fd is not open, or is not a preopened directory
//
// Nothing in memory changes. It has no cousin in POSIX. See
// https://github.com/WebAssembly/WASI/blob/main/legacy/preview1/docs.md#fd_prestat_dir_name
func (s *System) FdPrestatDirName(mem guest.Memory, fd, path, pathLen uint32) Errno { return EBADF }
