package wasi

import (
	"bytes"
	"context"
	"fmt"
	"strings"
	"testing"

	"github.com/shoal-run/shoal/libs/guest"
)

// two calls a function of two paths.
func (b *box) two(name, old, path string) Errno {
	b.t.Helper()
	off, n := b.put(atPath, old)
	to, m := b.put(atOther, path)
	switch name {
	case "rename":
		return b.PathRename(b.mem, 3, off, n, 3, to, m)
	case "link":
		return b.PathLink(b.mem, 3, 0, off, n, 3, to, m)
	case "follow":
		return b.PathLink(b.mem, 3, lookupFollow, off, n, 3, to, m)
	}
	return b.PathSymlink(b.mem, off, n, 3, to, m)
}

// text returns what is in a file, or why not.
func (b *box) text(path string) string {
	b.t.Helper()
	fd, errno := b.open(3, path, 0, RightRead, 0)
	if errno != ESUCCESS {
		return errno.String()
	}
	defer b.FdClose(fd)
	text, errno := b.read(fd, 1000)
	if errno != ESUCCESS {
		return errno.String()
	}
	return text
}

func TestNames(t *testing.T) {
	b := newBox(t, map[string]string{"d/f": "shared", "g": "other"})
	for _, c := range []struct {
		what string
		got  Errno
		want Errno
	}{
		{"mkdir", b.on(b.PathCreateDirectory, "new/"), ESUCCESS},
		{"mkdir again", b.on(b.PathCreateDirectory, "new"), EEXIST},
		{"mkdir over a shared one", b.on(b.PathCreateDirectory, "d"), EEXIST},
		{"rmdir of a full one", b.on(b.PathRemoveDirectory, "d"), ENOTEMPTY},
		{"rmdir of a file", b.on(b.PathRemoveDirectory, "g"), ENOTDIR},
		{"rmdir of a file with a slash", b.on(b.PathRemoveDirectory, "g/"), ENOTDIR},
		{"rmdir of .", b.on(b.PathRemoveDirectory, "new/."), EINVAL},
		{"unlink of a directory", b.on(b.PathUnlinkFile, "new"), EISDIR},
		{"unlink of a directory with a slash", b.on(b.PathUnlinkFile, "new/"), EISDIR},
		{"unlink of a file with a slash", b.on(b.PathUnlinkFile, "g/"), ENOTDIR},
		{"rename a directory, with slashes", b.two("rename", "new/", "other/"), ESUCCESS},
		{"rename a file, with a slash", b.two("rename", "g", "h/"), ENOTDIR},
		{"rename a file over a directory", b.two("rename", "g", "other"), EISDIR},
		{"rename a directory over a file", b.two("rename", "other", "g"), ENOTDIR},
		{"rename over a full one", b.two("rename", "other", "d"), ENOTEMPTY},
		{"rename into itself", b.two("rename", "other", "other/x"), EINVAL},
		{"rename .", b.two("rename", ".", "x"), EBUSY},
		{"rename nothing", b.two("rename", "x", "y"), ENOENT},
		{"rename", b.two("rename", "d/f", "other/f"), ESUCCESS},
		{"link", b.two("link", "g", "other/g"), ESUCCESS},
		{"link to what is there", b.two("link", "g", "other/g"), EEXIST},
		{"link to itself", b.two("link", "g", "g"), EEXIST},
		{"link of a directory", b.two("link", "d", "e"), EPERM},
		{"link with a slash", b.two("link", "g", "e/"), ENOENT},
		{"symlink", b.two("symlink", "nothing", "s"), ESUCCESS},
		{"symlink to what is there", b.two("symlink", "nothing", "s"), EEXIST},
		{"symlink with a slash", b.two("symlink", "nothing", "s2/"), ENOENT},
		{"absolute symlink", b.two("symlink", "/", "s2"), ENOTCAPABLE},
		{"link of a symlink", b.two("link", "s", "s2"), ESUCCESS},
		{"link of what a symlink leads to", b.two("follow", "s", "s3"), ENOENT},
		{"unlink of a symlink", b.on(b.PathUnlinkFile, "s2"), ESUCCESS},
		{"a path that leads out", b.on(b.PathCreateDirectory, "d/../../x"), ENOTCAPABLE},
		{"an absolute path", b.on(b.PathUnlinkFile, "/g"), ENOTCAPABLE},
		{"a path with a NUL", b.on(b.PathUnlinkFile, "g\x00"), EINVAL},
		{"a path that is no UTF-8", b.on(b.PathUnlinkFile, "g\xff"), EILSEQ},
		{"a name that is too long", b.on(b.PathCreateDirectory, strings.Repeat("n", 256)), ENAMETOOLONG},
	} {
		b.want(c.what, c.got, c.want)
	}
	b.want("moved", b.text("other/f"), "shared")
	b.want("from", b.text("d/f"), "ENOENT")
	b.want("linked", b.text("other/g"), "other")
	b.want("a symlink", b.text("s"), "ELOOP")
}

func TestReadlink(t *testing.T) {
	b := newBox(t, map[string]string{"f": ""})
	b.want("symlink", b.two("symlink", "target", "l"), ESUCCESS)
	for _, c := range []struct {
		path       string
		bufLen     uint32
		want       Errno
		text       string
		bufused    uint32
		buf, count uint32
	}{
		{"l", 10, ESUCCESS, "target????", 6, atData, atOut},
		{"l", 4, ESUCCESS, "targ??????", 4, atData, atOut},
		{"l", 0, ESUCCESS, "??????????", 0, atData, atOut},
		{"f", 10, EINVAL, "??????????", 0, atData, atOut},
		{"x", 10, ENOENT, "??????????", 0, atData, atOut},
		{"l/", 10, ENOENT, "??????????", 0, atData, atOut},
		{"l", 10, EFAULT, "??????????", 0, boxSize - 9, atOut},
		{"l", 10, EFAULT, "??????????", 0, atData, boxSize - 3},
		{"l", 0xffffffff, EFAULT, "??????????", 0, atData, atOut},
	} {
		copy(b.mem[atData:], "??????????")
		put(t, b.mem, atOut, words(0))
		off, n := b.put(atPath, c.path)
		b.want(fmt.Sprint(c), b.PathReadlink(b.mem, 3, off, n, c.buf, c.bufLen, c.count), c.want)
		used, _ := b.mem.Uint32(atOut)
		b.want(fmt.Sprint(c), string(b.mem[atData:][:10]), c.text)
		b.want(fmt.Sprint(c), used, c.bufused)
	}
}

// dirent is an entry as a guest reads it.
type dirent struct {
	next, inode uint64
	kind        FileType
	name        string
}

// dirents reads the whole entries of a directory from a cookie on, with a buffer of so many bytes, and whether it ended.
func (b *box) dirents(fd, size uint32, cookie uint64) (list []dirent, ended bool) {
	b.t.Helper()
	copy(b.mem[atData:][:size+8], paper(int(size)+8))
	b.want("readdir", b.FdReaddir(b.mem, fd, atData, size, cookie, atOut), ESUCCESS)
	used, _ := b.mem.Uint32(atOut)
	if !bytes.Equal(b.mem[atData+used:][:8], paper(8)) {
		b.t.Errorf("it wrote beyond the %d bytes that it used", used)
	}
	for rest := b.mem[atData:][:used]; len(rest) >= direntSize; {
		n, _ := rest.Uint32(16)
		if int(n) > len(rest)-direntSize {
			break
		}
		var d dirent
		d.next, _ = rest.Uint64(0)
		d.inode, _ = rest.Uint64(8)
		d.kind = FileType(rest[20])
		d.name = string(rest[direntSize:][:n])
		list = append(list, d)
		rest = rest[direntSize+n:]
	}
	return list, used < size
}

func TestReaddir(t *testing.T) {
	files := map[string]string{}
	for i := range 40 {
		files[fmt.Sprintf("d/shared-%02d", i)] = ""
	}
	b := newBox(t, files)
	b.must("d/private", OpenCreate, 0)
	b.want("symlink", b.two("symlink", "x", "d/link"), ESUCCESS)
	b.want("mkdir", b.on(b.PathCreateDirectory, "d/dir"), ESUCCESS)
	fd := b.must("d", OpenDirectory, RightReaddir)
	all, ended := b.dirents(fd, 8000, 0)
	if len(all) != 45 || !ended {
		t.Fatalf("%d entries, ended: %t", len(all), ended)
	}
	types := map[string]FileType{".": FileTypeDirectory, "..": FileTypeDirectory, "private": FileTypeRegularFile, "link": FileTypeSymbolicLink, "dir": FileTypeDirectory, "shared-07": FileTypeRegularFile}
	for _, d := range all {
		if want, ok := types[d.name]; ok {
			b.want(d.name, d.kind, want)
		}
		if d.name == "." || d.name == ".." {
			continue
		}
		off, n := b.put(atPath, "d/"+d.name)
		b.want("stat", b.PathFilestatGet(b.mem, 3, 0, off, n, atOut), ESUCCESS)
		inode, _ := b.mem.Uint64(atOut + 8)
		b.want("inode of "+d.name, d.inode, inode)
	}
	// A buffer of any size gives the same, as libraries read it: on from the last whole entry.
	for _, size := range []uint32{40, 41, 64, 100, 1000} {
		var got []dirent
		for cookie, ended := uint64(0), false; !ended; {
			var list []dirent
			if list, ended = b.dirents(fd, size, cookie); len(list) > 0 {
				got = append(got, list...)
				cookie = list[len(list)-1].next
			}
		}
		b.want(fmt.Sprint("with a buffer of ", size), fmt.Sprint(got), fmt.Sprint(all))
	}
	// Cut anywhere.
	whole := bytes.Clone(b.mem[atData:][:8000])
	b.dirents(fd, 8000, 0)
	copy(whole, b.mem[atData:][:8000])
	for size := range uint32(60) {
		b.want("readdir", b.FdReaddir(b.mem, fd, atData, size, 0, atOut), ESUCCESS)
		used, _ := b.mem.Uint32(atOut)
		b.want("used", used, size)
		if !bytes.Equal(b.mem[atData:][:size], whole[:size]) {
			t.Errorf("cut at %d it differs", size)
		}
	}
	for name, got := range map[string]Errno{
		"of a file": b.FdReaddir(b.mem, 4, atData, 100, 0, atOut), "of stdin": b.FdReaddir(b.mem, 0, atData, 100, 0, atOut),
	} {
		b.want(name, got, ENOTDIR)
	}
	b.want("of nothing", b.FdReaddir(b.mem, 77, atData, 100, 0, atOut), EBADF)
	b.want("buffer out of bounds", b.FdReaddir(b.mem, fd, boxSize-1, 2, 0, atOut), EFAULT)
	b.want("buffer out of bounds", b.FdReaddir(b.mem, fd, 1, 0xffffffff, 0, atOut), EFAULT)
	b.want("count out of bounds", b.FdReaddir(b.mem, fd, atData, 2, 0, boxSize-3), EFAULT)
}

func TestReaddirLayout(t *testing.T) {
	b := newBox(t, nil)
	mem := paper(8 + 25 + 24 + 2 + 8)
	want := bytes.Clone(mem)
	put(t, want, 8, join(longs(1, 1), words(1, uint32(FileTypeDirectory)), []byte("."), longs(2, 1), words(2, uint32(FileTypeDirectory)), []byte("..")))
	put(t, want, 0, words(51))
	check(t, b.FdReaddir(mem, 3, 8, 51, 0, 0), ESUCCESS, mem, want)
}

func TestPollOnFiles(t *testing.T) {
	b := newBox(t, map[string]string{"f": "0123456789"})
	rw := b.must("f", 0, rightsRW)
	ro := b.must("f", 0, RightRead|RightPoll)
	mute := b.must("f", 0, RightRead)
	_, _ = b.read(rw, 4)
	subs := join(onFd(1, eventFdRead, rw), onFd(2, eventFdWrite, rw), onFd(3, eventFdRead, ro), onFd(4, eventFdWrite, ro), onFd(5, eventFdRead, mute),
		onFd(6, eventFdRead, 3), onClock(7, ClockMonotonic, 1<<60, 0), onFd(8, eventFdRead, 77))
	put(t, b.mem, atData, subs)
	errno, err := b.PollOneoff(b.mem, atData, atOut, 8, atPath)
	if errno != ESUCCESS || err != nil {
		t.Fatal(errno, err)
	}
	want := join(happened(1, ESUCCESS, eventFdRead, 6, 0), happened(2, ESUCCESS, eventFdWrite, writeRoom, 0), happened(3, ESUCCESS, eventFdRead, 10, 0),
		happened(4, ENOTCAPABLE, eventFdWrite, 0, 0), happened(5, ENOTCAPABLE, eventFdRead, 0, 0), happened(6, EBADF, eventFdRead, 0, 0), happened(8, EBADF, eventFdRead, 0, 0))
	n, _ := b.mem.Uint32(atPath)
	if int(n)*eventSize != len(want) || !bytes.Equal(b.mem[atOut:][:len(want)], want) {
		t.Errorf("%d events\n got %v\nwant %v", n, b.mem[atOut:][:len(want)], want)
	}
}

func TestSocketsOnFiles(t *testing.T) {
	b := newBox(t, map[string]string{"f": ""})
	fd := b.must("f", 0, rightsRW)
	for _, fd := range []uint32{3, fd} {
		b.want("accept", b.SockAccept(b.mem, fd, 0, 0), ENOTSOCK)
		b.want("shutdown", b.SockShutdown(fd, 1), ENOTSOCK)
	}
}

// TestLookedAndLeft is what an image of a guest's memory depends on.
func TestLookedAndLeft(t *testing.T) {
	for name, c := range map[string]struct {
		do           func(b *box)
		looked, left bool
	}{
		"nothing": {func(*box) {}, false, false},
		"as a libc starts": {func(b *box) {
			b.FdPrestatGet(b.mem, 3, atOut)
			b.FdPrestatDirName(b.mem, 3, atOut, 1)
			b.FdPrestatGet(b.mem, 4, atOut)
			b.FdFdstatGet(b.mem, 3, atOut)
			for fd := range uint32(3) {
				b.FdFdstatGet(b.mem, fd, atOut)
				b.FdFilestatGet(b.mem, fd, atOut)
				b.FdFdstatSetFlags(fd, FlagNonblock)
			}
			_, _ = b.write(1, "hello")
		}, false, false},
		"reads and closes":          {func(b *box) { b.FdClose(b.must("f", 0, RightRead)) }, true, false},
		"finds nothing":             {func(b *box) { b.open(3, "x", 0, RightRead, 0) }, true, false},
		"leaves it open":            {func(b *box) { b.must("f", 0, RightRead) }, true, true},
		"opens the root again":      {func(b *box) { b.must(".", 0, 0) }, false, true},
		"makes a file":              {func(b *box) { b.FdClose(b.must("x", OpenCreate, 0)) }, true, true},
		"makes and removes":         {func(b *box) { b.FdClose(b.must("x", OpenCreate, 0)); b.on(b.PathUnlinkFile, "x") }, true, false},
		"removes":                   {func(b *box) { b.on(b.PathUnlinkFile, "f") }, true, true},
		"closes the root":           {func(b *box) { b.FdClose(3) }, false, false},
		"moves stdout":              {func(b *box) { b.FdRenumber(1, 2) }, false, true},
		"dups stdout":               {func(b *box) { _, _ = b.Dup(1) }, false, true},
		"asks for the root's times": {func(b *box) { b.FdFilestatGet(b.mem, 3, atOut) }, true, false},
	} {
		b := newBox(t, map[string]string{"f": ""})
		c.do(b)
		b.want(name+": looked", b.Looked(), c.looked)
		b.want(name+": left", b.LeftFiles(), c.left)
		b.want(name+": files were made", b.files != nil, c.looked || name == "opens the root again")
		b.Close()
		b.Close()
		b.want(name+", closed: looked", b.Looked(), c.looked)
		b.want(name+", closed: left", b.LeftFiles(), c.left)
	}
}

// A long path ends with the call: with the links on it, resolving it may take seconds.
func TestALongPathEndsWithTheCall(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	s := &System{Ctx: ctx}
	mem := guest.Memory(strings.Repeat("./", 100) + strings.Repeat("\x00", filestatSize))
	if errno := s.PathFilestatGet(mem, firstPreopen, 0, 0, 200, 200); errno != ESUCCESS {
		t.Fatal(errno)
	}
	cancel()
	if errno := s.PathFilestatGet(mem, firstPreopen, 0, 0, 200, 200); errno != EINTR {
		t.Errorf("%s, want EINTR", errno)
	}
}
