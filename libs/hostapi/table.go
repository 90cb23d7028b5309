package hostapi

import "github.com/shoal-run/shoal/libs/guest"

// ValType is the type of a parameter or a result, in its encoding in a WebAssembly binary.
type ValType byte

// The number types (WebAssembly core specification §5.3.1).
const (
	I32 ValType = 0x7f
	I64 ValType = 0x7e
	F32 ValType = 0x7d
	F64 ValType = 0x7c
)

// Raw is one untyped parameter or result as the engine passes it: 16 bytes, of which the low 32 or 64 bits are used.
type Raw [2]uint64

// Args are the parameters of one host function call, in order. They alias the engine's own buffer and are valid until
// the host function returns.
type Args []Raw

// U32 returns parameter i, an i32.
func (a Args) U32(i int) uint32 { return uint32(a[i][0]) }

// U64 returns parameter i, an i64.
func (a Args) U64(i int) uint64 { return a[i][0] }

// Func is a host function. It runs on the Faaslet's thread, while the guest waits. mem is the guest's memory (empty when
// the module has none). The returned word is the function's result and ignored where it has none. An error ends the call:
// wasi.Exit as an exit, anything else as a trap with that text. A Func must not panic and must not keep mem or args.
type Func func(c *Call, mem guest.Memory, args Args) (uint64, error)

// Support says how far a host function is there.
type Support string

// The levels of support.
const (
	Full    Support = "full"    // does what its specification says
	Partial Support = "partial" // Row.Limitation says what is missing
	Errno   Support = "errno"   // always answers the errno named in Row.Limitation
	Ignored Support = "ignored" // accepted and without effect, for the reason in Row.Limitation
	// Unsupported: a guest can't have it, for the reason in Row.Limitation. The row has no Func.
	Unsupported Support = "unsupported"
)

// Param is one parameter of a Row.
type Param struct {
	Name string
	Type ValType
}

// Row is one host function: everything that the linker, the documents and the SDK headers need to know of it.
type Row struct {
	Module     string // of the import, as "env" or "wasi_snapshot_preview1"
	Name       string
	Group      string // "call", "wasi", …: the section of docs/host-interface.md
	Params     []Param
	Results    []ValType // none or one
	Support    Support
	Limitation string // in words, "" only for Full
	Doc        string // one line, in the imperative, for docs/host-interface.md
	Func       Func
}

// Table is the host interface: all rows, in the order of the documents. It does not change after it was made.
type Table []Row

// row returns the row of that name, nil when there is none.
func (t Table) row(module, name string) *Row {
	for i := range t {
		if t[i].Module == module && t[i].Name == name {
			return &t[i]
		}
	}
	return nil
}

// Lookup returns the row of an import that a guest can have.
func (t Table) Lookup(module, name string) (*Row, bool) {
	r := t.row(module, name)
	if r == nil || r.Support == Unsupported {
		return nil, false
	}
	return r, true
}

// Types returns the types of an import's parameters and results in their binary encoding, and whether it is there: what
// wasmbin.Check asks of a host.
func (t Table) Types(module, name string) (params, results []byte, ok bool) {
	r, ok := t.Lookup(module, name)
	if !ok {
		return nil, nil, false
	}
	for _, p := range r.Params {
		params = append(params, byte(p.Type))
	}
	for _, v := range r.Results {
		results = append(results, byte(v))
	}
	return params, results, true
}
