package wasmbin

import (
	"bytes"
	"slices"
)

// A small encoder for modules as the tests need them, right or wrong.

func module(sections ...[]byte) []byte {
	return slices.Concat([]byte("\x00asm\x01\x00\x00\x00"), bytes.Join(sections, nil))
}

func sec(id byte, parts ...[]byte) []byte {
	body := bytes.Join(parts, nil)
	return slices.Concat([]byte{id}, appendU32(nil, uint32(len(body))), body)
}

func vec(items ...[]byte) []byte {
	return append(appendU32(nil, uint32(len(items))), bytes.Join(items, nil)...)
}

func str(s string) []byte { return appendName(nil, s) }

func custom(name string, contents ...byte) []byte { return sec(secCustom, str(name), contents) }

func fn(params, results []byte) []byte {
	t := append(appendU32([]byte{0x60}, uint32(len(params))), params...)
	return append(appendU32(t, uint32(len(results))), results...)
}

func types(ts ...byte) []byte { return ts }

func importFunc(mod, name string, typ byte) []byte {
	return slices.Concat(str(mod), str(name), []byte{0, typ})
}

func exportOf(name string, kind Kind, index byte) []byte {
	return append(str(name), byte(kind), index)
}

// codeBody is a body without locals; the final end is added.
func codeBody(instructions ...byte) []byte {
	b := append(append([]byte{0}, instructions...), 0x0b)
	return append(appendU32(nil, uint32(len(b))), b...)
}

// Sections that many tests share.
var (
	onePage    = sec(secMemory, vec([]byte{0, 1}))
	noTypes    = fn(nil, nil)
	toI32      = fn(nil, types(i32))
	i32ToI32   = fn(types(i32), types(i32))
	growByOne  = []byte{0x41, 1, 0x40, 0, 0x1a} // i32.const 1, memory.grow 0, drop
	growReturn = []byte{0x41, 1, 0x40, 0}
)

// grower is a reactor whose handle grows the memory by a page and returns the answer.
func grower() []byte {
	return module(
		sec(secType, vec(toI32)),
		sec(secFunction, vec([]byte{0})),
		onePage,
		sec(secExport, vec(exportOf("memory", MemoryKind, 0), exportOf("handle", Func, 0))),
		sec(secCode, vec(codeBody(growReturn...))),
	)
}

// everything has something in every section.
func everything() []byte {
	return module(
		custom("first", 1, 2, 3),
		sec(secType, vec(noTypes, fn(types(i32, i64, f32, f64), types(i32, v128)), i32ToI32, toI32, fn(types(funcref, externref), nil))),
		sec(secImport, vec(importFunc("env", "f", 2))),
		sec(secFunction, vec([]byte{0}, []byte{3}, []byte{1})),
		sec(secTable, vec([]byte{funcref, 0, 1}, []byte{externref, 1, 0, 9})),
		sec(secMemory, vec([]byte{1, 2, 3})),
		sec(secGlobal, vec([]byte{i32, 0, 0x41, 0x7f, 0x0b}, []byte{i64, 1, 0x42, 1, 0x42, 2, 0x7c, 0x0b})),
		sec(secExport, vec(exportOf("memory", MemoryKind, 0), exportOf("handle", Func, 2), exportOf("_initialize", Func, 1),
			exportOf("g", GlobalKind, 0), exportOf("t", TableKind, 1))),
		sec(secStart, []byte{1}),
		sec(secElement, vec(
			[]byte{0, 0x41, 0, 0x0b, 1, 1},                 // active, table 0
			[]byte{1, 0, 2, 0, 1},                          // passive
			[]byte{2, 0, 0x41, 0, 0x0b, 0, 1, 1},           // active, named table
			[]byte{3, 0, 1, 2},                             // declarative
			[]byte{4, 0x41, 0, 0x0b, 1, 0xd2, 1, 0x0b},     // active, expressions
			[]byte{5, funcref, 1, 0xd0, funcref, 0x0b},     // passive, expressions
			[]byte{6, 0, 0x41, 0, 0x0b, funcref, 0},        // active, named table, expressions
			[]byte{7, externref, 1, 0xd0, externref, 0x0b}, // declarative, expressions
		)),
		sec(secDataCount, []byte{3}),
		sec(secCode, vec(
			codeBody(growByOne...),
			codeBody(growReturn...),
			slices.Concat([]byte{8, 2, 2, i32, 1, v128, 0x00, 0x01, 0x0b}),
		)),
		sec(secData, vec([]byte{0, 0x41, 0, 0x0b, 2, 'a', 'b'}, []byte{1, 1, 'c'}, []byte{2, 0, 0x41, 8, 0x0b, 0})),
		custom("name", slices.Concat([]byte{0, 4, 3, 'm', 'o', 'd'}, []byte{1, 7, 2, 0, 1, 'f', 1, 1, 'g'}, []byte{9, 1, 0})...),
		custom("last", 9),
	)
}
