package wasi

// FileType is the type of what a descriptor leads to.
//
// See https://github.com/WebAssembly/WASI/blob/main/legacy/preview1/docs.md#filetype
type FileType uint8

// FileTypeUnknown is what stdin, stdout and stderr are. preview1 has no pipes; a character device would make a C library
// take them for a terminal, and a regular file would promise a size and offsets.
const FileTypeUnknown FileType = 0

// Flags of a descriptor.
//
// See https://github.com/WebAssembly/WASI/blob/main/legacy/preview1/docs.md#fdflags
const (
	FlagAppend   = 1 << 0
	FlagDSync    = 1 << 1
	FlagNonblock = 1 << 2
	FlagRSync    = 1 << 3
	FlagSync     = 1 << 4

	flagsKnown = FlagAppend | FlagDSync | FlagNonblock | FlagRSync | FlagSync
)

// Rights of a descriptor: what may be done with it. A guest can give them up and never get them back.
//
// See https://github.com/WebAssembly/WASI/blob/main/legacy/preview1/docs.md#rights
const (
	RightRead        = 1 << 1
	RightSetFlags    = 1 << 3
	RightWrite       = 1 << 6
	RightFilestatGet = 1 << 21
	RightPoll        = 1 << 27

	rightsStdio = RightSetFlags | RightFilestatGet | RightPoll
)

// source says what a descriptor leads to.
type source uint8

const (
	closed source = iota
	stdin
	stdout
	stderr
)

// file is an entry of the descriptor table.
type file struct {
	source source
	flags  uint16
	rights uint64
}

// open returns the entry of fd, nil when fd is not open.
func (s *System) open(fd uint32) *file {
	if !s.ready {
		s.ready = true
		s.files = [3]file{
			{source: stdin, rights: rightsStdio | RightRead},
			{source: stdout, rights: rightsStdio | RightWrite},
			{source: stderr, rights: rightsStdio | RightWrite},
		}
	}
	if fd >= uint32(len(s.files)) || s.files[fd].source == closed {
		return nil
	}
	return &s.files[fd]
}

// stream returns where writes to f go; nil drops them. Preconditions: f is stdout or stderr.
func (s *System) stream(f *file) *Stream {
	if f.source == stdout {
		return s.Stdout
	}
	return s.Stderr
}

// only answers for a function that no stdio descriptor supports: EBADF when fd is not open, else errno.
func (s *System) only(fd uint32, errno Errno) Errno {
	if s.open(fd) == nil {
		return EBADF
	}
	return errno
}
