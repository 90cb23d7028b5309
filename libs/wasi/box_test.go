package wasi

import (
	"testing"

	"github.com/shoal-run/shoal/libs/guest"
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
