package wasmbin

import (
	"fmt"
	"slices"

	"github.com/shoal-run/shoal/bus/faas"
)

func (p *parser) codes(r *reader, s *section) {
	m := p.m
	p.code = true
	n := r.vector(s, 3, maxFuncs, "function bodies")
	if r.err != nil {
		return
	}
	if want := len(m.Funcs) - m.importedFuncs; n != want {
		r.fail(s.start, "%d function bodies: the function section has %d functions", n, want)
		return
	}
	m.bodies = make([]body, 0, n)
	in := reader{section: r.section}
	var follow paths
	for i := range n {
		b := body{sizeAt: r.p}
		size := r.u32()
		if r.err == nil && size > maxBody {
			r.fail(b.sizeAt, "function body of %d bytes: no more than %d are allowed", size, maxBody)
		}
		b.start = r.p
		r.skip(int(size))
		b.end = r.p
		if r.err == nil {
			in.b, in.p = r.b[:b.end], b.start
			m.walk(&in, &follow)
			r.err = in.err
		}
		if r.err != nil {
			r.err.note(fmt.Sprintf("(function %d)", m.importedFuncs+i))
			return
		}
		m.bodies = append(m.bodies, b)
	}
}

// walk decodes one function body, which is all that r holds, and notes what Instrument has to know of it.
func (m *Module) walk(r *reader, follow *paths) {
	start, long := r.p, r.left() > pointEvery
	locals := uint64(0)
	for range r.count(2, maxLocals, "groups of locals") {
		at := r.p
		if locals += uint64(r.u32()); locals > maxLocals {
			r.fail(at, "%d locals: no more than %d are allowed", locals, maxLocals)
		}
		r.valType()
	}
	follow.reset()
	before := r.p
	first, code, calls := len(m.sites), r.p, false
	for depth := 1; depth > 0; {
		if !long && !m.wide {
			if last := r.skipPlain(); last >= 0 {
				before = last
			}
		}
		at := r.p
		o := r.instruction()
		if r.err != nil {
			return
		}
		if m.wide {
			m.pass(r, o, at)
		}
		if long {
			if follow.wants(r.p - at) {
				m.sites = append(m.sites, site{span: span{at, at}, op: opLoop})
				follow.length = 0
			}
			follow.step(r, o, r.p-at)
		}
		switch o {
		case opCall, opCallIndirect:
			calls = true
		case opBlock, opLoop, opIf:
			if o == opLoop {
				m.sites = append(m.sites, site{span: span{r.p, r.p}, op: opLoop})
			}
			if depth++; depth > faas.MaxNesting {
				r.fail(at, "blocks nested %d deep: no more than %d are allowed", depth, faas.MaxNesting)
				return
			}
		case opEnd:
			depth--
		default:
			m.note(r, o, at, before)
		}
		before = at
	}
	if calls || r.p-start > light {
		m.sites = slices.Insert(m.sites, first, site{span: span{code, code}, op: opLoop})
	}
	r.end()
}

// What calls and blocks pass takes the compiler 20 µs a value, however it came to be: a call with a thousand results whose
// callee takes a thousand parameters has two bytes. Code whose types are no wider than wide is too slow a way.
const (
	wide       = 16
	passedFree = 100_000
	passedByte = 4 // more for each byte of the module; code that makes each value by itself needs one byte at least
)

// pass counts what the instruction o passes to a function or a block.
func (m *Module) pass(r *reader, o op, at int) {
	switch o {
	case opCall:
		if int64(r.imm) < int64(len(m.Funcs)) {
			m.passed += m.FuncType(r.imm).size()
		}
	case opCallIndirect:
		if int64(r.imm) < int64(len(m.Types)) {
			m.passed += m.Types[r.imm].size()
		}
	case opBlock, opLoop, opIf:
		if b := (&reader{b: r.b[:r.p], p: at + 1}); b.b[b.p]&0xc0 != 0x40 {
			if i := b.sleb(33); i >= 0 && i < int64(len(m.Types)) {
				m.passed += m.Types[i].size()
			}
		}
	default:
		return
	}
	if most := passedFree + passedByte*len(m.raw); m.passed > most {
		r.fail(at, "%d values passed by calls and blocks: no more than %d are allowed in a module of %d bytes", m.passed, most, len(m.raw))
	}
}

// skipPlain skips the instructions that nobody has to look at, as long as their immediates have one byte each: most of
// any function. It returns where the last one is that it skipped, -1 if none.
func (r *reader) skipPlain() (last int) {
	b, p, at := r.b, r.p, -1
	for p+3 <= len(b) {
		kind, here := plain[b[p]], p
		if kind == plainAlone {
			p++
		} else if kind == plainOne && b[p+1] < 0x80 {
			p += 2
		} else if kind == plainMem && b[p+1] < 0x40 && b[p+2] < 0x80 {
			p += 3
		} else {
			break
		}
		at = here
	}
	r.p = p
	return at
}

// constExpr walks a constant expression to its end.
func (r *reader) constExpr() {
	for r.err == nil {
		at := r.p
		switch op := r.instruction(); op {
		case opEnd:
			return
		case opI32Const, opI64Const, opF32Const, opF64Const, opV128Const, opGlobalGet, opRefNull, opRefFunc,
			opI32Add, opI32Sub, opI32Mul, opI64Add, opI64Sub, opI64Mul:
		default:
			r.fail(at, "instruction %s in a constant expression", op)
		}
	}
}

// op is an instruction: its opcode byte, or its prefix byte << 16 | the opcode after it.
type op uint32

// String returns the opcode in hexadecimal, as "0x41" or "0xfd 12".
func (o op) String() string {
	if o > 0xff {
		return fmt.Sprintf("0x%02x %d", uint32(o>>16), uint32(o&0xffff))
	}
	return fmt.Sprintf("0x%02x", uint32(o))
}

// The instructions that code here looks at.
const (
	opUnreachable  op = 0x00
	opBlock        op = 0x02
	opLoop         op = 0x03
	opIf           op = 0x04
	opElse         op = 0x05
	opEnd          op = 0x0b
	opBr           op = 0x0c
	opBrIf         op = 0x0d
	opBrTable      op = 0x0e
	opReturn       op = 0x0f
	opCall         op = 0x10
	opCallIndirect op = 0x11
	opLocalGet     op = 0x20
	opLocalSet     op = 0x21
	opLocalTee     op = 0x22
	opGlobalGet    op = 0x23
	opGlobalSet    op = 0x24
	opTableSet     op = 0x26
	opMemorySize   op = 0x3f
	opMemoryGrow   op = 0x40
	opI32Const     op = 0x41
	opI64Const     op = 0x42
	opF32Const     op = 0x43
	opF64Const     op = 0x44
	opI32Eq        op = 0x46
	opI32Ne        op = 0x47
	opI32LtU       op = 0x49
	opI32GtS       op = 0x4a
	opI32GtU       op = 0x4b
	opI32LeU       op = 0x4d
	opI64GtU       op = 0x56
	opI32Add       op = 0x6a
	opI32Sub       op = 0x6b
	opI32Mul       op = 0x6c
	opI64Add       op = 0x7c
	opI64Sub       op = 0x7d
	opI64Mul       op = 0x7e
	opI64Shl       op = 0x86
	opI64ExtendU   op = 0xad
	opRefNull      op = 0xd0
	opRefFunc      op = 0xd2
	opMemoryInit   op = 0xfc<<16 | 8
	opDataDrop     op = 0xfc<<16 | 9
	opMemoryCopy   op = 0xfc<<16 | 10
	opMemoryFill   op = 0xfc<<16 | 11
	opTableInit    op = 0xfc<<16 | 12
	opElemDrop     op = 0xfc<<16 | 13
	opTableCopy    op = 0xfc<<16 | 14
	opTableGrow    op = 0xfc<<16 | 15
	opTableFill    op = 0xfc<<16 | 17
	opV128Const    op = 0xfd<<16 | 12
)

// blockEmpty is the type of a block that takes and leaves nothing.
const blockEmpty = 0x40

// instruction decodes one instruction with its immediates. It knows every instruction that the engine runs.
func (r *reader) instruction() op {
	at := r.p
	c := r.u8()
	if r.err != nil {
		return 0
	}
	switch imms := immediates[c]; imms {
	case immNone:
	case immIndex:
		r.imm = r.u32()
	case immTwo:
		r.imm = r.u32()
		r.imm2 = r.u32()
	case immMem:
		r.memArg()
	case imm32:
		r.varint(32)
	case imm64:
		r.varint(64)
	case immFour:
		r.skip(4)
	case immEight:
		r.skip(8)
	case immBlock:
		r.blockType()
	case immTable:
		n := r.count(1, maxBody, "branch targets")
		r.targets = r.p
		for range n {
			r.u32()
		}
		r.u32()
	case immSelect:
		r.valTypes("types")
	case immHeap:
		r.refType()
	case immPrefix:
		return r.prefixed(at, c)
	default:
		r.refuse(at, c, imms)
	}
	return op(c)
}

// varint reads a signed LEB128 of which only the length matters, fast when it has one byte.
func (r *reader) varint(bits uint) {
	if r.p < len(r.b) && r.b[r.p] < 0x80 {
		r.p++
		return
	}
	r.sleb(bits)
}

// memArg reads alignment, memory and offset of a load or a store.
func (r *reader) memArg() {
	at := r.p
	align := r.u32()
	if align >= 0x80 {
		r.fail(at, "alignment 2^%d", align)
		return
	}
	if align&0x40 != 0 { // a memory other than the first
		r.u32()
	}
	if r.p < len(r.b) && r.b[r.p] < 0x80 {
		r.p++
		return
	}
	r.uleb(64)
}

// blockType reads nothing (0x40), one value type, or the index of a type.
func (r *reader) blockType() {
	if r.p < len(r.b) {
		if c := r.b[r.p]; c >= 0x40 && c < 0x80 {
			if c != 0x40 {
				r.valType()
				return
			}
			r.p++
			return
		}
	}
	at := r.p
	if v := r.sleb(33); v < 0 {
		r.fail(at, "unknown block type")
	}
}

// prefixed decodes an instruction behind one of the prefix bytes.
func (r *reader) prefixed(at int, prefix byte) op {
	sub := r.u32()
	o := op(prefix)<<16 | op(sub&0xffff)
	kind := immUnknown
	switch {
	case prefix == 0xfc && sub < uint32(len(miscImmediates)):
		kind = miscImmediates[sub]
	case prefix == 0xfd:
		kind = simdImmediates(sub)
	}
	switch kind {
	case immNone:
	case immIndex:
		r.imm = r.u32()
	case immTwo:
		r.imm = r.u32()
		r.imm2 = r.u32()
	case immMem:
		r.memArg()
	case immLane:
		r.skip(1)
	case immMemLane:
		r.memArg()
		r.skip(1)
	case immSixteen:
		r.skip(16)
	default:
		r.fail(at, "unknown instruction 0x%02x %d", prefix, sub)
	}
	return o
}

// refuse reports an instruction that is not run here.
func (r *reader) refuse(at int, c byte, why imm) {
	switch why {
	case immThreads:
		r.fail(at, "atomic instruction (0x%02x): %s", c, noThreads)
	case immTail:
		r.fail(at, "tail call (instruction 0x%02x): %s", c, noTailCalls)
	case immException:
		r.fail(at, "exception handling (instruction 0x%02x): %s", c, noExceptions)
	case immGC:
		r.fail(at, "typed reference (instruction 0x%02x): %s", c, noGC)
	default:
		r.fail(at, "unknown instruction 0x%02x", c)
	}
}
