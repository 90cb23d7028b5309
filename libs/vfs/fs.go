package vfs

import (
	"time"

	"github.com/shoal-run/shoal/bus/faas"
)

// Bounds of names and paths, in bytes and numbers, as Linux has them, and of one file.
const (
	MaxName  = 255
	MaxPath  = 4096
	MaxLinks = 40
	MaxFile  = 1 << 40 // bytes, holes included
)

// Limits bound the private layer of one call. What goes beyond them fails with EDQUOT (bytes) or ENOSPC (names), and changes
// no file.
type Limits struct {
	// Bytes of files, those of shared files that were changed included, in the blocks that were written to: holes, and what
	// shines through of a shared file, cost nothing. 0 means faas.FileBytes.
	Bytes int64
	// Names are files, directories, links and symbolic links made, shared ones changed, and shared ones removed: each is kept
	// in memory. 0 means faas.FileNames.
	Names int
	// Reserve is asked for memory, in bytes, before it is used, a MiB or more at a time; false refuses it, and the write fails
	// with EDQUOT. What it gave is given back by its owner when the call has ended. nil gives all.
	Reserve func(bytes int64) bool
}

// maxSlots is how many shared files and directories may be pinned when another is opened, or something in them changed: it is kept
// in memory with all directories that it is in, and those count as no names.
const maxSlots = 16 << 10

// reserveStep is how much memory is reserved at once, at least.
const reserveStep = 1 << 20

// FS is the file system of one call: Shared under a private layer. It is not safe for concurrent use; it serves one call
// on one thread. It makes nothing before it is used.
//
// Directories have one link, whatever is in them, as on btrfs. Reading changes no time of access.
type FS struct {
	shared Shared // nil: nothing is shared
	limits Limits
	clock  func() time.Time

	// Ended reports whether the call is over; nil says no. A long path ends with EINTR then.
	Ended func() bool

	root      *node
	rootTimes bool // root has its times
	looked    bool
	bytes     int64 // in pages and targets of symbolic links
	reserved  int64 // bytes that Limits.Reserve gave
	names     int   // entries that are charged
	slots     int   // shared files and directories that are pinned
	inodes    uint64
	opened    map[*node]struct{} // files with open Content
}

// privateInode is set in the inode numbers of what a call made, and never in those of shared files.
const privateInode = 1 << 63

// rootInode is the root's number, so that it can be told without a look at what is shared.
const rootInode = 1

// New returns the file system of a call. shared may be nil; now is the clock of the times it gives to files, nil is
// time.Now.
func New(shared Shared, limits Limits, now func() time.Time) *FS {
	if limits.Bytes <= 0 {
		limits.Bytes = int64(faas.FileBytes)
	}
	if limits.Names <= 0 {
		limits.Names = faas.FileNames
	}
	if now == nil {
		now = time.Now
	}
	return &FS{
		shared: shared, limits: limits, clock: now,
		root: &node{ino: rootInode, kind: Directory, nlink: 1, isLower: true, pinned: true},
	}
}

// Close gives back what is open of shared files. f can't be used any more. It may be called more than once.
func (f *FS) Close() {
	for n := range f.opened {
		f.letGo(n)
	}
}

// Looked reports whether anything was found out of the shared files, also that one is not there: what a guest keeps of that
// is true only with the same shared files. That there is a root is no secret.
func (f *FS) Looked() bool { return f.looked }

// Left reports whether the private layer differs from the shared files: a file, a change or a removal. What was made and
// removed again does not count.
func (f *FS) Left() bool { return f.left(f.root) }

// left is Left of a directory and what is below it.
func (f *FS) left(dir *node) bool {
	for _, e := range dir.entries {
		switch {
		case e.node == nil || e.seq != 0:
			return true
		case e.node.kind != Directory && e.charged:
			return true
		case f.left(e.node):
			return true
		}
	}
	return dir.timed
}

// Used returns how many bytes and names the private layer holds.
func (f *FS) Used() (bytes int64, names int) { return f.bytes, f.names }

// room reports whether n more names may be made, in whatever directory.
func (f *FS) room(n int) bool { return f.names+n <= f.limits.Names && f.slots < maxSlots }

// charge takes n bytes of the limit, and reports false when there are not as many left.
func (f *FS) charge(n int64) bool {
	if n > f.limits.Bytes-f.bytes {
		return false
	}
	if want := f.bytes + n - f.reserved; want > 0 && f.limits.Reserve != nil {
		more := max(want, reserveStep)
		if !f.limits.Reserve(more) {
			return false
		}
		f.reserved += more
	}
	f.bytes += n
	return true
}

// now reads the clock, in nanoseconds since 1970.
func (f *FS) now() uint64 { return nanoseconds(f.clock()) }

// nanoseconds returns t as files have it; what was before 1970 is 1970.
func nanoseconds(t time.Time) uint64 {
	if t.Unix() < 0 {
		return 0
	}
	return uint64(t.UnixNano())
}

// nextInode returns a number that no other file has.
func (f *FS) nextInode() uint64 {
	f.inodes++
	return privateInode | f.inodes
}
