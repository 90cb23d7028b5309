package files

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/shoal-run/shoal/bus/faas"
	"github.com/shoal-run/shoal/libs/vfs"
)

func fileAt(path string, size int64, age time.Duration) *faas.File {
	return &faas.File{Path: path, Size: size, Digest: fmt.Sprintf("%064x", size), Modified: time.Unix(1_000_000, 0).Add(-age)}
}

// TestTreeAgainstMap makes random changes, in rounds, and compares every tree with a map of paths; the trees before stay as
// they were.
func TestTreeAgainstMap(t *testing.T) {
	rnd := rand.New(rand.NewPCG(1, 2))
	paths := []string{"a", "a-b", "b/c", "b/c-d", "b/d/e", "b/d/f", "b.c", "x/y/z", "x/yy", "é/日本"}
	tree, model := emptyTree, map[string]faas.File{}
	type moment struct {
		tree  *Tree
		model map[string]faas.File
	}
	var past []moment
	for round := range 400 {
		var changes []change
		for range rnd.IntN(4) + 1 {
			p := paths[rnd.IntN(len(paths))]
			c := change{path: p, rev: uint64(round + 1)}
			if rnd.IntN(3) > 0 {
				c.file = fileAt(p, rnd.Int64N(1000), time.Duration(rnd.IntN(1000))*time.Second)
				model[p] = *c.file
			} else {
				delete(model, p)
			}
			changes = append(changes, c)
		}
		tree = tree.with(changes, uint64(round+1))
		past = append(past, moment{tree, maps.Clone(model)})
	}
	for _, m := range past {
		compare(t, m.tree, m.model)
	}
}

// compare fails t unless tree has what model has, and directories are what is in them.
func compare(t *testing.T, tree *Tree, model map[string]faas.File) {
	t.Helper()
	var bytes int64
	latest := map[string]time.Time{}
	for p, f := range model {
		bytes += f.Size
		for d := p; d != ""; {
			d = d[:max(strings.LastIndexByte(d, '/'), 0)]
			if f.Modified.After(latest[d]) {
				latest[d] = f.Modified
			}
		}
	}
	var got []string
	tree.walk("", "", func(f faas.File) bool {
		if f != model[f.Path] {
			t.Errorf("%s is %+v, want %+v", f.Path, f, model[f.Path])
		}
		got = append(got, f.Path)
		return true
	})
	want := slices.SortedFunc(maps.Keys(model), comparePaths)
	if files, b := tree.Len(); !slices.Equal(got, want) || files != len(model) || b != bytes {
		t.Fatalf("%d files of %d bytes: %v, want %v of %d", files, b, got, want, bytes)
	}
	s := &snapshot{tree, "t", nil}
	for d, when := range latest {
		info, ok := s.Lookup(d)
		if !ok || !info.Dir || !info.Modified.Equal(when) || info.Inode == 0 || info.Size != 0 {
			t.Fatalf("directory %q is %+v, %v, want %v", d, info, ok, when)
		}
	}
	if got := listed(s, ""); !slices.Equal(got, want) {
		t.Fatalf("the directories have %v, want %v", got, want)
	}
}

// listed returns the files below a directory as List tells them.
func listed(s vfs.Shared, dir string) (out []string) {
	for _, i := range s.List(dir) {
		p := i.Name
		if dir != "" {
			p = dir + "/" + i.Name
		}
		if again, ok := s.Lookup(p); !ok || again != i {
			return []string{fmt.Sprintf("%s is %+v in its directory and %+v by its path", p, i, again)}
		}
		if i.Dir {
			out = append(out, listed(s, p)...)
		} else {
			out = append(out, p)
		}
	}
	return out
}

func TestTreeConflict(t *testing.T) {
	tree := treeOf([]change{{"a/b/c", 1, fileAt("a/b/c", 1, 0)}, {"f", 2, fileAt("f", 1, 0)}}, 2)
	for path, want := range map[string]string{
		"f": "", "a/b/c": "", "a/b/d": "", "a/x": "", "g": "", "ff": "", "a/bb": "",
		"a":         "a is a directory: it has b",
		"a/b":       "a/b is a directory: it has c",
		"f/x":       "f is a file, and can't be a directory too",
		"a/b/c/d/e": "a/b/c is a file, and can't be a directory too",
	} {
		if got := tree.conflict(path); got != want {
			t.Errorf("%s: %q, want %q", path, got, want)
		}
	}
}

// An index that somebody else has written may have a file within a file: the directory shows, and nothing is lost.
func TestTreeFileInFile(t *testing.T) {
	tree := treeOf([]change{{"a", 1, fileAt("a", 1, 0)}, {"a/b", 2, fileAt("a/b", 2, 0)}}, 2)
	s := &snapshot{tree, "t", nil}
	if info, _ := s.Lookup("a"); !info.Dir {
		t.Errorf("a is %+v", info)
	}
	s.Tree = tree.with([]change{{path: "a/b", rev: 3}}, 3)
	if info, _ := s.Lookup("a"); info.Dir || info.Size != 1 {
		t.Errorf("then a is %+v", info)
	}
	s.Tree = s.with([]change{{path: "a", rev: 4}}, 4)
	if _, ok := s.Lookup("a"); ok || s.List("a") != nil || len(s.List("")) != 0 {
		t.Error("it is not empty at last")
	}
}

func TestTreeInodes(t *testing.T) {
	inode := func(path string, size int64) uint64 {
		s := &snapshot{treeOf([]change{{path, 1, fileAt(path, size, 0)}}, 1), "t", nil}
		info, _ := s.Lookup(path)
		return info.Inode
	}
	if a := inode("a", 1); a == 0 || a != inode("a", 1) || a == inode("a", 2) || a == inode("b", 1) {
		t.Error("inodes are not of contents at a path")
	}
}

func TestWalkPages(t *testing.T) {
	var changes []change
	for i := range 200 {
		p := fmt.Sprintf("d%d/%s/f%d", i%3, strings.Repeat("x", i%2+1), i)
		changes = append(changes, change{p, uint64(i + 1), fileAt(p, 1, 0)})
	}
	tree := treeOf(changes, 200)
	for _, prefix := range []string{"", "d1", "d1/", "d1/x", "d1/xx/f1", "e"} {
		var want, got []string
		for _, c := range changes {
			if strings.HasPrefix(c.path, prefix) {
				want = append(want, c.path)
			}
		}
		slices.SortFunc(want, comparePaths)
		for after := ""; ; {
			n := 0
			tree.walk(prefix, after, func(f faas.File) bool {
				got = append(got, f.Path)
				after = f.Path
				n++
				return n < 7
			})
			if n < 7 {
				break
			}
		}
		if !slices.Equal(got, want) {
			t.Errorf("prefix %q: %v, want %v", prefix, got, want)
		}
	}
}

// manyFiles is a tree of n files in one directory.
func manyFiles(n int) *Tree {
	changes := make([]change, n)
	for i := range changes {
		p := fmt.Sprintf("data/part-%06d", i*7919%n)
		changes[i] = change{p, uint64(i + 1), fileAt(p, int64(i), 0)}
	}
	return treeOf(changes, uint64(n))
}

func BenchmarkTree(b *testing.B) {
	const n = faas.DefaultFiles
	tree := manyFiles(n)
	b.Run("build 10 000", func(b *testing.B) {
		for b.Loop() {
			manyFiles(n)
		}
	})
	b.Run("put one", func(b *testing.B) {
		b.ReportAllocs()
		f := fileAt("data/part-005000", 1, 0)
		for b.Loop() {
			tree.with([]change{{f.Path, n + 1, f}}, n+1)
		}
	})
	b.Run("lookup", func(b *testing.B) {
		b.ReportAllocs()
		s := &snapshot{tree, "t", nil}
		for b.Loop() {
			if _, ok := s.Lookup("data/part-005000"); !ok {
				b.Fatal("missing")
			}
		}
	})
}
