package wasi

import "github.com/shoal-run/shoal/libs/vfs"

// FileType is the type of what a descriptor leads to.
//
// See https://github.com/WebAssembly/WASI/blob/main/legacy/preview1/docs.md#filetype
type FileType uint8

// The file types there are here. Unknown is what stdin, stdout and stderr are: preview1 has no pipes; a character device would
// make a C library take them for a terminal, and a regular file would promise a size and offsets.
const (
	FileTypeUnknown      FileType = 0
	FileTypeDirectory    FileType = 3
	FileTypeRegularFile  FileType = 4
	FileTypeSymbolicLink FileType = 7
)

// fileTypes are the types by the kinds of files.
var fileTypes = [...]FileType{
	vfs.Regular: FileTypeRegularFile, vfs.Directory: FileTypeDirectory, vfs.Symlink: FileTypeSymbolicLink,
}

// Flags of a descriptor. Append makes each write go to the end of a file. The others change nothing: no read or write ever
// blocks, and there is no device to synchronise with.
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

// Flags of path_open.
//
// See https://github.com/WebAssembly/WASI/blob/main/legacy/preview1/docs.md#oflags
const (
	OpenCreate    = 1 << 0
	OpenDirectory = 1 << 1
	OpenExclusive = 1 << 2
	OpenTruncate  = 1 << 3

	openKnown = OpenCreate | OpenDirectory | OpenExclusive | OpenTruncate
)

// lookupFollow asks for what a symbolic link at the end of a path leads to.
const lookupFollow = 1 << 0

// Rights of a descriptor: what may be done with it, and with what is opened from it. A guest can give them up and never get
// them back.
//
// See https://github.com/WebAssembly/WASI/blob/main/legacy/preview1/docs.md#rights
const (
	RightDatasync            = 1 << 0
	RightRead                = 1 << 1
	RightSeek                = 1 << 2
	RightSetFlags            = 1 << 3
	RightSync                = 1 << 4
	RightTell                = 1 << 5
	RightWrite               = 1 << 6
	RightAdvise              = 1 << 7
	RightAllocate            = 1 << 8
	RightPathCreateDirectory = 1 << 9
	RightPathCreateFile      = 1 << 10
	RightPathLinkSource      = 1 << 11
	RightPathLinkTarget      = 1 << 12
	RightPathOpen            = 1 << 13
	RightReaddir             = 1 << 14
	RightPathReadlink        = 1 << 15
	RightPathRenameSource    = 1 << 16
	RightPathRenameTarget    = 1 << 17
	RightPathFilestatGet     = 1 << 18
	RightPathSetSize         = 1 << 19
	RightPathSetTimes        = 1 << 20
	RightFilestatGet         = 1 << 21
	RightSetSize             = 1 << 22
	RightSetTimes            = 1 << 23
	RightPathSymlink         = 1 << 24
	RightPathRemoveDirectory = 1 << 25
	RightPathUnlinkFile      = 1 << 26
	RightPoll                = 1 << 27

	rightsStdio = RightSetFlags | RightFilestatGet | RightPoll

	// What can be done with a regular file, and with a directory. Rights beyond are not given: they do not apply.
	rightsFile = RightDatasync | RightRead | RightSeek | RightSetFlags | RightSync | RightTell | RightWrite | RightAdvise | RightAllocate |
		RightFilestatGet | RightSetSize | RightSetTimes | RightPoll
	rightsDirectory = RightDatasync | RightSetFlags | RightSync | RightPathCreateDirectory | RightPathCreateFile | RightPathLinkSource |
		RightPathLinkTarget | RightPathOpen | RightReaddir | RightPathReadlink | RightPathRenameSource | RightPathRenameTarget |
		RightPathFilestatGet | RightPathSetSize | RightPathSetTimes | RightFilestatGet | RightSetTimes | RightPathSymlink |
		RightPathRemoveDirectory | RightPathUnlinkFile | RightPoll
)

// source says what a descriptor leads to.
type source uint8

const (
	closed source = iota
	stdin
	stdout
	stderr
	regular
	directory
)

// file is what one or more descriptors lead to: they have its flags and offset in common.
type file struct {
	source source
	flags  uint16
	refs   int32       // descriptors
	handle *vfs.Handle // of a file or directory; nil for a preopened one that was not used yet
	path   string      // of a preopened directory
	pos    int64       // offset of a regular file, in bytes
}

// fdesc is a descriptor: an entry of the table. Without a file it is not open.
type fdesc struct {
	*file
	rights     uint64
	inheriting uint64
	preopen    string // the name of a preopened directory, else ""
}

// stream returns where writes to f go; nil drops them. Preconditions: f is stdout or stderr.
func (s *System) stream(f *file) *Stream {
	if f.source == stdout {
		return s.Stdout
	}
	return s.Stderr
}

// only answers for a function that no descriptor here supports: EBADF when fd is not open, else errno.
func (s *System) only(fd uint32, errno Errno) Errno {
	if s.open(fd) == nil {
		return EBADF
	}
	return errno
}

// regular returns a descriptor of a regular file with a right.
//
// Errors
//   - EBADF: fd is not open
//   - stdio: it is stdin, stdout or stderr
//   - EISDIR: it is a directory
//   - ENOTCAPABLE: it has not the right
func (s *System) regular(fd uint32, right uint64, stdio Errno) (*fdesc, Errno) {
	f := s.open(fd)
	switch {
	case f == nil:
		return nil, EBADF
	case f.source == directory:
		return nil, EISDIR
	case f.source != regular:
		return nil, stdio
	case f.rights&right != right:
		return nil, ENOTCAPABLE
	}
	return f, ESUCCESS
}
