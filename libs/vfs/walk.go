package vfs

import (
	"strings"
	"unicode/utf8"
)

// place is where a path leads.
type place struct {
	dir   *node  // the directory with the last name; nil when the path ends in "." or ".."
	name  string // the last name, or "." or ".."
	node  *node  // what is there; nil when there is nothing
	slash bool   // a slash comes after the name: only a directory will do
}

// follow says whether a symbolic link at the end of a path is followed. Others always are.
type follow uint8

const (
	never     follow = iota // what makes or removes a name
	slashed                 // where a slash comes after it, which asks for what it leads to
	unslashed               // where none does: a file is to be made of the name it leads to
	always
)

// ends reports whether a symbolic link at the end of a path, with a slash after it or none, is followed.
func (how follow) ends(slash bool) bool {
	switch how {
	case slashed:
		return slash
	case unslashed:
		return !slash
	}
	return how == always
}

// scheme is how Faasm's functions name shared files: "faasm://a/b" is "a/b" in the root. Libraries that tidy paths make one
// slash of the two.
const scheme = "faasm:/"

// walk goes from base along path, and never above base: neither ".." nor a symbolic link leads out, which is ENOTCAPABLE.
//
// Errors
//   - ENOENT: the path is empty, or a directory on it is not there
//   - EINVAL, EILSEQ: it has a NUL, or is not UTF-8
//   - ENAMETOOLONG: it is longer than MaxPath, or a name in it than MaxName
//   - ENOTCAPABLE: it leads out of base, or is absolute, or a link on it is
//   - ENOTDIR: base, or something on it that is not its end, is no directory
//   - ELOOP: there are more than MaxLinks links on it
//   - EINTR: the call ended
func (f *FS) walk(base *node, path string, how follow) (place, Errno) {
	if errno := valid(path); errno != OK {
		return place{}, errno
	}
	if base.kind != Directory {
		return place{}, ENOTDIR
	}
	if base == f.root && strings.HasPrefix(path, scheme) {
		path = strings.TrimLeft(path[len(scheme):], "/")
		if path == "" {
			path = "."
		}
	}
	if path[0] == '/' {
		return place{}, ENOTCAPABLE
	}
	var room [16]*node
	above := append(room[:0], base) // the directories from base to where we are
	links := 0
	for names := 1; ; names++ {
		if names%64 == 0 && f.Ended != nil && f.Ended() { // with links there may be eighty thousand
			return place{}, EINTR
		}
		name, rest, slash := next(path)
		here := above[len(above)-1]
		switch {
		case name == ".":
			if rest == "" {
				return place{name: name, node: here, slash: slash}, OK
			}
			path = rest
			continue
		case name == "..":
			if len(above) == 1 {
				return place{}, ENOTCAPABLE
			}
			above = above[:len(above)-1]
			if rest == "" {
				return place{name: name, node: above[len(above)-1], slash: slash}, OK
			}
			path = rest
			continue
		case len(name) > MaxName:
			return place{}, ENAMETOOLONG
		}
		n := f.child(here, name)
		if n != nil && n.kind == Symlink && (rest != "" || how.ends(slash)) {
			if links++; links > MaxLinks {
				return place{}, ELOOP
			}
			if n.target[0] == '/' {
				return place{}, ENOTCAPABLE
			}
			path = n.target
			if slash {
				path += "/" + rest
			}
			continue
		}
		if rest == "" {
			return place{dir: here, name: name, node: n, slash: slash}, OK
		}
		if n == nil {
			return place{}, ENOENT
		}
		if n.kind != Directory {
			return place{}, ENOTDIR
		}
		above = append(above, n)
		path = rest
	}
}

// next splits the first name off a path that does not begin with a slash, and reports whether slashes came after it.
func next(path string) (name, rest string, slash bool) {
	i := strings.IndexByte(path, '/')
	if i < 0 {
		return path, "", false
	}
	return path[:i], strings.TrimLeft(path[i:], "/"), true
}

// valid checks a path, or the target of a symbolic link, as a text.
func valid(path string) Errno {
	switch {
	case path == "":
		return ENOENT
	case len(path) > MaxPath:
		return ENAMETOOLONG
	case strings.IndexByte(path, 0) >= 0:
		return EINVAL
	case !utf8.ValidString(path):
		return EILSEQ
	}
	return OK
}

// find is walk to something that is there.
func (f *FS) find(base *node, path string, how follow) (*node, Errno) {
	p, errno := f.walk(base, path, how)
	switch {
	case errno != OK:
		return nil, errno
	case p.node == nil:
		return nil, ENOENT
	case p.slash && p.node.kind != Directory:
		return nil, ENOTDIR
	}
	return p.node, OK
}
