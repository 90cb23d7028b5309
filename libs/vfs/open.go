package vfs

import "context"

// Handle is an open file or directory. What it leads to lives until it is closed, whatever becomes of its name.
type Handle struct {
	fs *FS
	n  *node // nil when it is closed
}

// Mode says how to open.
type Mode struct {
	Create    bool // make a regular file when there is nothing
	Exclusive bool // with Create: fail when there is something
	Truncate  bool // make the file empty
	Directory bool // only a directory will do
	Follow    bool // follow a symbolic link at the end of the path
	Write     bool // it will be written to: a directory will not do
}

// Root opens the root directory.
func (f *FS) Root() *Handle { return f.open(f.root) }

// open makes a handle to n.
func (f *FS) open(n *node) *Handle {
	n = f.pin(n)
	n.refs++
	return &Handle{fs: f, n: n}
}

// Open opens a file or a directory.
//
// Errors: those of a path; ENOENT: there is nothing, or its directory was removed; EEXIST: there is something; EISDIR: a directory, to
// write to or to create, or a slash after a name to create; ENOTDIR: no directory; ELOOP: a symbolic link that is not to be
// followed; EINVAL: Create and Directory; ENOSPC, also when so many shared files are open, in so many directories; EINTR.
func (f *FS) Open(ctx context.Context, at *Handle, path string, m Mode) (*Handle, Errno) {
	p, errno := f.lookUp(at.n, path, m)
	if errno != OK {
		return nil, errno
	}
	n := p.node
	switch {
	case n == nil:
		n = f.make(p, Regular)
	case !n.pinned && f.slots >= maxSlots:
		return nil, ENOSPC
	}
	h := f.open(n)
	if m.Truncate {
		if errno := h.Truncate(ctx, 0); errno != OK {
			h.Close()
			return nil, errno
		}
	}
	return h, OK
}

// CanOpen says what Open would answer, with the kind of what it opens, and changes nothing.
func (f *FS) CanOpen(at *Handle, path string, m Mode) (Kind, Errno) {
	p, errno := f.lookUp(at.n, path, m)
	if errno != OK {
		return 0, errno
	}
	if p.node == nil {
		return Regular, OK
	}
	return p.node.kind, OK
}

// lookUp walks to what is opened, or to where it is to be made.
func (f *FS) lookUp(base *node, path string, m Mode) (place, Errno) {
	if m.Create && m.Directory {
		return place{}, EINVAL
	}
	how := slashed
	switch {
	case m.Create && (m.Exclusive || !m.Follow):
		how = never
	case m.Create:
		how = unslashed
	case m.Follow:
		how = always
	}
	p, errno := f.walk(base, path, how)
	n := p.node
	switch {
	case errno != OK:
		return p, errno
	case m.Create && p.slash && p.dir != nil:
		return p, EISDIR
	case n == nil && !m.Create:
		return p, ENOENT
	case n == nil && p.dir.dead:
		return p, ENOENT
	case n == nil && !f.room(p.dir.cost(p.name)):
		return p, ENOSPC
	case n == nil:
		return p, OK
	case m.Create && m.Exclusive:
		return p, EEXIST
	case n.kind != Directory && (m.Directory || p.slash):
		return p, ENOTDIR
	case n.kind == Symlink:
		return p, ELOOP
	case n.kind == Directory && (m.Create || m.Write || m.Truncate):
		return p, EISDIR
	}
	return p, OK
}

// Close closes the handle. It may be called more than once.
func (h *Handle) Close() {
	n := h.n
	if n == nil {
		return
	}
	h.n = nil
	if n.refs--; n.refs > 0 {
		return
	}
	h.fs.letGo(n)
	h.fs.forget(n)
	h.fs.unpin(n)
}

// Kind returns what it leads to.
func (h *Handle) Kind() Kind { return h.n.kind }

// Size returns the size of a file in bytes; 0 for a directory.
func (h *Handle) Size() int64 { return h.n.size }
