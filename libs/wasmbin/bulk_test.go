package wasmbin

import (
	"bytes"
	"slices"
	"strings"
	"testing"
)

var (
	three  = []byte{0x20, 0, 0x20, 0, 0x20, 0} // three operands, none of which is a constant
	fillOp = []byte{0xfc, 11, 0}
	copyOp = []byte{0xfc, 10, 0, 0}
	point  = poll(0) // in a module without globals
)

// bulkModule has one function of type (i32) -> () with that body, a passive data segment of size bytes and a table.
func bulkModule(size int, body []byte) []byte {
	return module(
		sec(secType, vec(fn(types(i32), nil))),
		sec(secFunction, vec([]byte{0})),
		sec(secTable, vec([]byte{funcref, 0, 1})),
		onePage,
		sec(secElement, vec([]byte{1, 0, 0})),
		sec(secDataCount, []byte{1}),
		sec(secCode, vec(body)),
		sec(secData, vec(slices.Concat([]byte{1}, appendU32(nil, uint32(size)), make([]byte, size)))),
	)
}

// bodyOf is the locals and instructions of function i.
func bodyOf(m *Module, i int) []byte { return m.raw[m.bodies[i].start:m.bodies[i].end] }

func TestInstrumentBulk(t *testing.T) {
	guard := []byte{0x22, 1, 0x20, 1, 0x41, 0x80, 0x20, 0x4b, 0x04, 1} // local.tee, local.get, i32.const 4096, i32.gt_u, if of type 1
	tested := func(o []byte) []byte { return slices.Concat(three, guard, []byte{0x10, 1, 0x05}, o, []byte{0x0b}) }
	for _, k := range []struct {
		name   string
		size   int // of the data segment
		code   []byte
		want   []byte // locals and instructions, without the end
		helper string // the name of the added function
	}{
		{"fill", 0, slices.Concat(three, fillOp), slices.Concat([]byte{1, 1, i32}, tested(fillOp)), fillName},
		{"copy", 0, slices.Concat(three, copyOp), slices.Concat([]byte{1, 1, i32}, tested(copyOp)), copyName},
		{"length above short", 0, slices.Concat(three, []byte{0x1a, 0x41, 0x81, 0x20}, fillOp), slices.Concat([]byte{1, 1, i32}, three,
			[]byte{0x1a, 0x41, 0x81, 0x20}, guard, []byte{0x10, 1, 0x05}, fillOp, []byte{0x0b}), fillName},
		{"length below zero", 0, slices.Concat(three, []byte{0x1a, 0x41, 0x7f}, fillOp), slices.Concat([]byte{1, 1, i32}, three,
			[]byte{0x1a, 0x41, 0x7f}, guard, []byte{0x10, 1, 0x05}, fillOp, []byte{0x0b}), fillName},
		{"init", chunk, slices.Concat(three, []byte{0xfc, 8, 0, 0}), slices.Concat([]byte{0}, three, point, []byte{0xfc, 8, 0, 0}), ""},
		{"long init", chunk + 1, slices.Concat(three, []byte{0xfc, 8, 0, 0}), slices.Concat([]byte{0}, three, []byte{0x10, 1}), initName + "0"},
		{"table.init", 0, slices.Concat(three, []byte{0xfc, 12, 0, 0}), slices.Concat([]byte{0}, three, point, []byte{0xfc, 12, 0, 0}), ""},
		{"table.copy", 0, slices.Concat(three, []byte{0xfc, 14, 0, 0}), slices.Concat([]byte{0}, three, point, []byte{0xfc, 14, 0, 0}), ""},
		{"table.fill", 0, slices.Concat(three, []byte{0xfc, 17, 0}), slices.Concat([]byte{0}, three, point, []byte{0xfc, 17, 0}), ""},
	} {
		b := bulkModule(k.size, codeBody(k.code...))
		before, after := mustParse(t, b), instrumented(t, b)
		checkAdded(t, before, after)
		if got := bodyOf(after, 0); !bytes.Equal(got, append(k.want, 0x0b)) {
			t.Errorf("%s: % x\nwant % x 0b", k.name, got, k.want)
		}
		if got := after.Names().Functions[1]; strings.TrimPrefix(got, NamePrefix) != k.helper {
			t.Errorf("%s: the added function is called %q, want %q", k.name, got, k.helper)
		}
		if _, ok := after.Export(GrowRefused); ok {
			t.Errorf("%s: there is a counter of refusals", k.name)
		}
	}
}

func TestInstrumentLeavesShortBulkAlone(t *testing.T) {
	for _, code := range [][]byte{
		slices.Concat(three, []byte{0x1a, 0x41, 0}, fillOp),
		slices.Concat(three, []byte{0x1a, 0x41, 0x3f}, copyOp),
		slices.Concat(three, []byte{0x1a, 0x41, 0x80, 0x20}, copyOp), // 4096
		slices.Concat(three, []byte{0xfc, 11, 1}),                    // another memory
		slices.Concat(three, []byte{0xfc, 10, 0, 1}),
		slices.Concat(three, []byte{0xfc, 10, 1, 0}),
		slices.Concat(three, []byte{0xfc, 8, 0, 1}),
	} {
		b := bulkModule(0, codeBody(code...))
		if out, err := Instrument(b); err != nil || &out[0] != &b[0] || len(out) != len(b) {
			t.Errorf("% x: became %q (%v)", code, out, err)
		}
	}
}

// TestInstrumentBulkLocals has the ways in which locals are declared, and functions that can't have one more.
func TestInstrumentBulkLocals(t *testing.T) {
	for _, k := range []struct{ locals, want, local []byte }{
		{[]byte{0}, []byte{1, 1, i32}, []byte{1}},
		{[]byte{0x80, 0}, []byte{1, 1, i32}, []byte{1}},
		{[]byte{1, 3, f64}, []byte{2, 3, f64, 1, i32}, []byte{4}},
		{[]byte{2, 0, i32, 0x7f, v128}, []byte{3, 0, i32, 0x7f, v128, 1, i32}, []byte{0x80, 1}},
		{[]byte{1, 0xce, 0x86, 0x03, i32}, []byte{2, 0xce, 0x86, 0x03, i32, 1, i32}, []byte{0xcf, 0x86, 0x03}}, // 49 998, and the parameter
		{[]byte{1, 0xcf, 0x86, 0x03, i32}, []byte{1, 0xcf, 0x86, 0x03, i32}, nil},                              // 50 000 with it
	} {
		body := slices.Concat(k.locals, three, copyOp, []byte{0x0b})
		b := bulkModule(0, append(appendU32(nil, uint32(len(body))), body...))
		after := instrumented(t, b)
		checkAdded(t, mustParse(t, b), after)
		want := slices.Concat(k.want, three, []byte{0x10, 1, 0x0b})
		if k.local != nil {
			want = slices.Concat(k.want, three, []byte{0x22}, k.local, []byte{0x20}, k.local,
				[]byte{0x41, 0x80, 0x20, 0x4b, 0x04, 1, 0x10, 1, 0x05}, copyOp, []byte{0x0b, 0x0b})
		}
		if got := bodyOf(after, 0); !bytes.Equal(got, want) {
			t.Errorf("locals % x: % x\nwant % x", k.locals, got, want)
		}
	}
}

// TestInstrumentBulkInALargeBody has so many copies in one body that testing each length would make it too large.
func TestInstrumentBulkInALargeBody(t *testing.T) {
	const n = 500_000
	b := bulkModule(0, codeBody(bytes.Repeat(slices.Concat(three, copyOp), n)...))
	after := instrumented(t, b)
	want := slices.Concat([]byte{0}, bytes.Repeat(slices.Concat(three, []byte{0x10, 1}), n), []byte{0x0b})
	if got := bytes.ReplaceAll(bodyOf(after, 0), point, nil); !bytes.Equal(got, want) {
		t.Error("the copies are no plain calls")
	}
}

// TestInstrumentAllSites mixes every kind of site, in several functions, with the index of the type above 63.
func TestInstrumentAllSites(t *testing.T) {
	var ts [][]byte
	for i := range 70 {
		ts = append(ts, fn(bytes.Repeat([]byte{i64}, i), nil))
	}
	all := slices.Concat(growByOne, three, copyOp, growByOne, three, []byte{0xfc, 8, 0, 0}, three, fillOp, three, []byte{0xfc, 17, 0})
	b := module(
		sec(secType, vec(append(ts, fn(types(i32), nil))...)),
		sec(secFunction, vec([]byte{70}, []byte{0}, []byte{70})),
		sec(secTable, vec([]byte{funcref, 0, 1})), onePage, sec(secDataCount, []byte{1}),
		sec(secCode, vec(codeBody(all...), codeBody(), codeBody(slices.Concat(all, all)...))),
		sec(secData, vec([]byte{1, 0})),
	)
	before, after := mustParse(t, b), instrumented(t, b)
	checkAdded(t, before, after)
	if n := len(after.Types); n != len(before.Types)+2 {
		t.Errorf("%d types were added, want 2", n-len(before.Types))
	}
	if !bytes.Equal(bodyOf(after, 1), []byte{0, 0x0b}) {
		t.Error("a function without sites changed")
	}
	if c := bytes.Count(after.raw, []byte{0x41, 0x80, 0x20, 0x4b, 0x04, 0xc8, 0x00}); c != 6 {
		t.Errorf("%d tests of a length, want 6", c)
	}
}
