package wasi

import (
	"bytes"
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/shoal-run/shoal/libs/vfs"
	"github.com/shoal-run/shoal/libs/vfs/vfstest"
)

func TestPrestat(t *testing.T) {
	s := fixed()
	s.Preopens = []Preopen{{Name: "/"}, {Name: "/tmp dir", Path: "d"}}
	for _, c := range []struct {
		fd, off uint32
		errno   Errno
		n       uint32
	}{{3, 1, ESUCCESS, 1}, {4, 1, ESUCCESS, 8}, {5, 1, EBADF, 0}, {0, 1, EBADF, 0}, {3, 3, EFAULT, 0}, {3, 0xffffffff, EFAULT, 0}} {
		mem, want := paper(10), paper(10)
		if c.errno == ESUCCESS {
			put(t, want, c.off, words(0, c.n))
		}
		check(t, s.FdPrestatGet(mem, c.fd, c.off), c.errno, mem, want)
	}
	for _, c := range []struct {
		fd, off, n uint32
		errno      Errno
		want       string
	}{
		{3, 1, 1, ESUCCESS, "?/?"},
		{3, 1, 2, ESUCCESS, "?/?"},
		{4, 1, 8, ESUCCESS, "?/tmp dir"},
		{4, 1, 7, ENAMETOOLONG, "?"},
		{3, 1, 0, ENAMETOOLONG, "?"},
		{3, 10, 1, EFAULT, "?"},
		{3, 1, 0xffffffff, EFAULT, "?"},
		{5, 1, 1, EBADF, "?"},
		{1, 1, 1, EBADF, "?"},
	} {
		mem, want := paper(10), paper(10)
		copy(want, c.want)
		check(t, s.FdPrestatDirName(mem, c.fd, c.off, c.n), c.errno, mem, want)
	}
}

func TestPreopens(t *testing.T) {
	b := newBox(t, map[string]string{"d/f": "text", "g": ""})
	b.Preopens = []Preopen{{Name: "/data", Path: "d"}, {Name: "/none", Path: "x"}, {Name: "/file", Path: "g"}}
	fd, errno := b.open(3, "f", 0, RightRead, 0)
	b.want("beneath the first", errno, ESUCCESS)
	text, _ := b.read(fd, 10)
	b.want("text", text, "text")
	_, errno = b.open(3, "../g", 0, RightRead, 0)
	b.want("above it", errno, ENOTCAPABLE)
	_, errno = b.open(4, "f", 0, RightRead, 0)
	b.want("one that is not there", errno, ENOENT)
	_, errno = b.open(5, "f", 0, RightRead, 0)
	b.want("one that is a file", errno, ENOTDIR)
	b.want("its attributes", b.FdFilestatGet(b.mem, 5, atOut), ENOTDIR)
	b.want("its times", b.FdFilestatSetTimes(4, 0, 0, 1), ENOENT)
	b.want("close", b.FdClose(3), ESUCCESS)
	b.want("close again", b.FdClose(3), EBADF)
	b.want("its name", b.FdPrestatGet(b.mem, 3, atOut), EBADF)
}

func TestDescriptors(t *testing.T) {
	b := newBox(t, map[string]string{"f": "0123456789"})
	b.MaxFiles = 8
	for want := uint32(4); want < 8; want++ {
		b.want("opened", b.must("f", 0, rightsRW), want)
	}
	_, errno := b.open(3, "f", 0, RightRead, 0)
	b.want("one too many", errno, EMFILE)
	_, errno = b.open(3, "new", OpenCreate, RightRead, 0)
	b.want("one too many", errno, EMFILE)
	_, errno = b.Dup(4)
	b.want("one too many", errno, EMFILE)
	b.want("nothing was made", b.on(b.PathUnlinkFile, "new"), ENOENT)
	b.want("close", b.FdClose(5), ESUCCESS)
	b.want("the lowest", b.must("f", 0, rightsRW), uint32(5))

	// Two descriptors of one file have one offset; two opens have two.
	b.FdClose(7)
	dup, errno := b.Dup(4)
	b.want("dup", errno, ESUCCESS)
	_, _ = b.read(4, 3)
	text, _ := b.read(dup, 3)
	b.want("the other reads on", text, "345")
	text, _ = b.read(5, 3)
	b.want("another open", text, "012")
	b.want("flags", b.FdFdstatSetFlags(dup, FlagAppend), ESUCCESS)
	_, _ = b.write(4, "ab")
	text, _ = b.read(5, 100)
	b.want("appended", text, "3456789ab")
	b.FdClose(4)
	b.want("rights of the other", b.FdFdstatSetRights(dup, RightRead, 0), ESUCCESS)
	b.FdClose(dup)
	_, errno = b.Dup(77)
	b.want("dup of nothing", errno, EBADF)

	// A descriptor is moved over another, which is closed; a name that is moved is still that of a preopened one.
	b.want("renumber", b.FdRenumber(5, 6), ESUCCESS)
	b.want("5", b.FdClose(5), EBADF)
	b.want("renumber the root", b.FdRenumber(3, 6), ESUCCESS)
	b.want("its name", b.FdPrestatGet(b.mem, 6, atOut), ESUCCESS)
	b.want("3", b.FdFdstatGet(b.mem, 3, atOut), EBADF)
	b.want("renumber stdout over it", b.FdRenumber(1, 6), ESUCCESS)
	n, errno := b.write(6, "out")
	b.want("write", fmt.Sprint(n, errno)+string(b.Stdout.Bytes()), "3 ESUCCESSout")
}

func TestFilestatLayout(t *testing.T) {
	b := newBox(t, map[string]string{"f": "text"})
	put1 := uint64(vfstest.Modified.UnixNano())
	fd := b.must("f", 0, RightRead|RightFilestatGet)
	off, n := b.put(atPath, "f")
	copy(b.mem[atOut-8:], paper(100))
	b.want("stat", b.PathFilestatGet(b.mem, 3, 0, off, n, atOut), ESUCCESS)
	inode, _ := b.mem.Uint64(atOut + 8)
	want := join(paper(8), longs(device, inode, uint64(FileTypeRegularFile), 1, 4, put1, put1, put1), paper(20))
	if got := b.mem[atOut-8:][:len(want)]; !bytes.Equal(got, want) {
		t.Errorf("path_filestat_get\n got %v\nwant %v", got, want)
	}
	copy(b.mem[atOut-8:], paper(100))
	b.want("fstat", b.FdFilestatGet(b.mem, fd, atOut), ESUCCESS)
	if got := b.mem[atOut-8:][:len(want)]; !bytes.Equal(got, want) {
		t.Errorf("fd_filestat_get\n got %v\nwant %v", got, want)
	}
	b.want("a shared file's times are no secret", b.Unique(), false)
	b.want("no flag", b.PathFilestatGet(b.mem, 3, 2, off, n, atOut), EINVAL)
	b.want("out of bounds", b.PathFilestatGet(b.mem, 3, 0, off, n, boxSize-63), EFAULT)
	b.must("new", OpenCreate, 0)
	off, n = b.put(atPath, "new")
	b.want("stat", b.PathFilestatGet(b.mem, 3, 0, off, n, atOut), ESUCCESS)
	b.want("a private file's tell the time", b.Unique() && !b.Startup(), true)
}

func TestPathsOutOfBounds(t *testing.T) {
	b := newBox(t, nil)
	const w = 0xffffffff
	for _, c := range []struct {
		off, n uint32
		want   Errno
	}{{boxSize - 1, 2, EFAULT}, {w, w, EFAULT}, {w, 0, EFAULT}, {0, boxSize, ENAMETOOLONG}, {0, 0, ENOENT}, {boxSize, 0, ENOENT}, {0, vfs.MaxPath + 1, ENAMETOOLONG}} {
		for name, got := range map[string]Errno{
			"mkdir": b.PathCreateDirectory(b.mem, 3, c.off, c.n), "rmdir": b.PathRemoveDirectory(b.mem, 3, c.off, c.n), "unlink": b.PathUnlinkFile(b.mem, 3, c.off, c.n),
			"rename from": b.PathRename(b.mem, 3, c.off, c.n, 3, 0, 1), "rename to": b.PathRename(b.mem, 3, 0, 1, 3, c.off, c.n),
			"link from": b.PathLink(b.mem, 3, 0, c.off, c.n, 3, 0, 1), "symlink": b.PathSymlink(b.mem, 0, 1, 3, c.off, c.n), "symlink to": b.PathSymlink(b.mem, c.off, c.n, 3, 0, 1),
			"readlink": b.PathReadlink(b.mem, 3, c.off, c.n, 0, 0, 0), "open": b.PathOpen(b.mem, 3, 0, c.off, c.n, 0, 0, 0, 0, atOut),
			"stat": b.PathFilestatGet(b.mem, 3, 0, c.off, c.n, atOut), "times": b.PathFilestatSetTimes(b.mem, 3, 0, c.off, c.n, 0, 0, 0),
		} {
			if got != c.want {
				t.Errorf("%s with a path of %d bytes at %#x: %v, want %v", name, c.n, c.off, got, c.want)
			}
		}
	}
	off, n := b.put(atPath, "f")
	b.want("descriptor out of bounds", b.PathOpen(b.mem, 3, 0, off, n, OpenCreate, 0, 0, 0, boxSize-3), EFAULT)
	b.want("nothing was made", b.on(b.PathUnlinkFile, "f"), ENOENT)
	b.want("no flag", b.PathLink(b.mem, 3, 2, off, n, 3, off, n), EINVAL)
}

func TestTheEndOfTheCallEndsFiles(t *testing.T) {
	b := newBox(t, map[string]string{"f": strings.Repeat("x", 4<<20)})
	ctx, cancel := context.WithTimeout(t.Context(), time.Millisecond)
	defer cancel()
	b.Ctx = ctx
	b.Shared.(*vfstest.Tree).Fail = func(ctx context.Context, _ string) error { <-ctx.Done(); return ctx.Err() }
	fd := b.must("f", 0, rightsRW)
	_, errno := b.read(fd, 10)
	b.want("a fetch", errno, EINTR)
	b.want("cut", b.FdFilestatSetSize(fd, 10), EINTR)
	b.want("allocate", b.FdAllocate(fd, 0, 10), EINTR)
}
