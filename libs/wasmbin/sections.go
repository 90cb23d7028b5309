package wasmbin

import (
	"slices"

	"github.com/shoal-run/shoal/bus/faas"
)

// Why parts of the format are refused.
const (
	noExceptions = "the engine does not run them (build without exceptions, as with -fno-exceptions)"
	noGC         = "the engine does not run garbage-collected or typed references (build without the gc and function-references features)"
	noThreads    = "the engine does not run threads (build without -pthread and the atomics feature)"
	noTailCalls  = "the engine does not run them (build without the tail-call feature)"
)

// vector notes where the items of s begin.
func (r *reader) vector(s *section, size int, limit uint32, what string) int {
	n := r.count(size, limit, what)
	s.items, s.count = r.p, uint32(n)
	return n
}

// valType reads one value type.
func (r *reader) valType() byte {
	at := r.p
	t := r.u8()
	if r.err == nil && !isValType(t) {
		r.badType(at, t)
	}
	return t
}

func isValType(t byte) bool {
	return t >= v128 && t <= i32 || t == funcref || t == externref
}

func (r *reader) badType(at int, t byte) {
	if t == 0x63 || t == 0x64 || t >= 0x69 && t <= 0x74 {
		r.fail(at, "reference type 0x%02x: %s", t, noGC)
		return
	}
	r.fail(at, "unknown value type 0x%02x", t)
}

// refType reads funcref or externref.
func (r *reader) refType() byte {
	at := r.p
	t := r.valType()
	if r.err == nil && t != funcref && t != externref {
		r.fail(at, "%s where a reference type belongs", valName(t))
	}
	return t
}

// valTypes reads a vector of value types; it aliases the module.
func (r *reader) valTypes(what string) []byte {
	n := r.count(1, maxParams, what)
	at := r.p
	ts := r.bytes(uint32(n))
	for i, t := range ts {
		if !isValType(t) {
			r.badType(at+i, t)
			return nil
		}
	}
	return ts
}

func (p *parser) types(r *reader, s *section) {
	n := r.vector(s, 3, maxTypes, "types")
	p.m.Types = make([]FuncType, 0, n)
	values := 0
	for range n {
		at := r.p
		switch form := r.u8(); form {
		case 0x60:
		case 0x4e, 0x4f, 0x50, 0x5e, 0x5f:
			r.fail(at, "garbage-collected type: %s", noGC)
		default:
			r.fail(at, "unknown form of type 0x%02x", form)
		}
		t := FuncType{Params: r.valTypes("parameters"), Results: r.valTypes("results")}
		if r.err != nil {
			return
		}
		if values += t.size(); values > faas.MaxTypeValues {
			r.fail(at, "%d parameters and results of types: no more than %d are allowed", values, faas.MaxTypeValues)
			return
		}
		p.m.wide = p.m.wide || t.size() > wide
		p.m.Types = append(p.m.Types, t)
	}
}

// typeIndex reads the index of a type that exists.
func (p *parser) typeIndex(r *reader) uint32 {
	at := r.p
	i := r.u32()
	if r.err == nil && int64(i) >= int64(len(p.m.Types)) {
		r.fail(at, "type %d does not exist: there are %d", i, len(p.m.Types))
	}
	return i
}

func (p *parser) imports(r *reader) {
	m := p.m
	n := r.count(4, maxImports, "imports")
	m.Imports = make([]Import, 0, n)
	for range n {
		in := Import{Module: r.name(), Name: r.name()}
		at := r.p
		in.Kind = Kind(r.u8())
		switch in.Kind {
		case Func:
			in.Type = p.typeIndex(r)
			m.Funcs = append(m.Funcs, in.Type)
			m.importedFuncs++
		case TableKind:
			m.Tables = append(m.Tables, r.table(true))
		case MemoryKind:
			m.Memories = append(m.Memories, r.memory(true))
		case GlobalKind:
			m.Globals = append(m.Globals, r.global(true))
		case kindTag:
			r.fail(at, "exceptions: %s", noExceptions)
		default:
			r.fail(at, "unknown kind of import %d", in.Kind)
		}
		if r.err != nil {
			return
		}
		m.Imports = append(m.Imports, in)
	}
}

func (p *parser) functions(r *reader, s *section) {
	m := p.m
	n := r.vector(s, 1, uint32(maxFuncs-len(m.Funcs)), "functions")
	m.Funcs = slices.Grow(m.Funcs, n)
	values := 0
	for range n {
		at := r.p
		i := p.typeIndex(r)
		if r.err != nil {
			return
		}
		if values += m.Types[i].size(); values > faas.MaxFuncValues {
			r.fail(at, "%d parameters and results of functions: no more than %d are allowed", values, faas.MaxFuncValues)
			return
		}
		m.Funcs = append(m.Funcs, i)
	}
}

func (r *reader) table(imported bool) Table {
	at := r.p
	if r.left() > 0 && r.b[r.p] == 0x40 {
		r.fail(at, "table with an initial value: %s", noGC)
	}
	t := Table{Type: r.refType(), Imported: imported}
	at = r.p
	var flags byte
	flags, t.Min, t.Max, t.HasMax = r.limits(1<<32 - 1)
	if flags&^1 != 0 {
		r.fail(at, "limits 0x%02x of a table: only those with and without a maximum are supported", flags)
	}
	return t
}

func (r *reader) memory(imported bool) Memory {
	mem := Memory{Imported: imported}
	at := r.p
	var flags byte
	flags, mem.Min, mem.Max, mem.HasMax = r.limits(maxPages)
	mem.Shared, mem.Is64 = flags&2 != 0, flags&4 != 0
	if flags&^7 != 0 {
		r.fail(at, "limits 0x%02x of a memory: custom page sizes are not supported", flags)
	}
	return mem
}

// limits reads a size range. ceiling is for what is indexed by 32 bits.
func (r *reader) limits(ceiling uint64) (flags byte, lo, hi uint64, hasMax bool) {
	at := r.p
	flags = r.u8()
	bits := uint(32)
	if flags&4 != 0 {
		bits, ceiling = 64, 1<<48
	}
	lo = r.uleb(bits)
	if hasMax = flags&1 != 0; hasMax {
		hi = r.uleb(bits)
	}
	if r.err != nil {
		return flags, 0, 0, false
	}
	if lo > ceiling || hi > ceiling {
		r.fail(at, "limits %d to %d: no more than %d is possible", lo, hi, ceiling)
	}
	if hasMax && lo > hi {
		r.fail(at, "limits: the minimum %d is above the maximum %d", lo, hi)
	}
	return flags, lo, hi, hasMax
}

func (r *reader) global(imported bool) Global {
	g := Global{Type: r.valType(), Imported: imported}
	at := r.p
	switch mut := r.u8(); mut {
	case 0:
	case 1:
		g.Mutable = true
	default:
		r.fail(at, "mutability 0x%02x of a global: want 0 or 1", mut)
	}
	return g
}

func (p *parser) tables(r *reader) {
	for range r.count(3, maxTables, "tables") {
		p.m.Tables = append(p.m.Tables, r.table(false))
		if r.err != nil {
			return
		}
	}
}

func (p *parser) memories(r *reader) {
	for range r.count(2, maxMemories, "memories") {
		p.m.Memories = append(p.m.Memories, r.memory(false))
		if r.err != nil {
			return
		}
	}
}

func (p *parser) globals(r *reader, s *section) {
	n := r.vector(s, 4, maxGlobals, "globals")
	p.m.Globals = slices.Grow(p.m.Globals, n)
	for range n {
		p.m.Globals = append(p.m.Globals, r.global(false))
		r.constExpr()
		if r.err != nil {
			return
		}
	}
}

func (p *parser) exports(r *reader, s *section) {
	m := p.m
	n := r.vector(s, 3, maxExports, "exports")
	m.Exports = make([]Export, 0, n)
	seen := make(map[string]struct{}, n)
	for range n {
		at := r.p
		e := Export{Name: r.name(), Kind: Kind(r.u8()), Index: r.u32()}
		if r.err != nil {
			return
		}
		if _, dup := seen[e.Name]; dup {
			r.fail(at, "second export called %q", e.Name)
			return
		}
		if e.Kind > maxKnownKind {
			r.fail(at, "export %q is a %s: not supported", e.Name, e.Kind)
			return
		}
		if have := m.size(e.Kind); int64(e.Index) >= int64(have) {
			r.fail(at, "export %q is %s %d: there are only %d", e.Name, e.Kind, e.Index, have)
			return
		}
		seen[e.Name] = struct{}{}
		m.Exports = append(m.Exports, e)
	}
}

// size is how many of a kind there are.
func (m *Module) size(k Kind) int {
	switch k {
	case Func:
		return len(m.Funcs)
	case TableKind:
		return len(m.Tables)
	case MemoryKind:
		return len(m.Memories)
	case GlobalKind:
		return len(m.Globals)
	}
	return 0
}

func (p *parser) start(r *reader) {
	at := r.p
	i := r.u32()
	if r.err != nil {
		return
	}
	if int64(i) >= int64(len(p.m.Funcs)) {
		r.fail(at, "start function %d does not exist: there are %d functions", i, len(p.m.Funcs))
		return
	}
	if t := p.m.FuncType(i); len(t.Params)+len(t.Results) > 0 {
		r.fail(at, "start function %d is %s: it must be () -> ()", i, t)
		return
	}
	p.m.Start = int(i)
}

// elements walks the element segments. The low bits of a segment's flags say: 1 it is passive or declarative,
// 2 it names a table (or, with 1, is declarative), 4 its items are expressions.
func (p *parser) elements(r *reader) {
	n := r.count(2, maxSegments, "element segments")
	all := 0
	for range n {
		at := r.p
		flags := r.u32()
		if flags > 7 {
			r.fail(at, "unknown kind of element segment %d", flags)
			return
		}
		if flags&1 == 0 {
			if flags&2 != 0 {
				r.u32()
			}
			r.constExpr()
		}
		if flags&3 != 0 {
			if flags&4 != 0 {
				r.refType()
			} else if kind := r.u8(); kind != 0 {
				r.fail(r.p-1, "unknown element kind %d", kind)
			}
		}
		from := r.p
		items := r.count(1, maxElemItems+1, "elements")
		if all += items; all > maxElemItems {
			r.fail(from, "%d elements in segments: no more than %d are allowed", all, maxElemItems)
			return
		}
		for range items {
			if flags&4 != 0 {
				r.constExpr()
			} else {
				r.u32()
			}
			if r.err != nil {
				return
			}
		}
		if r.err != nil {
			return
		}
	}
	p.m.Elements = n
}
