package wasmbin

import (
	"bytes"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"
	"unicode"

	"github.com/shoal-run/shoal/bus/faas"
)

func instrumented(t testing.TB, b []byte) *Module {
	t.Helper()
	out, err := Instrument(b)
	if err != nil {
		t.Fatal(err)
	}
	return mustParse(t, out)
}

// checkAdded compares an instrumented module with the one it was made of.
func checkAdded(t testing.TB, before, after *Module) {
	t.Helper()
	f, g := len(before.Funcs), len(before.Globals)
	grows := 0 // functions for memory.grow, with a global and an export each
	if helpersOf(before) > 0 && slices.ContainsFunc(before.sites, func(s site) bool { return s.op == opMemoryGrow }) {
		grows = 1
	}
	kills := 0 // the global that ends the guest, and the exports that go with it
	if len(sitesOf(before)) > 0 || before.Start >= 0 && len(before.bodies) > 0 {
		kills = 1
	}
	want := append([]Export(nil), Export{Kill, GlobalKind, uint32(g)}, Export{Here, Func, uint32(before.importedFuncs)})
	start := before.Start
	if start >= 0 && kills > 0 {
		want, start = append(want, Export{StartFunc, Func, uint32(start)}), -1
	}
	if kills == 0 {
		want = nil
	}
	x := len(before.Exports) + len(want) // the first of the other added exports
	var told []string                    // the names that exportState has to add
	for _, word := range before.Unresettable() {
		told = append(told, NoReset+word)
	}
	markers := len(told)
	if markers == 0 {
		for _, i := range before.mutableGlobals() {
			told = append(told, fmt.Sprintf("%s%d", StateGlobal, i))
		}
	}
	shared := sharedBy(before)
	if got := after.Exports[min(x+grows+len(told), len(after.Exports)):]; !slices.Equal(got, shared) {
		t.Fatalf("the exports for libraries are %+v, want %+v", got, shared)
	}
	if len(after.Funcs) != f+helpersOf(before) || len(after.Globals) != g+kills+grows+markers {
		t.Fatalf("%d functions, %d globals, %d exports; before %d, %d, %d", len(after.Funcs), len(after.Globals),
			len(after.Exports), f, g, len(before.Exports))
	}
	if got := after.Exports[len(before.Exports):x]; !slices.Equal(got, want) {
		t.Errorf("the exports for ending the guest are %+v, want %+v", got, want)
	}
	for i, name := range told {
		if x := after.Exports[x+grows+i]; x.Name != name || x.Kind != GlobalKind || !after.Globals[x.Index].Mutable {
			t.Errorf("the added export is %+v, want %s", x, name)
		}
	}
	got := map[string]int{}
	for i := f; i < len(after.Funcs); i++ {
		got[after.FuncType(uint32(i)).String()]++
	}
	if got["(i32) -> i32"] != grows || got["(i32, i32, i32) -> ()"] != len(after.Funcs)-f-grows {
		t.Errorf("the added functions are %v, %d of them for memory.grow", got, grows)
	}
	if grows == 1 {
		if got := after.Globals[g+kills]; got != (Global{Type: i32, Mutable: true}) {
			t.Errorf("the added global is %+v", got)
		}
		if got := after.Exports[x]; got != (Export{GrowRefused, GlobalKind, uint32(g + kills)}) {
			t.Errorf("the added export is %+v", got)
		}
	}
	for _, s := range after.sites {
		if grows == 1 && s.op == opMemoryGrow && s.at < after.bodies[f-after.importedFuncs].start {
			t.Errorf("memory.grow at %v, want it in the added function alone", s)
		}
	}
	for _, same := range []struct {
		what string
		a, b any
	}{
		{"functions", before.Funcs, after.Funcs[:f]},
		{"globals", before.Globals, after.Globals[:g]},
		{"exports", before.Exports, after.Exports[:len(before.Exports)]},
		{"imports", before.Imports, after.Imports},
		{"memories", before.Memories, after.Memories},
		{"tables", before.Tables, loweredTables(before, after)},
		{"start", start, after.Start},
		{"segments", [2]int{before.Elements, before.Datas}, [2]int{after.Elements, after.Datas}},
	} {
		if a, b := fmt.Sprint(same.a), fmt.Sprint(same.b); a != b {
			t.Errorf("%s changed: %s to %s", same.what, a, b)
		}
	}
	for i, name := range before.Names().Functions {
		if got := after.Names().Functions[i]; int(i) < f && len(name) <= MaxFuncName && got != NamePrefix+name && plainText(name) {
			t.Errorf("function %d was called %q, is called %q", i, name, after.Names().Functions[i])
		}
	}
}

// sharedBy returns what Instrument exports for libraries.
func sharedBy(m *Module) (shared []Export) {
	if m.opens() {
		if i := m.libraryTable(); i >= 0 {
			shared = append(shared, Export{LibraryTable, TableKind, uint32(i)})
		}
		if i := m.stackPointer(); i >= 0 {
			shared = append(shared, Export{LibraryStack, GlobalKind, uint32(i)})
		}
	}
	if i := m.hiddenCtors(); i >= 0 {
		shared = append(shared, Export{Ctors, Func, uint32(i)})
	}
	return shared
}

// loweredTables is the tables of after with the maximums that they had, and checks those that they have: none is larger, but that
// of the table that libraries share.
func loweredTables(before, after *Module) []Table {
	tables := slices.Clone(after.Tables)
	shared := -1
	if before.opens() {
		shared = before.libraryTable()
	}
	sum := uint64(0)
	for i, was := range before.Tables {
		if i < len(tables) && tables[i] != was && tables[i].HasMax && tables[i].Max >= was.Min && (!was.HasMax || tables[i].Max <= was.Max || i == shared) {
			sum += tables[i].Max
			tables[i].Max, tables[i].HasMax = was.Max, was.HasMax
		}
	}
	if sum > faas.MaxTableElements {
		return nil
	}
	return tables
}

// plainText reports whether a name is kept as it is.
func plainText(name string) bool {
	return !strings.ContainsFunc(name, func(c rune) bool { return unicode.IsControl(c) || c == '\u2028' || c == '\u2029' })
}

// sitesOf is what Instrument replaces in m.
func sitesOf(m *Module) []site {
	if len(m.Memories) > 0 && !m.Memories[0].Is64 {
		return m.sites
	}
	return slices.DeleteFunc(slices.Clone(m.sites), func(s site) bool { return s.op.onMemory() })
}

// helpersOf counts the functions that Instrument has to add.
func helpersOf(m *Module) int {
	all := map[helper]bool{}
	if len(m.Memories) == 0 || m.Memories[0].Is64 {
		return 0
	}
	for _, s := range m.sites {
		switch s.op {
		case opMemoryGrow, opMemoryFill, opMemoryCopy:
			all[helper{op: s.op}] = true
		case opMemoryInit:
			if m.segment(s.segment) > chunk {
				all[helper{s.op, s.segment}] = true
			}
		}
	}
	return len(all)
}

func TestInstrumentEverything(t *testing.T) {
	before := mustParse(t, everything())
	after := instrumented(t, everything())
	checkAdded(t, before, after)
	if name := after.Names().Functions[uint32(len(before.Funcs))]; name != NamePrefix+growName {
		t.Errorf("the added function is called %q", name)
	}
	for _, name := range []string{"first", "last"} {
		a, _ := before.Custom(name)
		b, ok := after.Custom(name)
		if !ok || !bytes.Equal(a, b) {
			t.Errorf("custom section %s changed: %v", name, b)
		}
	}
	if !reflect.DeepEqual(before.Types, after.Types) {
		t.Error("a type was added though there was one")
	}
}

// TestInstrumentBytes pins the whole output for a small module that lacks the global section, the type and names.
func TestInstrumentBytes(t *testing.T) {
	got, err := Instrument(grower())
	if err != nil {
		t.Fatal(err)
	}
	want := module(
		sec(secType, vec(toI32, i32ToI32)),
		sec(secFunction, vec([]byte{0}, []byte{1})),
		onePage,
		sec(secGlobal, vec([]byte{i32, 1, 0x41, 0, 0x0b}, []byte{i32, 1, 0x41, 0, 0x0b})),
		sec(secExport, vec(exportOf("memory", MemoryKind, 0), exportOf("handle", Func, 0), exportOf("__shoal_kill", GlobalKind, 0),
			exportOf("__shoal_here", Func, 0), exportOf("__shoal_grow_refused", GlobalKind, 1))),
		sec(secCode, vec(
			codeBody(0x41, 1, 0x10, 1),
			codeBody(0x03, 0x40, 0x23, 0, 0x04, 0x40, 0x23, 0, 0x41, 2, 0x24, 0, 0x41, 1, 0x47, 0x0d, 1, 0, 0x0b, 0x0b,
				0x20, 0, 0x40, 0, 0x22, 0, 0x41, 0x7f, 0x46, 0x23, 1, 0x6a, 0x24, 1, 0x20, 0),
		)),
		custom("name", slices.Concat([]byte{1, 23, 1, 1}, str("$__shoal_memory_grow"))...),
	)
	if !bytes.Equal(got, want) {
		t.Errorf("%q\nwant %q", got, want)
	}
	if !bytes.Equal(grower(), mustParse(t, grower()).raw) {
		t.Error("the original changed")
	}
}

// TestInstrumentCreatesSections has modules that lack sections, in every combination that can grow a memory.
func TestInstrumentCreatesSections(t *testing.T) {
	for bits := range 1 << 7 {
		var ss [][]byte
		add := func(bit int, s []byte) {
			if bits>>bit&1 == 1 {
				ss = append(ss, s)
			}
		}
		ss = append(ss, sec(secType, vec(noTypes)), sec(secFunction, vec([]byte{0})))
		add(0, sec(secTable, vec([]byte{funcref, 0, 1})))
		ss = append(ss, onePage)
		add(1, sec(secGlobal, vec([]byte{i32, 0, 0x41, 0, 0x0b})))
		add(2, sec(secExport, vec(exportOf("memory", MemoryKind, 0))))
		add(3, sec(secStart, []byte{0}))
		add(4, sec(secElement, vec([]byte{1, 0, 1, 0})))
		add(5, custom("x", 1))
		add(6, sec(secDataCount, []byte{0}))
		ss = append(ss, sec(secCode, vec(codeBody(growByOne...))))
		add(6, sec(secData, vec()))
		b := module(ss...)
		checkAdded(t, mustParse(t, b), instrumented(t, b))
	}
}

func TestInstrumentLeavesTheRestAlone(t *testing.T) {
	noGrow := withEntry([][]byte{toI32}, exportOf("handle", Func, 0))
	debug := append(slices.Clone(noGrow), custom(".debug_info", 1)...)
	noMemory := module(sec(secType, vec(noTypes)), sec(secFunction, vec([]byte{0})), sec(secCode, vec(codeBody(growByOne...))))
	memory64 := module(sec(secType, vec(noTypes)), sec(secFunction, vec([]byte{0})), sec(secMemory, vec([]byte{4, 1})),
		sec(secCode, vec(codeBody(0x42, 1, 0x40, 0, 0x1a))))
	second := module(sec(secType, vec(noTypes)), sec(secFunction, vec([]byte{0})), sec(secMemory, vec([]byte{0, 1}, []byte{0, 1})),
		sec(secCode, vec(codeBody(0x41, 1, 0x40, 1, 0x1a))))
	for _, b := range [][]byte{module(), noGrow, debug, noMemory, memory64, second} {
		out, err := Instrument(b)
		if err != nil || &out[0] != &b[0] || len(out) != len(b) {
			t.Errorf("%q became %q (%v)", b, out, err)
		}
	}
}

func TestInstrumentDropsWhatPointsIntoTheCode(t *testing.T) {
	b := grower()
	for _, name := range []string{".debug_info", ".debug_line", "reloc.CODE", "metadata.code.branch_hint", "sourceMappingURL", "external_debug_info", "producers", "debug"} {
		b = append(b, custom(name, 1)...)
	}
	m := instrumented(t, b)
	var left []string
	for _, s := range m.sections {
		if s.id == secCustom {
			left = append(left, s.name)
		}
	}
	if want := []string{"producers", "debug", "name"}; !slices.Equal(left, want) {
		t.Errorf("left are %v, want %v", left, want)
	}
}

func TestInstrumentRefuses(t *testing.T) {
	out, err := Instrument(grower())
	if err != nil {
		t.Fatal(err)
	}
	var fe *FormatError
	if _, err := Instrument(out); !errors.As(err, &fe) || !strings.Contains(err.Error(), Kill) {
		t.Errorf("twice: %v", err)
	}
	if _, err := Instrument([]byte("no")); !errors.As(err, &fe) {
		t.Errorf("not a module: %v", err)
	}
	// 60 000 functions make the index of the added one take three bytes, so that a body of grows gets twice as large.
	const functions = 60_000
	grows := codeBody(bytes.Repeat(growByOne, 1_500_000)...)
	bodies := append(bytes.Repeat(codeBody(), functions), grows...)
	big := module(sec(secType, vec(noTypes)), sec(secFunction, appendU32(nil, functions+1), make([]byte, functions+1)), onePage,
		sec(secCode, appendU32(nil, functions+1), bodies))
	if _, err := Instrument(big); !errors.As(err, &fe) || !strings.Contains(err.Error(), "function body too large in section code") {
		t.Errorf("body: %v", err)
	}
}

// TestInstrumentSizes makes bodies of every size around those where a size field gets longer, and spells memory.grow in
// every length.
func TestInstrumentSizes(t *testing.T) {
	for _, grow := range [][]byte{{0x40, 0}, {0x40, 0x80, 0}, {0x40, 0x80, 0x80, 0x80, 0x80, 0}} {
		for n := 100; n < 140; n++ {
			body := slices.Concat(bytes.Repeat([]byte{0x01}, n), []byte{0x41, 0}, grow, []byte{0x1a, 0x41, 0}, grow, []byte{0x1a})
			b := module(sec(secType, vec(noTypes)), sec(secFunction, vec([]byte{0}, []byte{0}, []byte{0})), onePage,
				sec(secCode, vec(codeBody(body...), codeBody(), codeBody(body...))))
			after := instrumented(t, b)
			checkAdded(t, mustParse(t, b), after)
			want := codeBody(slices.Concat(point, bytes.Repeat([]byte{0x01}, n), []byte{0x41, 0, 0x10, 3, 0x1a, 0x41, 0, 0x10, 3, 0x1a})...)
			for _, i := range []int{0, 2} {
				if got := after.raw[after.bodies[i].sizeAt:after.bodies[i].end]; !bytes.Equal(got, want) {
					t.Fatalf("%d bytes, body %d: % x\nwant % x", n, i, got, want)
				}
			}
		}
	}
}

// TestInstrumentLongSizeFields has size fields longer than they need be, as linkers write them.
func TestInstrumentLongSizeFields(t *testing.T) {
	body := slices.Concat([]byte{0}, growByOne, []byte{0x0b})
	long := slices.Concat([]byte{byte(len(body)) | 0x80, 0x80, 0x80, 0x80, 0}, body)
	code := slices.Concat([]byte{0x81, 0x80, 0x80, 0x80, 0}, long)
	b := module(sec(secType, vec(noTypes)), sec(secFunction, []byte{0x81, 0, 0}), onePage,
		slices.Concat([]byte{secCode, byte(len(code)) | 0x80, 0x80, 0x80, 0x80, 0}, code))
	checkAdded(t, mustParse(t, b), instrumented(t, b))
}
