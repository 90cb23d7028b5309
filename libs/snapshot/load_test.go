package snapshot

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"io"
	"runtime"
	"strings"
	"testing"
	"testing/iotest"
)

// image is a pack with the manifest of a memory that has its pages, in order.
func image(pack []byte, pages uint32) (*Manifest, PackRef) {
	ref := PackRef{Digest: sha256.Sum256(pack), Pages: pages, Size: int64(len(pack))}
	m := &Manifest{Memory: (int64(pages)*Page + wasmPage - 1) / wasmPage * wasmPage, Packs: []PackRef{ref}}
	m.runs = []run{{at: 0, count: pages}}
	return m, ref
}

// loadBytes loads m from a pack that may be damaged, and returns how many bytes were put.
func loadBytes(m *Manifest, pack io.Reader) (put int64, err error) {
	err = m.Load(func(PackRef) (io.ReadCloser, error) { return io.NopCloser(pack), nil },
		func(_ int64, b []byte) error { put += int64(len(b)); return nil })
	return put, err
}

func TestLoadFindsEveryDamagedByte(t *testing.T) {
	e := encode(t, memory(16, 1, 1, 2, 9), nil, nil)
	m := parsed(t, e.Manifest)
	for i := range e.Pack {
		b := bytes.Clone(e.Pack)
		b[i] ^= []byte{1, 0x80, 0xff}[i%3]
		if _, err := loadBytes(m, bytes.NewReader(b)); !errors.Is(err, ErrCorrupt) {
			t.Fatalf("byte %d is %#x, was %#x: %v", i, b[i], e.Pack[i], err)
		}
		if err := CopyPack(e.Ref, bytes.NewReader(b), io.Discard); !errors.Is(err, ErrCorrupt) {
			t.Fatalf("copied with byte %d: %v", i, err)
		}
	}
}

func TestLoadFindsOtherLengths(t *testing.T) {
	e := encode(t, memory(16, 1, 1, 2, 9), nil, nil)
	m := parsed(t, e.Manifest)
	for n := range len(e.Pack) {
		if n > 300 && n < len(e.Pack)-300 && n%16 != 0 {
			continue
		}
		_, err := loadBytes(m, iotest.DataErrReader(bytes.NewReader(e.Pack[:n])))
		if !errors.Is(err, ErrCorrupt) {
			t.Fatalf("cut to %d bytes: %v", n, err)
		}
		if err := CopyPack(e.Ref, bytes.NewReader(e.Pack[:n]), io.Discard); !errors.Is(err, ErrCorrupt) {
			t.Fatalf("copied %d bytes: %v", n, err)
		}
	}
	for _, more := range []io.Reader{strings.NewReader("x"), bytes.NewReader(e.Pack), endless{}} {
		r := &counter{r: io.MultiReader(bytes.NewReader(e.Pack), more)}
		if _, err := loadBytes(m, r); !errors.Is(err, ErrCorrupt) || r.n > int64(len(e.Pack))+1 {
			t.Errorf("longer: %v after %d bytes of %d", err, r.n, len(e.Pack))
		}
	}
	for _, more := range []io.Reader{io.MultiReader(bytes.NewReader(e.Pack), endless{}), bytes.NewReader(append(bytes.Clone(e.Pack), 1, 2, 3))} {
		var w bytes.Buffer
		if err := CopyPack(e.Ref, more, &w); !errors.Is(err, ErrCorrupt) || w.Len() > len(e.Pack) {
			t.Errorf("copied a longer one: %v, %d bytes of %d", err, w.Len(), len(e.Pack))
		}
	}
}

type endless struct{}

func (endless) Read(b []byte) (int, error) { clear(b); return len(b), nil }

type counter struct {
	r io.Reader
	n int64
}

func (c *counter) Read(b []byte) (int, error) {
	n, err := c.r.Read(b)
	c.n += int64(n)
	return n, err
}

// TestLoadRefusesGenuinePacksThatLie has packs whose digest and size are right.
func TestLoadRefusesGenuinePacksThatLie(t *testing.T) {
	page := memory(16, 1, 0)
	good := encode(t, page, nil, nil).Pack
	header := func(pages uint32, zstd ...byte) []byte { return append(packHeader(pages), zstd...) }
	future := bytes.Clone(good)
	future[9] = 2
	wide := rle(1)
	wide[5] = 14 << 3
	for _, c := range []struct {
		name  string
		pack  []byte
		pages uint32
		says  string
	}{
		{"another magic", append([]byte("SHOAL\x00PX"), good[8:]...), 1, "starts with"},
		{"a later version", future, 1, "version 2, only 1 is known"},
		{"fewer pages than the manifest has", good, 2, "starts with"},
		{"fewer pages than the header has", header(2, good[packHeaderLen:]...), 2, "ends within page"},
		{"more pages than the header has", header(1, rle(2)...), 1, "more than its 1 pages"},
		{"half a page more", header(1, rle(1, 2048)...), 1, "more than its 1 pages"},
		{"bytes behind the frame", header(1, append(rle(1), 1, 2, 3)...), 1, "ends within page 1"},
		{"a window of 16 MiB", header(1, wide...), 1, "at page 0"},
		{"no frame", header(1, 0x28, 0xb5), 1, "ends within page"},
		{"a dictionary", header(1, 0x28, 0xb5, 0x2f, 0xfd, 0x21, 7, 0, 1, 0, 0), 1, "dictionary"},
	} {
		m, _ := image(c.pack, c.pages)
		put, err := loadBytes(m, bytes.NewReader(c.pack))
		if !errors.Is(err, ErrCorrupt) || !strings.Contains(err.Error(), c.says) {
			t.Errorf("%s: %v, want %q", c.name, err, c.says)
		}
		if put > int64(c.pages)*Page {
			t.Errorf("%s: %d bytes were put for %d pages", c.name, put, c.pages)
		}
	}
}

// TestLoadTakesWhatOtherEncodersMake has a window of 8 MiB, the largest, and no size in the frame; then two frames.
func TestLoadTakesWhatOtherEncodersMake(t *testing.T) {
	for _, frames := range [][]byte{rle(2), append(rle(1), rle(1)...)} {
		pack := append(packHeader(2), frames...)
		m, _ := image(pack, 2)
		if put, err := loadBytes(m, bytes.NewReader(pack)); err != nil || put != 2*Page {
			t.Errorf("%d bytes put, %v", put, err)
		}
	}
}

// rle is a zstd frame without a size and with a window of 8 MiB: that many pages of ones, and as many bytes more.
func rle(pages int, more ...int) []byte {
	b := []byte{0x28, 0xb5, 0x2f, 0xfd, 0x00, 13 << 3}
	block := func(size, last int) {
		h := uint32(size<<3 | 1<<1 | last)
		b = append(b, byte(h), byte(h>>8), byte(h>>16), 1)
	}
	for range pages {
		block(Page, 0)
	}
	for _, n := range more {
		block(n, 0)
	}
	block(0, 1)
	return b
}

// TestBombsAreDefused has small packs that decode to much, or say that it takes much to decode them.
func TestBombsAreDefused(t *testing.T) {
	bomb := []byte{0x28, 0xb5, 0x2f, 0xfd, 0x00, 13 << 3}
	for range 1000 { // 125 MiB
		h := uint32(128<<10<<3 | 1<<1)
		bomb = append(bomb, byte(h), byte(h>>8), byte(h>>16), 1)
	}
	window := rle(1)
	window[5] = 21 << 3 // 2 GiB
	segment := binary.LittleEndian.AppendUint64([]byte{0x28, 0xb5, 0x2f, 0xfd, 0xe0}, 1<<40)
	segment = append(segment, rle(1)[6:]...)
	for name, frame := range map[string][]byte{"many blocks": bomb, "large window": window, "large segment": segment} {
		b := append(packHeader(1), frame...)
		m, ref := image(b, 1)
		if err := ref.Validate(); err != nil {
			t.Fatal(err)
		}
		var put int64
		var err error
		n := allocated(func() { put, err = loadBytes(m, bytes.NewReader(b)) })
		if !errors.Is(err, ErrCorrupt) || put > Page || n > 12<<20 {
			t.Errorf("%s: %v, %d bytes put, %d allocated", name, err, put, n)
		}
		if err := NewBase().Add(ref, bytes.NewReader(b)); !errors.Is(err, ErrCorrupt) {
			t.Errorf("%s: added: %v", name, err)
		}
	}
}

func allocated(f func()) uint64 {
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	f()
	runtime.ReadMemStats(&after)
	return after.TotalAlloc - before.TotalAlloc
}

func TestLoadNeedsConstantMemory(t *testing.T) {
	mem := make([]byte, 32<<20)
	fill(random(1), mem)
	e := encode(t, mem, nil, nil)
	m := parsed(t, e.Manifest)
	var put int64
	var err error
	n := allocated(func() { put, err = loadBytes(m, bytes.NewReader(e.Pack)) })
	if err != nil || put != int64(len(mem)) || n > 3<<20 {
		t.Errorf("%v, %d bytes put, %d allocated", err, put, n)
	}
	if n := allocated(func() { err = CopyPack(e.Ref, bytes.NewReader(e.Pack), io.Discard) }); err != nil || n > 1<<20 {
		t.Errorf("copying: %v, %d bytes allocated", err, n)
	}
}

func TestErrorsOfOthersArePassedOn(t *testing.T) {
	boom := errors.New("boom")
	e := encode(t, memory(16, 1, upTo(12)...), nil, nil)
	m := parsed(t, e.Manifest)
	check := func(what string, err error) {
		t.Helper()
		if !errors.Is(err, boom) || isOne(err, ErrCorrupt, ErrFormat) {
			t.Errorf("%s: %v", what, err)
		}
	}
	check("open", m.Load(func(PackRef) (io.ReadCloser, error) { return nil, boom }, nil))
	for _, n := range []int{0, 5, packHeaderLen, 100, len(e.Pack) - 1, len(e.Pack)} {
		reader := func() io.Reader { return io.MultiReader(bytes.NewReader(e.Pack[:n]), iotest.ErrReader(boom)) }
		_, err := loadBytes(m, reader())
		check("reader", err)
		check("reader of a base", NewBase().Add(e.Ref, reader()))
		check("reader of a copy", CopyPack(e.Ref, reader(), io.Discard))
	}
	c := &closer{Reader: bytes.NewReader(e.Pack)}
	check("put", m.Load(func(PackRef) (io.ReadCloser, error) { return c, nil }, func(int64, []byte) error { return boom }))
	if c.closed != 1 {
		t.Errorf("the reader was closed %d times", c.closed)
	}
	if err := CopyPack(e.Ref, bytes.NewReader(e.Pack), failing{}); !errors.Is(err, io.ErrClosedPipe) || isOne(err, ErrCorrupt) {
		t.Errorf("writer: %v", err)
	}
}

type closer struct {
	io.Reader
	closed int
}

func (c *closer) Close() error { c.closed++; return nil }

func TestCopyPackCopies(t *testing.T) {
	e := encode(t, memory(16, 1, upTo(12)...), nil, nil)
	var w bytes.Buffer
	if err := CopyPack(e.Ref, iotest.OneByteReader(bytes.NewReader(e.Pack)), &w); err != nil || !bytes.Equal(w.Bytes(), e.Pack) {
		t.Errorf("%v, %d bytes of %d", err, w.Len(), len(e.Pack))
	}
	other := e.Ref
	other.Digest[0] ^= 1
	if err := CopyPack(other, bytes.NewReader(e.Pack), io.Discard); !errors.Is(err, ErrCorrupt) {
		t.Errorf("another pack was copied: %v", err)
	}
	if err := CopyPack(PackRef{}, strings.NewReader(""), io.Discard); !errors.Is(err, ErrCorrupt) {
		t.Errorf("no pack was copied: %v", err)
	}
}

func TestPagesThatDoNotCompress(t *testing.T) {
	mem := make([]byte, wasmPage)
	r := random(1)
	for i := range mem {
		mem[i] = byte(r.Uint32())
	}
	s := newStore()
	for n := Page; n <= wasmPage; n += Page {
		clear(mem[n:])
		e := encode(t, mem, nil, nil)
		s.add(e)
		if !bytes.Equal(s.load(t, parsed(t, e.Manifest)), mem) {
			t.Error("memory changed")
		}
	}
}
