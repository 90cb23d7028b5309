package wasi

import (
	"bytes"
	"context"
	"fmt"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/shoal-run/shoal/libs/guest"
	"github.com/shoal-run/shoal/libs/vfs"
	"github.com/shoal-run/shoal/libs/vfs/vfstest"
)

// box is a guest that does things with files: its memory, and where in it what is.
type box struct {
	*System
	t   testing.TB
	mem guest.Memory
}

// Where a box keeps things.
const (
	atPath  = 0     // a path
	atOther = 5000  // another
	atOut   = 10000 // a result, with paper around it
	atIovs  = 11000 // a list of buffers
	atData  = 12000 // a buffer
	boxSize = 1 << 16
)

func newBox(t testing.TB, files map[string]string) *box {
	s := fixed()
	s.Preopens = nil
	s.Shared = vfstest.New(files)
	b := &box{System: s, t: t, mem: paper(boxSize)}
	t.Cleanup(func() {
		s.Close()
		if n := s.Shared.(*vfstest.Tree).Opened.Load(); n != 0 {
			t.Errorf("%d shared files are still open", n)
		}
	})
	return b
}

// put puts a path where the guest has it.
func (b *box) put(at uint32, path string) (off, n uint32) {
	b.t.Helper()
	put(b.t, b.mem, at, []byte(path))
	return at, uint32(len(path))
}

func (b *box) want(what string, got, want any) {
	b.t.Helper()
	if got != want {
		b.t.Errorf("%s: %v, want %v", what, got, want)
	}
}

// open opens a path beneath fd.
func (b *box) open(fd uint32, path string, oflags uint32, rights uint64, fdflags uint32) (uint32, Errno) {
	b.t.Helper()
	off, n := b.put(atPath, path)
	errno := b.PathOpen(b.mem, fd, 0, off, n, oflags, rights, rightsFile|rightsDirectory, fdflags, atOut)
	opened, _ := b.mem.Uint32(atOut)
	return opened, errno
}

// must opens what is there, or fails.
func (b *box) must(path string, oflags uint32, rights uint64) uint32 {
	b.t.Helper()
	fd, errno := b.open(3, path, oflags, rights, 0)
	if errno != ESUCCESS {
		b.t.Fatalf("open %s: %v", path, errno)
	}
	return fd
}

// on calls a function of one path.
func (b *box) on(f func(mem guest.Memory, fd, path, pathLen uint32) Errno, path string) Errno {
	b.t.Helper()
	off, n := b.put(atPath, path)
	return f(b.mem, 3, off, n)
}

// write writes with fd_write.
func (b *box) write(fd uint32, text string) (uint32, Errno) {
	b.t.Helper()
	put(b.t, b.mem, atData, []byte(text))
	put(b.t, b.mem, atIovs, words(atData, uint32(len(text))))
	errno := b.FdWrite(b.mem, fd, atIovs, 1, atOut)
	n, _ := b.mem.Uint32(atOut)
	return n, errno
}

// read reads so many bytes with fd_read.
func (b *box) read(fd, size uint32) (string, Errno) {
	b.t.Helper()
	put(b.t, b.mem, atIovs, words(atData, size))
	errno := b.FdRead(b.mem, fd, atIovs, 1, atOut)
	n, _ := b.mem.Uint32(atOut)
	if errno != ESUCCESS {
		return "", errno
	}
	return string(b.mem[atData:][:n]), errno
}

const rightsRW = RightRead | RightWrite | RightSeek | RightTell | RightFilestatGet | RightSetSize | RightAllocate | RightSetFlags | RightSetTimes | RightPoll | RightAdvise | RightSync | RightDatasync

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

func TestRights(t *testing.T) {
	b := newBox(t, map[string]string{"f": "text", "d/f": ""})
	stat := func(fd uint32) (kind uint8, base, inheriting uint64) {
		b.want("fdstat", b.FdFdstatGet(b.mem, fd, atOut), ESUCCESS)
		kind, _ = b.mem.Uint8(atOut)
		base, _ = b.mem.Uint64(atOut + 8)
		inheriting, _ = b.mem.Uint64(atOut + 16)
		return kind, base, inheriting
	}
	for _, c := range []struct {
		path string
		ask  uint64
		want string
	}{
		{"f", RightRead | RightWrite, fmt.Sprint(FileTypeRegularFile, RightRead|RightWrite, 0)},
		{"f", math.MaxUint64, fmt.Sprint(FileTypeRegularFile, uint64(rightsFile), 0)},
		{"d", RightRead | RightSeek | RightReaddir, fmt.Sprint(FileTypeDirectory, RightReaddir, uint64(rightsFile|rightsDirectory))},
		{".", 0, fmt.Sprint(FileTypeDirectory, 0, uint64(rightsFile|rightsDirectory))},
	} {
		kind, base, inheriting := stat(b.must(c.path, 0, c.ask))
		b.want(c.path, fmt.Sprint(kind, base, inheriting), c.want)
	}
	_, errno := b.open(3, "d", 0, RightRead|RightWrite, 0)
	b.want("to write to a directory", errno, EISDIR)

	// What a directory may not hand on is not to be had, but for what says nothing of the file.
	b.want("give up", b.FdFdstatSetRights(3, rightsDirectory, RightRead|RightReaddir|RightPathOpen), ESUCCESS)
	for path, c := range map[string]struct {
		ask  uint64
		want Errno
	}{
		"f": {RightRead | RightWrite, ENOTCAPABLE}, "./f": {RightRead, ESUCCESS}, "d": {RightSeek | RightReaddir, ESUCCESS},
		"./d": {RightPathUnlinkFile, ENOTCAPABLE}, "x": {RightWrite, ENOENT},
	} {
		off, n := b.put(atPath, path)
		b.want(path, b.PathOpen(b.mem, 3, 0, off, n, 0, c.ask, RightRead, 0, atOut), c.want)
	}
	off, n := b.put(atPath, "d")
	b.want("inherit", b.PathOpen(b.mem, 3, 0, off, n, 0, 0, RightWrite, 0, atOut), ENOTCAPABLE)

	// Without a right, nothing happens.
	b.want("give up all", b.FdFdstatSetRights(3, 0, 0), ESUCCESS)
	const w = 0xffffffff
	for name, errno := range map[string]Errno{
		"mkdir": b.PathCreateDirectory(b.mem, 3, w, w), "rmdir": b.PathRemoveDirectory(b.mem, 3, w, w), "unlink": b.PathUnlinkFile(b.mem, 3, w, w),
		"rename": b.PathRename(b.mem, 3, w, w, 3, w, w), "link": b.PathLink(b.mem, 3, 0, w, w, 3, w, w), "symlink": b.PathSymlink(b.mem, w, w, 3, w, w),
		"readlink": b.PathReadlink(b.mem, 3, w, w, w, w, w), "open": b.PathOpen(b.mem, 3, 0, w, w, 0, 0, 0, 0, w),
		"stat": b.PathFilestatGet(b.mem, 3, 0, w, w, w), "times": b.PathFilestatSetTimes(b.mem, 3, 0, w, w, 0, 0, 0), "readdir": b.FdReaddir(b.mem, 3, w, w, 0, w),
		"fstat": b.FdFilestatGet(b.mem, 3, w), "ftimes": b.FdFilestatSetTimes(3, 0, 0, 0), "sync": b.FdSync(3), "datasync": b.FdDatasync(3),
	} {
		b.want(name, errno, ENOTCAPABLE)
	}
	fd := uint32(4)
	b.want("give up all", b.FdFdstatSetRights(fd, 0, 0), ESUCCESS)
	for name, errno := range map[string]Errno{
		"read": b.FdRead(b.mem, fd, w, w, w), "write": b.FdWrite(b.mem, fd, w, w, w), "pread": b.FdPread(b.mem, fd, w, w, 0, w), "pwrite": b.FdPwrite(b.mem, fd, w, w, 0, w),
		"seek": b.FdSeek(b.mem, fd, 0, 1, w), "tell": b.FdTell(b.mem, fd, w), "size": b.FdFilestatSetSize(fd, 0), "allocate": b.FdAllocate(fd, 0, 1), "advise": b.FdAdvise(fd, 0, 0, 0),
	} {
		b.want(name, errno, ENOTCAPABLE)
	}
}

func TestRightsToCreateAndTruncate(t *testing.T) {
	b := newBox(t, map[string]string{"f": "text"})
	b.want("give up", b.FdFdstatSetRights(3, RightPathOpen, rightsFile), ESUCCESS)
	_, errno := b.open(3, "new", OpenCreate, 0, 0)
	b.want("create", errno, ENOTCAPABLE)
	_, errno = b.open(3, "f", OpenTruncate, 0, 0)
	b.want("truncate", errno, ENOTCAPABLE)
	_, errno = b.open(3, "f", 0, RightRead, 0)
	b.want("open", errno, ESUCCESS)
}

func TestOpenFlags(t *testing.T) {
	b := newBox(t, map[string]string{"f": "text", "d/f": ""})
	off, n := b.put(atOther, "f")
	put(t, b.mem, atPath, []byte("l"))
	b.want("symlink", b.PathSymlink(b.mem, off, n, 3, atPath, 1), ESUCCESS)
	for _, c := range []struct {
		path             string
		dirflags, oflags uint32
		rights           uint64
		fdflags          uint32
		want             Errno
	}{
		{"f", 0, OpenDirectory, 0, 0, ENOTDIR},
		{"d", 0, OpenDirectory, 0, FlagNonblock, ESUCCESS},
		{"f", 0, OpenCreate | OpenExclusive, 0, 0, EEXIST},
		{"f", 0, OpenCreate, 0, FlagSync | FlagDSync | FlagRSync, ESUCCESS},
		{"new", 0, OpenCreate | OpenDirectory, 0, 0, EINVAL},
		{"new/", 0, OpenCreate, 0, 0, EISDIR},
		{"new", 0, 0, 0, 0, ENOENT},
		{"d", 0, OpenTruncate, 0, 0, EISDIR},
		{"d", 0, OpenCreate, 0, 0, EISDIR},
		{"l", 0, 0, 0, 0, ELOOP},
		{"l", lookupFollow, 0, 0, 0, ESUCCESS},
		{"l", 0, OpenDirectory, 0, 0, ENOTDIR},
		{"l", lookupFollow, OpenCreate | OpenExclusive, 0, 0, EEXIST},
		{"f", 2, 0, 0, 0, EINVAL},
		{"f", 0, 16, 0, 0, EINVAL},
		{"f", 0, 0, 0, 32, EINVAL},
		{"f/x", 0, 0, 0, 0, ENOTDIR},
		{"/f", 0, 0, 0, 0, ENOTCAPABLE},
		{"../f", 0, 0, 0, 0, ENOTCAPABLE},
		{"faasm://f", 0, 0, RightRead, 0, ESUCCESS},
	} {
		off, n := b.put(atPath, c.path)
		got := b.PathOpen(b.mem, 3, c.dirflags, off, n, c.oflags, c.rights, 0, c.fdflags, atOut)
		b.want(fmt.Sprint(c), got, c.want)
	}
	fd, _ := b.open(3, "f", OpenTruncate, rightsRW, FlagAppend)
	_, _ = b.write(fd, "abc")
	b.want("seek", b.FdSeek(b.mem, fd, 0, 0, atOut), ESUCCESS)
	_, _ = b.write(fd, "def")
	b.want("pwrite ignores append", func() Errno {
		put(t, b.mem, atData, []byte("X"))
		put(t, b.mem, atIovs, words(atData, 1))
		return b.FdPwrite(b.mem, fd, atIovs, 1, 0, atOut)
	}(), ESUCCESS)
	b.want("tell", b.FdTell(b.mem, fd, atOut), ESUCCESS)
	pos, _ := b.mem.Uint64(atOut)
	b.want("offset", pos, uint64(6))
	b.FdSeek(b.mem, fd, 0, 0, atOut)
	text, _ := b.read(fd, 100)
	b.want("text", text, "Xbcdef")
}

func TestSeek(t *testing.T) {
	b := newBox(t, map[string]string{"f": "0123456789"})
	fd := b.must("f", 0, rightsRW)
	for _, c := range []struct {
		offset int64
		whence uint32
		want   Errno
		at     uint64
	}{
		{4, 0, ESUCCESS, 4},
		{-1, 1, ESUCCESS, 3},
		{-10, 2, ESUCCESS, 0},
		{5, 2, ESUCCESS, 15},
		{-16, 1, EINVAL, 15},
		{-1, 0, EINVAL, 15},
		{math.MaxInt64, 0, ESUCCESS, math.MaxInt64},
		{1, 1, EINVAL, math.MaxInt64},
		{math.MinInt64, 1, EINVAL, math.MaxInt64},
		{math.MaxInt64, 2, EINVAL, math.MaxInt64},
		{0, 3, EINVAL, math.MaxInt64},
		{2, 0, ESUCCESS, 2},
	} {
		b.want(fmt.Sprint(c), b.FdSeek(b.mem, fd, c.offset, c.whence, atOut), c.want)
		b.want("tell", b.FdTell(b.mem, fd, atOut), ESUCCESS)
		at, _ := b.mem.Uint64(atOut)
		b.want("offset", at, c.at)
	}
	b.want("out of bounds", b.FdSeek(b.mem, fd, 7, 0, boxSize-7), EFAULT)
	b.want("out of bounds", b.FdTell(b.mem, fd, boxSize-7), EFAULT)
	b.FdTell(b.mem, fd, atOut)
	at, _ := b.mem.Uint64(atOut)
	b.want("it did not move", at, uint64(2))
	b.FdFdstatSetRights(fd, RightTell, 0)
	b.want("the present offset", b.FdSeek(b.mem, fd, 0, 1, atOut), ESUCCESS)
	b.want("another", b.FdSeek(b.mem, fd, 1, 1, atOut), ENOTCAPABLE)
}

func TestReadAndWriteAtOffsets(t *testing.T) {
	b := newBox(t, map[string]string{"f": "0123456789"})
	fd := b.must("f", 0, rightsRW)
	put(t, b.mem, atIovs, words(atData, 3, atData+5, 4))
	for _, c := range []struct {
		offset uint64
		want   string
		n      uint32
		errno  Errno
	}{{0, "012??3456?", 7, ESUCCESS}, {8, "89????????", 2, ESUCCESS}, {10, "??????????", 0, ESUCCESS}, {1 << 62, "??????????", 0, ESUCCESS}, {1 << 63, "??????????", 0, EINVAL}} {
		copy(b.mem[atData:], "??????????")
		b.want("pread", b.FdPread(b.mem, fd, atIovs, 2, c.offset, atOut), c.errno)
		n, _ := b.mem.Uint32(atOut)
		if c.errno == ESUCCESS {
			b.want("n", n, c.n)
		}
		b.want("bytes", string(b.mem[atData:][:10]), c.want)
	}
	copy(b.mem[atData:], "abc??defg?")
	b.want("pwrite", b.FdPwrite(b.mem, fd, atIovs, 2, 8, atOut), ESUCCESS)
	text, _ := b.read(fd, 100)
	b.want("text", text, "01234567abcdefg")
	b.want("pwrite", b.FdPwrite(b.mem, fd, atIovs, 2, vfs.MaxFile, atOut), EFBIG)
	b.want("pwrite", b.FdPwrite(b.mem, fd, atIovs, 2, 1<<63, atOut), EINVAL)
	b.want("too many buffers", b.FdPwrite(b.mem, fd, atIovs, 1025, 0, atOut), EINVAL)
	b.want("count out of bounds", b.FdPread(b.mem, fd, atIovs, 2, 0, boxSize-3), EFAULT)
	put(t, b.mem, atIovs, words(boxSize-1, 2))
	b.want("buffer out of bounds", b.FdPread(b.mem, fd, atIovs, 1, 0, atOut), EFAULT)
	for fd := range uint32(3) {
		b.want("stdio", b.FdPread(b.mem, fd, atIovs, 1, 0, atOut), ESPIPE)
	}
	b.want("a directory", b.FdPread(b.mem, 3, atIovs, 1, 0, atOut), EISDIR)
}

func TestReadOverItsOwnListFromAFile(t *testing.T) {
	b := newBox(t, map[string]string{"f": strings.Repeat("\xff", 64)})
	fd := b.must("f", 0, rightsRW)
	put(t, b.mem, atIovs, words(atIovs+8, 8, atData, 4))
	b.want("read", b.FdRead(b.mem, fd, atIovs, 2, atOut), EFAULT)
	b.FdTell(b.mem, fd, atOut)
	at, _ := b.mem.Uint64(atOut)
	b.want("offset", at, uint64(0))
}

func TestShortWrites(t *testing.T) {
	b := newBox(t, nil)
	b.FileLimits = vfs.Limits{Bytes: 1024}
	fd := b.must("f", OpenCreate, rightsRW)
	n, errno := b.write(fd, strings.Repeat("x", 600))
	b.want("first", fmt.Sprint(n, errno), "600 ESUCCESS")
	put(t, b.mem, atIovs, words(atData, 300, atData, 300, atData, 300))
	b.want("over the limit", b.FdWrite(b.mem, fd, atIovs, 3, atOut), ESUCCESS)
	n, _ = b.mem.Uint32(atOut)
	b.want("as much as there is room for", n, uint32(300))
	b.want("nothing left", b.FdWrite(b.mem, fd, atIovs, 3, atOut), EDQUOT)
}

func TestFunctionsOfFiles(t *testing.T) {
	b := newBox(t, map[string]string{"f": "0123456789", "d/f": ""})
	fd := b.must("f", 0, rightsRW)
	size := func() uint64 {
		b.want("filestat", b.FdFilestatGet(b.mem, fd, atOut), ESUCCESS)
		n, _ := b.mem.Uint64(atOut + 32)
		return n
	}
	b.want("advise", b.FdAdvise(fd, 0, 5, 5), ESUCCESS)
	b.want("no advice", b.FdAdvise(fd, 0, 5, 6), EINVAL)
	b.want("advise a directory", b.FdAdvise(3, 0, 5, 0), EISDIR)
	b.want("sync", b.FdSync(fd), ESUCCESS)
	b.want("datasync", b.FdDatasync(fd), ESUCCESS)
	b.want("sync a directory", b.FdSync(3), ESUCCESS)
	b.want("set size", b.FdFilestatSetSize(fd, 100), ESUCCESS)
	b.want("size", size(), uint64(100))
	b.want("set size", b.FdFilestatSetSize(fd, math.MaxUint64), EFBIG)
	b.want("set size of a directory", b.FdFilestatSetSize(3, 1), EISDIR)
	b.want("allocate", b.FdAllocate(fd, 90, 20), ESUCCESS)
	b.want("size", size(), uint64(110))
	b.want("allocate nothing", b.FdAllocate(fd, 90, 0), EINVAL)
	b.want("allocate too much", b.FdAllocate(fd, 0, 1<<30), EDQUOT)
	b.want("allocate beyond", b.FdAllocate(fd, math.MaxUint64, 1), EFBIG)
	b.want("allocate beyond", b.FdAllocate(fd, 1, math.MaxUint64), EFBIG)
	for flags, want := range map[uint32]Errno{0: ESUCCESS, 1: ESUCCESS, 2: ESUCCESS, 4: ESUCCESS, 8: ESUCCESS, 5: ESUCCESS, 10: ESUCCESS, 3: EINVAL, 12: EINVAL, 16: EINVAL, math.MaxUint32: EINVAL} {
		b.want(fmt.Sprint("times ", flags), b.FdFilestatSetTimes(fd, 1, 2, flags), want)
		off, n := b.put(atPath, "d/f")
		b.want(fmt.Sprint("times of a path ", flags), b.PathFilestatSetTimes(b.mem, 3, 0, off, n, 1, 2, flags), want)
	}
	b.FdFilestatSetTimes(fd, 11, 22, 1|8)
	b.FdFilestatGet(b.mem, fd, atOut)
	atim, _ := b.mem.Uint64(atOut + 40)
	mtim, _ := b.mem.Uint64(atOut + 48)
	b.want("times", fmt.Sprint(atim, mtim), fmt.Sprint(11, newYear.UnixNano()))
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
