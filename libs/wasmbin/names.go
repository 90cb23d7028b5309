package wasmbin

// Names is what a module's name section says, for people. Any of it may be missing.
type Names struct {
	Module    string
	Functions map[uint32]string // by function index
}

// The subsections of the name section that are read here.
const (
	nameModule    = 0
	nameFunctions = 1
)

// Names decodes the name section. Names are no part of what a module does: a broken section gives what could be read.
func (m *Module) Names() Names {
	var names Names
	contents, _ := m.Custom("name")
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
			n := sub.count(2, maxFuncs, "names")
			names.Functions = make(map[uint32]string, n)
			for range n {
				i, name := sub.u32(), sub.name()
				if sub.err != nil {
					return names
				}
				names.Functions[i] = name
			}
		}
	}
	return names
}

// addFuncNames returns the contents of a name section with names added, whose indices ascend and are above all that the
// section has. Contents that are no well-formed name section come back unchanged.
func addFuncNames(contents []byte, names []funcName) []byte {
	if len(names) == 0 {
		return contents
	}
	// at and end enclose the subsection with the functions' names, or are the place for it.
	at, end, items, count := 0, 0, 0, 0
	r := &reader{b: contents, section: "name"}
	for r.left() > 0 {
		start := r.p
		id := r.u8()
		sub := r.bytes(r.u32())
		if r.err != nil {
			return contents
		}
		switch {
		case id < nameFunctions:
			at, end = r.p, r.p
		case id == nameFunctions:
			in := &reader{b: sub, section: "name"}
			count = in.count(2, maxFuncs, "names")
			at, end, items = start, r.p, r.p-len(sub)+in.p
			for range count {
				i := in.u32()
				in.bytes(in.u32())
				if in.err != nil || i >= names[0].index {
					return contents
				}
			}
			if in.left() > 0 || in.err != nil {
				return contents
			}
		}
	}
	sub := appendU32(nil, uint32(count+len(names)))
	if count > 0 {
		sub = append(sub, contents[items:end]...)
	}
	for _, n := range names {
		sub = appendName(appendU32(sub, n.index), n.name)
	}
	out := make([]byte, 0, len(contents)+len(sub)+16)
	out = append(append(out, contents[:at]...), nameFunctions)
	out = append(appendU32(out, uint32(len(sub))), sub...)
	return append(out, contents[end:]...)
}
