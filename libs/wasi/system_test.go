package wasi

import (
	"bytes"
	"encoding/binary"
	"testing"
	"time"

	"github.com/shoal-run/shoal/libs/guest"
)

// paper returns n bytes of memory, each '?', so that a test sees what a function wrote and what it left alone.
func paper(n int) guest.Memory { return bytes.Repeat([]byte{'?'}, n) }

// put copies b to off, as a guest would before a call.
func put(t testing.TB, mem guest.Memory, off uint32, b []byte) {
	t.Helper()
	if !mem.Write(off, b) {
		t.Fatalf("%d bytes at %d do not fit the test's memory", len(b), off)
	}
}

// words returns the little-endian bytes of 32-bit words.
func words(w ...uint32) []byte {
	var b []byte
	for _, v := range w {
		b = binary.LittleEndian.AppendUint32(b, v)
	}
	return b
}

// longs returns the little-endian bytes of 64-bit words.
func longs(w ...uint64) []byte {
	var b []byte
	for _, v := range w {
		b = binary.LittleEndian.AppendUint64(b, v)
	}
	return b
}

// join returns the parts in one slice.
func join(parts ...[]byte) []byte { return bytes.Join(parts, nil) }

// check compares an errno and all of memory.
func check(t testing.TB, got, want Errno, mem guest.Memory, bytesWant []byte) {
	t.Helper()
	if got != want {
		t.Errorf("errno %v, want %v", got, want)
	}
	if bytesWant != nil && !bytes.Equal(mem, bytesWant) {
		t.Errorf("memory\n got %v\nwant %v", []byte(mem), bytesWant)
	}
}

var newYear = time.Date(2022, 1, 1, 0, 0, 0, 0, time.UTC)

// fixed returns a System whose clocks stand still, with stdio alone.
func fixed() *System {
	return &System{
		Preopens: []Preopen{},
		Now:      func() time.Time { return newYear },
		Mono:     func() int64 { return 1234 },
		Stdout:   NewLog(1 << 10),
		Stderr:   NewLog(1 << 10),
	}
}

func TestStartup(t *testing.T) {
	random := func(s *System) { _, _ = s.RandomGet(paper(8), 0, 8) }
	for name, c := range map[string]struct {
		did  []func(*System)
		want bool
	}{
		"nothing":         {nil, true},
		"a seed":          {[]func(*System){random}, true},
		"a seed and more": {[]func(*System){random, random}, false},
	} {
		var s System
		for _, f := range c.did {
			f(&s)
		}
		if got := s.Startup(); got != c.want {
			t.Errorf("%s: %t", name, got)
		}
	}
	for id, want := range map[uint32]bool{ClockRealtime: false, ClockMonotonic: true, ClockThreadCPUTimeID: true} {
		var s System
		s.ClockTimeGet(paper(8), id, 0, 0)
		if got := s.Startup(); got != want {
			t.Errorf("clock %d: %t", id, got)
		}
	}
}
