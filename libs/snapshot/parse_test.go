package snapshot

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"errors"
	"hash/crc32"
	"slices"
	"strings"
	"testing"
)

// pinnedPack has two pages, of 0x11 and of 0x22, in a zstd frame made by hand: no compressor changes it.
var pinnedPack = unhex(`
	53484f414c00504b 0001 0000 00000002
	28b52ffd 60 001f  028000 11  038000 22`)

const pinnedManifest = `
	53484f414c005046 0001 0002 0001 0000 0000000000020000 00000003
	dfa7e4e1dc78efa6f73b69f001b76aecb9be8a5841587295f49cad6fe828346e 00000002 000000000000001f
	7f 0003 666f6f 00000000fffffffe
	7e 0004 7a6f6f6d 0102030405060708
	03 02 00 00  04 01 00 00  12 02 00 00
	298973cf`

func unhex(s string) []byte {
	b, err := hex.DecodeString(strings.Join(strings.Fields(s), ""))
	if err != nil {
		panic(err)
	}
	return b
}

// TestFormatBytes pins the format: images outlive the program that wrote them.
func TestFormatBytes(t *testing.T) {
	mem := make([]byte, 2*wasmPage)
	for _, p := range []struct {
		at   int
		fill byte
	}{{3, 0x11}, {4, 0x22}, {9, 0x11}, {28, 0x11}, {29, 0x22}} {
		for i := range Page {
			mem[p.at*Page+i] = p.fill
		}
	}
	globals := []Global{{"zoom", I64, 0x0102030405060708}, {"foo", I32, 0xfffffffe}}
	ref := PackRef{Digest: sha256.Sum256(pinnedPack), Pages: 2, Size: int64(len(pinnedPack))}
	s := newStore()
	s.packs[ref] = pinnedPack

	e := encode(t, mem, globals, s.base(t, ref))
	if want := unhex(pinnedManifest); e.Pack != nil || !bytes.Equal(e.Manifest, want) {
		t.Fatalf("encoded\n%x, want\n%x", e.Manifest, want)
	}
	m := parsed(t, unhex(pinnedManifest))
	if !bytes.Equal(s.load(t, m), mem) {
		t.Error("memory changed")
	}
	if m.Kept() != 5*Page || !slices.Equal(m.Globals, []Global{globals[1], globals[0]}) || !slices.Equal(m.Packs, []PackRef{ref}) {
		t.Errorf("parsed %+v", m)
	}
	if head := unhex("53484f414c00504b 0001 0000 00000002"); !bytes.HasPrefix(encode(t, mem, nil, nil).Pack, head) {
		t.Error("a pack starts otherwise")
	}
}

func TestPackRefText(t *testing.T) {
	ref := PackRef{Digest: sha256.Sum256(nil), Pages: 7, Size: 1234}
	const text = `{"digest":"e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855","pages":7,"size":1234}`
	b, err := json.Marshal(ref)
	if err != nil || string(b) != text {
		t.Errorf("%s, %v", b, err)
	}
	var got PackRef
	if err := json.Unmarshal([]byte(text), &got); err != nil || got != ref {
		t.Errorf("%+v, %v", got, err)
	}
	if want := "pack/e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"; ref.Object() != want {
		t.Errorf("object %q", ref.Object())
	}
	for _, bad := range []string{"", "e3", strings.ToUpper(ref.Digest.String()), strings.Repeat("g", 64), ref.Digest.String() + "00"} {
		if err := got.Digest.UnmarshalText([]byte(bad)); err == nil || got != ref {
			t.Errorf("digest %q: %v", bad, err)
		}
	}
}

func TestParseFindsEveryDamagedByte(t *testing.T) {
	b := unhex(pinnedManifest)
	for i := range b {
		for bit := range 255 {
			c := bytes.Clone(b)
			c[i] ^= byte(bit + 1)
			if _, err := Parse(c); !errors.Is(err, ErrFormat) {
				t.Fatalf("byte %d is %#x, was %#x: %v", i, c[i], b[i], err)
			}
		}
	}
	for n := range b {
		if _, err := Parse(b[:n]); !errors.Is(err, ErrFormat) {
			t.Fatalf("cut to %d bytes: %v", n, err)
		}
		if _, err := Parse(b[n+1:]); !errors.Is(err, ErrFormat) {
			t.Fatalf("without the first %d bytes: %v", n+1, err)
		}
	}
}

// sealed appends the right checksum.
func sealed(b []byte) []byte {
	return binary.BigEndian.AppendUint32(slices.Clip(b), crc32.Checksum(b, castagnoli))
}

// TestParseRefusesWhatEncodeNeverMakes has manifests whose checksum is right: each differs in one thing from a valid one.
func TestParseRefusesWhatEncodeNeverMakes(t *testing.T) {
	packs := []PackRef{{Digest{1}, 10, 100}, {Digest{2}, 10, 100}}
	valid := func() *Manifest {
		return &Manifest{
			Memory:  2 * wasmPage,
			Globals: []Global{{"a", I32, 1}, {"b", F64, 1 << 63}},
			Packs:   slices.Clone(packs),
			runs:    []run{{1, 2, 0, 0}, {3, 1, 1, 9}, {20, 10, 0, 0}, {30, 2, 1, 0}},
		}
	}
	good := valid().encode()
	if got := parsed(t, good); !bytes.Equal(got.encode(), good) {
		t.Fatal("the valid one is spelled differently")
	}
	check := func(name, says string, b []byte) {
		t.Helper()
		_, err := Parse(b)
		if !errors.Is(err, ErrFormat) || !strings.Contains(err.Error(), says) {
			t.Errorf("%s: %v, want %q", name, err, says)
		}
	}
	for _, c := range []struct {
		name, says string
		change     func(m *Manifest)
	}{
		{"odd memory", "memory of 131073 bytes", func(m *Manifest) { m.Memory++ }},
		{"too much memory", "memory of 4295032832 bytes", func(m *Manifest) { m.Memory = MaxMemory + wasmPage }},
		{"negative memory", "memory of 18446744073709486080", func(m *Manifest) { m.Memory = -wasmPage }},
		{"less memory", "run 2 has 10 pages, 16 behind page 4 of 16", func(m *Manifest) { m.Memory = wasmPage }},
		{"unsorted globals", `global "a" stands behind "b"`, func(m *Manifest) { m.Globals[0], m.Globals[1] = m.Globals[1], m.Globals[0] }},
		{"equal globals", `global "a" stands behind "a"`, func(m *Manifest) { m.Globals[1].Name = "a" }},
		{"unknown type", "type 0x7b", func(m *Manifest) { m.Globals[0].Type = 0x7b }},
		{"wide value", "32 bits", func(m *Manifest) { m.Globals[0].Bits = 1 << 40 }},
		{"long name", "257 bytes", func(m *Manifest) { m.Globals[1].Name = strings.Repeat("n", 257) }},
		{"too many globals", "1026 globals", func(m *Manifest) { m.Globals = make([]Global, 1026) }},
		{"too many packs", "9 packs", func(m *Manifest) { m.Packs = make([]PackRef, 9) }},
		{"empty pack", "pack of 0 pages", func(m *Manifest) { m.Packs[0].Pages = 0 }},
		{"huge pack", "pack of 1048577 pages", func(m *Manifest) { m.Packs[0].Pages = maxPages + 1 }},
		{"pack without bytes", "pack of 16 bytes", func(m *Manifest) { m.Packs[0].Size = packHeaderLen }},
		{"pack of many bytes", "bytes for 10 pages", func(m *Manifest) { m.Packs[0].Size = 1 << 20 }},
		{"pack of negative size", "pack of -1 bytes", func(m *Manifest) { m.Packs[1].Size = -1 }},
		{"pack listed twice", "is listed twice", func(m *Manifest) { m.Packs[1] = m.Packs[0] }},
		{"pack that no run names", "no run names pack 2", func(m *Manifest) { m.Packs = append(m.Packs, PackRef{Digest{3}, 1, 100}) }},
		{"packs in another order", "run 0 names pack 1 where 0 of 2", func(m *Manifest) { m.runs[0].pack, m.runs[1].pack = 1, 0 }},
		{"pack that is not there", "run 1 names pack 2", func(m *Manifest) { m.runs[1].pack = 2 }},
		{"page behind a pack", "pages 10+1 of a pack of 10", func(m *Manifest) { m.runs[1].first = 10 }},
		{"pages beyond a pack", "pages 1+10 of a pack of 10", func(m *Manifest) { m.runs[2].first = 1 }},
		{"first page of 32 bits", "pages 4294967295+2", func(m *Manifest) { m.runs[3].first = 1<<32 - 1 }},
		{"empty run", "run 0 has 0 pages", func(m *Manifest) { m.runs[0].count = 0 }},
		{"run beyond memory", "run 3 has 3 pages, 0 behind page 30 of 32", func(m *Manifest) { m.runs[3].count = 3 }},
		{"run behind memory", "run 3 has 2 pages, 3 behind page 30 of 32", func(m *Manifest) { m.runs[3].at = 33 }},
		{"overlapping runs", "run 2 has 10 pages, 4294967295 behind page 4", func(m *Manifest) { m.runs[2].at = 3 }},
		{"runs that could be one", "run 1 continues the one before it", func(m *Manifest) {
			m.runs = []run{{1, 2, 0, 3}, {3, 1, 0, 5}, {20, 1, 1, 0}}
		}},
		{"no runs", "no run names pack 0", func(m *Manifest) { m.runs = nil }},
	} {
		m := valid()
		c.change(m)
		check(c.name, c.says, m.encode())
	}

	body := good[:len(good)-checksumLen]
	at := func(i int, v ...byte) []byte {
		b := bytes.Clone(body)
		copy(b[i:], v)
		return sealed(b)
	}
	check("another magic", "starts with", at(0, 'X'))
	check("a later version", "format version 2, only 1 is known", at(8, 0, 2))
	check("a bit that must be zero", "must be zero", at(15, 1))
	check("a run more", "shorter than it says", at(24, 0, 0, 0, 5))
	check("many runs more", "shorter than it says", at(24, 0xff, 0xff, 0xff, 0xff))
	check("a run fewer", "bytes behind the last run", at(24, 0, 0, 0, 3))
	check("a byte more", "bytes behind the last run", sealed(append(bytes.Clone(body), 0)))
	check("a long number", "has 2 bytes", sealed(append(bytes.Clone(body[:len(body)-1]), 0x80, 0)))
	check("an endless number", "more than 64 bits", sealed(append(bytes.Clone(body[:len(body)-1]), bytes.Repeat([]byte{0xff}, 11)...)))
	check("a cut number", "ends within a field", sealed(append(bytes.Clone(body[:len(body)-1]), 0x80)))
	check("too long", "are more than", make([]byte, MaxManifest+1))
}

func TestALaterVersionIsNamedWhateverItsChecksum(t *testing.T) {
	b := unhex(pinnedManifest)
	b[9] = 7
	if _, err := Parse(b); !errors.Is(err, ErrFormat) || !strings.Contains(err.Error(), "format version 7, only 1 is known") {
		t.Error(err)
	}
}

func TestParseKeepsNothingOfItsInput(t *testing.T) {
	b := unhex(pinnedManifest)
	m := parsed(t, b)
	clear(b)
	if !bytes.Equal(m.encode(), unhex(pinnedManifest)) {
		t.Error("the manifest changed with its input")
	}
}

// TestParseAllocatesNoMoreThanItReads has manifests that say that they are huge.
func TestParseAllocatesNoMoreThanItReads(t *testing.T) {
	b := unhex(pinnedManifest)
	b = b[:len(b)-checksumLen]
	copy(b[10:], []byte{0x04, 0x01, 0, 8})
	copy(b[24:], []byte{0xff, 0xff, 0xff, 0xff})
	b = sealed(b)
	n := allocated(func() {
		if _, err := Parse(b); !errors.Is(err, ErrFormat) {
			t.Error(err)
		}
	})
	if n > 64<<10 {
		t.Errorf("%d bytes allocated for %d", n, len(b))
	}
}
