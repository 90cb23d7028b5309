package wasmbin

import (
	"bytes"
	"errors"
	"reflect"
	"runtime"
	"slices"
	"strings"
	"testing"

	"github.com/shoal-run/shoal/bus/faas"
)

func mustParse(t testing.TB, b []byte) *Module {
	t.Helper()
	m, err := Parse(b)
	if err != nil {
		t.Fatal(err)
	}
	return m
}

func TestParseEverything(t *testing.T) {
	m := mustParse(t, everything())
	var sigs []string
	for _, ft := range m.Types {
		sigs = append(sigs, ft.String())
	}
	for _, f := range []struct {
		what      string
		got, want any
	}{
		{"types", sigs, []string{"() -> ()", "(i32, i64, f32, f64) -> (i32, v128)", "(i32) -> i32", "() -> i32", "(funcref, externref) -> ()"}},
		{"imports", m.Imports, []Import{{"env", "f", Func, 2}}},
		{"functions", m.Funcs, []uint32{2, 0, 3, 1}},
		{"tables", m.Tables, []Table{{Type: funcref, Min: 1}, {Type: externref, Max: 9, HasMax: true}}},
		{"memories", m.Memories, []Memory{{Min: 2, Max: 3, HasMax: true}}},
		{"globals", m.Globals, []Global{{Type: i32}, {Type: i64, Mutable: true}}},
		{"exports", len(m.Exports), 5},
		{"start", m.Start, 1},
		{"segments", [2]int{m.Elements, m.Datas}, [2]int{8, 3}},
		{"sites", len(m.sites), 2},
		{"names", m.Names(), Names{Module: "mod", Functions: map[uint32]string{0: "f", 1: "g"}}},
	} {
		if !reflect.DeepEqual(f.got, f.want) {
			t.Errorf("%s: %v, want %v", f.what, f.got, f.want)
		}
	}
	if c, ok := m.Custom("first"); !ok || !bytes.Equal(c, []byte{1, 2, 3}) {
		t.Errorf("custom section: %v", c)
	}
}

func TestParseEmptyModule(t *testing.T) {
	if m := mustParse(t, module()); m.Start != -1 || len(m.Funcs) != 0 {
		t.Errorf("%+v", m)
	}
}

func TestParseErrors(t *testing.T) {
	bodies := func(b ...[]byte) []byte {
		return module(sec(secType, vec(noTypes)), sec(secFunction, vec(slices.Repeat([][]byte{{0}}, len(b))...)), sec(secCode, vec(b...)))
	}
	for _, k := range []struct {
		name string
		b    []byte
		want string
	}{
		{"empty", nil, "not a WebAssembly module (empty)"},
		{"text", []byte("hello, world"), `not a WebAssembly module (starts with "hello, w")`},
		{"one byte", []byte("h"), `not a WebAssembly module (starts with "h")`},
		{"wat", []byte("\n (module (func))"), `not a WebAssembly module (starts with "(module ", the text format: assemble it with wat2wasm)`},
		{"elf", []byte("\x7fELF\x02\x01\x01"), `starts with "\x7fELF", a native ELF program: build for wasm32-wasip1`},
		{"gzip", []byte("\x1f\x8b\x08\x00\x00"), "gzip: unpack it first"},
		{"magic only", []byte("\x00as"), "truncated at byte 3: needs 5 more bytes"},
		{"half version", []byte("\x00asm\x01\x00"), "truncated at byte 6: needs 2 more bytes"},
		{"component", []byte("\x00asm\x0d\x00\x01\x00"), "a component, not a core module: build for wasm32-wasip1"},
		{"version 2", []byte("\x00asm\x02\x00\x00\x00"), "version 02 00 00 00 of the binary format at byte 4: only 01 00 00 00 is known"},
		{"section cut", module([]byte{10, 20}, make([]byte, 8)), "truncated in section code at byte 18: needs 12 more bytes"},
		{"no size", module([]byte{1}), "truncated in section type at byte 9: needs 1 more byte"},
		{"unknown section", module(sec(14)), "unknown section 14 at byte 8"},
		{"order", module(sec(secMemory, vec()), sec(secType, vec())), "out of order in section type at byte 11: it comes after section memory"},
		{"twice", module(sec(secType, vec()), sec(secType, vec())), "second section of its kind in section type at byte 11"},
		{"item cut", module(sec(secType, []byte{1, 0x60, 3, i32})), "cut off in section type at byte 12: 3 parameters need 2 more bytes than there are"},
		{"left over", module(sec(secType, vec(), []byte{7, 7})), "2 bytes too many in section type at byte 11"},
		{"tag", module(sec(secTag, vec())), "exceptions in section tag at byte 8: the engine does not run them"},
		{"struct", module(sec(secType, vec([]byte{0x5f, 0, 0}))), "garbage-collected type in section type at byte 11"},
		{"anyref", module(sec(secType, vec(fn(types(0x6e), nil)))), "reference type 0x6e in section type at byte 13: the engine does not run garbage-collected"},
		{"bad type", module(sec(secType, vec(fn(nil, types(0x40))))), "unknown value type 0x40 in section type at byte 14"},
		{"big LEB", module(sec(secType, []byte{0xff, 0xff, 0xff, 0xff, 0x1f})), "integer does not fit 32 bits in section type at byte 10"},
		{"long LEB", module(sec(secType, []byte{0x80, 0x80, 0x80, 0x80, 0x80, 0})), "integer does not fit 32 bits"},
		{"import type", module(sec(secImport, vec(importFunc("env", "f", 0)))), "type 0 does not exist in section import at byte 18: there are 0"},
		{"import kind", module(sec(secImport, vec(slices.Concat(str("e"), str("f"), []byte{9, 0})))), "unknown kind of import 9"},
		{"not utf-8", module(sec(secImport, vec(importFunc("\xff", "f", 0)))), "name is not UTF-8 in section import"},
		{"custom name", module(sec(secCustom, []byte{9, 'a'})), "cut off in section custom at byte 11: needs 8 more bytes than there are"},
		{"limits", module(sec(secMemory, vec([]byte{1, 2, 1}))), "limits in section memory at byte 11: the minimum 2 is above the maximum 1"},
		{"pages", module(sec(secMemory, vec([]byte{0, 0x81, 0x80, 4}))), "limits 65537 to 0 in section memory"},
		{"page size", module(sec(secMemory, vec([]byte{8, 1, 0}))), "custom page sizes are not supported"},
		{"mutability", module(sec(secGlobal, vec([]byte{i32, 2, 0x41, 0, 0x0b}))), "mutability 0x02 of a global"},
		{"constant", module(sec(secGlobal, vec([]byte{i32, 0, 0x10, 0, 0x0b}))), "instruction 0x10 in a constant expression in section global at byte 13"},
		{"export twice", module(onePage, sec(secExport, vec(exportOf("a", MemoryKind, 0), exportOf("a", MemoryKind, 0)))), `second export called "a" in section export at byte 20`},
		{"export index", module(onePage, sec(secExport, vec(exportOf("a", MemoryKind, 1)))), `export "a" is memory 1 in section export at byte 16: there are only 1`},
		{"export tag", module(sec(secExport, vec(exportOf("a", kindTag, 0)))), `export "a" is a tag in section export at byte 11: not supported`},
		{"start", module(sec(secStart, []byte{3})), "start function 3 does not exist"},
		{"start type", module(sec(secType, vec(toI32)), sec(secImport, vec(importFunc("e", "f", 0))), sec(secStart, []byte{0})), "start function 0 is () -> i32 in section start"},
		{"no code", module(sec(secType, vec(noTypes)), sec(secFunction, vec([]byte{0}))), "no section code at byte 18: 1 functions need one"},
		{"too few bodies", module(sec(secType, vec(noTypes)), sec(secFunction, vec([]byte{0})), sec(secCode, vec())), "0 function bodies in section code at byte 20: the function section has 1 functions"},
		{"data count", module(sec(secDataCount, []byte{1}), sec(secData, vec())), "wrong count in section datacount"},
		{"element kind", module(sec(secElement, vec([]byte{9, 0}))), "unknown kind of element segment 9"},
		{"data kind", module(sec(secData, vec([]byte{3, 0}))), "unknown kind of data segment 3"},
		{"unknown op", bodies(codeBody(0x01), codeBody(0x01, 0xff)), "unknown instruction 0xff (function 1) in section code at byte"},
		{"unknown simd", bodies(codeBody(0xfd, 0x9a, 0x01)), "unknown instruction 0xfd 154 (function 0) in section code at byte"},
		{"unknown misc", bodies(codeBody(0xfc, 18)), "unknown instruction 0xfc 18"},
		{"atomic", bodies(codeBody(0xfe, 4)), "atomic instruction (0xfe) (function 0) in section code at byte"},
		{"tail call", bodies(codeBody(0x12, 0)), "tail call (instruction 0x12) (function 0) in section code at byte"},
		{"throw", bodies(codeBody(0x08, 0)), "exception handling (instruction 0x08) (function 0)"},
		{"call_ref", bodies(codeBody(0x14, 0)), "typed reference (instruction 0x14)"},
		{"gc", bodies(codeBody(0xfb, 0)), "typed reference (instruction 0xfb)"},
		{"no end", bodies([]byte{2, 0, 0x01}), "cut off (function 0) in section code at byte"},
		{"open block", bodies(codeBody(0x02, 0x40)), "cut off (function 0) in section code at byte"},
		{"behind end", bodies(codeBody(0x0b)), "1 byte too many (function 0) in section code at byte"},
		{"body too long", bodies([]byte{9, 0, 0x0b}), "cut off (function 0) in section code at byte"},
		{"locals", bodies([]byte{6, 1, 0xd1, 0x86, 0x03, i32, 0x0b}), "50001 locals (function 0) in section code"},
		{"br_table", bodies(codeBody(0x0e, 0xff, 0x7f)), "branch targets need"},
		{"huge br_table", bodies(codeBody(0x0e, 0xff, 0xff, 0xff, 0xff, 0x0f)), "4294967295 branch targets"},
		{"block type", bodies(codeBody(0x02, 0xff, 0x7f)), "unknown block type"},
		{"i32.const", bodies(codeBody(0x41, 0xff, 0xff, 0xff, 0xff, 0x0f)), "integer does not fit 32 bits"},
	} {
		_, err := Parse(k.b)
		var fe *FormatError
		if !errors.As(err, &fe) || !strings.Contains(err.Error(), k.want) {
			t.Errorf("%s: %v\n\twant %s", k.name, err, k.want)
		}
		if faas.CodeOf(err) != faas.InvalidModule {
			t.Errorf("%s: code %q", k.name, faas.CodeOf(err))
		}
	}
}

// TestParseTruncated cuts a module at every byte: no cut is a module, except between two sections.
func TestParseTruncated(t *testing.T) {
	b := everything()
	ends := map[int]bool{8: true}
	for _, s := range mustParse(t, b).sections {
		ends[s.end] = true
	}
	for n := range b {
		_, err := Parse(b[:n:n])
		if err == nil && !ends[n] {
			t.Errorf("%d of %d bytes are a module", n, len(b))
		}
		if fe := (*FormatError)(nil); err != nil && !errors.As(err, &fe) {
			t.Errorf("%d bytes: %T", n, err)
		}
	}
}

// TestParseAllocatesNoMoreThanTheModuleIsWorth has modules that promise more than they hold.
func TestParseAllocatesNoMoreThanTheModuleIsWorth(t *testing.T) {
	huge := []byte{0xff, 0xff, 0xff, 0xff, 0x0f}
	million := []byte{0xc0, 0x84, 0x3d}
	for id := range sectionKinds {
		for _, count := range [][]byte{huge, million} {
			b := module(sec(byte(id), count, make([]byte, 100)))
			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)
			_, _ = Parse(b)
			runtime.ReadMemStats(&after)
			if n := after.TotalAlloc - before.TotalAlloc; n > 64<<10 {
				t.Errorf("section %d, count % x: %d bytes allocated", id, count, n)
			}
		}
	}
}

func TestParseRefusesSectionFloods(t *testing.T) {
	_, err := Parse(module(bytes.Repeat(custom("x"), maxSections+1)))
	if err == nil || !strings.Contains(err.Error(), "too many sections") {
		t.Error(err)
	}
}

func TestDeepNestingIsNoRecursion(t *testing.T) {
	const depth = faas.MaxNesting - 1
	in := append(bytes.Repeat([]byte{0x02, 0x40}, depth), bytes.Repeat([]byte{0x0b}, depth)...)
	mustParse(t, module(sec(secType, vec(noTypes)), sec(secFunction, vec([]byte{0})), sec(secCode, vec(codeBody(in...)))))
}

func TestBrokenNameSections(t *testing.T) {
	good := []byte{1, 4, 1, 0, 1, 'f'}
	for _, contents := range [][]byte{nil, {1}, {1, 99}, {1, 2, 9, 9}, {0, 2, 9, 'x'}, append(slices.Clone(good), 2), {1, 0xff, 0xff, 0xff, 0xff, 0xff}} {
		m := mustParse(t, module(custom("name", contents...)))
		_ = m.Names()
	}
	m := mustParse(t, module(custom("name", append(slices.Clone(good), 2)...)))
	if m.Names().Functions[0] != "f" {
		t.Error("what was readable is lost")
	}
}

// TestLEB compares the integer decoders at the edges of their range.
func TestLEB(t *testing.T) {
	for _, k := range []struct {
		b    []byte
		bits uint
		want int64
		ok   bool
	}{
		{[]byte{0x7f}, 32, -1, true},
		{[]byte{0x3f}, 32, 63, true},
		{[]byte{0x40}, 32, -64, true},
		{[]byte{0xff, 0xff, 0xff, 0xff, 0x07}, 32, 1<<31 - 1, true},
		{[]byte{0x80, 0x80, 0x80, 0x80, 0x78}, 32, -1 << 31, true},
		{[]byte{0x80, 0x80, 0x80, 0x80, 0x08}, 32, 0, false},
		{[]byte{0xff, 0xff, 0xff, 0xff, 0x77}, 32, 0, false},
		{[]byte{0xff, 0xff, 0xff, 0xff, 0x0f}, 33, 1<<32 - 1, true},
		{[]byte{0x80, 0x80, 0x80, 0x80, 0x70}, 33, -1 << 32, true},
		{[]byte{0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x00}, 64, 1<<63 - 1, true},
		{[]byte{0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x7f}, 64, -1 << 63, true},
		{[]byte{0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x01}, 64, 0, false},
		{[]byte{0x80}, 32, 0, false},
	} {
		r := &reader{b: k.b}
		got := r.sleb(k.bits)
		if (r.err == nil) != k.ok || k.ok && got != k.want {
			t.Errorf("% x as %d bits: %d (%v), want %d", k.b, k.bits, got, r.err, k.want)
		}
	}
	for _, v := range []uint32{0, 1, 127, 128, 16383, 16384, 1<<32 - 1} {
		b := appendU32(nil, v)
		r := &reader{b: b}
		if got := r.u32(); got != v || r.err != nil || r.left() != 0 || sizeU32(v) != len(b) {
			t.Errorf("%d: read back as %d (%v)", v, got, r.err)
		}
	}
}
