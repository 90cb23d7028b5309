package snapshot

import (
	"bytes"
	"fmt"
	"io"
	"math"
	"math/rand/v2"
	"reflect"
	"slices"
	"strings"
	"testing"
)

var someGlobals = []Global{
	{"__stack_pointer", I32, 66560}, {"a", I64, math.MaxUint64}, {"b", F32, uint64(math.Float32bits(float32(math.NaN())))}, {"c", F64, math.Float64bits(-0.5)},
}

func TestWhatIsLoadedIsWhatWasEncoded(t *testing.T) {
	for seed := range uint64(30) {
		r := random(seed)
		s := newStore()
		var refs []PackRef
		var mem []byte
		for version := range 4 {
			mem = mutate(r, mem)
			e := encode(t, mem, someGlobals, s.base(t, refs...))
			s.add(e)
			m := parsed(t, e.Manifest)
			if got := s.load(t, m); !bytes.Equal(got, mem) {
				t.Fatalf("seed %d, version %d: memory changed", seed, version)
			}
			if m.Kept() != kept(mem) || m.Memory != int64(len(mem)) || !reflect.DeepEqual(m.Globals, someGlobals) {
				t.Fatalf("seed %d: %d bytes of %d kept, want %d of %d; globals %v", seed, m.Kept(), m.Memory, kept(mem), len(mem), m.Globals)
			}
			if !slices.Equal(s.opened, m.Packs) {
				t.Fatalf("seed %d: opened %v, packs are %v", seed, s.opened, m.Packs)
			}
			if !bytes.Equal(m.encode(), e.Manifest) {
				t.Fatalf("seed %d: the parsed manifest is spelled differently", seed)
			}
			if e.Pack != nil {
				refs = append(refs, e.Ref)
			}
		}
	}
}

// mutate returns another memory: grown, with pages filled, cleared and copied, at most 2 MiB.
func mutate(r *rand.Rand, mem []byte) []byte {
	mem = append(bytes.Clone(mem), make([]byte, r.IntN(8)*wasmPage)...)
	n := len(mem) / Page
	for range n / 4 {
		from, count := r.IntN(n), 1+r.IntN(20)
		b := mem[from*Page : min(n, from+count)*Page]
		switch r.IntN(5) {
		case 0, 1:
			fill(r, b)
		case 2:
			clear(b)
		case 3:
			copy(b, mem[r.IntN(n)*Page:])
		case 4:
			b[r.IntN(len(b))] = byte(r.IntN(256))
		}
	}
	return mem
}

func kept(mem []byte) (n int64) {
	for b := range slices.Chunk(mem, Page) {
		if slices.ContainsFunc(b, func(c byte) bool { return c != 0 }) {
			n += Page
		}
	}
	return n
}

func TestVersionsSharePages(t *testing.T) {
	s := newStore()
	mem := memory(256, 1, upTo(200)...)
	first := encode(t, mem, nil, nil)
	s.add(first)
	if first.Ref.Pages != 200 {
		t.Fatalf("the first version stores %d pages, want 200", first.Ref.Pages)
	}

	mem = bytes.Clone(mem)
	for _, p := range []int{7, 8, 230} {
		copy(mem[p*Page:], memory(1, 2+uint64(p), 0))
	}
	second := encode(t, mem, nil, s.base(t, first.Ref))
	s.add(second)
	if second.Ref.Pages != 3 {
		t.Errorf("the second version stores %d pages, want 3", second.Ref.Pages)
	}
	if m := parsed(t, second.Manifest); !slices.Equal(m.Packs, []PackRef{first.Ref, second.Ref}) || len(m.runs) != 4 {
		t.Errorf("the second version has packs %v and runs %v", m.Packs, m.runs)
	}

	mem = bytes.Clone(mem)
	copy(mem[50*Page:], memory(1, 99, 0))
	third := encode(t, mem, nil, s.base(t, first.Ref, second.Ref))
	s.add(third)
	if third.Ref.Pages != 1 {
		t.Errorf("the third version stores %d pages, want 1", third.Ref.Pages)
	}
	if m := parsed(t, third.Manifest); len(m.Packs) != 3 || !bytes.Equal(s.load(t, m), mem) {
		t.Errorf("the third version has packs %v, or other memory", m.Packs)
	}

	again := encode(t, mem, nil, s.base(t, first.Ref, second.Ref, third.Ref))
	if again.Pack != nil || again.Ref != (PackRef{}) || !bytes.Equal(again.Manifest, third.Manifest) {
		t.Errorf("encoding again stores %d pages, or differs", again.Ref.Pages)
	}
}

func TestEqualPagesAreStoredOnce(t *testing.T) {
	mem := memory(64, 1, 3)
	for _, p := range []int{4, 5, 60} {
		copy(mem[p*Page:], mem[3*Page:4*Page])
	}
	s := newStore()
	e := encode(t, mem, nil, nil)
	s.add(e)
	m := parsed(t, e.Manifest)
	if e.Ref.Pages != 1 || m.Kept() != 4*Page || !bytes.Equal(s.load(t, m), mem) {
		t.Errorf("%d pages stored for %d bytes kept, or other memory", e.Ref.Pages, m.Kept())
	}
}

func TestNothingIsStoredForZeros(t *testing.T) {
	for _, n := range []int{0, 1, 100} {
		e := encode(t, make([]byte, n*wasmPage), nil, NewBase())
		m := parsed(t, e.Manifest)
		if e.Pack != nil || m.Kept() != 0 || len(m.Packs) != 0 || m.Memory != int64(n*wasmPage) || len(e.Manifest) != fixedLen+checksumLen {
			t.Errorf("%d zero pages: %+v, pack of %d bytes", n, m, len(e.Pack))
		}
		if err := m.Load(nil, nil); err != nil {
			t.Error(err)
		}
	}
	// The last byte of a page counts as the first.
	mem := make([]byte, wasmPage)
	mem[2*Page-1] = 1
	if m := parsed(t, encode(t, mem, nil, nil).Manifest); m.Kept() != Page || m.runs[0].at != 1 {
		t.Errorf("one byte is set: %+v", m.runs)
	}
}

func TestEncodeIsDeterministic(t *testing.T) {
	mem := memory(512, 1, upTo(400)...)
	s := newStore()
	for _, n := range []uint64{2, 3} {
		s.add(encode(t, append(memory(48, n, upTo(40)...), mem[:n*16*Page]...), nil, nil))
	}
	var refs []PackRef
	for ref := range s.packs {
		refs = append(refs, ref)
	}
	slices.SortFunc(refs, func(a, b PackRef) int { return int(a.Pages) - int(b.Pages) })
	want := encode(t, mem, someGlobals, s.base(t, refs...))
	for range 3 {
		shuffled := slices.Clone(someGlobals)
		rand.Shuffle(len(shuffled), func(i, j int) { shuffled[i], shuffled[j] = shuffled[j], shuffled[i] })
		if got := encode(t, bytes.Clone(mem), shuffled, s.base(t, refs...)); !reflect.DeepEqual(got, want) {
			t.Fatal("the same image has other bytes")
		}
	}
}

// TestPacksUsedLittleAreDropped has a base pack of 100 pages, of which the image has fewer and fewer.
func TestPacksUsedLittleAreDropped(t *testing.T) {
	s := newStore()
	old := memory(112, 1, upTo(100)...)
	e := encode(t, old, nil, nil)
	s.add(e)
	for used, want := range map[int]uint32{100: 0, 26: 0, 25: 0, 24: 24, 1: 1} {
		mem := make([]byte, len(old))
		copy(mem, old[:used*Page])
		if got := encode(t, mem, nil, s.base(t, e.Ref)); got.Ref.Pages != want {
			t.Errorf("of %d pages that a pack of 100 has, %d are stored again, want %d", used, got.Ref.Pages, want)
		}
		// Many equal pages in memory are one of the pack.
		for p := used; p < 112; p++ {
			copy(mem[p*Page:], old[:Page])
		}
		if got := encode(t, mem, nil, s.base(t, e.Ref)); got.Ref.Pages != want {
			t.Errorf("of %d different pages that a pack of 100 has, %d are stored again, want %d", used, got.Ref.Pages, want)
		}
	}
}

func TestAPackThatAnotherMakesUselessIsDropped(t *testing.T) {
	s := newStore()
	mem := memory(64, 1, upTo(60)...)
	half := encode(t, append(bytes.Clone(mem[:32*Page]), make([]byte, 32*Page)...), nil, nil)
	all := encode(t, mem, nil, nil)
	s.add(half)
	s.add(all)
	for _, refs := range [][]PackRef{{half.Ref, all.Ref}, {all.Ref, half.Ref}} {
		m := parsed(t, encode(t, mem, nil, s.base(t, refs...)).Manifest)
		if !slices.Equal(m.Packs, []PackRef{all.Ref}) {
			t.Errorf("packs of %d and %d pages: the image has %v", refs[0].Pages, refs[1].Pages, m.Packs)
		}
	}
}

func TestNoMoreThanMaxPacks(t *testing.T) {
	s := newStore()
	var refs []PackRef
	var mem []byte
	for i := range MaxPacks + 2 { // of 4, 5, … pages
		part := memory(16, uint64(i+1), upTo(4+i)...)
		e := encode(t, part, nil, nil)
		s.add(e)
		refs = append(refs, e.Ref)
		mem = append(mem, part...)
	}
	b := s.base(t, refs...)
	check := func(what string, mem []byte, stored uint32, packs int) {
		t.Helper()
		e := encode(t, mem, nil, b)
		s.add(e)
		m := parsed(t, e.Manifest)
		if e.Ref.Pages != stored || len(m.Packs) != packs {
			t.Errorf("%s: %d pages stored and %d packs, want %d and %d", what, e.Ref.Pages, len(m.Packs), stored, packs)
		}
		if !bytes.Equal(s.load(t, m), mem) {
			t.Errorf("%s: memory changed", what)
		}
	}
	check("all of ten packs", mem, 4+5+6, MaxPacks) // the three that it uses least are dropped, for one with their pages
	check("all of eight packs", mem[2*16*Page:], 0, MaxPacks)
	check("eight packs and a page", append(bytes.Clone(mem[2*16*Page:]), memory(16, 99, 1)...), 6+1, MaxPacks)
	check("seven packs and a page", append(bytes.Clone(mem[3*16*Page:]), memory(16, 99, 1)...), 1, MaxPacks)
}

func TestEncodeRefusesWhatNoImageCanBe(t *testing.T) {
	for _, n := range []int{1, Page, wasmPage - 1, wasmPage + Page} {
		if _, err := Encode(make([]byte, n), nil, nil); err == nil {
			t.Errorf("encoded %d bytes", n)
		}
	}
	many := make([]Global, MaxGlobals+1)
	for i := range many {
		many[i] = Global{fmt.Sprint(i), I32, 0}
	}
	for _, c := range []struct {
		says    string
		globals []Global
	}{
		{"1026 globals", many},
		{"257 bytes", []Global{{strings.Repeat("n", maxName+1), I32, 0}}},
		{`two globals are named "a"`, []Global{{"a", I32, 1}, {"b", I32, 1}, {"a", I64, 2}}},
		{`"v" has the type 0x7b`, []Global{{"v", 0x7b, 0}}},
		{`"i" has 32 bits and the value 0x100000000`, []Global{{"i", I32, 1 << 32}}},
		{`"f" has 32 bits`, []Global{{"f", F32, 1 << 63}}},
	} {
		if _, err := Encode(nil, c.globals, nil); err == nil || !strings.Contains(err.Error(), c.says) {
			t.Errorf("%v, want %q", err, c.says)
		}
	}
	m := parsed(t, encode(t, nil, append(many[:MaxGlobals:MaxGlobals][1:], Global{strings.Repeat("n", maxName), F64, 1}), nil).Manifest)
	if len(m.Globals) != MaxGlobals {
		t.Errorf("%d globals, want %d", len(m.Globals), MaxGlobals)
	}
}

func TestEncodeKeepsItsArguments(t *testing.T) {
	mem := memory(32, 1, 1, 2, 3)
	globals := []Global{{"b", I32, 1}, {"a", I32, 2}}
	before, g := bytes.Clone(mem), slices.Clone(globals)
	encode(t, mem, globals, nil)
	if !bytes.Equal(mem, before) || !slices.Equal(globals, g) {
		t.Error("the arguments changed")
	}
}

func TestBaseKeepsOutDamagedPacks(t *testing.T) {
	mem := memory(16, 1, upTo(16)...)
	e := encode(t, mem, nil, nil)
	b := NewBase()
	bad := bytes.Clone(e.Pack)
	bad[len(bad)-1] ^= 1
	for _, p := range [][]byte{bad, e.Pack[:len(e.Pack)-1], append(bytes.Clone(e.Pack), 0), nil} {
		if err := b.Add(e.Ref, bytes.NewReader(p)); !isOne(err, ErrCorrupt) {
			t.Errorf("added a damaged pack: %v", err)
		}
	}
	if got := encode(t, mem, nil, b); got.Ref != e.Ref {
		t.Error("a damaged pack is in the base")
	}
	for range 2 {
		if err := b.Add(e.Ref, bytes.NewReader(e.Pack)); err != nil {
			t.Error(err)
		}
	}
	if got := encode(t, mem, nil, b); got.Pack != nil || len(b.packs) != 1 {
		t.Error("a pack was added twice, or not")
	}
	if err := b.Add(e.Ref, failing{}); err != nil {
		t.Errorf("a pack that is there was read: %v", err)
	}
}

type failing struct{}

func (failing) Read([]byte) (int, error)  { return 0, io.ErrClosedPipe }
func (failing) Write([]byte) (int, error) { return 0, io.ErrClosedPipe }
