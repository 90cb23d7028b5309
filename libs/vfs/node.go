package vfs

import "strings"

// Kind is what a name leads to.
type Kind uint8

// The kinds of files.
const (
	Regular Kind = iota + 1
	Directory
	Symlink
)

// node is a file, a directory or a symbolic link: an inode.
//
// A shared one that was only passed by on a path is not pinned: it is in nobody's entries, and another look makes another
// node for it. It is pinned, and its directories with it, when it is opened or changed, so that all see the same; and let go
// when it is closed and was not changed.
type node struct {
	ino   uint64
	kind  Kind
	nlink uint32 // names; 0 when it lives only because it is open
	refs  int    // handles

	pinned bool // in the entries of parent, or without a name any more
	slot   bool // in the place that a shared one has in its directory; parent and name say where
	timed  bool // its times were set
	clock  bool // one of its times is of the call's clock

	// Where it is: of directories and of what is in its slot or not pinned. The parent of the root is nil.
	parent *node
	name   string

	// What shines through: the shared file or directory at path lower.
	isLower bool
	lower   string

	atim, mtim, ctim uint64 // nanoseconds since 1970

	// Of a regular file.
	size    int64
	through int64            // so many bytes from the start are the shared file's where no page lies over them
	pages   map[int64][]byte // by number
	written int              // the most pages there were since the map was made
	content Content          // the shared file, once it was read

	// Of a directory.
	entries map[string]*entry
	most    int      // the most there were since the map was made
	order   []*entry // the private ones, by seq; some gone
	gone    int      // how many
	seq     uint64   // of the last private entry
	dead    bool     // removed

	// Of a symbolic link.
	target string
}

// entry is what a directory's private layer has under a name.
type entry struct {
	name    string
	node    *node  // nil: the shared one of that name was removed
	seq     uint64 // of a private entry, from 1 on; 0 for what is in the slot of a shared one
	charged bool   // it counts as a name
	gone    bool   // taken out of the entries
}

// child returns what is in dir under a name, nil when there is nothing.
func (f *FS) child(dir *node, name string) *node {
	if e, ok := dir.entries[name]; ok {
		return e.node
	}
	info, ok := f.below(dir, name)
	if !ok {
		return nil
	}
	return f.sharedNode(dir, name, info)
}

// below looks a name up in the shared directory that shines through dir.
func (f *FS) below(dir *node, name string) (Info, bool) {
	if !dir.isLower || dir.dead {
		return Info{}, false
	}
	f.looked = true
	if f.shared == nil {
		return Info{}, false
	}
	return f.shared.Lookup(join(dir.lower, name))
}

// sharedNode makes a node, not pinned, of a shared file or directory.
func (f *FS) sharedNode(dir *node, name string, info Info) *node {
	n := &node{
		ino: sharedInode(info), kind: Regular, nlink: 1, parent: dir, name: name,
		isLower: true, lower: join(dir.lower, name),
	}
	n.mtim = nanoseconds(info.Modified)
	n.atim, n.ctim = n.mtim, n.mtim
	if info.Dir {
		n.kind = Directory
	} else {
		n.size, n.through = info.Size, info.Size
	}
	return n
}

// sharedInode returns the number of a shared file or directory, which no private one has, nor the root.
func sharedInode(info Info) uint64 {
	ino := info.Inode &^ privateInode
	if ino <= rootInode {
		ino += 2
	}
	return ino
}

// join returns the path of a name in a shared directory.
func join(dir, name string) string {
	if dir == "" {
		return name
	}
	return dir + "/" + name
}

// pin puts n, and the directories it is in, where every later look finds them. It returns the node to use from now on, as
// another look may have pinned one already.
func (f *FS) pin(n *node) *node {
	if n.pinned {
		return n
	}
	dir := f.pin(n.parent)
	if e, ok := dir.entries[n.name]; ok && e.node != nil {
		return e.node
	}
	e := &entry{name: n.name, node: n}
	dir.set(e)
	n.parent, n.name, n.pinned, n.slot = dir, e.name, true, true
	f.slots++
	n.lower = strings.Clone(n.lower)
	return n
}

// unpin lets go of n, and of the directories it is in, when nobody needs them any more: nothing is changed and nothing open.
func (f *FS) unpin(n *node) {
	for n.slot && n.refs == 0 && len(n.entries) == 0 {
		if e := n.parent.entries[n.name]; e.charged {
			return
		}
		n.parent.unset(n.name)
		n.pinned, n.slot = false, false
		f.slots--
		n = n.parent
	}
}

// keep pins n for good, because it is changed. Only what is in its slot costs a name: the others have paid.
func (f *FS) keep(n *node) Errno {
	if !n.slot {
		return OK
	}
	e := n.parent.entries[n.name]
	if e.charged {
		return OK
	}
	if !f.room(1) {
		return ENOSPC
	}
	e.charged = true
	f.names++
	return OK
}

// touch notes that the contents of n changed. A shared directory in which all is as it was in the end is let go, with its times.
func (f *FS) touch(n *node) {
	f.loadRoot(n)
	n.mtim = f.now()
	n.ctim, n.clock = n.mtim, true
}

// loadRoot gives the root its times, when n is the root and has none.
func (f *FS) loadRoot(n *node) {
	if n != f.root || f.rootTimes {
		return
	}
	f.rootTimes, f.looked = true, true
	if f.shared == nil {
		return
	}
	if info, ok := f.shared.Lookup(""); ok {
		n.mtim = nanoseconds(info.Modified)
		n.atim, n.ctim = n.mtim, n.mtim
	}
}

// forget gives back what n holds when it has neither a name nor a handle.
func (f *FS) forget(n *node) {
	if n.nlink > 0 || n.refs > 0 {
		return
	}
	for _, p := range n.pages {
		f.bytes -= int64(cap(p))
	}
	n.pages, n.written = nil, 0
	f.bytes -= int64(len(n.target))
	n.target = ""
	f.letGo(n)
}

// letGo closes the shared file under n.
func (f *FS) letGo(n *node) {
	if n.content == nil {
		return
	}
	_ = n.content.Close() // it was only read
	n.content = nil
	delete(f.opened, n)
}
