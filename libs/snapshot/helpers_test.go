package snapshot

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"testing"
	"testing/iotest"
)

// store is an object store for packs. It counts what is opened.
type store struct {
	packs  map[PackRef][]byte
	opened []PackRef
}

func newStore() *store { return &store{packs: map[PackRef][]byte{}} }

func (s *store) add(e *Encoded) {
	if e.Pack != nil {
		s.packs[e.Ref] = e.Pack
	}
}

func (s *store) open(ref PackRef) (io.ReadCloser, error) {
	b, ok := s.packs[ref]
	if !ok {
		return nil, fmt.Errorf("no %s", ref.Object())
	}
	s.opened = append(s.opened, ref)
	return io.NopCloser(iotest.DataErrReader(iotest.HalfReader(bytes.NewReader(b)))), nil
}

// base has these packs.
func (s *store) base(t testing.TB, refs ...PackRef) *Base {
	t.Helper()
	b := NewBase()
	for _, ref := range refs {
		if err := b.Add(ref, bytes.NewReader(s.packs[ref])); err != nil {
			t.Fatal(err)
		}
	}
	return b
}

func encode(t testing.TB, mem []byte, globals []Global, base *Base) *Encoded {
	t.Helper()
	e, err := Encode(mem, globals, base)
	if err != nil {
		t.Fatal(err)
	}
	return e
}

func parsed(t testing.TB, manifest []byte) *Manifest {
	t.Helper()
	m, err := Parse(manifest)
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// load returns the memory of m, and fails if a page is put twice or badly.
func (s *store) load(t testing.TB, m *Manifest) []byte {
	t.Helper()
	mem, put := make([]byte, m.Memory), make([]bool, m.Memory/Page)
	s.opened = nil
	err := m.Load(s.open, func(at int64, b []byte) error {
		if at%Page != 0 || len(b) == 0 || len(b)%Page != 0 {
			t.Errorf("%d bytes were put at %d", len(b), at)
		}
		for p := at / Page; p < (at+int64(len(b)))/Page; p++ {
			if put[p] {
				t.Errorf("page %d was put twice", p)
			}
			put[p] = true
		}
		copy(mem[at:], b)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return mem
}

func random(seed uint64) *rand.Rand { return rand.New(rand.NewPCG(seed, 1)) }

// fill fills b with what the memory of a guest is like: small numbers, pointers, words and some noise. It compresses to
// about a quarter; no two pages are equal.
func fill(r *rand.Rand, b []byte) {
	words := []string{"function", "request ", "runtime.", "mem/heap", "Content-", "\x00\x00\x00\x00\x00\x00\x00\x00"}
	heap := uint32(r.IntN(1 << 20))
	for ; len(b) >= 8; b = b[8:] {
		switch v := r.Uint32(); v & 7 {
		case 0, 1, 2:
			binary.LittleEndian.PutUint64(b, uint64(v>>3&15))
		case 3, 4:
			heap += 16
			binary.LittleEndian.PutUint64(b, uint64(heap))
		case 5, 6:
			copy(b, words[int(v>>3)%len(words)])
		case 7:
			binary.LittleEndian.PutUint64(b, uint64(v))
		}
	}
}

// memory has n pages; those listed are filled, each differently for each seed.
func memory(n int, seed uint64, pages ...int) []byte {
	mem := make([]byte, n*Page)
	for _, p := range pages {
		fill(random(seed<<32|uint64(p)), mem[p*Page:(p+1)*Page])
	}
	return mem
}

func upTo(n int) []int {
	out := make([]int, n)
	for i := range out {
		out[i] = i
	}
	return out
}

func isOne(err error, of ...error) bool {
	for _, e := range of {
		if errors.Is(err, e) {
			return true
		}
	}
	return false
}
