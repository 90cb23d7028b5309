package wasmbin

func (p *parser) datas(r *reader) {
	n := r.count(2, maxSegments, "data segments")
	for range n {
		at := r.p
		offset, active := int64(0), true
		switch kind := r.u32(); kind {
		case 0:
			offset = r.constOffset()
		case 1:
			active = false
		case 2:
			r.u32()
			offset = r.constOffset()
		default:
			r.fail(at, "unknown kind of data segment %d", kind)
		}
		size := r.u32()
		r.bytes(size)
		if r.err != nil {
			return
		}
		p.m.segments = append(p.m.segments, size)
		if active {
			p.m.active.add(offset, size)
		}
	}
	p.m.Datas = n
}

// constOffset walks a constant expression, and returns what it is worth when it is one i32.const, else -1.
func (r *reader) constOffset() int64 {
	at := r.p
	r.constExpr()
	if r.err != nil || op(r.b[at]) != opI32Const {
		return -1
	}
	c := &reader{b: r.b[:r.p], p: at + 1}
	if v := c.sleb(32); c.left() == 1 {
		return int64(uint32(v))
	}
	return -1
}

// actives sums up the active data segments of a module.
type actives struct {
	segments, bytes int64
	from, to        int64 // that they span, when all offsets are known
	unknown         bool
}

func (a *actives) add(offset int64, size uint32) {
	if a.segments == 0 {
		a.from = offset
	}
	a.segments++
	a.bytes += int64(size)
	a.from, a.to = min(a.from, offset), max(a.to, offset+int64(size))
	a.unknown = a.unknown || offset < 0
}

// copied is about how many bytes the engine writes for them whenever it instantiates the module, whole pages counted. It
// maps a copy-on-write image instead when that is small, or when half of it is data.
func (a *actives) copied() int64 {
	const page, small = 4 << 10, 16 << 20
	if span := a.to - a.from + page; !a.unknown && (span <= small || a.bytes >= span-a.bytes) {
		return 0
	}
	return a.bytes + a.segments*page
}
