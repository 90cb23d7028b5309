package wasmbin

// pointEvery is how much of a function's code, in bytes, runs from one interruption point to the next at most. A guest
// polls when a function is entered and when a loop goes round; in between, 16 KiB of stores to fresh
// pages take 1 to 2 ms.
const pointEvery = 16 << 10

// paths follows the code of a function and knows how many bytes of it the longest path to the current instruction has run
// since the last interruption point. A branch may jump over the point that stands after it, so every label keeps
// the longest path that leads to it.
type paths struct {
	length int // of the longest path, in bytes; unreachable when there is none
	labels []label
}

// label is an open block, loop or if.
type label struct {
	loop   bool // branches to it go to its header, which is a point
	out    int  // the longest path that branches to its end
	around int  // that past an if without an else; unreachable for others
}

const unreachable = -1

// reset begins a function.
func (p *paths) reset() {
	p.length = 0
	p.labels = append(p.labels[:0], label{out: unreachable, around: unreachable})
}

// wants reports whether a point has to come before an instruction of size bytes.
func (p *paths) wants(size int) bool { return p.length >= 0 && p.length+size > pointEvery }

// step goes past the instruction o of size bytes, which r decoded last.
func (p *paths) step(r *reader, o op, size int) {
	if p.length >= 0 {
		p.length += size
	}
	top := &p.labels[len(p.labels)-1]
	switch o {
	case opBlock:
		p.labels = append(p.labels, label{out: unreachable, around: unreachable})
	case opIf:
		p.labels = append(p.labels, label{out: unreachable, around: p.length})
	case opLoop:
		p.length = min(p.length, 0)
		p.labels = append(p.labels, label{loop: true, out: unreachable, around: unreachable})
	case opElse:
		top.out = max(top.out, p.length)
		p.length, top.around = top.around, unreachable
	case opEnd:
		p.length = max(p.length, top.out, top.around)
		p.labels = p.labels[:len(p.labels)-1]
	case opBrIf:
		p.branch(r.imm)
	case opBr:
		p.branch(r.imm)
		p.length = unreachable
	case opBrTable:
		targets := reader{b: r.b[:r.p], p: r.targets}
		for targets.left() > 0 {
			p.branch(targets.u32())
		}
		p.length = unreachable
	case opReturn, opUnreachable:
		p.length = unreachable
	}
}

// branch takes the current path to a label. One that does not exist is the engine's to refuse.
func (p *paths) branch(depth uint32) {
	if int64(depth) >= int64(len(p.labels)) {
		return
	}
	if l := &p.labels[len(p.labels)-1-int(depth)]; !l.loop {
		l.out = max(l.out, p.length)
	}
}
