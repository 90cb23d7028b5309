package wasi

import (
	"testing"

	"github.com/shoal-run/shoal/libs/guest"
)

func BenchmarkFdWrite64(b *testing.B) {
	s := &System{Stdout: NewLog(64 << 10)}
	mem := make(guest.Memory, 64<<10)
	put(b, mem, 0, words(64, 64))
	b.ReportAllocs()
	for b.Loop() {
		if len(s.Stdout.buf) == s.Stdout.limit {
			s.Stdout.buf = s.Stdout.buf[:0]
		}
		if errno := s.FdWrite(mem, 1, 0, 1, 16); errno != ESUCCESS {
			b.Fatal(errno)
		}
	}
}

func BenchmarkFdRead64(b *testing.B) {
	s := &System{Stdin: make([]byte, 64<<10)}
	mem := make(guest.Memory, 64<<10)
	put(b, mem, 0, words(64, 64))
	b.ReportAllocs()
	for b.Loop() {
		if s.stdinPos == len(s.Stdin) {
			s.stdinPos = 0
		}
		if errno := s.FdRead(mem, 0, 0, 1, 16); errno != ESUCCESS {
			b.Fatal(errno)
		}
	}
}

func BenchmarkClockTimeGet(b *testing.B) {
	s := &System{}
	mem := make(guest.Memory, 64<<10)
	b.ReportAllocs()
	for b.Loop() {
		if errno := s.ClockTimeGet(mem, ClockMonotonic, 0, 16); errno != ESUCCESS {
			b.Fatal(errno)
		}
	}
}

func BenchmarkPollReady(b *testing.B) {
	s := &System{Stdin: []byte("x")}
	mem := make(guest.Memory, 64<<10)
	put(b, mem, 0, onFd(1, eventFdRead, 0))
	b.ReportAllocs()
	for b.Loop() {
		if errno, err := s.PollOneoff(mem, 0, 48, 1, 80); errno != ESUCCESS || err != nil {
			b.Fatal(errno, err)
		}
	}
}

func BenchmarkRandomGet32(b *testing.B) {
	s := &System{}
	mem := make(guest.Memory, 64<<10)
	b.ReportAllocs()
	for b.Loop() {
		if errno, err := s.RandomGet(mem, 0, 32); errno != ESUCCESS || err != nil {
			b.Fatal(errno, err)
		}
	}
}

// TestNoAllocations holds the paths that guests take most to what the benchmarks show.
func TestNoAllocations(t *testing.T) {
	s := &System{Stdout: NewLog(64), Stdin: []byte("x")}
	s.Stdout.Write(make([]byte, 64))
	mem := make(guest.Memory, 4096)
	put(t, mem, 0, words(64, 64))
	put(t, mem, 200, onFd(1, eventFdRead, 0))
	put(t, mem, 900, []byte("f"))
	if errno := s.PathOpen(mem, 3, 0, 900, 1, OpenCreate, rightsFile, 0, 0, 904); errno != ESUCCESS {
		t.Fatal(errno)
	}
	for name, f := range map[string]func(){
		"fd_pwrite":       func() { s.FdPwrite(mem, 4, 0, 1, 0, 16) },
		"fd_pread":        func() { s.FdPread(mem, 4, 0, 1, 0, 16) },
		"fd_filestat_get": func() { s.FdFilestatGet(mem, 4, 1024) },
		"fd_readdir":      func() { s.FdReaddir(mem, 3, 1024, 100, 0, 16) },
		"fd_write":        func() { s.FdWrite(mem, 1, 0, 1, 16) },
		"fd_read":         func() { s.FdRead(mem, 0, 0, 1, 16) },
		"clock_time_get":  func() { s.ClockTimeGet(mem, ClockMonotonic, 0, 16) },
		"random_get":      func() { _, _ = s.RandomGet(mem, 1024, 32) },
		"poll_oneoff":     func() { _, _ = s.PollOneoff(mem, 200, 300, 1, 400) },
	} {
		put(t, mem, 200, onFd(1, eventFdRead, 0))
		if n := testing.AllocsPerRun(100, f); n != 0 {
			t.Errorf("%s allocates %v times", name, n)
		}
	}
}
