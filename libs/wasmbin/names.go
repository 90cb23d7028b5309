package wasmbin

import (
	"unicode"
	"unicode/utf8"
)

// Names is what a module's name section says, for people. Any of it may be missing.
type Names struct {
	Module    string
	Functions map[uint32]string // by function index
}

// The name section, and the subsections of it that are read here.
const (
	nameSection   = "name"
	nameModule    = 0
	nameFunctions = 1
)

// Names decodes the name section. Names are no part of what a module does: a broken section gives what could be read.
func (m *Module) Names() Names {
	var names Names
	contents, _ := m.Custom(nameSection)
	r := &reader{b: contents, section: "name"}
	for r.left() > 0 {
		id := r.u8()
		sub := &reader{b: r.bytes(r.u32()), section: "name"}
		if r.err != nil {
			return names
		}
		switch id {
		case nameModule:
			names.Module = sub.name()
		case nameFunctions:
			if names.Functions != nil {
				continue
			}
			n := sub.count(2, maxFuncs, "names")
			names.Functions = make(map[uint32]string, n)
			next := uint32(0)
			for range n {
				i, name := sub.u32(), sub.name()
				if sub.err != nil {
					return names
				}
				if i >= next { // a second name, or one out of order, is none
					names.Functions[i] = name
					next = i + 1
				}
			}
		}
	}
	return names
}

// What the engine gets to see of names. It copies a function's name and the module's into every frame of a backtrace, and
// takes them apart as mangled C++ or Rust names wherever it writes one down; so both are the guest's to choose.
const (
	// NamePrefix comes before every function name of an instrumented module. No mangled name begins with it: what the
	// engine would demangle it then leaves alone.
	NamePrefix = "$"
	// MaxFuncName is how much of a function's name an instrumented module keeps, in bytes without the prefix.
	MaxFuncName = 128
	maxNames    = 16 << 20 // of all function names together, in bytes; what comes after has none
)

// rewriteNames returns the contents of a name section that has nothing but function names, each prefixed and clipped:
// those of contents, as far as they can be read, are in order and belong to one of the funcs functions; and added, which
// follow them. It returns nil when there are none.
func rewriteNames(contents []byte, funcs int, added []funcName) []byte {
	items := make([]byte, 0, min(len(contents)+len(contents)/4, maxNames)+64)
	n := 0
	put := func(index uint32, name []byte) {
		items = appendU32(items, index)
		items = appendFuncName(items, name)
		n++
	}
	in := &reader{b: funcNames(contents), section: "name"}
	next := uint32(0)
	for range in.count(2, maxFuncs, "names") {
		i := in.u32()
		name := in.bytes(in.u32())
		if in.err != nil || len(items) > maxNames {
			break
		}
		if i >= next && int64(i) < int64(funcs) {
			put(i, name)
			next = i + 1
		}
	}
	for _, a := range added {
		put(a.index, []byte(a.name))
	}
	if n == 0 {
		return nil
	}
	count := appendU32(nil, uint32(n))
	out := appendU32([]byte{nameFunctions}, uint32(len(count)+len(items)))
	return append(append(out, count...), items...)
}

// funcNames returns the first subsection with function names in the contents of a name section.
func funcNames(contents []byte) []byte {
	r := &reader{b: contents, section: "name"}
	for r.left() > 0 {
		id := r.u8()
		sub := r.bytes(r.u32())
		if r.err != nil {
			break
		}
		if id == nameFunctions {
			return sub
		}
	}
	return nil
}

// appendFuncName appends name with its length, prefixed, cut between two characters, and with what is no character or
// controls a terminal replaced.
func appendFuncName(b, name []byte) []byte {
	var buf [len(NamePrefix) + MaxFuncName]byte
	clean := append(buf[:0], NamePrefix...)
	for len(name) > 0 {
		c, size := utf8.DecodeRune(name)
		if unicode.IsControl(c) || c == '\u2028' || c == '\u2029' {
			c = utf8.RuneError
		}
		if len(clean)+utf8.RuneLen(c) > cap(buf[:]) {
			break
		}
		clean = utf8.AppendRune(clean, c)
		name = name[size:]
	}
	return append(appendU32(b, uint32(len(clean))), clean...)
}
