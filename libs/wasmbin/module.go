package wasmbin

import "strings"

// Module is what Parse found. It aliases the bytes it was parsed from, which must not change while it is in use.
// It is read-only and safe for concurrent use.
type Module struct {
	Types   []FuncType
	Imports []Import
	// The index spaces: imported ones first, then those that the module defines.
	Funcs    []uint32 // the index of each function's type
	Tables   []Table
	Memories []Memory
	Globals  []Global
	Exports  []Export
	Start    int // index of the start function, -1 without one
	Elements int // element segments
	Datas    int // data segments

	raw           []byte
	sections      []section
	importedFuncs int
	bodies        []body
	sites         []site   // what Instrument replaces, in the order of the code
	tablesGrow    bool     // some function has a table.grow
	wide          bool     // some type has more than wide values
	passed        int      // parameters and results of calls and blocks, if wide
	segments      []uint32 // the length of every data segment
	active        actives
	changed       change // what of an instance the code changes besides memory and globals
}

// section is one section as it lies in the module.
type section struct {
	id    byte
	name  string // of a custom section
	at    int    // of the id byte
	start int    // of the contents; for a custom section, what follows its name
	items int    // of the first item, in sections that are vectors
	count uint32 // of items
	end   int
}

// span is a range of bytes of the module.
type span struct{ at, end int }

// body is one entry of the code section: its size field starts at sizeAt, the size counts from start to end.
type body struct{ sizeAt, start, end int }

// The value types, in their encoding.
const (
	i32       = 0x7f
	i64       = 0x7e
	f32       = 0x7d
	f64       = 0x7c
	v128      = 0x7b
	funcref   = 0x70
	externref = 0x6f
)

// FuncType is the type of a function; a byte is a value type in its encoding (0x7f = i32, 0x7e = i64, 0x7d = f32,
// 0x7c = f64, 0x7b = v128, 0x70 = funcref, 0x6f = externref). The slices alias the module.
type FuncType struct{ Params, Results []byte }

// String writes t as "(i32, i32) -> i32", with "()" for nothing.
func (t FuncType) String() string {
	results := typeList(t.Results)
	if len(t.Results) == 1 {
		results = valName(t.Results[0])
	}
	return typeList(t.Params) + " -> " + results
}

func typeList(types []byte) string {
	names := make([]string, len(types))
	for i, t := range types {
		names[i] = valName(t)
	}
	return "(" + strings.Join(names, ", ") + ")"
}

// size is how many parameters and results t has.
func (t FuncType) size() int { return len(t.Params) + len(t.Results) }

func (t FuncType) equal(params, results []byte) bool {
	return string(t.Params) == string(params) && string(t.Results) == string(results)
}

func valName(t byte) string {
	switch t {
	case i32:
		return "i32"
	case i64:
		return "i64"
	case f32:
		return "f32"
	case f64:
		return "f64"
	case v128:
		return "v128"
	case funcref:
		return "funcref"
	case externref:
		return "externref"
	}
	return "?"
}

// Kind says what an import or an export is, in its encoding.
type Kind byte

// The kinds of imports and exports.
const (
	Func         Kind = 0
	TableKind    Kind = 1
	MemoryKind   Kind = 2
	GlobalKind   Kind = 3
	kindTag      Kind = 4
	maxKnownKind      = GlobalKind
)

// String returns the specification's word.
func (k Kind) String() string {
	switch k {
	case Func:
		return "function"
	case TableKind:
		return "table"
	case MemoryKind:
		return "memory"
	case GlobalKind:
		return "global"
	case kindTag:
		return "tag"
	}
	return "unknown kind"
}

// Import is one import. Type is the index of its type when it is a function.
type Import struct {
	Module, Name string
	Kind         Kind
	Type         uint32
}

// Export is one export. Index counts in the index space of its kind.
type Export struct {
	Name  string
	Kind  Kind
	Index uint32
}

// Table is a table; Type is funcref or externref in its encoding. Sizes are in elements.
type Table struct {
	Type     byte
	Min, Max uint64
	HasMax   bool
	Imported bool
}

// Memory is a linear memory. Sizes are in pages of 64 KiB.
type Memory struct {
	Min, Max uint64
	HasMax   bool
	Shared   bool // threads proposal
	Is64     bool // memory64 proposal
	Imported bool
}

// Global is a global variable.
type Global struct {
	Type     byte
	Mutable  bool
	Imported bool
}

// Export returns the export called name.
func (m *Module) Export(name string) (Export, bool) {
	for _, e := range m.Exports {
		if e.Name == name {
			return e, true
		}
	}
	return Export{}, false
}

// FuncType returns the type of function i, which must exist.
func (m *Module) FuncType(i uint32) FuncType { return m.Types[m.Funcs[i]] }

// Custom returns the contents of the first custom section called name; they alias the module.
func (m *Module) Custom(name string) ([]byte, bool) {
	for _, s := range m.sections {
		if s.id == secCustom && s.name == name {
			return m.raw[s.start:s.end], true
		}
	}
	return nil, false
}
