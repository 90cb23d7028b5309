package vfs

// named walks to a name that is to be made: nothing may be there, and there is room for it.
func (f *FS) named(at *Handle, path string, dirs bool) (place, Errno) {
	p, errno := f.walk(at.n, path, never)
	switch {
	case errno != OK:
		return p, errno
	case p.dir == nil || p.node != nil:
		return p, EEXIST
	case p.slash && !dirs, p.dir.dead:
		return p, ENOENT
	}
	if !f.room(p.dir.cost(p.name)) {
		return p, ENOSPC
	}
	return p, OK
}

// make makes a node at p. Preconditions: there is room for it.
func (f *FS) make(p place, kind Kind) *node {
	n := &node{ino: f.nextInode(), kind: kind, nlink: 1, clock: true}
	n.mtim = f.now()
	n.atim, n.ctim = n.mtim, n.mtim
	f.enter(f.pin(p.dir), p.name, n)
	return n
}

// Mkdir makes a directory.
//
// Errors: those of a path; EEXIST: something is there; ENOENT: its directory was removed; ENOSPC.
func (f *FS) Mkdir(at *Handle, path string) Errno {
	p, errno := f.named(at, path, true)
	if errno != OK {
		return errno
	}
	f.make(p, Directory)
	return OK
}

// Symlink makes a symbolic link.
//
// Errors: those of a path, of target too; ENOTCAPABLE: target is absolute; EEXIST: something is there; ENOENT: target is
// empty, its directory was removed, or a slash comes after its name; ENOSPC, EDQUOT.
func (f *FS) Symlink(target string, at *Handle, path string) Errno {
	if errno := valid(target); errno != OK {
		return errno
	}
	if target[0] == '/' {
		return ENOTCAPABLE
	}
	p, errno := f.named(at, path, false)
	if errno != OK {
		return errno
	}
	if !f.charge(int64(len(target))) {
		return EDQUOT
	}
	f.make(p, Symlink).target = target
	return OK
}

// Link gives a file one more name.
//
// Errors: those of the paths; EPERM: the old path leads to a directory; EEXIST: something is at the new one; ENOENT: nothing is
// at the old one, the new one's directory was removed, or a slash comes after its name; ENOSPC.
func (f *FS) Link(from *Handle, old string, followEnd bool, at *Handle, path string) Errno {
	n, errno := f.find(from.n, old, ending(followEnd))
	if errno != OK {
		return errno
	}
	p, errno := f.named(at, path, false)
	if errno != OK {
		return errno
	}
	if n.kind == Directory {
		return EPERM
	}
	n = f.pin(n)
	cost := p.dir.cost(p.name)
	if n.slot && !n.parent.entries[n.name].charged {
		cost++
	}
	if !f.room(cost) {
		f.unpin(n)
		return ENOSPC
	}
	_ = f.keep(n) // there is room
	f.enter(f.pin(p.dir), p.name, n)
	n.nlink++
	f.renamed(n)
	return OK
}

// renamed notes that the names of n changed, not its contents.
func (f *FS) renamed(n *node) { n.ctim, n.clock = f.now(), true }

// Unlink removes a name that does not lead to a directory. What is open stays as it is until it is closed.
//
// Errors: those of a path; ENOENT; EISDIR: a directory; ENOTDIR: a slash comes after it; ENOSPC: it is a shared one, whose removal
// there is no room to keep in mind.
func (f *FS) Unlink(at *Handle, path string) Errno {
	p, errno := f.walk(at.n, path, never)
	switch {
	case errno != OK:
		return errno
	case p.dir == nil:
		return EISDIR
	case p.node == nil:
		return ENOENT
	case p.node.kind == Directory:
		return EISDIR
	case p.slash:
		return ENOTDIR
	}
	return f.remove(p)
}

// Rmdir removes an empty directory.
//
// Errors: those of a path; ENOENT; ENOTDIR: no directory; ENOTEMPTY: something is in it, or the path ends in ".."; EINVAL: it ends
// in "."; ENOSPC: it is a shared one, whose removal there is no room to keep in mind.
func (f *FS) Rmdir(at *Handle, path string) Errno {
	p, errno := f.walk(at.n, path, never)
	switch {
	case errno != OK:
		return errno
	case p.dir == nil && p.name == ".":
		return EINVAL
	case p.dir == nil:
		return ENOTEMPTY
	case p.node == nil:
		return ENOENT
	case p.node.kind != Directory:
		return ENOTDIR
	case !f.empty(p.node):
		return ENOTEMPTY
	}
	return f.remove(p)
}

// remove takes away the name at p. Preconditions: it may be.
func (f *FS) remove(p place) Errno {
	if names, _ := f.removal(p.dir, p.name); names > 0 && !f.room(names) {
		return ENOSPC
	}
	n := f.pin(p.node)
	dir := f.pin(p.dir)
	f.leave(dir, p.name)
	f.unname(n)
	f.unpin(dir)
	return OK
}

// unname takes one name off n, which has no entry for it any more.
func (f *FS) unname(n *node) {
	n.nlink--
	f.renamed(n)
	if n.kind == Directory {
		f.bury(n)
	}
	f.forget(n)
}

// Readlink returns the target of a symbolic link.
//
// Errors: those of a path; ENOENT; EINVAL: no symbolic link; ENOTDIR: a slash comes after it, and it does not lead to a directory.
func (f *FS) Readlink(at *Handle, path string) (string, Errno) {
	n, errno := f.find(at.n, path, slashed)
	if errno != OK {
		return "", errno
	}
	if n.kind != Symlink {
		return "", EINVAL
	}
	return n.target, OK
}
