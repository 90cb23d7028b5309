package hostapi

import "github.com/shoal-run/shoal/libs/guest"

// word is the result of a row that has one, an i32.
var word = []ValType{I32}

// words returns parameters that are all i32.
func words(names ...string) []Param {
	params := make([]Param, len(names))
	for i, n := range names {
		params[i] = Param{n, I32}
	}
	return params
}

// answers returns a Func that does nothing and answers v.
func answers(v uint32) Func {
	return func(*Call, guest.Memory, Args) (uint64, error) { return uint64(v), nil }
}
