package vfs_test

import (
	"bytes"
	"context"
	"fmt"
	"strings"
	"testing"

	"github.com/shoal-run/shoal/libs/vfs"
)

func TestACopyIsOfWhatIsWritten(t *testing.T) {
	const size = 10 << 20
	big := strings.Repeat("0123456789abcdef", size/16)
	w := newWorld(t, map[string]string{"big": big}, vfs.Limits{})
	ctx := t.Context()
	h := w.open("big", vfs.Mode{Write: true})
	defer h.Close()
	w.want("open takes nothing", w.tree.Fetched.Load(), int64(0))
	for _, off := range []int64{5, 65535, 3 << 20, size - 1} {
		if n, errno := h.WriteAt(ctx, []byte("XY"), off); n != 2 || errno != vfs.OK {
			t.Fatalf("%d, %v", n, errno)
		}
	}
	taken, _ := w.Used()
	if taken < 4<<16 || taken > 6<<16 {
		t.Errorf("four writes to a file of 10 MiB took %d bytes", taken)
	}
	want := []byte(big + "?")
	for _, off := range []int{5, 65535, 3 << 20, size - 1} {
		copy(want[off:], "XY")
	}
	if got := w.read("big"); got != string(want) {
		t.Error("the file differs")
	}
	// A shorter one, and a longer one again: what was cut does not come back.
	w.want("cut", h.Truncate(ctx, 4<<20), vfs.OK)
	w.want("longer", h.Truncate(ctx, 5<<20), vfs.OK)
	got := w.read("big")
	if got[:4<<20] != string(want[:4<<20]) || strings.Trim(got[4<<20:], "\x00") != "" || len(got) != 5<<20 {
		t.Error("the cut file differs")
	}
	w.want("cut to nothing", h.Truncate(ctx, 0), vfs.OK)
	after, _ := w.Used()
	w.want("bytes", after, int64(0))
	w.want("too large", h.Truncate(ctx, vfs.MaxFile+1), vfs.EFBIG)
	w.want("negative", h.Truncate(ctx, -1), vfs.EFBIG)
}

func TestHolesTakeNothing(t *testing.T) {
	w := newWorld(t, nil, vfs.Limits{Bytes: 1 << 20})
	ctx := t.Context()
	h := w.open("f", vfs.Mode{Create: true, Write: true})
	defer h.Close()
	for off := int64(1); off <= vfs.MaxFile; off <<= 4 {
		if n, errno := h.WriteAt(ctx, []byte("x"), off-1); n != 1 || errno != vfs.OK {
			t.Fatalf("at %d: %d, %v", off, n, errno)
		}
	}
	w.want("size", h.Size(), int64(vfs.MaxFile))
	if taken, _ := w.Used(); taken > 512<<10 { // most are the last of a page
		t.Errorf("11 bytes took %d", taken)
	}
	b := bytes.Repeat([]byte{'?'}, 3<<20)
	if n, errno := h.ReadAt(ctx, b, 1<<32-1-1<<20); n != len(b) || errno != vfs.OK || bytes.Count(b, []byte{0}) != len(b)-1 || b[1<<20] != 'x' {
		t.Errorf("read %d bytes over a hole, %v", n, errno)
	}
	n, errno := h.WriteAt(ctx, []byte("beyond"), vfs.MaxFile-2)
	if n != 2 || errno != vfs.OK {
		t.Errorf("a write over the largest size: %d, %v", n, errno)
	}
	for _, off := range []int64{vfs.MaxFile, -1, 1<<63 - 1} {
		_, errno := h.WriteAt(ctx, []byte("x"), off)
		w.want("a write there", errno, vfs.EFBIG)
	}
	n, errno = h.ReadAt(ctx, b, 1<<63-1)
	if n != 0 || errno != vfs.OK {
		t.Errorf("a read beyond the end: %d, %v", n, errno)
	}
}

func TestTheLimitOfBytes(t *testing.T) {
	w := newWorld(t, map[string]string{"big": strings.Repeat("x", 300<<10)}, vfs.Limits{Bytes: 256 << 10})
	ctx := t.Context()
	h := w.open("f", vfs.Mode{Create: true, Write: true})
	text := bytes.Repeat([]byte("0123456789abcdef"), 1<<15)
	n, errno := h.WriteAt(ctx, text, 0)
	if n != 256<<10 || errno != vfs.OK || h.Size() != int64(n) {
		t.Errorf("wrote %d of %d, %v", n, len(text), errno)
	}
	_, errno = h.WriteAt(ctx, text, h.Size())
	w.want("a write to what is full", errno, vfs.EDQUOT)
	w.want("a symbolic link", w.Symlink("target", w.root, "s"), vfs.EDQUOT)
	w.want("no link", w.read("s"), "ENOENT")
	big := w.open("big", vfs.Mode{Write: true})
	_, errno = big.WriteAt(ctx, []byte("x"), 0)
	w.want("a change of a shared one", errno, vfs.EDQUOT)
	if _, errno = h.WriteAt(ctx, text, 0); errno != vfs.OK {
		t.Errorf("a write over what is there: %v", errno)
	}
	w.want("unlink", w.Unlink(w.root, "f"), vfs.OK)
	_, errno = big.WriteAt(ctx, []byte("x"), 0)
	w.want("while it is open", errno, vfs.EDQUOT)
	h.Close()
	_, errno = big.WriteAt(ctx, []byte("x"), 0)
	w.want("after", errno, vfs.OK)

	w.want("allocate", big.Allocate(ctx, 64<<10, 240<<10), vfs.EDQUOT)
	big.Close()
	w.want("unlink", w.Unlink(w.root, "big"), vfs.OK)
	h = w.open("g", vfs.Mode{Create: true, Write: true})
	defer h.Close()
	for _, c := range []struct {
		off, n int64
		want   vfs.Errno
		size   int64
	}{
		{0, 0, vfs.EINVAL, 0},
		{-1, 1, vfs.EINVAL, 0},
		{0, -1, vfs.EINVAL, 0},
		{vfs.MaxFile, 1, vfs.EFBIG, 0},
		{1 << 62, 1 << 62, vfs.EFBIG, 0},
		{0, 1 << 30, vfs.EDQUOT, 0},
		{0, 100, vfs.OK, 100},
		{10, 10, vfs.OK, 100},
		{90, 20, vfs.OK, 110},
		{70000, 60000, vfs.OK, 130000},
	} {
		w.want(fmt.Sprintf("allocate %d, %d", c.off, c.n), h.Allocate(ctx, c.off, c.n), c.want)
		w.want("size", h.Size(), c.size)
	}
	before, _ := w.Used()
	if n, errno := h.WriteAt(ctx, text[:60000], 70000); n != 60000 || errno != vfs.OK {
		t.Errorf("a write to what was allocated: %d, %v", n, errno)
	}
	after, _ := w.Used()
	w.want("what it took", after-before, int64(0))
}

func TestTheLimitOfNames(t *testing.T) {
	w := newWorld(t, map[string]string{"d/a": "", "d/b": "", "e": ""}, vfs.Limits{Names: 3})
	w.write("one", "")
	w.want("link", w.Link(w.root, "one", false, w.root, "two"), vfs.OK)
	w.want("removal", w.Unlink(w.root, "d/a"), vfs.OK)
	_, errno := w.FS.Open(t.Context(), w.root, "three", vfs.Mode{Create: true})
	for what, errno := range map[string]vfs.Errno{
		"create": errno, "mkdir": w.Mkdir(w.root, "x"), "symlink": w.Symlink("a", w.root, "x"), "link": w.Link(w.root, "one", false, w.root, "x"),
		"link of a shared one": w.Link(w.root, "e", false, w.root, "x"), "removal": w.Unlink(w.root, "e"),
		"move of a shared one": w.Rename(w.root, "e", w.root, "d/x"), "over a shared one": w.Rename(w.root, "e", w.root, "d/b"),
		"times": w.SetTimes(w.root, "e", true, vfs.Time{Set: true}, vfs.Time{}),
	} {
		w.want(what, errno, vfs.ENOSPC)
	}
	h := w.open("e", vfs.Mode{Write: true})
	_, errno = h.WriteAt(t.Context(), []byte("x"), 0)
	w.want("change of a shared one", errno, vfs.ENOSPC)
	h.Close()
	w.want("names", w.names("."), ". .. d e one two")
	w.want("in place of a removed one", w.Rename(w.root, "one", w.root, "d/a"), vfs.OK)
	w.want("names", w.names("d"), ". .. b a")
	w.write("three", "")
	w.want("move of a private one", w.Rename(w.root, "three", w.root, "four"), vfs.OK)
	w.want("over a private one", w.Rename(w.root, "four", w.root, "two"), vfs.OK)
	w.write("five", "")
	w.want("names", w.names("."), ". .. d e two five")
}

func TestWorkEndsWithTheCall(t *testing.T) {
	w := newWorld(t, map[string]string{"f": strings.Repeat("x", 4<<20)}, vfs.Limits{})
	h := w.open("f", vfs.Mode{Write: true})
	defer h.Close()
	over, cancel := context.WithCancel(t.Context())
	cancel()
	b := make([]byte, 4<<20)
	_, errno := h.ReadAt(over, b, 0)
	w.want("read", errno, vfs.EINTR)
	_, errno = h.WriteAt(over, b, 0)
	w.want("write", errno, vfs.EINTR)
	w.want("allocate", h.Allocate(over, 0, 1<<20), vfs.EINTR)
	w.want("truncate", h.Truncate(over, 0), vfs.EINTR)
}

func TestDirectoriesAreReadWhileTheyChange(t *testing.T) {
	files := map[string]string{}
	for i := range 50 {
		files[fmt.Sprintf("s%02d", i)] = ""
	}
	w := newWorld(t, files, vfs.Limits{})
	for i := range 50 {
		w.write(fmt.Sprintf("p%02d", i), "")
	}
	// One entry at a time, each removed once it was read, with others made meanwhile: each of the first is seen once.
	seen := map[string]int{}
	cookie := uint64(0)
	for i := 0; ; i++ {
		var e vfs.Entry
		_ = w.root.Entries(cookie, func(got vfs.Entry) bool { e = got; return false })
		if e.Name == "" {
			break
		}
		seen[e.Name]++
		cookie = e.Next
		if len(e.Name) == 3 {
			w.want("unlink", w.Unlink(w.root, e.Name), vfs.OK)
		}
		if i == 20 {
			w.write("fresh", "")
			w.want("unlink", w.Unlink(w.root, "s40"), vfs.OK)
			w.write("s40", "")
		}
		if i > 500 {
			t.Fatal("it does not end")
		}
	}
	for i := range 50 {
		for _, name := range []string{fmt.Sprintf("s%02d", i), fmt.Sprintf("p%02d", i)} {
			w.want(name, seen[name], 1)
		}
	}
	w.want("names", w.names("."), ". .. fresh")
	for _, cookie := range []uint64{1 << 40, 1<<64 - 1} {
		w.want("beyond the end", w.root.Entries(cookie, func(e vfs.Entry) bool { t.Error(e.Name); return false }), vfs.OK)
	}
	w.want("of a file", w.open("fresh", vfs.Mode{}).Entries(0, nil), vfs.ENOTDIR)
}

func TestDeepTrees(t *testing.T) {
	w := newWorld(t, nil, vfs.Limits{})
	at := []*vfs.Handle{w.root}
	for range 4000 {
		dir := at[len(at)-1]
		w.want("mkdir", w.Mkdir(dir, "d"), vfs.OK)
		h, errno := w.FS.Open(t.Context(), dir, "d", vfs.Mode{Directory: true})
		if errno != vfs.OK {
			t.Fatal(errno)
		}
		at = append(at, h)
	}
	deep := at[len(at)-1]
	w.want("into itself", w.Rename(w.root, "d", deep, "x"), vfs.EINVAL)
	w.want("over an ancestor", w.Rename(at[len(at)-2], "d", w.root, "d"), vfs.ENOTEMPTY)
	w.want("up", w.Rename(at[len(at)-2], "d", w.root, "e"), vfs.OK)
	w.want("left", w.Left(), true)
	_, errno := w.Stat(w.root, strings.Repeat("d/", 2047)+"d", true)
	w.want("a path of 4095 bytes", errno, vfs.OK)
	for _, h := range at[1:] {
		h.Close()
	}
	w.want("a file over a directory", func() vfs.Errno { w.write("f", ""); return w.Rename(w.root, "f", w.root, "e") }(), vfs.EISDIR)
	w.want("a directory over a file", w.Rename(w.root, "e", w.root, "f"), vfs.ENOTDIR)
}

func TestNameThatsTooLongIsListed(t *testing.T) {
	long := strings.Repeat("n", 300)
	w := newWorld(t, map[string]string{long: "x"}, vfs.Limits{})
	w.want("listed", w.names("."), ". .. "+long)
	w.want("read", w.read(long), "ENAMETOOLONG")
}
