package wasi

import (
	"strings"
	"testing"
)

func TestLog(t *testing.T) {
	for _, c := range []struct {
		name   string
		limit  int
		writes []string
		want   string
	}{
		{"empty", 4, nil, ""},
		{"fits", 4, []string{"ab", "cd"}, "abcd"},
		{"cut", 4, []string{"ab", "cdef"}, "abcd\n… 2 bytes dropped\n"},
		{"cut at a line", 4, []string{"abc\n", "d", "ef"}, "abc\n… 3 bytes dropped\n"},
		{"no room", 0, []string{"ab"}, "… 2 bytes dropped\n"},
		{"negative", -1, []string{"ab"}, "… 2 bytes dropped\n"},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := NewLog(c.limit)
			for _, w := range c.writes {
				if errno := s.Write([]byte(w)); errno != ESUCCESS {
					t.Errorf("write %q: %v", w, errno)
				}
			}
			if got := string(s.Log()); got != c.want {
				t.Errorf("got %q, want %q", got, c.want)
			}
			if s.Refused() {
				t.Error("a log refused a write")
			}
		})
	}
}

func TestOutput(t *testing.T) {
	s := NewOutput(4)
	for _, c := range []struct {
		write string
		want  Errno
	}{{"abc", ESUCCESS}, {"de", EFBIG}, {"d", ESUCCESS}, {"", ESUCCESS}, {"e", EFBIG}} {
		if got := s.Write([]byte(c.write)); got != c.want {
			t.Errorf("write %q: %v, want %v", c.write, got, c.want)
		}
	}
	if string(s.Bytes()) != "abcd" || !s.Refused() {
		t.Errorf("holds %q, refused %v", s.Bytes(), s.Refused())
	}
	s.BecomeLog(2)
	s.Write([]byte("fgh"))
	if got, want := string(s.Log()), "ab\n… 5 bytes dropped\n"; got != want || s.Refused() || s.Dropped() != 5 {
		t.Errorf("as a log %q, want %q", got, want)
	}
	if cap(s.Bytes()) > 2 {
		t.Errorf("a log of 2 bytes keeps %d", cap(s.Bytes()))
	}
}

// TestStreamMemory shows that a stream takes no memory before its first write, never more than its limit, and copies each
// byte a bounded number of times.
func TestStreamMemory(t *testing.T) {
	const limit = 1 << 20
	s := NewOutput(limit)
	if s.buf != nil {
		t.Error("memory before the first write")
	}
	grown, last := 0, 0
	line := []byte(strings.Repeat("x", 63) + "\n")
	for s.Write(line) == ESUCCESS {
		if c := cap(s.buf); c != last {
			grown, last = grown+1, c
		}
	}
	if len(s.buf) != limit || cap(s.buf) != limit {
		t.Errorf("len %d, cap %d; want %d", len(s.buf), cap(s.buf), limit)
	}
	if grown > 12 {
		t.Errorf("grew %d times", grown)
	}
}
