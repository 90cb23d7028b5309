package wasi

import "github.com/shoal-run/shoal/bus/faas"

// firstPreopen is the descriptor of the first preopened directory.
const firstPreopen = 3

// beginning is what is open from the beginning in nearly every call: stdio and one directory. It is made when the first
// descriptor is used.
type beginning struct {
	table [firstPreopen + 1]fdesc
	files [firstPreopen + 1]file
}

// setUp opens what is open in the beginning.
func (s *System) setUp() {
	s.begin = &beginning{}
	s.table = s.begin.table[:]
	for i := range firstPreopen {
		f := &s.begin.files[i]
		*f = file{source: stdin + source(i), refs: 1}
		s.table[i] = fdesc{file: f, rights: rightsStdio | RightWrite}
	}
	s.table[0].rights = rightsStdio | RightRead
	for i, p := range s.preopens() {
		f := &s.begin.files[firstPreopen]
		if i > 0 {
			f = &file{}
			s.table = append(s.table, fdesc{})
		}
		*f = file{source: directory, refs: 1, path: p.Path}
		s.table[firstPreopen+i] = fdesc{file: f, rights: rightsDirectory, inheriting: rightsDirectory | rightsFile, preopen: p.Name}
	}
}

// open returns the entry of fd, nil when fd is not open. It is valid until a descriptor is opened.
func (s *System) open(fd uint32) *fdesc {
	if s.table == nil {
		s.setUp()
	}
	if uint64(fd) >= uint64(len(s.table)) || s.table[fd].file == nil {
		return nil
	}
	return &s.table[fd]
}

// free returns the lowest number that is not open, or EMFILE.
func (s *System) free() (uint32, Errno) {
	limit := s.MaxFiles
	if limit <= 0 {
		limit = faas.OpenFiles
	}
	for fd := s.lowest; ; fd++ {
		switch {
		case fd >= limit:
			return 0, EMFILE
		case fd >= len(s.table):
			s.table = append(s.table, fdesc{})
		case s.table[fd].file != nil:
			continue
		}
		s.lowest = fd
		return uint32(fd), ESUCCESS
	}
}

// release takes fd out of the table. Preconditions: it is open.
func (s *System) release(fd uint32) {
	f := s.table[fd].file
	s.table[fd] = fdesc{}
	s.lowest = min(s.lowest, int(fd))
	if f.refs--; f.refs == 0 && f.handle != nil {
		f.handle.Close()
	}
}

// Dup opens another descriptor of what fd leads to, with the same rights; they share flags and offset. It is dup in POSIX.
//
// Errors
//   - EBADF: fd is not open
//   - EMFILE: no number is free
func (s *System) Dup(fd uint32) (uint32, Errno) {
	f := s.open(fd)
	if f == nil {
		return 0, EBADF
	}
	to, errno := s.free()
	if errno != ESUCCESS {
		return 0, errno
	}
	copied := s.table[fd]
	copied.preopen = ""
	copied.refs++
	s.table[to] = copied
	return to, ESUCCESS
}
