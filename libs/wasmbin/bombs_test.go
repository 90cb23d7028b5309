package wasmbin

import (
	"bytes"
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/shoal-run/shoal/bus/faas"
)

// funcsOf is a module of n functions of the one type t, which do nothing.
func funcsOf(t []byte, n int) []byte {
	return module(sec(secType, vec(t)), sec(secFunction, appendU32(nil, uint32(n)), make([]byte, n)),
		sec(secCode, appendU32(nil, uint32(n)), bytes.Repeat(codeBody(0), n)))
}

// TestParseRefusesCompileBombs has small modules that keep a compiler busy for long, and ones just below the limits.
func TestParseRefusesCompileBombs(t *testing.T) {
	manyI32 := func(n int) []byte { return bytes.Repeat([]byte{i32}, n) }
	typesOf := func(n, values int) []byte {
		return module(sec(secType, appendU32(nil, uint32(n)), bytes.Repeat(fn(manyI32(values), nil), n)))
	}
	// calls has n calls of a function that takes and leaves values values.
	calls := func(n, values int) []byte {
		return module(sec(secType, vec(fn(manyI32(values), manyI32(values)))), sec(secFunction, vec([]byte{0})),
			sec(secCode, vec(codeBody(bytes.Repeat([]byte{byte(opCall), 0}, n)...))))
	}
	indirect := module(sec(secType, vec(fn(manyI32(500), manyI32(500)))), sec(secFunction, vec([]byte{0})),
		sec(secTable, vec([]byte{funcref, 0, 1})), sec(secCode, vec(codeBody(bytes.Repeat([]byte{0x41, 0, byte(opCallIndirect), 0, 0}, 200)...))))
	blocks := module(sec(secType, vec(fn(manyI32(500), manyI32(500)))), sec(secFunction, vec([]byte{0})),
		sec(secCode, vec(codeBody(bytes.Repeat([]byte{0x41, 0, byte(opIf), 0, 0x05, 0x0b}, 200)...))))
	elems := func(n int) []byte {
		return module(sec(secElement, vec(slices.Concat([]byte{5, funcref}, appendU32(nil, uint32(n)), bytes.Repeat([]byte{0xd0, funcref, 0x0b}, n)))))
	}
	nest := func(n int) []byte {
		return module(sec(secType, vec(noTypes)), sec(secFunction, vec([]byte{0})),
			sec(secCode, vec(codeBody(slices.Concat(bytes.Repeat([]byte{0x02, 0x40}, n), bytes.Repeat([]byte{0x0b}, n))...))))
	}
	imports := func(n int) []byte {
		return module(sec(secType, vec(noTypes)), sec(secImport, vec(slices.Repeat([][]byte{importFunc("m", "f", 0)}, n)...)))
	}
	for _, k := range []struct {
		name string
		b    []byte
		want string // "" when it is taken
	}{
		{"functions", funcsOf(noTypes, faas.MaxFunctions+1), "200001 functions: no more than 200000"},
		{"most functions", funcsOf(noTypes, faas.MaxFunctions), ""},
		{"types", typesOf(faas.MaxTypes+1, 0), "20001 types: no more than 20000"},
		{"most types", typesOf(faas.MaxTypes, 5), ""},
		{"wide types", typesOf(101, 1000), "101000 parameters and results of types: no more than 100000"},
		{"wide functions", funcsOf(fn(manyI32(1000), nil), 1001), "1001000 parameters and results of functions: no more than 1000000"},
		{"most wide functions", funcsOf(fn(manyI32(1000), nil), 1000), ""},
		{"wide calls", calls(110, 500), "no more than 10"},
		{"fewer wide calls", calls(100, 500), ""},
		{"many narrow calls", calls(100_000, 8), ""},
		{"wide indirect calls", indirect, "no more than 10"},
		{"wide blocks", blocks, "no more than 10"},
		{"elements", elems(faas.MaxTableElements + 1), "1048577 elements in segments: no more than 1048576"},
		{"most elements", elems(faas.MaxTableElements), ""},
		{"nesting", nest(faas.MaxNesting), "blocks nested 50001 deep (function 0): no more than 50000"},
		{"deepest nesting", nest(faas.MaxNesting - 1), ""},
		{"imports", imports(faas.MaxImports + 1), "10001 imports: no more than 10000"},
	} {
		_, err := Parse(k.b)
		var fe *FormatError
		switch {
		case k.want == "" && err != nil:
			t.Errorf("%s: %v", k.name, err)
		case k.want == "":
		case !errors.As(err, &fe) || !strings.Contains(fe.Reason, k.want):
			t.Errorf("%s: %v, want %q", k.name, err, k.want)
		}
	}
}
