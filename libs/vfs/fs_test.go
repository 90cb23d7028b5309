package vfs_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/shoal-run/shoal/libs/vfs"
	"github.com/shoal-run/shoal/libs/vfs/vfstest"
)

// world is a file system, its root and what is below, for a test.
type world struct {
	*vfs.FS
	t    testing.TB
	root *vfs.Handle
	tree *vfstest.Tree
}

// noon is what the clock of a world says.
var noon = time.Date(2023, 6, 1, 12, 0, 0, 0, time.UTC)

func newWorld(t testing.TB, files map[string]string, limits vfs.Limits) *world {
	t.Helper()
	w := &world{t: t, tree: vfstest.New(files)}
	w.FS = vfs.New(w.tree, limits, func() time.Time { return noon })
	w.root = w.Root()
	t.Cleanup(func() {
		w.FS.Close()
		if n := w.tree.Opened.Load(); n != 0 {
			t.Errorf("%d shared files are still open", n)
		}
	})
	return w
}

func (w *world) open(path string, m vfs.Mode) *vfs.Handle {
	w.t.Helper()
	h, errno := w.FS.Open(w.t.Context(), w.root, path, m)
	if errno != vfs.OK {
		w.t.Fatalf("open %s: %v", path, errno)
	}
	return h
}

// write makes a file.
func (w *world) write(path, text string) {
	w.t.Helper()
	h := w.open(path, vfs.Mode{Create: true, Truncate: true, Write: true})
	defer h.Close()
	if n, errno := h.WriteAt(w.t.Context(), []byte(text), 0); n != len(text) || errno != vfs.OK {
		w.t.Fatalf("write %s: %d, %v", path, n, errno)
	}
}

// read returns a file, or its errno.
func (w *world) read(path string) string {
	w.t.Helper()
	h, errno := w.FS.Open(w.t.Context(), w.root, path, vfs.Mode{Follow: true})
	if errno != vfs.OK {
		return errno.String()
	}
	defer h.Close()
	b := make([]byte, h.Size())
	if _, errno := h.ReadAt(w.t.Context(), b, 0); errno != vfs.OK {
		return errno.String()
	}
	return string(b)
}

// names returns what is in a directory.
func (w *world) names(path string) string {
	w.t.Helper()
	h := w.open(path, vfs.Mode{Directory: true})
	defer h.Close()
	var all []string
	_ = h.Entries(0, func(e vfs.Entry) bool { all = append(all, e.Name); return true })
	return strings.Join(all, " ")
}

func (w *world) want(what string, got, want any) {
	w.t.Helper()
	if got != want {
		w.t.Errorf("%s: %v, want %v", what, got, want)
	}
}

func TestPaths(t *testing.T) {
	w := newWorld(t, map[string]string{"a/b/f": "shared", "g": "other"}, vfs.Limits{})
	for target, name := range map[string]string{"a/b": "link", "..": "a/up", "../..": "a/out", "link/f": "file", "nothing": "dangling", "self": "self", "a/b/": "slashed", "a/up/g": "back"} {
		w.want("symlink "+name, w.Symlink(target, w.root, name), vfs.OK)
	}
	long := strings.Repeat("n", 255)
	for path, want := range map[string]string{
		"a/b/f": "shared", "a//b/./f": "shared", "./a/b/../../g": "other", "link/f": "shared", "file": "shared", "a/up/g": "other",
		"slashed/f": "shared", "link/../b/f": "shared", "back": "other",
		"": "ENOENT", "/": "ENOTCAPABLE", "/g": "ENOTCAPABLE", "..": "ENOTCAPABLE", "a/../..": "ENOTCAPABLE", "a/../../g": "ENOTCAPABLE",
		"a/out": "ENOTCAPABLE", "a/out/g": "ENOTCAPABLE", "a/up/../g": "ENOTCAPABLE",
		"x": "ENOENT", "x/y": "ENOENT", "x/..": "ENOENT", "x/../g": "ENOENT", "g/": "ENOTDIR", "g/x": "ENOTDIR", "g/..": "ENOTDIR", "g/.": "ENOTDIR",
		"dangling": "ENOENT", "dangling/": "ENOENT", "self": "ELOOP", "self/x": "ELOOP", "file/": "ENOTDIR",
		"a\x00": "EINVAL", "\x00": "EINVAL", "\xff": "EILSEQ", "a/\xc3": "EILSEQ",
		long: "ENOENT", long + "n": "ENAMETOOLONG", "a/" + long + "n/x": "ENAMETOOLONG",
		strings.Repeat("./", 2047) + "g": "other",
		strings.Repeat("./", 2048) + "g": "ENAMETOOLONG",
		"faasm://a/b/f":                  "shared", "faasm:/g": "other", "faasm:///g": "other", "faasm://link/f": "shared", "faasm://": "EISDIR", "faasm://../g": "ENOTCAPABLE", "faasm://x": "ENOENT",
		"faasm:": "ENOENT",
	} {
		if got := w.read(path); got != want {
			t.Errorf("%.40q: %s, want %s", path, got, want)
		}
	}
	// Beneath a directory that is not the root, nothing above is there, and the scheme is a name as others are.
	a := w.open("a", vfs.Mode{})
	defer a.Close()
	for path, want := range map[string]vfs.Errno{"b/f": vfs.OK, "../g": vfs.ENOTCAPABLE, "up/g": vfs.ENOTCAPABLE, "up": vfs.ENOTCAPABLE, "b/..": vfs.OK, "faasm://g": vfs.ENOENT} {
		_, errno := w.Stat(a, path, true)
		w.want("beneath a, "+path, errno, want)
	}
	f := w.open("g", vfs.Mode{})
	defer f.Close()
	_, errno := w.Stat(f, "x", true)
	w.want("beneath a file", errno, vfs.ENOTDIR)
}

func TestFortyLinks(t *testing.T) {
	w := newWorld(t, map[string]string{"l0": "end"}, vfs.Limits{})
	for i := range 41 {
		w.want("symlink", w.Symlink(fmt.Sprintf("l%d", i), w.root, fmt.Sprintf("l%d", i+1)), vfs.OK)
	}
	w.want("40 links", w.read("l40"), "end")
	w.want("41 links", w.read("l41"), "ELOOP")
	w.want("an absolute link", w.Symlink("/l0", w.root, "abs"), vfs.ENOTCAPABLE)
	w.want("an empty link", w.Symlink("", w.root, "abs"), vfs.ENOENT)
	w.want("a link with a NUL", w.Symlink("a\x00", w.root, "abs"), vfs.EINVAL)
}

func TestTheLayers(t *testing.T) {
	files := map[string]string{"d/one": "1", "d/two": "22", "d/e/deep": "333", "top": "4444"}
	w := newWorld(t, files, vfs.Limits{})
	w.want("nothing was done: left", w.Left(), false)
	w.want("nothing was done: looked", w.Looked(), false)
	w.want("d", w.names("d"), ". .. e one two")
	w.want("looked", w.Looked(), true)

	w.write("d/one", "changed")
	w.write("d/three", "new")
	w.want("unlink", w.Unlink(w.root, "d/two"), vfs.OK)
	w.want("unlink twice", w.Unlink(w.root, "d/two"), vfs.ENOENT)
	w.want("changed", w.read("d/one"), "changed")
	w.want("removed", w.read("d/two"), "ENOENT")
	w.want("d", w.names("d"), ". .. e one three")
	w.want("the shared one", files["d/one"], "1")

	// A removed one can be made again, and is no shared one.
	w.write("d/two", "again")
	w.want("d", w.names("d"), ". .. e one three two")
	w.want("again", w.read("d/two"), "again")
	w.want("mkdir over it", w.Mkdir(w.root, "d/two"), vfs.EEXIST)
	w.want("unlink", w.Unlink(w.root, "d/two"), vfs.OK)
	w.want("mkdir", w.Mkdir(w.root, "d/two"), vfs.OK)
	w.want("the new directory", w.names("d/two"), ". ..")

	// A shared directory is moved with what is in it, also what is not seen yet.
	w.want("rename", w.Rename(w.root, "d", w.root, "moved"), vfs.OK)
	w.want("old", w.read("d/e/deep"), "ENOENT")
	w.want("new", w.read("moved/e/deep"), "333")
	w.want("changed before", w.read("moved/one"), "changed")
	w.want("mkdir at the old place", w.Mkdir(w.root, "d"), vfs.OK)
	w.want("it is empty", w.names("d"), ". ..")
	w.want("into itself", w.Rename(w.root, "moved", w.root, "moved/e/x"), vfs.EINVAL)
	w.want("over its parent", w.Rename(w.root, "moved/e", w.root, "moved"), vfs.ENOTEMPTY)
	w.want("rmdir of a full one", w.Rmdir(w.root, "moved/e"), vfs.ENOTEMPTY)
	w.want("unlink", w.Unlink(w.root, "moved/e/deep"), vfs.OK)
	w.want("rmdir", w.Rmdir(w.root, "moved/e"), vfs.OK)
	w.want("moved", w.names("moved"), ". .. one three two")
	w.want("root", w.names("."), ". .. top moved d")
	w.want("left", w.Left(), true)
}

func TestWhatIsLeft(t *testing.T) {
	files := map[string]string{"d/f": "text"}
	for name, c := range map[string]struct {
		do   func(w *world)
		want bool
	}{
		"a look":           {func(w *world) { w.read("d/f"); w.read("x"); w.names("d") }, false},
		"a file":           {func(w *world) { w.write("new", "") }, true},
		"removed again":    {func(w *world) { w.write("new", ""); w.Unlink(w.root, "new") }, false},
		"deep, removed":    {func(w *world) { w.write("d/new", ""); w.Unlink(w.root, "d/new") }, false},
		"a removal":        {func(w *world) { w.Unlink(w.root, "d/f") }, true},
		"a change":         {func(w *world) { w.write("d/f", "x") }, true},
		"times":            {func(w *world) { w.SetTimes(w.root, "d/f", true, vfs.Time{Set: true}, vfs.Time{}) }, true},
		"no times":         {func(w *world) { w.SetTimes(w.root, "d/f", true, vfs.Time{}, vfs.Time{}) }, false},
		"times of the dir": {func(w *world) { w.SetTimes(w.root, "d", true, vfs.Time{Set: true}, vfs.Time{}) }, true},
		"a move and back":  {func(w *world) { w.Rename(w.root, "d/f", w.root, "g"); w.Rename(w.root, "g", w.root, "d/f") }, true},
		"a move to itself": {func(w *world) { w.Rename(w.root, "d/f", w.root, "d/./f") }, false},
		"failures": {func(w *world) {
			w.Mkdir(w.root, "d")
			w.Rmdir(w.root, "d")
			w.Rename(w.root, "d", w.root, "d/f")
			w.Link(w.root, "d", false, w.root, "e")
			w.Symlink("/", w.root, "e")
		}, false},
	} {
		w := newWorld(t, files, vfs.Limits{})
		c.do(w)
		w.want(name, w.Left(), c.want)
		if bytes, names := w.Used(); !c.want && (bytes != 0 || names != 0) {
			t.Errorf("%s: %d bytes and %d names", name, bytes, names)
		}
	}
	none := vfs.New(nil, vfs.Limits{}, nil)
	if none.Looked() {
		t.Error("looked before it was used")
	}
	if _, errno := none.Stat(none.Root(), "x", true); errno != vfs.ENOENT || !none.Looked() {
		t.Errorf("%v; to find nothing is to have looked", errno)
	}
}

func TestOpenFilesLiveOn(t *testing.T) {
	w := newWorld(t, map[string]string{"d/f": "shared text"}, vfs.Limits{})
	ctx := t.Context()
	a := w.open("d/f", vfs.Mode{})
	b := w.open("d/f", vfs.Mode{Write: true})
	if _, errno := b.WriteAt(ctx, []byte("SHARED"), 0); errno != vfs.OK {
		t.Fatal(errno)
	}
	w.want("unlink", w.Unlink(w.root, "d/f"), vfs.OK)
	w.write("d/f", "another")
	buf := make([]byte, 20)
	n, errno := a.ReadAt(ctx, buf, 0)
	if string(buf[:n]) != "SHARED text" || errno != vfs.OK {
		t.Errorf("read %q, %v", buf[:n], errno)
	}
	w.want("links", a.Stat().Links, uint64(0))
	w.want("the new one", w.read("d/f"), "another")
	before, _ := w.Used()
	a.Close()
	b.Close()
	b.Close()
	after, _ := w.Used()
	if before-after < 11 {
		t.Errorf("%d bytes before the last close, %d after", before, after)
	}

	d := w.open("d", vfs.Mode{})
	w.want("unlink", w.Unlink(w.root, "d/f"), vfs.OK)
	w.want("rmdir", w.Rmdir(w.root, "d"), vfs.OK)
	w.want("mkdir in a removed directory", w.Mkdir(d, "x"), vfs.ENOENT)
	_, errno = w.FS.Open(ctx, d, "x", vfs.Mode{Create: true})
	w.want("create in a removed directory", errno, vfs.ENOENT)
	w.write("x", "")
	w.want("move to a removed directory", w.Rename(w.root, "x", d, "x"), vfs.ENOENT)
	w.want("link in a removed directory", w.Link(w.root, "x", false, d, "x"), vfs.ENOENT)
	d.Close()
}

func TestAttributes(t *testing.T) {
	w := newWorld(t, map[string]string{"d/f": "text"}, vfs.Limits{})
	st, _ := w.Stat(w.root, "d/f", true)
	if put := uint64(vfstest.Modified.UnixNano()); st.Modified != put || st.Accessed != put || st.Changed != put || st.Clock {
		t.Errorf("times of a shared file: %+v", st)
	}
	w.want("links", st.Links, uint64(1))
	inode := st.Inode
	w.write("d/f", "longer text")
	w.want("hard link", w.Link(w.root, "d/f", false, w.root, "g"), vfs.OK)
	w.want("move", w.Rename(w.root, "d/f", w.root, "h"), vfs.OK)
	st, _ = w.Stat(w.root, "g", true)
	if st.Inode != inode || st.Links != 2 || st.Size != 11 || st.Modified != uint64(noon.UnixNano()) || !st.Clock {
		t.Errorf("after a change, a link and a move: %+v, the inode was %d", st, inode)
	}
	w.want("one of two", w.Rename(w.root, "g", w.root, "h"), vfs.OK) // nothing: they are the same
	w.want("both stay", w.names("."), ". .. d g h")
	w.want("set", w.SetTimes(w.root, "h", true, vfs.Time{Set: true, At: 7}, vfs.Time{Set: true, Now: true}), vfs.OK)
	st, _ = w.Stat(w.root, "g", true)
	if st.Accessed != 7 || st.Modified != uint64(noon.UnixNano()) {
		t.Errorf("times: %+v", st)
	}
	w.want("symlink", w.Symlink("h", w.root, "s"), vfs.OK)
	st, _ = w.Stat(w.root, "s", false)
	if st.Kind != vfs.Symlink || st.Size != 1 {
		t.Errorf("symlink: %+v", st)
	}
	root := w.root.Stat()
	if root.Kind != vfs.Directory || root.Links != 1 || root.Inode == 0 {
		t.Errorf("root: %+v", root)
	}
	if strings.Contains(w.names("."), "\x00") || slices.Contains([]uint64{inode}, root.Inode) {
		t.Error("the root has a file's inode")
	}
}

func TestSharedFilesThatCantBeRead(t *testing.T) {
	w := newWorld(t, map[string]string{"f": "text"}, vfs.Limits{})
	w.tree.Fail = func(context.Context, string) error { return errors.New("the store is away") }
	w.want("read", w.read("f"), "EIO")
	h := w.open("f", vfs.Mode{Write: true})
	defer h.Close()
	_, errno := h.WriteAt(t.Context(), []byte("x"), 1)
	w.want("a write that needs the rest", errno, vfs.EIO)
	bytes, _ := w.Used()
	w.want("bytes", bytes, int64(0))
	if n, errno := h.WriteAt(t.Context(), []byte("over"), 0); n != 4 || errno != vfs.OK {
		t.Errorf("a write over all of it: %d, %v", n, errno)
	}
	w.want("read", w.read("f"), "over")

	w = newWorld(t, map[string]string{"f": "text"}, vfs.Limits{})
	ctx, cancel := context.WithCancel(t.Context())
	w.tree.Fail = func(ctx context.Context, _ string) error { <-ctx.Done(); return ctx.Err() }
	h = w.open("f", vfs.Mode{})
	defer h.Close()
	cancel()
	_, errno = h.ReadAt(ctx, make([]byte, 4), 0)
	w.want("a fetch when the call ends", errno, vfs.EINTR)
}

// What a guest left open is given back at the end of its call.
func TestCloseGivesBack(t *testing.T) {
	w := newWorld(t, map[string]string{"a": "text", "b": "text"}, vfs.Limits{})
	for _, path := range []string{"a", "b"} {
		h := w.open(path, vfs.Mode{Write: true})
		if n, errno := h.ReadAt(t.Context(), make([]byte, 4), 0); n != 4 || errno != vfs.OK {
			t.Fatal(n, errno)
		}
	}
	w.want("open", w.tree.Opened.Load(), int64(2))
	w.FS.Close()
	w.FS.Close()
	w.want("open", w.tree.Opened.Load(), int64(0))
}

// CanOpen says what Open would, and does nothing.
func TestCanOpen(t *testing.T) {
	w := newWorld(t, map[string]string{"d/f": "text"}, vfs.Limits{Names: 1})
	for path, want := range map[string]string{"d": "2 OK", "d/f": "1 OK", "x": "0 ENOENT", "d/f/x": "0 ENOTDIR", "../x": "0 ENOTCAPABLE"} {
		kind, errno := w.CanOpen(w.root, path, vfs.Mode{})
		w.want(path, fmt.Sprint(kind, " ", errno), want)
	}
	kind, errno := w.CanOpen(w.root, "x", vfs.Mode{Create: true, Truncate: true})
	w.want("to create", fmt.Sprint(kind, " ", errno), "1 OK")
	w.want("left", w.Left(), false)
	w.write("x", "")
	_, errno = w.CanOpen(w.root, "y", vfs.Mode{Create: true})
	w.want("without room", errno, vfs.ENOSPC)
	_, errno = w.FS.Open(t.Context(), w.root, "d/f", vfs.Mode{Truncate: true})
	w.want("to truncate without room", errno, vfs.ENOSPC)
	w.want("it stays", w.read("d/f"), "text")
}

func TestNothingStaysPinned(t *testing.T) {
	files := map[string]string{}
	for i := range 3000 {
		files[fmt.Sprintf("d%d/e/f%d", i%30, i)] = "x"
	}
	w := newWorld(t, files, vfs.Limits{})
	for path := range files {
		w.want(path, w.read(path), "x")
	}
	if n := w.tree.Fetched.Load(); n != 3000 {
		t.Errorf("%d files were fetched", n)
	}
	w.want("open", w.tree.Opened.Load(), int64(0))
	w.want("pinned", vfs.Pinned(w.FS), 0)
}
