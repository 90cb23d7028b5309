package snapshot

import (
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"math"
	"slices"
	"strings"
)

const (
	// Page is the unit of storing and sharing, in bytes. It is a page of the machine, not one of WebAssembly.
	Page = 4096
	// MaxPacks is how many packs an image may have: each costs a fetch.
	MaxPacks = 8
	// MaxMemory is the largest linear memory, in bytes.
	MaxMemory = 4 << 30
	// MaxGlobals is how many globals an image may have.
	MaxGlobals = 1025
	// MaxManifest is more than any manifest has, in bytes: who fetches one need not read further.
	MaxManifest = 64 << 20

	wasmPage = 64 << 10
	maxPages = MaxMemory / Page
	maxName  = 256
)

// The value types of globals, as WebAssembly's binary format has them.
const (
	I32 byte = 0x7f
	I64 byte = 0x7e
	F32 byte = 0x7d
	F64 byte = 0x7c
)

// Global is the value of a mutable global.
type Global struct {
	Name string // by which it is exported, at most 256 bytes
	Type byte   // I32, I64, F32 or F64
	Bits uint64 // the value, bit by bit; of 32-bit types the upper half is zero
}

func (g Global) validate() error {
	switch {
	case len(g.Name) > maxName:
		return fmt.Errorf("the name of a global has %d bytes: want at most %d", len(g.Name), maxName)
	case g.Type != I32 && g.Type != I64 && g.Type != F32 && g.Type != F64:
		return fmt.Errorf("global %q has the type %#x", g.Name, g.Type)
	case (g.Type == I32 || g.Type == F32) && g.Bits > math.MaxUint32:
		return fmt.Errorf("global %q has 32 bits and the value %#x", g.Name, g.Bits)
	}
	return nil
}

// Manifest says what an image is made of. Parse returns it; it is read-only, for any number of goroutines.
type Manifest struct {
	Memory  int64     // size of the linear memory, in bytes, zero pages and all
	Globals []Global  // ascending by name
	Packs   []PackRef // that Load reads, each once and in this order
	runs    []run     // ascending in memory
}

// run is a stretch of memory and where its content is. All are numbers of pages, but pack.
type run struct {
	at, count uint32
	pack      uint32 // index in Manifest.Packs
	first     uint32 // in that pack
}

// continues reports whether r goes on where before ends, in memory and in the pack.
func (r run) continues(before run) bool {
	return r.at == before.at+before.count && r.pack == before.pack && r.first == before.first+before.count
}

// Kept returns how many bytes of memory are not zero, counted by the page.
func (m *Manifest) Kept() int64 {
	var pages int64
	for _, r := range m.runs {
		pages += int64(r.count)
	}
	return pages * Page
}

const (
	manifestMagic   = "SHOAL\x00PF"
	manifestVersion = 1
	fixedLen        = 28
	packLen         = 44
	globalLen       = 11 // without its name
	runLen          = 4  // at least
	checksumLen     = 4
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// encode returns the bytes of m, which is valid.
func (m *Manifest) encode() []byte {
	b := make([]byte, 0, fixedLen+packLen*len(m.Packs)+64*len(m.Globals)+2*runLen*len(m.runs)+checksumLen)
	b = append(b, manifestMagic...)
	b = binary.BigEndian.AppendUint16(b, manifestVersion)
	b = binary.BigEndian.AppendUint16(b, uint16(len(m.Globals)))
	b = binary.BigEndian.AppendUint16(b, uint16(len(m.Packs)))
	b = append(b, 0, 0)
	b = binary.BigEndian.AppendUint64(b, uint64(m.Memory))
	b = binary.BigEndian.AppendUint32(b, uint32(len(m.runs)))
	for _, p := range m.Packs {
		b = append(b, p.Digest[:]...)
		b = binary.BigEndian.AppendUint32(b, p.Pages)
		b = binary.BigEndian.AppendUint64(b, uint64(p.Size))
	}
	for _, g := range m.Globals {
		b = append(b, g.Type)
		b = binary.BigEndian.AppendUint16(b, uint16(len(g.Name)))
		b = append(b, g.Name...)
		b = binary.BigEndian.AppendUint64(b, g.Bits)
	}
	end := uint32(0)
	for _, r := range m.runs {
		b = binary.AppendUvarint(b, uint64(r.at-end))
		b = binary.AppendUvarint(b, uint64(r.count))
		b = binary.AppendUvarint(b, uint64(r.pack))
		b = binary.AppendUvarint(b, uint64(r.first))
		end = r.at + r.count
	}
	return binary.BigEndian.AppendUint32(b, crc32.Checksum(b, castagnoli))
}

// sortGlobals returns the globals as a manifest has them, in a slice of its own.
func sortGlobals(globals []Global) ([]Global, error) {
	if len(globals) > MaxGlobals {
		return nil, fmt.Errorf("%d globals: want at most %d", len(globals), MaxGlobals)
	}
	out := slices.Clone(globals)
	slices.SortFunc(out, func(a, b Global) int { return strings.Compare(a.Name, b.Name) })
	for i, g := range out {
		if err := g.validate(); err != nil {
			return nil, err
		}
		if i > 0 && out[i-1].Name == g.Name {
			return nil, fmt.Errorf("two globals are named %q", g.Name)
		}
	}
	return out, nil
}
