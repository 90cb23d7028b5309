package wasmbin

// imm says what follows an opcode, or why the instruction is refused.
type imm uint8

const (
	immUnknown   imm = iota // no such instruction
	immNone                 // nothing
	immIndex                // an index
	immTwo                  // two indices
	immMem                  // alignment and offset
	imm32                   // a signed LEB128 of 32 bits
	imm64                   // of 64 bits
	immFour                 // four bytes
	immEight                // eight bytes
	immSixteen              // sixteen bytes
	immBlock                // a block type
	immTable                // branch targets and the default one
	immSelect               // value types
	immHeap                 // a reference type
	immLane                 // a lane
	immMemLane              // alignment, offset and a lane
	immPrefix               // another opcode
	immThreads              // refused: atomics
	immTail                 // refused: tail calls
	immException            // refused: exceptions
	immGC                   // refused: gc and function references
)

// immediates has what follows each opcode byte. It is never changed.
var immediates = func() (t [256]imm) {
	fill := func(from, to int, k imm) {
		for c := from; c <= to; c++ {
			t[c] = k
		}
	}
	fill(0x00, 0x01, immNone)      // unreachable, nop
	fill(0x02, 0x04, immBlock)     // block, loop, if
	fill(0x05, 0x05, immNone)      // else
	fill(0x06, 0x0a, immException) // try, catch, throw, rethrow, throw_ref
	fill(0x0b, 0x0b, immNone)      // end
	fill(0x0c, 0x0d, immIndex)     // br, br_if
	fill(0x0e, 0x0e, immTable)     // br_table
	fill(0x0f, 0x0f, immNone)      // return
	fill(0x10, 0x10, immIndex)     // call
	fill(0x11, 0x11, immTwo)       // call_indirect
	fill(0x12, 0x13, immTail)      // return_call, return_call_indirect
	fill(0x14, 0x15, immGC)        // call_ref, return_call_ref
	fill(0x18, 0x19, immException) // delegate, catch_all
	fill(0x1a, 0x1b, immNone)      // drop, select
	fill(0x1c, 0x1c, immSelect)    // select with types
	fill(0x1f, 0x1f, immException) // try_table
	fill(0x20, 0x26, immIndex)     // local.*, global.*, table.get, table.set
	fill(0x28, 0x3e, immMem)       // loads and stores
	fill(0x3f, 0x40, immIndex)     // memory.size, memory.grow
	fill(0x41, 0x41, imm32)        // i32.const
	fill(0x42, 0x42, imm64)        // i64.const
	fill(0x43, 0x43, immFour)      // f32.const
	fill(0x44, 0x44, immEight)     // f64.const
	fill(0x45, 0xc4, immNone)      // numeric instructions and sign extension
	fill(0xd0, 0xd0, immHeap)      // ref.null
	fill(0xd1, 0xd1, immNone)      // ref.is_null
	fill(0xd2, 0xd2, immIndex)     // ref.func
	fill(0xd3, 0xd6, immGC)        // ref.eq, ref.as_non_null, br_on_null, br_on_non_null
	fill(0xfb, 0xfb, immGC)        // the instructions of the gc proposal
	fill(0xfc, 0xfd, immPrefix)    // saturating, bulk and table; vector
	fill(0xfe, 0xfe, immThreads)   // the instructions of the threads proposal
	return t
}()

// How skipPlain may skip an instruction.
const (
	plainNot   = iota // not at all
	plainAlone        // no immediate
	plainOne          // one immediate
	plainMem          // alignment and offset
)

// plain has the instructions that skipPlain skips. It is never changed.
var plain = func() (t [256]uint8) {
	for c, k := range immediates {
		switch o := op(c); {
		case o == opEnd || o == opCall || o == opMemoryGrow || o == opTableSet: // walk looks at them
		case k == immNone:
			t[c] = plainAlone
		case k == immIndex || k == imm32 || k == imm64:
			t[c] = plainOne
		case k == immMem:
			t[c] = plainMem
		}
	}
	return t
}()

// miscImmediates has what follows the opcodes behind 0xfc. It is never changed.
var miscImmediates = [...]imm{
	0: immNone, 1: immNone, 2: immNone, 3: immNone, 4: immNone, 5: immNone, 6: immNone, 7: immNone, // *.trunc_sat_*
	8:  immTwo,   // memory.init
	9:  immIndex, // data.drop
	10: immTwo,   // memory.copy
	11: immIndex, // memory.fill
	12: immTwo,   // table.init
	13: immIndex, // elem.drop
	14: immTwo,   // table.copy
	15: immIndex, // table.grow
	16: immIndex, // table.size
	17: immIndex, // table.fill
}

// simdImmediates says what follows the opcode sub behind 0xfd.
func simdImmediates(sub uint32) imm {
	switch {
	case sub <= 11: // v128.load*, v128.store
		return immMem
	case sub <= 13: // v128.const, i8x16.shuffle
		return immSixteen
	case sub <= 20: // swizzle, splats
		return immNone
	case sub <= 34: // extract and replace lane
		return immLane
	case sub <= 83:
		return immNone
	case sub <= 91: // load and store lane
		return immMemLane
	case sub <= 93: // v128.load32_zero, v128.load64_zero
		return immMem
	}
	switch sub { // never assigned
	case 0x9a, 0xa2, 0xa5, 0xa6, 0xaf, 0xb0, 0xb2, 0xb3, 0xb4, 0xbb, 0xc2, 0xc5, 0xc6, 0xcf, 0xd0, 0xd2, 0xd3, 0xd4, 0xe2, 0xee:
		return immUnknown
	}
	if sub <= 0x113 { // up to 0xff, then relaxed SIMD
		return immNone
	}
	return immUnknown
}
