package wasmbin

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
)

// edit collects changes to a module. It only ever appends to index spaces, so that no index in the module changes.
type edit struct {
	m       *Module
	added   [len(sectionKinds)]additions
	types   []FuncType // the added ones
	patches []patch    // ascending, not overlapping, each within one function body
	names   []funcName
	tables  []byte // the new contents of the table section; nil leaves it
	noStart bool   // the start section is left out
}

// additions are items to be appended to a section that is a vector.
type additions struct {
	n     uint32
	items []byte
}

// patch replaces the bytes from at to end with others; an empty range inserts.
type patch struct {
	at, end int
	with    []byte
}

type funcName struct {
	index uint32
	name  string
}

func (a *additions) add(item []byte) {
	a.n++
	a.items = append(a.items, item...)
}

// funcType returns the index of type t, a new one if the module has none.
func (e *edit) funcType(t FuncType) uint32 {
	for i, have := range e.m.Types {
		if have.equal(t.Params, t.Results) {
			return uint32(i)
		}
	}
	for i, have := range e.types {
		if have.equal(t.Params, t.Results) {
			return uint32(len(e.m.Types) + i)
		}
	}
	e.types = append(e.types, t)
	item := appendU32([]byte{0x60}, uint32(len(t.Params)))
	item = append(item, t.Params...)
	item = append(appendU32(item, uint32(len(t.Results))), t.Results...)
	e.added[secType].add(item)
	return uint32(len(e.m.Types)) + e.added[secType].n - 1
}

// function adds a function with a name for backtraces. code is its locals and instructions, the final end included.
func (e *edit) function(typ uint32, code []byte, name string) uint32 {
	e.added[secFunction].add(appendU32(nil, typ))
	e.added[secCode].add(append(appendU32(nil, uint32(len(code))), code...))
	i := uint32(len(e.m.Funcs)) + e.added[secFunction].n - 1
	e.names = append(e.names, funcName{i, name})
	return i
}

// global adds a mutable i32 global that starts at zero.
func (e *edit) global() uint32 {
	e.added[secGlobal].add([]byte{i32, 1, byte(opI32Const), 0, byte(opEnd)})
	return uint32(len(e.m.Globals)) + e.added[secGlobal].n - 1
}

func (e *edit) export(name string, kind Kind, index uint32) {
	e.added[secExport].add(appendU32(append(appendName(nil, name), byte(kind)), index))
}

// replace queues the replacement of one instruction. Calls must be in the order of the code.
func (e *edit) replace(s span, with []byte) {
	e.patches = append(e.patches, patch{s.at, s.end, with})
}

// stale reports whether a custom section points into the code by byte offset: what it says is wrong once the code changed.
func stale(name string) bool {
	return strings.HasPrefix(name, ".debug_") || strings.HasPrefix(name, "reloc.") ||
		strings.HasPrefix(name, "metadata.code.") || name == "sourceMappingURL" || name == "external_debug_info"
}

// apply writes the changed module. Everything that was not changed is copied as it is.
func (e *edit) apply() ([]byte, error) {
	raw := e.m.raw
	extra := 1024
	for _, p := range e.patches {
		extra += len(p.with)
	}
	for _, a := range e.added {
		extra += len(a.items)
	}
	out := append(make([]byte, 0, len(raw)+extra), raw[:8]...)
	done, named := 0, false // done: sections up to this place in the order are written
	for _, s := range e.m.sections {
		if s.id == secStart && e.noStart {
			continue
		}
		if s.id == secCustom {
			switch {
			case stale(s.name), s.name == nameSection && named: // the engine would read every one
			case s.name == nameSection:
				named = true
				out = e.nameSection(out, raw[s.start:s.end])
			default:
				out = append(out, raw[s.at:s.end]...)
			}
			continue
		}
		out = e.missing(out, done, sectionKinds[s.id].order)
		done = sectionKinds[s.id].order
		var err error
		if out, err = e.section(out, s); err != nil {
			return nil, err
		}
	}
	out = e.missing(out, done, len(sectionKinds))
	if !named {
		out = e.nameSection(out, nil)
	}
	return out, nil
}

// missing writes the added sections that belong after place from and before place to.
func (e *edit) missing(out []byte, from, to int) []byte {
	for order := from + 1; order < to; order++ {
		id := slices.IndexFunc(sectionKinds[:], func(k sectionKind) bool { return k.order == order })
		if a := e.added[id]; a.n > 0 {
			out = append(out, byte(id))
			out = appendU32(out, uint32(sizeU32(a.n)+len(a.items)))
			out = append(appendU32(out, a.n), a.items...)
		}
	}
	return out
}

// section writes s with what was added to it and, in the code section, with the patches.
func (e *edit) section(out []byte, s section) ([]byte, error) {
	raw, a := e.m.raw, e.added[s.id]
	changed := []bodyChange(nil)
	if s.id == secTable && e.tables != nil {
		out = appendU32(append(out, s.id), uint32(len(e.tables)))
		return append(out, e.tables...), nil
	}
	if s.id == secCode {
		changed = e.bodies()
	}
	if a.n == 0 && len(changed) == 0 {
		return append(out, raw[s.at:s.end]...), nil
	}
	size := sizeU32(s.count+a.n) + s.end - s.items + len(a.items)
	for _, c := range changed {
		if c.size > maxBody {
			return nil, &FormatError{Section: "code", Offset: c.start, Reason: fmt.Sprintf(
				"function body too large: instrumented it has %d bytes, no more than %d are allowed", c.size, maxBody)}
		}
		size += sizeU32(uint32(c.size)) + c.size - (c.end - c.sizeAt)
	}
	out = append(out, s.id)
	out = appendU32(appendU32(out, uint32(size)), s.count+a.n)
	at := s.items
	for _, c := range changed {
		out = append(out, raw[at:c.sizeAt]...)
		out = appendU32(out, uint32(c.size))
		at = c.start
		for _, p := range c.patches {
			out = append(append(out, raw[at:p.at]...), p.with...)
			at = p.end
		}
	}
	out = append(out, raw[at:s.end]...)
	return append(out, a.items...), nil
}

// bodyChange is a function body with patches, and its size with them.
type bodyChange struct {
	body
	size    int
	patches []patch
}

// bodies groups the patches by function body.
func (e *edit) bodies() []bodyChange {
	var out []bodyChange
	for rest := e.patches; len(rest) > 0; {
		i, found := slices.BinarySearchFunc(e.m.bodies, rest[0].at, func(b body, at int) int { return cmp.Compare(b.start, at) })
		if !found {
			i-- // the last body that starts before the patch
		}
		c := bodyChange{body: e.m.bodies[i]}
		c.size = c.end - c.start
		n := 0
		for ; n < len(rest) && rest[n].at < c.end; n++ {
			c.size += len(rest[n].with) - (rest[n].end - rest[n].at)
		}
		c.patches, rest = rest[:n], rest[n:]
		out = append(out, c)
	}
	return out
}

// nameSection writes the name section, old being its contents so far.
func (e *edit) nameSection(out, old []byte) []byte {
	contents := rewriteNames(old, len(e.m.Funcs), e.names)
	if len(contents) == 0 {
		return out
	}
	out = append(out, secCustom)
	out = appendU32(out, uint32(sizeU32(4)+4+len(contents)))
	return append(appendName(out, nameSection), contents...)
}
