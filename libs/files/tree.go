package files

import (
	"hash/fnv"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"github.com/shoal-run/shoal/bus/faas"
	"github.com/shoal-run/shoal/libs/vfs"
)

// Tree are the shared files of one tenant at one revision of the index. It never changes and is safe for concurrent use.
// Changing it makes another one that shares all but the directories on the way to what changed.
type Tree struct {
	revision uint64 // up to which it knows every change of the tenant
	expect   uint64 // of the tenant's last message in the index: what a write compares with. Less than revision when that message has expired
	root     *node
	files    int
	bytes    int64
}

// node is a file, a directory, or both for a moment: an index that somebody else has written may have a and a/b.
type node struct {
	name     string
	file     *entry  // put at this path; nil for a directory
	children []*node // by name
	modified time.Time
	edit     *edit                      // the change that made it, which may change it again
	list     atomic.Pointer[[]vfs.Info] // of the children, when they were asked for
}

// entry is a file with what is worked out once.
type entry struct {
	faas.File
	inode uint64
}

// change is what one message of the index says: a file was put, or is gone when file is nil.
type change struct {
	path string
	rev  uint64
	file *faas.File
}

// edit stands for one round of changes: nodes that it made nobody else has seen.
type edit struct{ _ int } // not empty: two of them must have two addresses

var emptyTree = &Tree{root: &node{}}

// Revision returns the revision of the index up to which the tree has every change.
func (t *Tree) Revision() uint64 { return t.revision }

// Len returns how many files there are, and the bytes of all together.
func (t *Tree) Len() (files int, bytes int64) { return t.files, t.bytes }

// File returns the file at path.
func (t *Tree) File(path string) (faas.File, bool) {
	if n := t.find(path); n != nil && n.file != nil {
		return n.file.File, true
	}
	return faas.File{}, false
}

// find returns the node at path, nil when there is none. The root is at "".
func (t *Tree) find(path string) *node {
	n := t.root
	for path != "" {
		var name string
		name, path, _ = strings.Cut(path, "/")
		i, found := n.child(name)
		if !found {
			return nil
		}
		n = n.children[i]
	}
	return n
}

func (n *node) child(name string) (int, bool) {
	return slices.BinarySearchFunc(n.children, name, func(c *node, name string) int { return strings.Compare(c.name, name) })
}

func (n *node) dir() bool { return len(n.children) > 0 }

// conflict returns why no file can be put at path: "" when one can.
func (t *Tree) conflict(path string) string {
	n := t.root
	for i := 0; i < len(path); {
		end := i + strings.IndexByte(path[i:]+"/", '/')
		j, found := n.child(path[i:end])
		if !found {
			return ""
		}
		n = n.children[j]
		switch {
		case end == len(path) && n.dir():
			return path + " is a directory: it has " + n.children[0].name
		case end < len(path) && n.file != nil:
			return path[:end] + " is a file, and can't be a directory too"
		}
		i = end + 1
	}
	return ""
}

// with returns the tree after changes, in their order; rev is the highest revision that it knows then.
func (t *Tree) with(changes []change, rev uint64) *Tree {
	next := &Tree{revision: rev, expect: rev, root: t.root, files: t.files, bytes: t.bytes}
	e := new(edit)
	for _, c := range changes {
		var f *entry
		if c.file != nil {
			f = &entry{File: *c.file, inode: inodeOf(c.path, c.file.Digest)}
		}
		var old *entry
		if next.root, old = next.root.put(e, c.path, f); next.root == nil {
			next.root = &node{edit: e}
		}
		if old != nil {
			next.files--
			next.bytes -= old.Size
		}
		if f != nil {
			next.files++
			next.bytes += f.Size
		}
	}
	return next
}

// treeOf returns the tree of all that the changes put.
func treeOf(changes []change, rev uint64) *Tree {
	slices.SortStableFunc(changes, func(a, b change) int { return strings.Compare(a.path, b.path) }) // appending is quicker
	return emptyTree.with(changes, rev)
}

// put returns n, or a copy of it, with f in the place of what was at path below it; nil when nothing is left.
func (n *node) put(e *edit, path string, f *entry) (now *node, old *entry) {
	if path == "" {
		now, old = n.own(e), n.file
		now.file = f
		now.settle()
		return now.orNil(), old
	}
	name, rest, _ := strings.Cut(path, "/")
	i, found := n.child(name)
	if !found && f == nil {
		return n, nil
	}
	now = n.own(e)
	child := &node{name: name, edit: e}
	if found {
		child = now.children[i]
	}
	child, old = child.put(e, rest, f)
	switch {
	case child == nil && found:
		now.children = slices.Delete(now.children, i, i+1)
	case child != nil && found:
		now.children[i] = child
	case child != nil:
		now.children = slices.Insert(now.children, i, child)
	}
	if old == nil && f != nil { // more than there was, and nothing older
		if f.Modified.After(now.modified) {
			now.modified = f.Modified
		}
	} else {
		now.settle()
	}
	return now.orNil(), old
}

// own returns n if e made it, else a copy that e may change.
func (n *node) own(e *edit) *node {
	if n.edit == e {
		n.list.Store(nil)
		return n
	}
	return &node{name: n.name, file: n.file, children: slices.Clone(n.children), modified: n.modified, edit: e}
}

// settle works out anew when what is in n changed last.
func (n *node) settle() {
	n.modified = time.Time{}
	if n.file != nil {
		n.modified = n.file.Modified
	}
	for _, c := range n.children {
		if c.modified.After(n.modified) {
			n.modified = c.modified
		}
	}
}

func (n *node) orNil() *node {
	if n.file == nil && len(n.children) == 0 {
		return nil
	}
	return n
}

// inodeOf numbers contents at a path, or with no digest a directory. The digits of two may be equal by chance, once in
// billions of files.
func inodeOf(path, digest string) uint64 {
	h := fnv.New64a()
	_, _ = h.Write([]byte(path)) // a hash never fails
	_, _ = h.Write([]byte{0})
	_, _ = h.Write([]byte(digest))
	return max(h.Sum64(), 1)
}

// walk calls f with every file after the path after, "" for all, whose path begins with prefix, part by part in the order
// of their names, until f returns false.
func (t *Tree) walk(prefix, after string, f func(faas.File) bool) {
	t.root.walk("", prefix, after, f)
}

func (n *node) walk(path, prefix, after string, f func(faas.File) bool) bool {
	if n.file != nil && strings.HasPrefix(path, prefix) && comparePaths(path, after) > 0 && !f(n.file.File) {
		return false
	}
	below := path + "/"
	if path == "" {
		below = ""
	}
	for _, c := range n.children {
		p := below + c.name
		switch {
		case !strings.HasPrefix(p, prefix) && !strings.HasPrefix(prefix, p+"/"): // neither it nor what is in it
		case comparePaths(p, after) < 0 && !strings.HasPrefix(after, p+"/"): // seen before
		case !c.walk(p, prefix, after, f):
			return false
		}
	}
	return true
}

// comparePaths orders paths part by part, so that a directory's files are together.
func comparePaths(a, b string) int {
	for i := 0; i < len(a) && i < len(b); i++ {
		if a[i] == b[i] {
			continue
		}
		switch {
		case a[i] == '/':
			return -1
		case b[i] == '/':
			return 1
		}
		return int(a[i]) - int(b[i])
	}
	return len(a) - len(b)
}
