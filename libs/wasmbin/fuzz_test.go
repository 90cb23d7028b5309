package wasmbin

import (
	"bytes"
	"errors"
	"reflect"
	"slices"
	"testing"
)

func seeds(f *testing.F) {
	for _, b := range [][]byte{
		nil, []byte("\x00asm\x0d\x00\x01\x00"), module(), everything(), grower(),
		withEntry([][]byte{toI32}, exportOf("handle", Func, 0)),
		importing([][]byte{i32ToI32}, importFunc("env", "x", 1)),
		bulkModule(3, codeBody(slices.Concat(growByOne, three, copyOp, three, fillOp, three, []byte{0xfc, 8, 0, 0}, three, []byte{0xfc, 17, 0})...)),
		bulkModule(chunk+1, codeBody(slices.Concat(three, []byte{0xfc, 8, 0, 0})...)),
	} {
		f.Add(b)
	}
}

// FuzzParse looks for panics, errors of another type and changed input.
func FuzzParse(f *testing.F) {
	seeds(f)
	f.Fuzz(func(t *testing.T, b []byte) {
		before := bytes.Clone(b)
		m, err := Parse(b)
		if fe := (*FormatError)(nil); err != nil && (!errors.As(err, &fe) || fe.Offset > len(b) || err.Error() == "") {
			t.Fatalf("%T %v", err, err)
		}
		if err == nil {
			_ = m.Names()
			_, _ = Check(m, testHost)
		}
		if !bytes.Equal(before, b) {
			t.Fatal("the input changed")
		}
	})
}

// FuzzInstrument checks that what it makes of any module is a module that Check sees as it saw the original.
func FuzzInstrument(f *testing.F) {
	seeds(f)
	f.Fuzz(func(t *testing.T, b []byte) {
		before, err := Parse(b)
		if err != nil {
			return
		}
		out, err := before.Instrument()
		if err != nil {
			if fe := (*FormatError)(nil); !errors.As(err, &fe) {
				t.Fatalf("%T %v", err, err)
			}
			return
		}
		after, err := Parse(out)
		if err != nil {
			t.Fatalf("%v\n%q\nbecame\n%q", err, b, out)
		}
		if &out[0] != &b[0] {
			checkAdded(t, before, after)
		}
		infoBefore, errBefore := before.check(testHost)
		infoAfter, errAfter := after.check(testHost)
		if !reflect.DeepEqual(infoBefore, infoAfter) || (errBefore == nil) != (errAfter == nil) {
			t.Fatalf("%+v, %v\nbecame\n%+v, %v", infoBefore, errBefore, infoAfter, errAfter)
		}
	})
}
