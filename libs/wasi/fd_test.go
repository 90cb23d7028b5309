package wasi

import (
	"bytes"
	"context"
	"math"
	"testing"

	"github.com/shoal-run/shoal/libs/guest"
)

func TestFdRead(t *testing.T) {
	for _, c := range []struct {
		name           string
		stdin          string
		fd, iovs, n    uint32
		nread          uint32
		list           []byte // at 1
		errno          Errno
		at18, at23     string
		count, nextPos int
	}{
		{"two buffers", "wazero", 0, 1, 2, 28, words(18, 4, 23, 3), ESUCCESS, "waze", "ro?", 6, 6},
		{"more input", "wazero and more", 0, 1, 2, 28, words(18, 4, 23, 3), ESUCCESS, "waze", "ro ", 7, 7},
		{"one buffer", "wazero", 0, 1, 1, 28, words(18, 4, 23, 3), ESUCCESS, "waze", "???", 4, 4},
		{"end", "", 0, 1, 2, 28, words(18, 4, 23, 3), ESUCCESS, "????", "???", 0, 0},
		{"no buffers", "wazero", 0, 1, 0, 28, nil, ESUCCESS, "????", "???", 0, 0},
		{"empty buffer at the end", "wazero", 0, 1, 2, 28, words(32, 0, 23, 3), ESUCCESS, "????", "waz", 3, 3},
		{"stdout", "wazero", 1, 1, 2, 28, words(18, 4, 23, 3), EBADF, "????", "???", -1, 0},
		{"directory", "wazero", 3, 1, 2, 28, words(18, 4, 23, 3), EISDIR, "????", "???", -1, 0},
		{"unknown", "wazero", 4, 1, 2, 28, words(18, 4, 23, 3), EBADF, "????", "???", -1, 0},
		{"list out", "wazero", 0, 0xfffffff8, 2, 28, nil, EFAULT, "????", "???", -1, 0},
		{"second buffer out", "wazero", 0, 1, 2, 28, words(18, 4, 30, 3), EFAULT, "????", "???", -1, 0},
		{"sum passes 2³²", "wazero", 0, 1, 2, 28, words(18, 4, 0xffffffff, 0xffffffff), EFAULT, "????", "???", -1, 0},
		{"empty buffer beyond the end", "wazero", 0, 1, 1, 28, words(33, 0), EFAULT, "????", "???", -1, 0},
		{"nread out", "wazero", 0, 1, 2, 29, words(18, 4, 23, 3), EFAULT, "????", "???", -1, 0},
		{"too many", "wazero", 0, 1, 1025, 28, words(18, 4, 23, 3), EINVAL, "????", "???", -1, 0},
		{"list as long as 2³²", "wazero", 0, 1, 0x20000000, 28, words(18, 4, 23, 3), EINVAL, "????", "???", -1, 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := &System{Stdin: []byte(c.stdin)}
			mem := paper(32)
			put(t, mem, 1, c.list)
			want := bytes.Clone(mem)
			copy(want[18:], c.at18)
			copy(want[23:], c.at23)
			if c.count >= 0 {
				put(t, want, c.nread, words(uint32(c.count)))
			}
			check(t, s.FdRead(mem, c.fd, c.iovs, c.n, c.nread), c.errno, mem, want)
			if s.stdinPos != c.nextPos {
				t.Errorf("next read starts at %d, want %d", s.stdinPos, c.nextPos)
			}
		})
	}
}

func TestFdReadOverItsOwnList(t *testing.T) {
	// The first buffer lies over the second's entry, which becomes wild by the very read.
	s := &System{Stdin: bytes.Repeat([]byte{0xff}, 64)}
	mem := paper(32)
	put(t, mem, 0, words(8, 8, 20, 4))
	check(t, s.FdRead(mem, 0, 0, 2, 28), EFAULT, mem, nil)
	if s.stdinPos != 0 {
		t.Error("a failed read took input")
	}
}

func TestFdWrite(t *testing.T) {
	for _, c := range []struct {
		name        string
		fd, iovs, n uint32
		nwritten    uint32
		list        []byte // at 1; "shoal" is at 17, "?" at 22
		errno       Errno
		written     string
	}{
		{"two buffers", 1, 1, 2, 24, words(17, 3, 20, 2), ESUCCESS, "shoal"},
		{"the same twice", 1, 1, 2, 24, words(17, 5, 17, 5), ESUCCESS, "shoalshoal"},
		{"nothing", 1, 1, 0, 24, nil, ESUCCESS, ""},
		{"stderr", 2, 1, 1, 24, words(17, 3), ESUCCESS, "sho"},
		{"stdin", 0, 1, 2, 24, words(17, 3, 20, 2), EBADF, ""},
		{"unknown", 3, 1, 2, 24, words(17, 3, 20, 2), EBADF, ""},
		{"wild descriptor", 0xffffffff, 1, 2, 24, words(17, 3, 20, 2), EBADF, ""},
		{"second buffer out", 1, 1, 2, 24, words(17, 3, 30, 9), EFAULT, ""},
		{"sum passes 2³²", 1, 1, 1, 24, words(0xffffffff, 2), EFAULT, ""},
		{"list out", 1, 20, 2, 24, nil, EFAULT, ""},
		{"nwritten out", 1, 1, 2, 27, words(17, 3, 20, 2), EFAULT, ""},
		{"too many", 1, 1, 1025, 24, nil, EINVAL, ""},
		{"wild count", 1, 1, 0xffffffff, 24, nil, EINVAL, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := fixed()
			mem := paper(30)
			put(t, mem, 17, []byte("shoal"))
			put(t, mem, 1, c.list)
			want := bytes.Clone(mem)
			if c.errno == ESUCCESS {
				put(t, want, c.nwritten, words(uint32(len(c.written))))
			}
			check(t, s.FdWrite(mem, c.fd, c.iovs, c.n, c.nwritten), c.errno, mem, want)
			if got := string(s.Stdout.Bytes()) + string(s.Stderr.Bytes()); got != c.written {
				t.Errorf("wrote %q, want %q", got, c.written)
			}
		})
	}
}

func TestFdWritePastTheOutput(t *testing.T) {
	s := &System{Stdout: NewOutput(7)}
	mem := paper(24)
	put(t, mem, 0, words(12, 5))
	put(t, mem, 12, []byte("shoal"))
	if errno := s.FdWrite(mem, 1, 0, 1, 18); errno != ESUCCESS {
		t.Fatal(errno)
	}
	put(t, mem, 18, []byte("????"))
	want := bytes.Clone(mem)
	check(t, s.FdWrite(mem, 1, 0, 1, 18), EFBIG, mem, want)
	if string(s.Stdout.Bytes()) != "shoal" || !s.Stdout.Refused() {
		t.Errorf("holds %q", s.Stdout.Bytes())
	}
}

func TestFdWriteTotal(t *testing.T) {
	// 1024 buffers of all the memory: more than 2³² bytes in all.
	s := fixed()
	mem := make(guest.Memory, 8<<20)
	for i := range uint32(1024) {
		put(t, mem, i*8, words(0, uint32(len(mem))))
	}
	check(t, s.FdWrite(mem, 1, 0, 1024, 8192), EINVAL, mem, nil)
	check(t, s.FdWrite(mem, 1, 0, 500, 8192), ESUCCESS, mem, nil)
	if got := s.Stdout.Dropped() + uint64(len(s.Stdout.Bytes())); got != 500*uint64(len(mem)) {
		t.Errorf("the log counted %d bytes", got)
	}
	if n, _ := mem.Uint32(8192); uint64(n) != 500*uint64(len(mem)) || 500*uint64(len(mem)) > math.MaxUint32 {
		t.Errorf("nwritten %d", n)
	}
}

func TestFdSeekAndTell(t *testing.T) {
	s := fixed()
	mem := paper(8)
	for fd := range uint32(3) {
		check(t, s.FdSeek(mem, fd, 0, 1, 0), ESPIPE, mem, paper(8))
		check(t, s.FdSeek(mem, fd, math.MinInt64, 2, 0xffffffff), ESPIPE, mem, paper(8))
		check(t, s.FdSeek(mem, fd, 0, 3, 0), EINVAL, mem, paper(8))
		check(t, s.FdTell(mem, fd, 0), ESPIPE, mem, paper(8))
	}
	check(t, s.FdSeek(mem, 3, 0, 1, 0), EBADF, mem, paper(8))
	check(t, s.FdTell(mem, 3, 0), EBADF, mem, paper(8))
}

func TestFdCloseAndRenumber(t *testing.T) {
	s := fixed()
	mem := paper(20)
	put(t, mem, 0, words(12, 2))
	write := func(fd uint32) Errno { return s.FdWrite(mem, fd, 0, 1, 14) }
	steps := []struct {
		what string
		got  Errno
		want Errno
	}{
		{"2 to itself", s.FdRenumber(2, 2), ESUCCESS},
		{"2 to 1", s.FdRenumber(2, 1), ESUCCESS},
		{"write 2, free now", write(2), EBADF},
		{"write 1, now stderr", write(1), ESUCCESS},
		{"1 to 2, not open", s.FdRenumber(1, 2), EBADF},
		{"3 to 1", s.FdRenumber(3, 1), EBADF},
		{"close 1", s.FdClose(1), ESUCCESS},
		{"close 1 again", s.FdClose(1), EBADF},
		{"write 1", write(1), EBADF},
		{"close 0", s.FdClose(0), ESUCCESS},
		{"read 0", s.FdRead(mem, 0, 0, 1, 14), EBADF},
		{"close 3", s.FdClose(3), EBADF},
		{"close 2³²-1", s.FdClose(0xffffffff), EBADF},
	}
	for _, step := range steps {
		if step.got != step.want {
			t.Errorf("%s: %v, want %v", step.what, step.got, step.want)
		}
	}
	if len(s.Stdout.Bytes()) != 0 || string(s.Stderr.Bytes()) != "??" {
		t.Errorf("stdout %q, stderr %q", s.Stdout.Bytes(), s.Stderr.Bytes())
	}
}

// A list of buffers ends with the call, however short each of them is.
func TestAListOfBuffersEndsWithTheCall(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	s := &System{Ctx: ctx, Stdin: []byte("shoal"), Stdout: NewLog(100)}
	mem := make(guest.Memory, 100)
	put(t, mem, 0, words(32, 2, 34, 2))
	if errno := s.FdRead(mem, 0, 0, 2, 40); errno != EINTR {
		t.Errorf("a read: %s", errno)
	}
	if errno := s.FdWrite(mem, 1, 0, 2, 40); errno != EINTR {
		t.Errorf("a write: %s", errno)
	}
	hole(t, s, mem)
	for name, errno := range map[string]Errno{
		"a read": s.FdRead(mem, 4, 0, 2, 40), "a read at an offset": s.FdPread(mem, 4, 0, 2, 7, 40),
		"a write": s.FdWrite(mem, 4, 0, 2, 40), "a write at an offset": s.FdPwrite(mem, 4, 0, 2, 7, 40),
	} {
		if errno != EINTR {
			t.Errorf("%s of a file: %s", name, errno)
		}
	}
}

// hole opens a file of nothing but zeros as descriptor 4.
func hole(t *testing.T, s *System, mem guest.Memory) {
	t.Helper()
	ctx := s.Ctx
	s.Ctx = nil
	mem.Write(60, []byte("hole"))
	if errno := s.PathOpen(mem, firstPreopen, 0, 60, 4, OpenCreate, rightsFile, 0, 0, 64); errno != ESUCCESS {
		t.Fatal(errno)
	}
	if errno := s.FdFilestatSetSize(4, 1<<20); errno != ESUCCESS {
		t.Fatal(errno)
	}
	s.Ctx = ctx
}
