package snapshot

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"io"
	"testing"
)

// FuzzParse looks for panics, errors of another kind and manifests that have two spellings. It appends the checksum,
// which nothing would get past otherwise.
func FuzzParse(f *testing.F) {
	f.Add([]byte{})
	f.Add(unhex(pinnedManifest))
	for _, mem := range [][]byte{nil, make([]byte, wasmPage), memory(48, 1, 1, 2, 3, 40)} {
		b := encode(f, mem, someGlobals, nil).Manifest
		f.Add(b[:len(b)-checksumLen])
	}
	b := unhex(pinnedManifest)
	f.Add(b[:len(b)-checksumLen])
	f.Add(append(b[:len(b)-checksumLen:len(b)-checksumLen], 0x80, 0))
	f.Fuzz(func(t *testing.T, body []byte) {
		for _, b := range [][]byte{body, sealed(body)} {
			before := bytes.Clone(b)
			m, err := Parse(b)
			if !bytes.Equal(b, before) {
				t.Fatal("the input changed")
			}
			if err != nil {
				if !errors.Is(err, ErrFormat) {
					t.Fatal(err)
				}
				continue
			}
			if !bytes.Equal(m.encode(), b) {
				t.Fatalf("%x is spelled %x", b, m.encode())
			}
			if m.Kept() > m.Memory {
				t.Fatalf("%d bytes kept of %d", m.Kept(), m.Memory)
			}
			_, err = loadBytes(m, bytes.NewReader(nil))
			if (err == nil) != (len(m.Packs) == 0) || err != nil && !errors.Is(err, ErrCorrupt) {
				t.Fatalf("loading %d packs of nothing: %v", len(m.Packs), err)
			}
		}
	})
}

// FuzzLoad has packs with the right digest and size, so that only what is in them can be wrong.
func FuzzLoad(f *testing.F) {
	f.Add(pinnedPack, uint8(2))
	f.Add(pinnedPack, uint8(3))
	f.Add(encode(f, memory(16, 1, 1, 2, 3), nil, nil).Pack, uint8(3))
	f.Add(append(packHeader(1), rle(1)...), uint8(1))
	f.Add(append(packHeader(1), rle(2)...), uint8(1))
	f.Add(append(packHeader(8), rle(7, Page-1)...), uint8(8))
	f.Add([]byte{}, uint8(1))
	f.Fuzz(func(t *testing.T, pack []byte, pages uint8) {
		n := uint32(pages%16) + 1
		m, ref := image(pack, n)
		m.Memory *= 2 // all of it once more, the other way round
		for p := range n {
			m.runs = append(m.runs, run{at: n + p, count: 1, first: n - 1 - p})
		}
		mem, put := make([]byte, m.Memory), int64(0)
		err := m.Load(func(PackRef) (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(pack)), nil },
			func(at int64, b []byte) error {
				put += int64(copy(mem[at:], b))
				return nil
			})
		if put > m.Kept() || err == nil && put != m.Kept() {
			t.Fatalf("%d bytes were put of %d: %v", put, m.Kept(), err)
		}
		if err != nil {
			if !errors.Is(err, ErrCorrupt) {
				t.Fatal(err)
			}
			return
		}
		for p := range n {
			if !bytes.Equal(page(mem, p), page(mem, 2*n-1-p)) {
				t.Fatalf("page %d was put in two ways", p)
			}
		}
		if err := NewBase().Add(ref, bytes.NewReader(pack)); err != nil {
			t.Fatalf("loaded, but not added: %v", err)
		}
		// The same content is the same image, however it was compressed.
		again := encode(t, mem, nil, nil)
		s := newStore()
		s.add(again)
		if !bytes.Equal(s.load(t, parsed(t, again.Manifest)), mem) {
			t.Fatal("memory changed")
		}
		ref.Digest = sha256.Sum256(append(pack, 0))
		m.Packs[0] = ref
		if _, err := loadBytes(m, bytes.NewReader(pack)); !errors.Is(err, ErrCorrupt) {
			t.Fatalf("with another digest: %v", err)
		}
	})
}
