package instrumenttest

import (
	"bytes"
	"slices"
	"strings"
	"testing"

	"github.com/bytecodealliance/wasmtime-go/v25"

	"github.com/shoal-run/shoal/libs/wasmbin"
)

// TestSameInstructionsAsTheEngine puts every opcode with plain immediates behind an unreachable, where it needs no
// operands, and compares whether engine and wasmbin take it.
func TestSameInstructionsAsTheEngine(t *testing.T) {
	engine := newEngine()
	taken := 0
	for c := range 256 {
		taken += compare(t, engine, []byte{byte(c)})
	}
	for _, prefix := range []byte{0xfb, 0xfc, 0xfd, 0xfe} {
		for sub := range 0x140 {
			taken += compare(t, engine, leb([]byte{prefix}, sub))
		}
	}
	// All but a few that want a certain context, like else. Far fewer would mean that the test tests nothing.
	if taken < 450 {
		t.Errorf("both took only %d instructions", taken)
	}
	t.Logf("both took %d instructions", taken)
}

func leb(b []byte, v int) []byte {
	for ; v >= 0x80; v >>= 7 {
		b = append(b, byte(v)|0x80)
	}
	return append(b, byte(v))
}

// compare tries opcode with every plausible run of immediates: if the engine takes one of them, so must wasmbin, and
// the other way round. It returns 1 when both take one.
func compare(t *testing.T, engine *wasmtime.Engine, opcode []byte) (taken int) {
	t.Helper()
	tails := [][]byte{
		{}, {0}, {0, 0}, {0, 0, 0}, {0, 0, 0, 0}, make([]byte, 8), make([]byte, 16), {1, 0x7f}, // select i32
		{0x70}, {0x40, 0x0b}, {0x40, 0x00, 0x0b}, // ref.null, blocks
	}
	for _, tail := range tails {
		in := slices.Concat([]byte{0}, opcode, tail, []byte{0}) // unreachable before and behind
		for _, result := range []byte{0, 0x7f} {
			module := withBody(in, result)
			theirs := wasmtime.ModuleValidate(engine, module)
			_, ours := wasmbin.Parse(module)
			switch refusedOnPurpose := opcode[0] == 0x12 || opcode[0] == 0x13; {
			case theirs == nil && ours != nil && !refusedOnPurpose:
				t.Errorf("% x, then % x: only the engine takes it: %v", opcode, tail, ours)
			case theirs == nil && ours == nil:
				taken = 1
				out, err := wasmbin.Instrument(module)
				if err != nil {
					t.Errorf("% x, then % x: %v", opcode, tail, err)
				} else if err := wasmtime.ModuleValidate(engine, out); err != nil {
					t.Errorf("% x, then % x: instrumented, the engine refuses it: %v", opcode, tail, err)
				}
			case ours == nil && theirs != nil && unknown(theirs):
				t.Errorf("% x, then % x: only wasmbin takes it: %v", opcode, tail, theirs)
			}
		}
	}
	return taken
}

// unknown reports whether the engine's error is about the instruction itself rather than about types.
func unknown(err error) bool {
	for _, words := range []string{"unknown 0x", "illegal opcode", "support is not enabled", "unexpected end", "invalid leading byte"} {
		if strings.Contains(err.Error(), words) {
			return true
		}
	}
	return false
}

// withBody is a module with one of everything that an index of zero may mean, and a function.
func withBody(instructions []byte, result byte) []byte {
	ft := []byte{0x60, 0, 0}
	if result != 0 {
		ft = []byte{0x60, 0, 1, result}
	}
	body := slices.Concat([]byte{1, 1, 0x7f}, instructions, []byte{0x0b}) // one local
	grow := []byte{0, 0x41, 1, 0x40, 0, 0x1a, 0x0b}
	section := func(id byte, parts ...[]byte) []byte {
		b := bytes.Join(parts, nil)
		return append(leb([]byte{id}, len(b)), b...)
	}
	sized := func(b []byte) []byte { return append(leb(nil, len(b)), b...) }
	return slices.Concat([]byte("\x00asm\x01\x00\x00\x00"),
		section(1, []byte{2}, ft, []byte{0x60, 0, 0}),
		section(3, []byte{2, 0, 1}),
		section(4, []byte{1, 0x70, 0, 1}),
		section(5, []byte{1, 0, 1}),
		section(6, []byte{1, 0x7f, 1, 0x41, 0, 0x0b}),
		section(7, []byte{1, 1, 'f', 0, 0}),
		section(9, []byte{1, 1, 0, 1, 0}),
		section(12, []byte{1}),
		section(10, []byte{2}, sized(body), sized(grow)),
		section(11, []byte{1, 1, 0}),
	)
}

// FuzzInstrumentedIsValid looks for modules that the engine takes and wasmbin spoils.
func FuzzInstrumentedIsValid(f *testing.F) {
	engine := newEngine()
	for _, k := range fixtures {
		b, err := wasmtime.Wat2Wasm(k.wat)
		if err != nil {
			f.Fatalf("%s: %v", k.name, err)
		}
		f.Add(b)
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		if len(b) == 0 {
			return
		}
		out, err := wasmbin.Instrument(b)
		if err != nil || wasmtime.ModuleValidate(engine, b) != nil {
			return
		}
		if err := wasmtime.ModuleValidate(engine, out); err != nil {
			t.Fatalf("%v\n%q\nbecame\n%q", err, b, out)
		}
	})
}
