package snapshot

import (
	"bytes"
	"crypto/sha256"
	"fmt"
	"io"
)

// Encoded is an image as it is to be stored: first the pack, then the manifest, so that no manifest names a pack that is
// not there.
type Encoded struct {
	Manifest []byte
	Pack     []byte  // the pages that are in no pack of the base; nil when there are none
	Ref      PackRef // of Pack; zero when that is nil
}

// Open opens the pack of e, for Manifest.Load of an image that has no other.
func (e *Encoded) Open(ref PackRef) (io.ReadCloser, error) {
	if ref != e.Ref {
		return nil, fmt.Errorf("pack %s is not there", ref.Digest)
	}
	return io.NopCloser(bytes.NewReader(e.Pack)), nil
}

// Encode makes the image of a linear memory, which must be a multiple of 64 KiB, at most MaxMemory, and of its globals,
// in any order and with distinct names. Pages that packs of base have are not stored again, if the image uses at least a
// quarter of the pack and is left with no more than MaxPacks; base may be nil. Equal input gives equal bytes, as long as
// the compressor stays the same.
//
// Encode keeps nothing of its arguments. mem must not change meanwhile.
func Encode(mem []byte, globals []Global, base *Base) (*Encoded, error) {
	if len(mem)%wasmPage != 0 || int64(len(mem)) > MaxMemory {
		return nil, fmt.Errorf("encoding a snapshot: memory of %d bytes: want a multiple of %d, at most %d", len(mem), wasmPage, int64(MaxMemory))
	}
	globals, err := sortGlobals(globals)
	if err != nil {
		return nil, fmt.Errorf("encoding a snapshot: %w", err)
	}
	c := distinct(mem)
	taken, places := base.choose(c.sums)
	e := &Encoded{}
	if err := e.pack(mem, c, places); err != nil {
		return nil, fmt.Errorf("encoding a snapshot: %w", err)
	}
	m := &Manifest{Memory: int64(len(mem)), Globals: globals}
	m.lay(c.content, places, taken, e.Ref)
	e.Manifest = m.encode()
	return e, nil
}

// pack makes the pack of the pages that have no place yet, in their order in memory, and sets their places.
func (e *Encoded) pack(mem []byte, c contents, places []place) error {
	count := uint32(0)
	for i := range places {
		if p := &places[i]; p.pack == own {
			p.page = count
			count++
		}
	}
	if count == 0 {
		return nil
	}
	w, err := newPackWriter(count)
	if err != nil {
		return err
	}
	for i, p := range places {
		if p.pack != own {
			continue
		}
		if err := w.add(page(mem, c.where[i])); err != nil {
			return err
		}
	}
	e.Pack, e.Ref, err = w.finish(count)
	return err
}

// lay sets the runs and packs of m for the content of each page of memory. taken are the packs that places count, made is
// the one of own places.
func (m *Manifest) lay(content []int32, places []place, taken []PackRef, made PackRef) {
	index := map[int32]uint32{} // in m.Packs, by place.pack
	for at, c := range content {
		if c == zero {
			continue
		}
		p := places[c]
		k, known := index[p.pack]
		if !known {
			k = uint32(len(m.Packs))
			index[p.pack] = k
			if p.pack == own {
				m.Packs = append(m.Packs, made)
			} else {
				m.Packs = append(m.Packs, taken[p.pack])
			}
		}
		next := run{at: uint32(at), count: 1, pack: k, first: p.page}
		if n := len(m.runs); n > 0 && next.continues(m.runs[n-1]) {
			m.runs[n-1].count++
		} else {
			m.runs = append(m.runs, next)
		}
	}
}

// contents says what the pages of a memory are, each content once.
type contents struct {
	content []int32  // of each page of memory: zero, or an index into the other two
	where   []uint32 // number of the first page of memory that has it
	sums    []Digest
}

const zero = -1

var zeros [Page]byte

func distinct(mem []byte) contents {
	c := contents{content: make([]int32, len(mem)/Page)}
	index := map[Digest]int32{}
	for at := range c.content {
		b := page(mem, uint32(at))
		if bytes.Equal(b, zeros[:]) {
			c.content[at] = zero
			continue
		}
		sum := Digest(sha256.Sum256(b))
		i, known := index[sum]
		if !known {
			i = int32(len(c.sums))
			index[sum] = i
			c.sums = append(c.sums, sum)
			c.where = append(c.where, uint32(at))
		}
		c.content[at] = i
	}
	return c
}

func page(mem []byte, at uint32) []byte {
	return mem[int(at)*Page : (int(at)+1)*Page]
}
