package hostapi

import (
	"bytes"
	"context"
	"errors"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/shoal-run/shoal/bus/faas"
	"github.com/shoal-run/shoal/libs/guest"
	"github.com/shoal-run/shoal/libs/vfs/vfstest"
	"github.com/shoal-run/shoal/libs/wasi"
)

const none = 0xffffffff // -1

// mapped calls mmap of anonymous memory.
func mapped(t testing.TB, c *Call, g *fakeGuest, n uint64) uint64 {
	t.Helper()
	return must(t, c, g.mem, "mmap", 0, n, 3, mapAnonymous|2, none, 0)
}

func TestMmap(t *testing.T) {
	g := newGuest(2, 6)
	c := NewCall(CallConfig{Guest: g})
	a := mapped(t, c, g, 1)
	b := mapped(t, c, g, pageSize+1)
	if a != 2*pageSize || b != 3*pageSize || len(g.mem) != 5*pageSize {
		t.Fatalf("%#x %#x of %#x", a, b, len(g.mem))
	}
	if got := mapped(t, c, g, 2*pageSize); got != none {
		t.Errorf("past the limit: %#x", got)
	}
	copy(g.mem[a:], "secret")
	copy(g.mem[b:], "secret")
	if must(t, c, g.mem, "munmap", a, 1) != 0 || must(t, c, g.mem, "munmap", b, pageSize) != 0 {
		t.Fatal("not given back")
	}
	if got := mapped(t, c, g, 2*pageSize); got != a || !bytes.Equal(g.mem[a:a+2*pageSize], make([]byte, 2*pageSize)) {
		t.Errorf("two pages that were given back: %#x", got)
	}
	must(t, c, g.mem, "munmap", b+pageSize, pageSize) // the last one: what grows begins there
	if got := mapped(t, c, g, 2*pageSize); got != 4*pageSize || len(g.mem) != 6*pageSize {
		t.Errorf("behind what is in use: %#x of %#x", got, len(g.mem))
	}
}

func TestMmapRefuses(t *testing.T) {
	g := newGuest(2, 100)
	c := NewCall(CallConfig{Guest: g})
	for name, args := range map[string][]uint64{
		"nothing":      {0, 0, 3, mapAnonymous, none, 0},
		"a place":      {pageSize, 1, 3, mapAnonymous | mapFixed, none, 0},
		"everything":   {0, none, 3, mapAnonymous, none, 0},
		"no file":      {0, 1, 3, 2, 77, 0},
		"stdout":       {0, 1, 3, 2, 1, 0},
		"an odd place": {0, 1, 3, 2, 3, 1},
	} {
		if got := must(t, c, g.mem, "mmap", args...); got != none || len(g.mem) != 2*pageSize {
			t.Errorf("%s: %#x, the memory has %#x", name, got, len(g.mem))
		}
	}
	for name, args := range map[string][]uint64{"odd": {1, pageSize}, "nothing": {0, 0}, "outside": {pageSize, 2 * pageSize}, "all": {0, none}} {
		if got := must(t, c, g.mem, "munmap", args...); got != none {
			t.Errorf("munmap, %s: %#x", name, got)
		}
	}
	if got := mapped(t, NewCall(CallConfig{}), g, 1); got != none {
		t.Errorf("without a guest: %#x", got)
	}
}

func TestSbrk(t *testing.T) {
	g := newGuest(1, 10)
	c := NewCall(CallConfig{Guest: g})
	sbrk := func(n int32) uint64 { return must(t, c, g.mem, "__sbrk", uint64(uint32(n))) }
	for i, s := range []struct {
		by      int32
		was     uint64
		memory  int // pages, afterwards
		comment string
	}{
		{0, pageSize, 1, "begins at the end"},
		{100, pageSize, 2, "a page for it"},
		{100, pageSize + 100, 2, "the same page"},
		{-150, pageSize + 200, 2, "back"},
		{-51, none, 2, "below the start"},
		{2 * pageSize, pageSize + 50, 4, "more"},
		{100 * pageSize, none, 4, "too much"},
		{0, 3*pageSize + 50, 4, "still there"},
	} {
		if got := sbrk(s.by); got != s.was || len(g.mem) != s.memory*pageSize {
			t.Errorf("step %d, %s: %#x of %#x", i, s.comment, got, len(g.mem))
		}
	}
	copy(g.mem[2*pageSize:], "old")
	sbrk(-pageSize - 50)
	if sbrk(pageSize); string(g.mem[2*pageSize:2*pageSize+3]) != "\x00\x00\x00" {
		t.Error("what was given up comes back with what it had")
	}
	g.Grow(1) // by the guest's own malloc
	if got := sbrk(pageSize + 1); got != 5*pageSize {
		t.Errorf("after the memory grew: %#x", got)
	}
	if got := must(t, c, g.mem, "brk", 6*pageSize+10); got != 0 || len(g.mem) != 7*pageSize {
		t.Errorf("brk: %#x of %#x", got, len(g.mem))
	}
	if must(t, c, g.mem, "brk", 6*pageSize) != 0 || sbrk(0) != 6*pageSize || must(t, c, g.mem, "brk", 4*pageSize) != none {
		t.Error("brk back")
	}
	g.Grow(1)
	if must(t, c, g.mem, "brk", 9*pageSize) != none {
		t.Error("brk past what the guest took itself")
	}
}

// TestMmapOfFiles maps a shared file, whole, in part, and past its end.
func TestMmapOfFiles(t *testing.T) {
	g := newGuest(1, 20)
	text := strings.Repeat("0123456789abcdef", 1000)
	tree := vfstest.New(map[string]string{"data/f": text})
	c := NewCall(CallConfig{Guest: g, Shared: tree})
	defer c.WASI.Close()
	copy(g.mem, "data/f")
	if errno := wasi.Errno(must(t, c, g.mem, "path_open", 3, 0, 0, 6, 0, wasi.RightRead|wasi.RightSeek, 0, 0, 100)); errno != wasi.ESUCCESS {
		t.Fatal(errno)
	}
	fd, _ := g.mem.Uint32(100)
	read := func(n, offset uint64) string {
		at := must(t, c, g.mem, "mmap", 0, n, 1, 2, uint64(fd), offset)
		if at == none {
			t.Fatalf("%d bytes at %d are not mapped", n, offset)
		}
		return strings.TrimRight(string(g.mem[at:at+roundUp(n)]), "\x00")
	}
	if read(uint64(len(text)), 0) != text || read(1<<17, 4096) != text[4096:] || read(10, 8192) != text[8192:8202] || read(5, 1<<20) != "" {
		t.Error("other bytes are mapped")
	}
	if errno := wasi.Errno(must(t, c, g.mem, "fd_close", uint64(fd))); errno != wasi.ESUCCESS {
		t.Fatal(errno)
	}
	size := len(g.mem)
	if got := must(t, c, g.mem, "mmap", 0, 10, 1, 2, uint64(fd), 0); got != none || len(g.mem) != size {
		t.Errorf("a closed file: %#x", got)
	}
}

func TestDup(t *testing.T) {
	c := NewCall(CallConfig{Kind: faas.Reactor})
	mem := make(guest.Memory, 64)
	if fd := must(t, c, mem, "dup", 2); fd != 4 || printTo(t, c, fd, "said") != wasi.ESUCCESS {
		t.Errorf("dup(2) = %d", fd)
	}
	if must(t, c, mem, "dup", 77) != none || wasi.Errno(must(t, c, mem, "__wasi_fd_dup", 77, 8)) != wasi.EBADF || wasi.Errno(must(t, c, mem, "__wasi_fd_dup", 2, 61)) != wasi.EFAULT {
		t.Error("what is not open, or has no place")
	}
	if errno := wasi.Errno(must(t, c, mem, "__wasi_fd_dup", 2, 8)); errno != wasi.ESUCCESS || mem[8] != 5 {
		t.Errorf("__wasi_fd_dup: %v, %d", errno, mem[8])
	}
	if _, _, stderr, _ := c.Finish(faas.Reactor, false); string(stderr) != "said" {
		t.Errorf("stderr %q", stderr)
	}
}

// TestPagesDisjoint hands out and takes back at random: no two owners ever have the same byte, and all begin with zeros.
func TestPagesDisjoint(t *testing.T) {
	rnd := rand.New(rand.NewPCG(3, 4))
	g := newGuest(1, 200)
	c := NewCall(CallConfig{Guest: g})
	type area struct{ at, n uint64 }
	var have []area
	for i := range 5000 {
		switch k := rnd.IntN(10); {
		case k < 5:
			n := 1 + rnd.Uint64N(3*pageSize)
			at := mapped(t, c, g, n)
			if at != none {
				have = append(have, area{at, roundUp(n)})
			}
		case k < 6:
			n := 1 + rnd.Uint64N(pageSize)
			if at := must(t, c, g.mem, "sbrk", n); at != none {
				have = append(have, area{at, n})
			}
		case len(have) > 0:
			j := rnd.IntN(len(have))
			a := have[j]
			if a.at%pageSize != 0 || a.n%pageSize != 0 {
				continue // of the heap
			}
			if !bytes.Equal(g.mem[a.at:a.at+a.n], bytes.Repeat([]byte{0xff}, int(a.n))) {
				t.Fatalf("step %d: somebody wrote to %#x", i, a.at)
			}
			must(t, c, g.mem, "munmap", a.at, a.n)
			have = append(have[:j], have[j+1:]...)
			continue
		}
		if len(have) == 0 {
			continue
		}
		last := have[len(have)-1]
		b := g.mem[last.at : last.at+last.n]
		if b[0] == 0xff {
			continue // nothing was new
		}
		if !bytes.Equal(b, make([]byte, len(b))) {
			t.Fatalf("step %d: %#x is not zero", i, last.at)
		}
		for j := range b {
			b[j] = 0xff
		}
	}
}

// TestPagesEnd has the call end while pages are cleared.
func TestPagesEnd(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	g := newGuest(1, 100)
	c := NewCall(CallConfig{Guest: g, Ctx: ctx})
	a := mapped(t, c, g, 50*pageSize)
	must(t, c, g.mem, "munmap", a, 50*pageSize)
	cancel()
	if _, err := call(t, c, g.mem, "mmap", 0, 50*pageSize, 3, mapAnonymous, none, 0); !errors.Is(err, wasi.ErrInterrupted) {
		t.Errorf("mmap: %v", err)
	}
	if _, err := call(t, c, g.mem, "bzero", uint64(a), 50*pageSize); !errors.Is(err, wasi.ErrInterrupted) {
		t.Errorf("bzero: %v", err)
	}
}
