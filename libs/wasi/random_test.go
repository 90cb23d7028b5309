package wasi

import (
	"bytes"
	"context"
	"errors"
	"io"
	"testing"

	"github.com/shoal-run/shoal/libs/guest"
)

func TestRandomGet(t *testing.T) {
	for _, c := range []struct {
		name     string
		off, n   uint32
		errno    Errno
		from, to int // what was written
	}{
		{"middle", 1, 5, ESUCCESS, 1, 6},
		{"all", 0, 8, ESUCCESS, 0, 8},
		{"nothing", 8, 0, ESUCCESS, 0, 0},
		{"nothing, out", 9, 0, EFAULT, 0, 0},
		{"one too many", 1, 8, EFAULT, 0, 0},
		{"4 GiB", 0, 0xffffffff, EFAULT, 0, 0},
		{"sum passes 2³²", 0xffffffff, 0xffffffff, EFAULT, 0, 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := &System{Random: bytes.NewReader(bytes.Repeat([]byte{7}, 8))}
			mem, want := paper(8), paper(8)
			for i := c.from; i < c.to; i++ {
				want[i] = 7
			}
			errno, err := s.RandomGet(mem, c.off, c.n)
			if err != nil {
				t.Error(err)
			}
			check(t, errno, c.errno, mem, want)
		})
	}
}

func TestRandomGetReal(t *testing.T) {
	mem := make(guest.Memory, 3*randomChunk)
	if errno, err := (&System{}).RandomGet(mem, 1, 3*randomChunk-2); errno != ESUCCESS || err != nil {
		t.Fatal(errno, err)
	}
	for from := 1; from < len(mem)-64; from += randomChunk / 2 {
		if bytes.Equal(mem[from:from+32], make([]byte, 32)) {
			t.Errorf("32 zeros at %d", from)
		}
	}
	if mem[0] != 0 || mem[len(mem)-1] != 0 {
		t.Error("wrote outside the buffer")
	}
}

func TestRandomGetSourceFails(t *testing.T) {
	errno, err := (&System{Random: bytes.NewReader(nil)}).RandomGet(paper(4), 0, 4)
	if errno != EIO || err != nil {
		t.Errorf("%v, %v; want EIO", errno, err)
	}
}

// reader counts reads and ends a call at the second.
type reader struct {
	reads  int
	cancel func()
}

func (r *reader) Read(p []byte) (int, error) {
	if r.reads++; r.reads == 2 {
		r.cancel()
	}
	return len(p), nil
}

var _ io.Reader = (*reader)(nil)

func TestRandomGetEndsWithTheCall(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	r := &reader{cancel: cancel}
	s := &System{Ctx: ctx, Random: r}
	_, err := s.RandomGet(make(guest.Memory, 100*randomChunk), 0, 100*randomChunk)
	if !errors.Is(err, ErrInterrupted) || r.reads != 2 {
		t.Errorf("%v after %d chunks, want ErrInterrupted after 2", err, r.reads)
	}
}
