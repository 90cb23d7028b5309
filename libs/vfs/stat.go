package vfs

// Stat is what is known of a file. Times are in nanoseconds since 1970.
type Stat struct {
	Inode    uint64
	Kind     Kind
	Links    uint64
	Size     uint64 // bytes: of a file, or of the target of a symbolic link
	Accessed uint64
	Modified uint64
	Changed  uint64
	Clock    bool // one of the times is of the call's own clock
}

// Stat tells what is known of an open file.
func (h *Handle) Stat() Stat { return h.fs.stat(h.n) }

// Stat tells what is known of what is at path. followEnd follows a symbolic link there.
//
// Errors: those of a path; ENOENT; ENOTDIR: a slash comes after what is no directory.
func (f *FS) Stat(at *Handle, path string, followEnd bool) (Stat, Errno) {
	n, errno := f.find(at.n, path, ending(followEnd))
	if errno != OK {
		return Stat{}, errno
	}
	return f.stat(n), OK
}

// ending returns how a walk to something that is there takes its end.
func ending(followEnd bool) follow {
	if followEnd {
		return always
	}
	return slashed
}

func (f *FS) stat(n *node) Stat {
	f.loadRoot(n)
	size := uint64(n.size)
	if n.kind == Symlink {
		size = uint64(len(n.target))
	}
	return Stat{
		Inode: n.ino, Kind: n.kind, Links: uint64(n.nlink), Size: size,
		Accessed: n.atim, Modified: n.mtim, Changed: n.ctim, Clock: n.clock,
	}
}

// Time says what becomes of a time: it is kept, set to the clock, or set to At.
type Time struct {
	Set bool
	Now bool   // with Set: to the clock
	At  uint64 // nanoseconds since 1970
}

// SetTimes sets times of an open file. ENOSPC: it is a shared one, for whose change there is no name left.
func (h *Handle) SetTimes(accessed, modified Time) Errno {
	return h.fs.setTimes(h.n, accessed, modified)
}

// SetTimes sets times of what is at path. followEnd follows a symbolic link there.
//
// Errors: those of a path; ENOENT; ENOTDIR: a slash comes after what is no directory; ENOSPC: it is a shared one, for whose change
// there is no name left.
func (f *FS) SetTimes(at *Handle, path string, followEnd bool, accessed, modified Time) Errno {
	n, errno := f.find(at.n, path, ending(followEnd))
	if errno != OK {
		return errno
	}
	n = f.pin(n)
	errno = f.setTimes(n, accessed, modified)
	f.unpin(n)
	return errno
}

func (f *FS) setTimes(n *node, accessed, modified Time) Errno {
	if !accessed.Set && !modified.Set {
		return OK
	}
	if errno := f.keep(n); errno != OK {
		return errno
	}
	f.loadRoot(n)
	now := f.now()
	for _, t := range []struct {
		Time
		to *uint64
	}{{accessed, &n.atim}, {modified, &n.mtim}} {
		switch {
		case t.Set && t.Now:
			*t.to = now
		case t.Set:
			*t.to = t.At
		}
	}
	n.ctim, n.clock, n.timed = now, true, true
	return OK
}
