package wasi

import (
	"github.com/shoal-run/shoal/libs/vfs"
)

// ReadAt reads from a file at an offset, for host functions that are not of preview1, until b is full or the file ends. It
// returns how many bytes those are.
//
// Errors
//   - EBADF, ESPIPE, EISDIR, ENOTCAPABLE: as FdPread
//   - EIO, EINTR: as FdRead; what was read is of no use
func (s *System) ReadAt(fd uint32, b []byte, off int64) (int, Errno) {
	f, errno := s.regular(fd, RightRead|RightSeek, ESPIPE)
	if errno != ESUCCESS {
		return 0, errno
	}
	n, e := f.handle.ReadAt(s.ctx(), b, off)
	return n, errnoOf(e)
}

// ReadFile returns the contents of the file at a path from the root, which the caller owns. A leading "/" changes nothing. The
// memory is the call's until it ends, as that of files is which it writes.
//
// Errors
//   - ENOENT, ENOTDIR, EISDIR, ELOOP and others: as PathOpen
//   - EFBIG: it has more than most bytes
//   - EDQUOT: FileLimits.Reserve has no memory for it
//   - EIO, EINTR: as FdRead
func (s *System) ReadFile(path string, most int64) ([]byte, Errno) {
	t := s.tree()
	root := t.Root()
	defer root.Close()
	for len(path) > 0 && path[0] == '/' {
		path = path[1:]
	}
	h, e := t.Open(s.ctx(), root, path, vfs.Mode{Follow: true})
	if e != vfs.OK {
		return nil, errnoOf(e)
	}
	defer h.Close()
	switch {
	case h.Kind() != vfs.Regular:
		return nil, EISDIR
	case h.Size() > most:
		return nil, EFBIG
	case s.FileLimits.Reserve != nil && !s.FileLimits.Reserve(h.Size()):
		return nil, EDQUOT
	}
	b := make([]byte, h.Size())
	n, e := h.ReadAt(s.ctx(), b, 0)
	if e == vfs.OK && n < len(b) { // a file of the call's own can't change meanwhile, nor can a shared one
		return nil, EIO
	}
	return b, errnoOf(e)
}
