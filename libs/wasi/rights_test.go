package wasi

import (
	"fmt"
	"math"
	"testing"
)

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
