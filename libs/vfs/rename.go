package vfs

// Rename moves a file, a directory or a symbolic link to another path, in place of a file or an empty directory that is there.
// It is whole or not at all. Two names of one file stay both.
//
// Errors: those of the paths; ENOENT: nothing is at the old one, or the new one's directory was removed; EBUSY: either ends in "."
// or ".."; EINVAL: a directory would come to lie in itself; ENOTDIR: a directory over a file, or a slash after a file's name;
// EISDIR: a file over a directory; ENOTEMPTY: something is in the directory there; ENOSPC.
func (f *FS) Rename(from *Handle, old string, to *Handle, path string) Errno {
	src, errno := f.walk(from.n, old, never)
	if errno != OK {
		return errno
	}
	dst, errno := f.walk(to.n, path, never)
	if errno != OK {
		return errno
	}
	if src.dir == nil || dst.dir == nil {
		return EBUSY
	}
	if src.node == nil {
		return ENOENT
	}
	n := f.pin(src.node)
	src.dir = f.pin(src.dir)
	defer f.unpin(src.dir)
	defer f.unpin(n)
	dst.dir = f.pin(dst.dir)
	defer f.unpin(dst.dir)
	if dst.node != nil {
		dst.node = f.pin(dst.node)
		defer f.unpin(dst.node)
	}
	if errno := f.mayRename(n, src, dst); errno != OK {
		return errno
	}
	if dst.node == n { // the same place, or two names of one file
		return OK
	}
	return f.move(n, src, dst)
}

// mayRename checks what POSIX asks of n, at src, to be moved to dst.
func (f *FS) mayRename(n *node, src, dst place) Errno {
	target := dst.node
	switch {
	case dst.dir.dead:
		return ENOENT
	case n.kind != Directory && (src.slash || dst.slash):
		return ENOTDIR
	case n.kind == Directory && n.holds(dst.dir):
		return EINVAL
	case target != nil && target.holds(src.dir):
		return ENOTEMPTY
	case target == n:
		return OK
	case target == nil:
		return OK
	case n.kind == Directory && target.kind != Directory:
		return ENOTDIR
	case n.kind != Directory && target.kind == Directory:
		return EISDIR
	case target.kind == Directory && !f.empty(target):
		return ENOTEMPTY
	}
	return OK
}

// holds reports whether dir is n or lies in it. Preconditions: both are pinned.
func (n *node) holds(dir *node) bool {
	for ; dir != nil; dir = dir.parent {
		if dir == n {
			return true
		}
	}
	return false
}

// move moves n. Preconditions: mayRename, and all are pinned.
func (f *FS) move(n *node, src, dst place) Errno {
	cost, _ := f.removal(src.dir, src.name)
	cost += dst.dir.cost(dst.name)
	if cost > 0 && !f.room(cost) {
		return ENOSPC
	}
	target := dst.node
	if target != nil {
		// What is made of the shared one's removal here is taken back by enter: it costs no more than what is there.
		f.leave(dst.dir, dst.name)
	}
	f.leave(src.dir, src.name)
	f.enter(dst.dir, dst.name, n)
	f.renamed(n)
	if target != nil {
		f.unname(target)
	}
	return OK
}
