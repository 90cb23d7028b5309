// Package vfs is the file system of one call: a tenant's shared files, which nobody changes, under a private layer that is
// gone when the call is. It is a tree of our own in memory: no path of a guest ever meets the host's file system.
package vfs

import (
	"context"
	"io"
	"time"
)

// Shared is the lower layer: the shared files of one tenant as they were when the call began. It is immutable and safe for
// concurrent use. Paths are "/"-separated without a "/" at either end; "" is the root, which is always there. Directories
// exist because files in them do.
type Shared interface {
	// Lookup returns what is at path.
	Lookup(path string) (Info, bool)
	// List returns what is in the directory at path, sorted by name; nil when there is no such directory. The caller
	// must not change it.
	List(path string) []Info
	// Open returns the contents of the file at path. The first one to open it fetches it, which takes a while and ends
	// with ctx. The caller closes it.
	Open(ctx context.Context, path string) (Content, error)
	// Same reports whether other, which may be nil, has the same files with the same contents. It may say no of two that have.
	Same(other Shared) bool
}

// Info is one shared file or directory.
type Info struct {
	Name     string // the last part of the path
	Dir      bool
	Size     int64     // bytes; 0 for a directory
	Modified time.Time // when it was put; for a directory, the latest of what is in it
	Inode    uint64    // the same for the same contents at the same path, never 0
}

// Content are the bytes of an opened shared file. They do not change, whatever is put in the file's place. It is safe for
// concurrent use.
type Content interface {
	io.ReaderAt
	io.Closer
}
