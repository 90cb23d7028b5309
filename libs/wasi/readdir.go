package wasi

import (
	"github.com/shoal-run/shoal/libs/guest"
	"github.com/shoal-run/shoal/libs/vfs"
)

// direntSize is the size of what comes before a name in FdReaddir, in bytes.
const direntSize = 24

// FdReaddir reads the entries of a directory, "." and ".." first, until the buffer is full: the last one may be cut anywhere,
// also in its name. When the buffer is not full, the directory has ended.
//
// Parameters
//   - fd: the descriptor
//   - buf: where to write entries
//   - bufLen: the size of that, in bytes
//   - cookie: 0 for the first entry, or what an entry says of the next; it stays valid whatever changes in the directory: an
//     entry that stays is read once, one that is made or removed meanwhile once or not at all
//   - bufused: where to write the number of bytes used, 4 bytes
//
// Errors
//   - EBADF: fd is not open
//   - ENOTDIR: fd is no directory
//   - ENOTCAPABLE: fd has not the right to be read
//   - EFAULT: buf or bufused is out of bounds
//   - EINTR: the call ended meanwhile
//
// Memory after FdReaddir(mem, 3, 1, 25, 0, 26), a row for each 8 bytes:
//
//	?    1  0  0  0  0  0  0  0    cookie of the next
//	     1  0  0  0  0  0  0  0    inode
//	     1  0  0  0  3  0  0  0    length of the name (4 bytes), file type (1 byte)
//	     '.'                       name
//	     25 0  0  0                bufused   ?
//
// It is readdir in POSIX. See
// https://github.com/WebAssembly/WASI/blob/main/legacy/preview1/docs.md#fd_readdir
func (s *System) FdReaddir(mem guest.Memory, fd, buf, bufLen uint32, cookie uint64, bufused uint32) Errno {
	f, errno := s.dir(fd, RightReaddir)
	if errno != ESUCCESS {
		return errno
	}
	b, ok := filled(mem, buf, bufLen, bufused)
	if !ok {
		return EFAULT
	}
	used, n := 0, 0
	e := f.handle.Entries(cookie, func(e vfs.Entry) bool {
		var head [direntSize]byte
		h := guest.Memory(head[:])
		h.PutUint64(0, e.Next)
		h.PutUint64(8, e.Inode)
		h.PutUint32(16, uint32(len(e.Name)))
		h.PutUint8(20, uint8(fileTypes[e.Kind]))
		used += copy(b[used:], head[:])
		used += copy(b[used:], e.Name)
		n++
		return used < len(b) && (n%1024 != 0 || !s.interrupted())
	})
	if e != vfs.OK {
		return errnoOf(e)
	}
	if n > 0 && n%1024 == 0 && s.interrupted() {
		return EINTR
	}
	mem.PutUint32(bufused, uint32(used))
	return ESUCCESS
}
