package wasmbin

import (
	"slices"
	"strconv"
)

// How much memory one instruction may write before the guest can be interrupted. A guest polls when a
// function is entered and when a loop goes round, never within an instruction. Fresh pages take some 0.7 ms per
// MiB, mostly in the kernel; the time per byte is the same for chunks of 16 KiB up to 16 MiB.
const (
	chunk = 1 << 20
	// short is the longest memory.fill or memory.copy that has no interruption point of its own. Testing the length in
	// place can't be told from not testing it; a call costs some nanoseconds, and most copies take no more than ten.
	short = 4 << 10
)

// site is an instruction that Instrument replaces. With op opLoop it is a place where an interruption point is needed: behind
// a loop's header, at a function's entry, or within long code; with opGuard and opHold
// it is the entry of the constructors and the destructors.
type site struct {
	span
	op      op
	segment uint32 // of memory.init
}

// note keeps the instruction o from at to r.p, if Instrument has to replace it. before is the place of the instruction
// before it.
func (m *Module) note(r *reader, o op, at, before int) {
	m.changed |= o.changes()
	s := site{span: span{at, r.p}, op: o}
	switch o {
	case opMemoryGrow:
		if r.imm != 0 {
			return
		}
	case opMemoryFill, opMemoryCopy:
		if r.imm != 0 || o == opMemoryCopy && r.imm2 != 0 || isShort(r.b[before:at]) {
			return
		}
	case opMemoryInit:
		if r.imm2 != 0 {
			return
		}
		s.segment = r.imm
	case opTableInit, opTableCopy, opTableFill:
	case opTableGrow:
		m.tablesGrow = true
		return
	default:
		return
	}
	m.sites = append(m.sites, s)
}

// isShort reports whether the instruction is an i32.const that is a length for which nothing is done. What it pushes is
// what the next instruction pops first: nothing lies between them, and what branches there lands behind an end.
func isShort(instruction []byte) bool {
	if len(instruction) == 0 || op(instruction[0]) != opI32Const {
		return false
	}
	r := reader{b: instruction, p: 1}
	n := r.sleb(32)
	return r.err == nil && n >= 0 && n <= short
}

// prepass replaces sites. Its helper functions come to be when they are needed first.
type prepass struct {
	*edit
	helpers map[helper]uint32
	point   []byte // an interruption point; it is never changed
	ran     uint32 // the global of the constructors' guard, if there is one
	held    uint32 // that of the destructors', or how many exports run
}

type helper struct {
	op      op
	segment uint32
}

// body queues the replacements of the sites in one function body; index is that of the function.
func (p *prepass) body(index int, b body, sites []site) {
	local, inline := p.local(index, b, sites)
	for _, s := range sites {
		switch {
		case s.op == opMemoryGrow:
			p.replace(s.span, call(p.grow()))
		case (s.op == opMemoryFill || s.op == opMemoryCopy) && inline:
			p.replace(s.span, p.tested(s, local))
		case s.op == opMemoryFill || s.op == opMemoryCopy || s.op == opMemoryInit && p.m.segment(s.segment) > chunk:
			p.replace(s.span, call(p.bulk(s)))
		case s.op == opGuard:
			p.replace(s.span, guardCode(p.ran))
		case s.op == opHold:
			p.replace(s.span, holdCode(p.held))
		case s.op == opFirst:
			p.replace(s.span, firstCode(p.ran, p.held))
		case s.op == opLast:
			p.replace(s.span, lastCode(p.held))
		default: // at most a chunk of memory, a table, a loop, an entry, or long code
			p.replace(span{s.at, s.at}, p.point)
		}
	}
}

// local adds a local to the function for the lengths of its fills and copies. It reports false when there are none, or
// when that would break a limit of the engine.
func (p *prepass) local(index int, b body, sites []site) (local uint32, ok bool) {
	size := b.end - b.start + 3
	for _, s := range sites {
		switch s.op {
		case opMemoryFill, opMemoryCopy:
			size += inlineMax
			ok = true
		case opMemoryGrow:
			size += 4
		default:
			size += pollMax
		}
	}
	if !ok || size > maxBody {
		return 0, false
	}
	r := &reader{b: p.m.raw[:b.end], p: b.start}
	groups := r.u32()
	counted := r.p
	n := uint64(len(p.m.FuncType(uint32(index)).Params))
	for range groups {
		n += uint64(r.u32())
		r.valType()
	}
	if r.err != nil || n >= maxLocals {
		return 0, false
	}
	p.replace(span{b.start, counted}, appendU32(nil, groups+1))
	p.replace(span{r.p, r.p}, []byte{1, i32})
	return uint32(n), true
}

// inlineMax is the most that tested adds to an instruction.
const inlineMax = 32

// tested is the instruction at s behind a test of its length, and the call of its helper for what is longer than short.
func (p *prepass) tested(s site, local uint32) []byte {
	f := p.bulk(s)
	code := appendU32([]byte{byte(opLocalTee)}, local)
	code = appendU32(append(code, byte(opLocalGet)), local)
	code = append(appendI32(code, short), byte(opI32GtU), byte(opIf))
	code = append(appendSigned(code, int64(p.bulkType())), call(f)...)
	code = append(append(code, byte(opElse)), p.m.raw[s.at:s.end]...)
	return append(code, byte(opEnd))
}

func call(f uint32) []byte { return appendU32([]byte{byte(opCall)}, f) }

func (p *prepass) bulkType() uint32 { return p.funcType(FuncType{Params: []byte{i32, i32, i32}}) }

// bulk returns the helper that does what s does, in chunks.
func (p *prepass) bulk(s site) uint32 {
	key := helper{s.op, s.segment}
	f, ok := p.helpers[key]
	if ok {
		return f
	}
	switch s.op {
	case opMemoryFill:
		f = p.function(p.bulkType(), fillCode(p.point), fillName)
	case opMemoryCopy:
		f = p.function(p.bulkType(), copyCode(p.point), copyName)
	default:
		f = p.function(p.bulkType(), initCode(s.segment, p.point), initName+strconv.FormatUint(uint64(s.segment), 10))
	}
	p.helpers[key] = f
	return f
}

// grow returns the helper that does and counts memory.grow.
func (p *prepass) grow() uint32 {
	key := helper{op: opMemoryGrow}
	f, ok := p.helpers[key]
	if !ok {
		g := p.global()
		f = p.function(p.funcType(FuncType{Params: []byte{i32}, Results: []byte{i32}}), growCode(g, p.point), growName)
		p.export(GrowRefused, GlobalKind, g)
		p.helpers[key] = f
	}
	return f
}

// The helpers' bodies have the operands of their instruction in locals: 0 the destination, 1 the value or the source, 2
// the length. What is short enough, and what is out of bounds and has to trap before a byte is written, goes to the
// instruction at the end as it came; else the loop takes whole chunks off until a chunk or less is left for the end.
// Memory never shrinks, so nothing in the loop can trap.

func fillCode(point []byte) []byte {
	const fill = "\xfc\x0b\x00"
	return slices.Concat([]byte{0}, point, block(
		tooShort, beyond(0),
		loop(point, get(0), get(1), appendI32(nil, chunk), []byte(fill), add(0), less(), moreThanChunk()),
	), get(0), get(1), get(2), []byte(fill), []byte{byte(opEnd)})
}

// copyCode goes through the chunks in the direction that reads every byte before it is overwritten.
func copyCode(point []byte) []byte {
	const cpy = "\xfc\x0a\x00\x00"
	up := loop(point, get(0), get(1), appendI32(nil, chunk), []byte(cpy), add(0), add(1), less(), moreThanChunk())
	down := loop(point, less(), get(0), get(2), []byte{byte(opI32Add)}, get(1), get(2), []byte{byte(opI32Add)},
		appendI32(nil, chunk), []byte(cpy), moreThanChunk())
	return slices.Concat([]byte{0}, point, block(
		tooShort, beyond(0), beyond(1),
		get(0), get(1), []byte{byte(opI32LeU), byte(opIf), blockEmpty}, up, []byte{byte(opElse)}, down, []byte{byte(opEnd)},
	), get(0), get(1), get(2), []byte(cpy), []byte{byte(opEnd)})
}

// initCode has the engine check the range of the segment, whose length only the engine knows once it may be dropped: an
// init of nothing at the range's end traps if that is beyond the segment.
func initCode(segment uint32, point []byte) []byte {
	init := append(appendU32([]byte{0xfc, 8}, segment), 0)
	end := slices.Concat(get(1), get(2), []byte{byte(opI32Add)})
	return slices.Concat([]byte{0}, point, block(
		tooShort, beyond(0),
		end, get(2), []byte{byte(opI32LtU), byte(opBrIf), 0}, // the sum has no 32 bits
		appendI32(nil, 0), end, appendI32(nil, 0), init,
		loop(point, get(0), get(1), appendI32(nil, chunk), init, add(0), add(1), less(), moreThanChunk()),
	), get(0), get(1), get(2), init, []byte{byte(opEnd)})
}

// tooShort leaves the block when the length is at most a chunk. It is never changed.
var tooShort = append(appendI32([]byte{byte(opLocalGet), 2}, chunk), byte(opI32LeU), byte(opBrIf), 0)

// beyond leaves the block when local plus the length is more than the memory has.
func beyond(local byte) []byte {
	return []byte{
		byte(opLocalGet), local, byte(opI64ExtendU), byte(opLocalGet), 2, byte(opI64ExtendU), byte(opI64Add),
		byte(opMemorySize), 0, byte(opI64ExtendU), byte(opI64Const), 16, byte(opI64Shl), byte(opI64GtU), byte(opBrIf), 0,
	}
}

func block(code ...[]byte) []byte {
	return slices.Concat([]byte{byte(opBlock), blockEmpty}, slices.Concat(code...), []byte{byte(opEnd)})
}

func loop(code ...[]byte) []byte {
	return slices.Concat([]byte{byte(opLoop), blockEmpty}, slices.Concat(code...), []byte{byte(opEnd)})
}

func get(local byte) []byte { return []byte{byte(opLocalGet), local} }

// add moves local on by a chunk.
func add(local byte) []byte {
	return append(appendI32(get(local), chunk), byte(opI32Add), byte(opLocalSet), local)
}

// less takes a chunk off the length.
func less() []byte {
	return append(appendI32(get(2), chunk), byte(opI32Sub), byte(opLocalSet), 2)
}

// moreThanChunk goes on with the loop while the length is more than a chunk.
func moreThanChunk() []byte {
	return append(appendI32(get(2), chunk), byte(opI32GtU), byte(opBrIf), 0)
}

func appendI32(code []byte, v int32) []byte {
	return appendSigned(append(code, byte(opI32Const)), int64(v))
}
