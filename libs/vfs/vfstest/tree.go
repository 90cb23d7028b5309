// Package vfstest has shared files for tests: what a worker gets from its cache, in memory or from a folder.
package vfstest

import (
	"context"
	"fmt"
	"hash/fnv"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"github.com/shoal-run/shoal/libs/vfs"
)

// Modified is when the files of New were put.
var Modified = time.Date(2022, 1, 1, 0, 0, 0, 0, time.UTC)

// Tree is a vfs.Shared. It is safe for concurrent use once it is made.
type Tree struct {
	infos map[string]vfs.Info
	dirs  map[string][]vfs.Info
	open  func(path string) (vfs.Content, error)

	// Fetched counts calls of Open, Open those contents that were not closed.
	Fetched, Opened atomic.Int64
	// Fail, when it is set, is asked before a file is opened.
	Fail func(ctx context.Context, path string) error
}

var _ vfs.Shared = (*Tree)(nil)

// Same implements vfs.Shared.
func (t *Tree) Same(other vfs.Shared) bool { return other == vfs.Shared(t) }

// New returns the files with those contents by path.
func New(files map[string]string) *Tree {
	t := &Tree{open: func(p string) (vfs.Content, error) { return memory{strings.NewReader(files[p])}, nil }}
	for p, text := range files {
		t.add(p, int64(len(text)), Modified)
	}
	t.sort()
	return t
}

// Folder returns the files of a folder of this machine, which are opened there.
func Folder(dir string) (*Tree, error) {
	t := &Tree{open: func(p string) (vfs.Content, error) { return os.Open(filepath.Join(dir, filepath.FromSlash(p))) }}
	err := filepath.WalkDir(dir, func(file string, d fs.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() {
			return err
		}
		info, err := d.Info()
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(dir, file)
		if err != nil {
			return err
		}
		t.add(filepath.ToSlash(rel), info.Size(), info.ModTime())
		return nil
	})
	t.sort()
	return t, err
}

// add adds a file and the directories it is in.
func (t *Tree) add(p string, size int64, modified time.Time) {
	if t.infos == nil {
		t.infos, t.dirs = map[string]vfs.Info{}, map[string][]vfs.Info{}
	}
	info := vfs.Info{Size: size, Modified: modified}
	for {
		info.Name, info.Inode = path.Base(p), inode(p)
		if _, ok := t.infos[p]; ok {
			return
		}
		t.infos[p] = info
		dir := path.Dir(p)
		if dir == "." {
			dir = ""
		}
		t.dirs[dir] = append(t.dirs[dir], info)
		if dir == "" {
			return
		}
		p, info = dir, vfs.Info{Dir: true, Modified: modified}
	}
}

func (t *Tree) sort() {
	for _, list := range t.dirs {
		slices.SortFunc(list, func(a, b vfs.Info) int { return strings.Compare(a.Name, b.Name) })
	}
}

func inode(p string) uint64 {
	h := fnv.New64a()
	_, _ = h.Write([]byte(p))
	return h.Sum64()
}

// Lookup returns what is at p.
func (t *Tree) Lookup(p string) (vfs.Info, bool) {
	if p == "" {
		return vfs.Info{Dir: true, Inode: inode(""), Modified: Modified}, true
	}
	info, ok := t.infos[p]
	return info, ok
}

// List returns what is in a directory.
func (t *Tree) List(p string) []vfs.Info { return t.dirs[p] }

// Open opens a file.
func (t *Tree) Open(ctx context.Context, p string) (vfs.Content, error) {
	if info, ok := t.infos[p]; !ok || info.Dir {
		return nil, fmt.Errorf("no shared file %q", p)
	}
	if t.Fail != nil {
		if err := t.Fail(ctx, p); err != nil {
			return nil, err
		}
	}
	c, err := t.open(p)
	if err != nil {
		return nil, err
	}
	t.Fetched.Add(1)
	t.Opened.Add(1)
	return &counted{Content: c, tree: t}, nil
}

// counted is a Content that a Tree counts.
type counted struct {
	vfs.Content
	tree *Tree
}

// Close closes it.
func (c *counted) Close() error {
	c.tree.Opened.Add(-1)
	return c.Content.Close()
}

// memory is a Content in memory.
type memory struct{ *strings.Reader }

// Close does nothing.
func (memory) Close() error { return nil }
