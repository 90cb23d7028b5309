package wasmbin

import (
	"bytes"
	"slices"
	"testing"
)

// plainCode is n bytes of instructions.
func plainCode(n int) []byte { return bytes.Repeat([]byte{0x01}, n) }

// pointed instruments a function of type (i32) -> () with that code, and returns where in it the points are that stand
// neither at its entry, which has one, nor at the head of a loop.
func pointed(t *testing.T, code []byte) (at []int) {
	t.Helper()
	after := instrumented(t, bulkModule(0, codeBody(code...)))
	rest, base := bodyOf(after, 0)[1:], 0
	for {
		i := bytes.Index(rest, point)
		if i < 0 {
			break
		}
		base += i
		if head := base >= 2 && bytes.Equal(code[base-2:base], []byte{byte(opLoop), blockEmpty}); base > 0 && !head {
			at = append(at, base)
		}
		rest = rest[i+len(point):]
	}
	if loops := bytes.Count(code, []byte{byte(opLoop), blockEmpty}); bytes.Count(bodyOf(after, 0), point) != loops+1+len(at) {
		t.Errorf("a loop or the entry has no point")
	}
	left := bytes.ReplaceAll(bodyOf(after, 0), point, nil)
	if !bytes.Equal(left[1:len(left)-1], code) {
		t.Error("more than points was added")
	}
	return at
}

func TestPoints(t *testing.T) {
	const all = pointEvery
	half := plainCode(all / 2)
	get := []byte{0x20, 0}
	late := []int{-1} // somewhere in the last part
	ops := func(parts ...any) []byte {
		var b []byte
		for _, p := range parts {
			switch p := p.(type) {
			case int:
				b = append(b, byte(p))
			case []byte:
				b = append(b, p...)
			}
		}
		return b
	}
	for _, k := range []struct {
		name string
		code []byte
		want []int
	}{
		{"short", plainCode(all - 2), nil},
		{"as long as may be", plainCode(all - 1), nil}, // with the end
		{"one more", plainCode(all), []int{all}},
		{"four times", plainCode(4 * all), []int{all, 2 * all, 3 * all, 4 * all}},
		{"a loop", ops(half, 0x03, 0x40, half, half[:100], 0x0b), nil},
		{"after a loop", ops(0x03, 0x40, 0x01, 0x0b, half, half), []int{2 + all}},
		// A branch over code takes no point with it.
		{"br", ops(0x02, 0x40, half, 0x0c, 0, half, half, half, 0x0b, half), late},
		{"br_if", ops(0x02, 0x40, half, get, 0x0d, 0, half, 0x03, 0x40, 0x01, 0x0b, 0x0b, half), late},
		{"return", ops(half, 0x0f, half, half), nil},
		{"unreachable", ops(half, 0x00, half, half), nil},
		{"then and else", ops(get, 0x04, 0x40, half, 0x05, half, 0x0b, half[:all/2-16]), nil},
		{"around then", ops(half, get, 0x04, 0x40, 0x03, 0x40, 0x01, 0x0b, 0x0b, half), late},
		{"else after a point", ops(half, get, 0x04, 0x40, 0x03, 0x40, 0x01, 0x0b, 0x05, 0x01, 0x0b, half), late},
		{"br_table", ops(0x02, 0x40, 0x02, 0x40, half, get, 0x0e, 1, 1, 0, 0x0b, 0x03, 0x40, 0x01, 0x0b, 0x0b, half), late},
		{"to a loop", ops(half, 0x03, 0x40, half[:16], get, 0x0d, 0, 0x0b, half), nil},
		{"beyond the labels", ops(half, get, 0x0d, 9, half), []int{all}},
	} {
		got := pointed(t, k.code)
		if slices.Equal(k.want, late) {
			if len(got) == 0 || got[len(got)-1] < len(k.code)-all/2-2 {
				t.Errorf("%s: points at %v of %d, want one in the last part", k.name, got, len(k.code))
			}
		} else if !slices.Equal(got, k.want) {
			t.Errorf("%s: points at %v, want %v", k.name, got, k.want)
		}
	}
}

// TestTablesAreBound has tables that could grow past what all may have together.
func TestTablesAreBound(t *testing.T) {
	grow := []byte{0xd0, funcref, 0x41, 1, 0xfc, 15, 0, 0x1a}
	tables := func(code []byte, ts ...[]byte) []byte {
		return module(sec(secType, vec(noTypes)), sec(secFunction, vec([]byte{0})), sec(secTable, vec(ts...)), sec(secCode, vec(codeBody(code...))))
	}
	none, some, fixed := []byte{funcref, 0, 10}, []byte{externref, 1, 0, 0x80, 0x80, 0x20}, []byte{funcref, 1, 5, 5}
	for _, k := range []struct {
		name string
		b    []byte
		want []uint64 // maximums
	}{
		{"no table.grow", tables(nil, none, none), []uint64{0, 0}},
		{"one", tables(grow, none), []uint64{0}},
		{"fits", tables(grow, fixed, some), []uint64{5, 524288}},
		{"two", tables(grow, none, none), []uint64{10 + 524278, 10 + 524278}},
		{"three", tables(grow, none, some, fixed), []uint64{349530, 349520, 5}},
	} {
		m := instrumented(t, k.b)
		checkAdded(t, mustParse(t, k.b), m)
		for i, want := range k.want {
			if m.Tables[i].Max != want || m.Tables[i].HasMax != (want > 0) {
				t.Errorf("%s: table %d is %+v, want at most %d", k.name, i, m.Tables[i], want)
			}
		}
	}
}
