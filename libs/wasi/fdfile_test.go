package wasi

import (
	"fmt"
	"math"
	"strings"
	"testing"

	"github.com/shoal-run/shoal/libs/vfs"
)

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
