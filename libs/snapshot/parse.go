package snapshot

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"slices"
)

// Parse reads a manifest. It takes exactly what Encode gives: every other input is an error that wraps ErrFormat. It
// keeps nothing of b and allocates no more than a few times as much as b has.
func Parse(b []byte) (*Manifest, error) {
	m, err := parse(b)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrFormat, err)
	}
	return m, nil
}

func parse(b []byte) (*Manifest, error) {
	if len(b) > MaxManifest {
		return nil, fmt.Errorf("%d bytes are more than %d", len(b), MaxManifest)
	}
	if len(b) < fixedLen+checksumLen {
		return nil, fmt.Errorf("%d bytes are too few", len(b))
	}
	if string(b[:8]) != manifestMagic {
		return nil, fmt.Errorf("it starts with %q", b[:8])
	}
	// Before the checksum: another version may have another one.
	if v := binary.BigEndian.Uint16(b[8:]); v != manifestVersion {
		return nil, fmt.Errorf("format version %d, only %d is known", v, manifestVersion)
	}
	body, sum := b[:len(b)-checksumLen], binary.BigEndian.Uint32(b[len(b)-checksumLen:])
	if crc32.Checksum(body, castagnoli) != sum {
		return nil, errors.New("its checksum differs")
	}
	globals, packs := int(binary.BigEndian.Uint16(b[10:])), int(binary.BigEndian.Uint16(b[12:]))
	memory, runs := binary.BigEndian.Uint64(b[16:]), int64(binary.BigEndian.Uint32(b[24:]))
	switch {
	case globals > MaxGlobals:
		return nil, fmt.Errorf("%d globals: want at most %d", globals, MaxGlobals)
	case packs > MaxPacks:
		return nil, fmt.Errorf("%d packs: want at most %d", packs, MaxPacks)
	case b[14]|b[15] != 0:
		return nil, fmt.Errorf("% x where there must be zeros", b[14:16])
	case memory > MaxMemory || memory%wasmPage != 0:
		return nil, fmt.Errorf("memory of %d bytes: want a multiple of %d, at most %d", memory, wasmPage, int64(MaxMemory))
	case int64(len(body)) < fixedLen+packLen*int64(packs)+globalLen*int64(globals)+runLen*runs:
		return nil, errors.New("it is shorter than it says")
	}
	m := &Manifest{Memory: int64(memory)}
	r := reader{rest: body[fixedLen:]}
	if err := m.readPacks(&r, packs); err != nil {
		return nil, err
	}
	if err := m.readGlobals(&r, globals); err != nil {
		return nil, err
	}
	if err := m.readRuns(&r, int(runs)); err != nil {
		return nil, err
	}
	if len(r.rest) > 0 {
		return nil, fmt.Errorf("%d bytes behind the last run", len(r.rest))
	}
	return m, nil
}

func (m *Manifest) readPacks(r *reader, n int) error {
	for range n {
		b, err := r.bytes(packLen)
		if err != nil {
			return err
		}
		p := PackRef{Digest: Digest(b[:32]), Pages: binary.BigEndian.Uint32(b[32:]), Size: int64(binary.BigEndian.Uint64(b[36:]))}
		if err := p.Validate(); err != nil {
			return err
		}
		if slices.ContainsFunc(m.Packs, func(o PackRef) bool { return o.Digest == p.Digest }) {
			return fmt.Errorf("%s is listed twice", p.Object())
		}
		m.Packs = append(m.Packs, p)
	}
	return nil
}

func (m *Manifest) readGlobals(r *reader, n int) error {
	for range n {
		h, err := r.bytes(3)
		if err != nil {
			return err
		}
		name, err := r.bytes(int(binary.BigEndian.Uint16(h[1:])))
		if err != nil {
			return err
		}
		bits, err := r.bytes(8)
		if err != nil {
			return err
		}
		g := Global{Name: string(name), Type: h[0], Bits: binary.BigEndian.Uint64(bits)}
		if err := g.validate(); err != nil {
			return err
		}
		if n := len(m.Globals); n > 0 && m.Globals[n-1].Name >= g.Name {
			return fmt.Errorf("global %q stands behind %q", g.Name, m.Globals[n-1].Name)
		}
		m.Globals = append(m.Globals, g)
	}
	return nil
}

// readRuns reads n runs; there are bytes for as many.
func (m *Manifest) readRuns(r *reader, n int) error {
	m.runs = make([]run, 0, n)
	pages, end, named := uint64(m.Memory)/Page, uint64(0), uint64(0)
	for i := range n {
		var f [4]uint64 // gap, count, pack, first
		for j := range f {
			var err error
			if f[j], err = r.uvarint(); err != nil {
				return err
			}
		}
		gap, count, pack, first := f[0], f[1], f[2], f[3]
		switch {
		case count == 0 || gap > pages-end || count > pages-end-gap:
			return fmt.Errorf("run %d has %d pages, %d behind page %d of %d", i, count, gap, end, pages)
		case pack > named || pack >= uint64(len(m.Packs)):
			return fmt.Errorf("run %d names pack %d where %d of %d were named before", i, pack, named, len(m.Packs))
		case first > uint64(m.Packs[pack].Pages) || count > uint64(m.Packs[pack].Pages)-first:
			return fmt.Errorf("run %d is pages %d+%d of a pack of %d", i, first, count, m.Packs[pack].Pages)
		}
		next := run{at: uint32(end + gap), count: uint32(count), pack: uint32(pack), first: uint32(first)}
		if i > 0 && next.continues(m.runs[i-1]) {
			return fmt.Errorf("run %d continues the one before it", i)
		}
		m.runs = append(m.runs, next)
		end += gap + count
		named = max(named, pack+1)
	}
	if named < uint64(len(m.Packs)) {
		return fmt.Errorf("no run names pack %d", named)
	}
	return nil
}

// reader cuts pieces off the front of a manifest.
type reader struct{ rest []byte }

var errShort = errors.New("it ends within a field")

func (r *reader) bytes(n int) ([]byte, error) {
	if n > len(r.rest) {
		return nil, errShort
	}
	b := r.rest[:n]
	r.rest = r.rest[n:]
	return b, nil
}

// uvarint reads a number in its shortest form.
func (r *reader) uvarint() (uint64, error) {
	v, n := binary.Uvarint(r.rest)
	switch {
	case n == 0:
		return 0, errShort
	case n < 0:
		return 0, errors.New("a number has more than 64 bits")
	case n > 1 && r.rest[n-1] == 0:
		return 0, fmt.Errorf("%d has %d bytes", v, n)
	}
	r.rest = r.rest[n:]
	return v, nil
}
