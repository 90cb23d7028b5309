package vfs

import (
	"maps"
	"sort"
	"strings"
)

// set puts e in dir's entries, in place of what has its name. That becomes a text of its own: it is a piece of a path, which
// with the links on it may be forty times as long as a path can be.
func (n *node) set(e *entry) {
	if n.entries == nil {
		n.entries = map[string]*entry{}
	}
	if old, ok := n.entries[e.name]; ok {
		e.name = old.name
	} else {
		e.name = strings.Clone(e.name)
	}
	n.entries[e.name] = e
	n.most = max(n.most, len(n.entries))
}

// unset takes the entry of a name out of dir's entries.
func (n *node) unset(name string) {
	delete(n.entries, name)
	n.entries, n.most = shrunk(n.entries, n.most)
}

// shrunk returns m, or a copy of it when it has had many times as much in it: a map never becomes smaller, and what a guest
// has deleted would count nowhere. most is how much it has had.
func shrunk[K comparable, V any](m map[K]V, most int) (map[K]V, int) {
	const few = 64
	if most <= few || len(m) > most/4 {
		return m, most
	}
	if len(m) == 0 {
		return nil, 0
	}
	smaller := make(map[K]V, len(m))
	maps.Copy(smaller, m)
	return smaller, len(m)
}

// cost returns how many names a new entry of dir under name takes: none when the shared one there was removed, which paid.
func (n *node) cost(name string) int {
	if e, ok := n.entries[name]; ok && e.charged {
		return 0
	}
	return 1
}

// enter makes a private entry for n in dir. Preconditions: dir is pinned, there is room for its cost, and nothing visible is
// there.
func (f *FS) enter(dir *node, name string, n *node) {
	f.names += dir.cost(name)
	dir.seq++
	e := &entry{name: name, node: n, seq: dir.seq, charged: true}
	dir.set(e)
	dir.order = append(dir.order, e)
	n.pinned = true
	if n.kind == Directory {
		n.parent, n.name = dir, e.name
	}
	f.touch(dir)
}

// removal returns by how many names the removal of an entry changes what is taken: a shared one that is removed is kept in
// mind. Preconditions: something is there.
func (f *FS) removal(dir *node, name string) (names int, hides bool) {
	e, ok := dir.entries[name]
	if ok && e.charged {
		names--
	}
	hides = !ok || e.seq == 0
	if !hides {
		_, hides = f.below(dir, name)
	}
	if hides {
		names++
	}
	return names, hides
}

// leave takes the entry out of dir. Preconditions: what is there is pinned, and there is room for what removal says.
func (f *FS) leave(dir *node, name string) {
	names, hides := f.removal(dir, name)
	f.names += names
	e := dir.entries[name]
	if e.seq != 0 {
		e.gone = true
		dir.gone++
		dir.tidy()
	}
	if e.seq == 0 {
		e.node.slot = false
		f.slots--
	}
	if hides {
		dir.set(&entry{name: name, charged: true})
	} else {
		dir.unset(name)
	}
	f.touch(dir)
}

// tidy drops entries that are gone when they are most of the list.
func (n *node) tidy() {
	if n.gone < 16 || n.gone*2 < len(n.order) {
		return
	}
	kept := make([]*entry, 0, len(n.order)-n.gone)
	for _, e := range n.order {
		if !e.gone {
			kept = append(kept, e)
		}
	}
	n.order, n.gone = kept, 0
}

// empty reports whether nothing is in dir.
func (f *FS) empty(dir *node) bool {
	if len(dir.order) > dir.gone {
		return false
	}
	for _, info := range f.list(dir) {
		if e, ok := dir.entries[info.Name]; !ok || e.node != nil {
			return false
		}
	}
	return true
}

// list returns what is in the shared directory that shines through dir.
func (f *FS) list(dir *node) []Info {
	if !dir.isLower || dir.dead {
		return nil
	}
	f.looked = true
	if f.shared == nil {
		return nil
	}
	return f.shared.List(dir.lower)
}

// bury empties a directory that is removed. Preconditions: it is empty but for what hides shared ones.
func (f *FS) bury(dir *node) {
	for _, e := range dir.entries {
		if e.charged {
			f.names--
		}
	}
	dir.entries, dir.most, dir.order, dir.gone, dir.dead = nil, 0, nil, 0, true
}

// Entry is a name in a directory.
type Entry struct {
	Name  string
	Inode uint64
	Kind  Kind
	Next  uint64 // the cookie that the entry after it has
}

// Cookies of a directory, which stay valid whatever changes in it: "." and ".." have 0 and 1, what is shared its index in
// the shared directory, what is private its seq beyond those. So an entry that stays is told once, and one that is made or
// removed meanwhile at most once.
const (
	cookieParent = 1
	cookieShared = 2
)

// Entries tells what is in the directory from a cookie on, until yield answers false; 0 is the first, which is ".". A removed
// directory has nothing in it but "." and "..".
func (h *Handle) Entries(cookie uint64, yield func(Entry) bool) Errno {
	dir, f := h.n, h.fs
	if dir.kind != Directory {
		return ENOTDIR
	}
	parent := dir
	if dir.parent != nil {
		parent = dir.parent
	}
	if cookie == 0 && !yield(Entry{Name: ".", Inode: dir.ino, Kind: Directory, Next: cookieParent}) {
		return OK
	}
	if cookie <= cookieParent && !yield(Entry{Name: "..", Inode: parent.ino, Kind: Directory, Next: cookieShared}) {
		return OK
	}
	cookie = max(cookie, cookieShared)
	shared := f.list(dir)
	for i := cookie - cookieShared; i < uint64(len(shared)); i++ {
		info := &shared[i]
		e := Entry{Name: info.Name, Inode: sharedInode(*info), Kind: Regular, Next: i + 1 + cookieShared}
		if info.Dir {
			e.Kind = Directory
		}
		if over, ok := dir.entries[info.Name]; ok && (over.node == nil || over.seq != 0) {
			continue
		}
		if !yield(e) {
			return OK
		}
	}
	base := cookieShared + uint64(len(shared)) // of seq 1
	first := max(cookie, base) - base + 1
	at := sort.Search(len(dir.order), func(i int) bool { return dir.order[i].seq >= first })
	for _, e := range dir.order[at:] {
		if e.gone {
			continue
		}
		if !yield(Entry{Name: e.name, Inode: e.node.ino, Kind: e.node.kind, Next: base + e.seq}) {
			return OK
		}
	}
	return OK
}
