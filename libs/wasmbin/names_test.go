package wasmbin

import (
	"bytes"
	"slices"
	"strings"
	"testing"
)

func TestRewriteNames(t *testing.T) {
	add := []funcName{{5, "new"}}
	added := []byte{1, 7, 1, 5, 4, '$', 'n', 'e', 'w'}
	both := []byte{1, 11, 2, 4, 2, '$', 'f', 5, 4, '$', 'n', 'e', 'w'}
	for _, k := range []struct {
		name     string
		in, want []byte
	}{
		{"none", nil, added},
		{"module name", []byte{0, 2, 1, 'm'}, added},
		{"functions", []byte{1, 4, 1, 4, 1, 'f'}, both},
		{"locals", []byte{2, 1, 0}, added},
		{"all", []byte{0, 1, 0, 1, 4, 1, 4, 1, 'f', 2, 1, 0}, both},
		{"second subsection", []byte{1, 4, 1, 4, 1, 'f', 1, 4, 1, 3, 1, 'g'}, both},
		{"twice", []byte{1, 7, 2, 4, 1, 'f', 4, 1, 'g'}, both},
		{"not in order", []byte{1, 7, 2, 4, 1, 'f', 3, 1, 'g'}, both},
		{"index too high", []byte{1, 4, 1, 5, 1, 'f'}, added},
		{"cut", []byte{1, 4, 1, 4}, added},
		{"cut within", []byte{1, 2, 1, 4}, added},
		{"cut later", []byte{1, 5, 2, 4, 1, 'f', 5}, both},
		{"left over", []byte{1, 5, 1, 4, 1, 'f', 0}, both},
	} {
		if got := rewriteNames(k.in, 5, add); !bytes.Equal(got, k.want) {
			t.Errorf("%s: % x, want % x", k.name, got, k.want)
		}
	}
	if got := rewriteNames([]byte{0, 2, 1, 'm'}, 5, nil); got != nil {
		t.Errorf("no function names: % x", got)
	}
}

func TestFuncNames(t *testing.T) {
	a := strings.Repeat("a", MaxFuncName-1)
	for in, want := range map[string]string{
		"":                          "",
		"_ZN3foo3barE":              "_ZN3foo3barE",
		"$dollar":                   "$dollar",
		a + "b":                     a + "b",
		a + "bc":                    a + "b",
		a + "é":                     a,
		"tab\there\x1b[2Jand\u0085": "tab\ufffdhere\ufffd[2Jand\ufffd",
		"line\u2028paragraph":       "line\ufffdparagraph",
		"bad\xff\xfeutf8":           "bad\ufffd\ufffdutf8",
		strings.Repeat("\x00", 200): strings.Repeat("\ufffd", MaxFuncName/3),
	} {
		r := &reader{b: appendFuncName(nil, []byte(in))}
		if got := r.name(); got != NamePrefix+want || r.left() > 0 || r.err != nil {
			t.Errorf("%.40q: %q, want %q (%v)", in, got, want, r.err)
		}
	}
}

// TestInstrumentReplacesNames has several name sections, of which the engine would read each.
func TestInstrumentReplacesNames(t *testing.T) {
	names := func(s string) []byte {
		return custom("name", slices.Concat([]byte{1, byte(len(s) + 3), 1, 0}, str(s))...)
	}
	plain := withEntry([][]byte{toI32}, exportOf("handle", Func, 0))
	got, err := Instrument(slices.Concat(plain, names("one"), custom("x", 1), names("two"), custom(".debug_str", 1)))
	if want := slices.Concat(plain, names("$one"), custom("x", 1)); err != nil || !bytes.Equal(got, want) {
		t.Errorf("%q\nwant %q (%v)", got, want, err)
	}
	got, err = Instrument(slices.Concat(plain, custom("name", 0, 2, 1, 'm')))
	if err != nil || !bytes.Equal(got, plain) {
		t.Errorf("a module's name alone: %q (%v)", got, err)
	}
}

// TestInstrumentBoundsNames has more names than are kept.
func TestInstrumentBoundsNames(t *testing.T) {
	var items []byte
	const n = 200_000
	for i := range n {
		items = appendName(appendU32(items, uint32(i)), strings.Repeat("x", 150))
	}
	sub := append(appendU32(nil, n), items...)
	contents := append(appendU32([]byte{nameFunctions}, uint32(len(sub))), sub...)
	got := rewriteNames(contents, n, []funcName{{n, "last"}})
	if len(got) > maxNames+1024 {
		t.Errorf("%d bytes of names", len(got))
	}
	m := &Module{raw: got, sections: []section{{name: nameSection, end: len(got)}}}
	if names := m.Names().Functions; len(names[0]) != MaxFuncName+1 || names[n] != "$last" || names[n-1] != "" {
		t.Errorf("%d names, the first has %d bytes, the last is %q", len(names), len(names[0]), names[n])
	}
}
