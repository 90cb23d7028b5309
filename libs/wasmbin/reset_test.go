package wasmbin

import (
	"bytes"
	"slices"
	"testing"
)

func TestUnresettable(t *testing.T) {
	global := func(typ, mut byte, init ...byte) []byte { return slices.Concat([]byte{typ, mut}, init, []byte{0x0b}) }
	plainGlobals := [][]byte{
		global(i32, 1, 0x41, 0), global(i64, 1, 0x42, 0), global(f32, 1, 0x43, 0, 0, 0, 0),
		global(f64, 1, 0x44, 0, 0, 0, 0, 0, 0, 0, 0), global(funcref, 0, 0xd0, funcref),
	}
	vector := append([]byte{0xfd, 12}, make([]byte, 16)...)
	with := func(globals [][]byte, start bool, code ...byte) []byte {
		ss := [][]byte{
			sec(secType, vec(noTypes)), sec(secFunction, vec([]byte{0})), sec(secTable, vec([]byte{funcref, 0, 1})), onePage,
			sec(secGlobal, vec(globals...)),
		}
		if start {
			ss = append(ss, sec(secStart, []byte{0}))
		}
		return module(append(ss, sec(secElement, vec([]byte{1, 0, 0})), sec(secDataCount, []byte{1}),
			sec(secCode, vec(codeBody(code...))), sec(secData, vec([]byte{1, 0})))...)
	}
	three := []byte{0x41, 0, 0x41, 0, 0x41, 0}
	element := []byte{0x41, 0, 0xd0, funcref}
	for _, k := range []struct {
		name string
		b    []byte
		want []string
	}{
		{"nothing", with(nil, false), nil},
		{"numbers", with(plainGlobals, false), nil},
		{"memory.init", with(nil, false, slices.Concat(three, []byte{0xfc, 8, 0, 0})...), nil},
		{"table.get", with(nil, false, 0x41, 0, 0x25, 0, 0x1a), nil},
		{"table.size", with(nil, false, 0xfc, 16, 0, 0x1a), nil},
		{"table.set", with(nil, false, append(element, 0x26, 0)...), []string{ResetTables}},
		{"table.init", with(nil, false, append(three, 0xfc, 12, 0, 0)...), []string{ResetTables}},
		{"table.copy", with(nil, false, append(three, 0xfc, 14, 0, 0)...), []string{ResetTables}},
		{"table.grow", with(nil, false, 0xd0, funcref, 0x41, 1, 0xfc, 15, 0, 0x1a), []string{ResetTables}},
		{"table.fill", with(nil, false, 0x41, 0, 0xd0, funcref, 0x41, 1, 0xfc, 17, 0), []string{ResetTables}},
		{"data.drop", with(nil, false, 0xfc, 9, 0), []string{ResetSegments}},
		{"elem.drop", with(nil, false, 0xfc, 13, 0), []string{ResetSegments}},
		{"vector", with([][]byte{global(v128, 1, vector...)}, false), []string{ResetGlobals}},
		{"constant vector", with([][]byte{global(v128, 0, vector...)}, false), nil},
		{"reference", with([][]byte{global(externref, 1, 0xd0, externref)}, false), []string{ResetGlobals}},
		{"too many", with(slices.Repeat(plainGlobals[:1], MaxSavedGlobals+1), false), []string{ResetGlobals}},
		{"as many as may be", with(slices.Repeat(plainGlobals[:1], MaxSavedGlobals), false), nil},
		{"start", with(nil, true), nil},
		{
			"all", with([][]byte{global(funcref, 1, 0xd0, funcref)}, true, 0xfc, 9, 0, 0x41, 0, 0xd0, funcref, 0x26, 0),
			[]string{ResetTables, ResetSegments, ResetGlobals},
		},
	} {
		m := mustParse(t, k.b)
		if got := m.Unresettable(); !slices.Equal(got, k.want) {
			t.Errorf("%s: %q, want %q", k.name, got, k.want)
		}
		after := instrumented(t, k.b)
		if !bytes.Equal(after.raw, k.b) {
			checkAdded(t, m, after)
		} else if len(k.want) > 0 {
			t.Errorf("%s: nothing tells that it can't be reset", k.name)
		}
	}
}

func TestMutableGlobals(t *testing.T) {
	g := func(mut byte) []byte { return []byte{i32, mut, 0x41, 0, 0x0b} }
	m := mustParse(t, module(
		sec(secGlobal, vec(g(1), g(0), g(1), g(1))),
		sec(secExport, vec(exportOf("shown", GlobalKind, 2), exportOf("again", GlobalKind, 2))),
	))
	if got := m.mutableGlobals(); !slices.Equal(got, []uint32{0, 2, 3}) {
		t.Errorf("%d", got)
	}
}
