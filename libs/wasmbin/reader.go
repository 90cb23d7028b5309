package wasmbin

import (
	"fmt"
	"unicode/utf8"
)

// reader decodes the part of a module that ends at len(b). Positions are those of the module. The first fault is kept
// in err, and from then on everything reads as zero without moving: callers look at err once per item.
type reader struct {
	b       []byte
	p       int
	section string
	imm     uint32 // the first index immediate of the instruction decoded last
	imm2    uint32 // the second one
	targets int    // where those of the br_table begin that was decoded last
	err     *FormatError
}

func (r *reader) fail(at int, format string, args ...any) {
	if r.err == nil {
		r.err = &FormatError{Section: r.section, Offset: at, Reason: fmt.Sprintf(format, args...)}
	}
	r.p = len(r.b)
}

// short reports that n more bytes were needed than there are.
func (r *reader) short(n int) {
	if r.section == "" {
		r.fail(r.p, "truncated: needs %s", moreBytes(n))
		return
	}
	r.fail(r.p, "cut off: needs %s than there are", moreBytes(n))
}

func moreBytes(n int) string { return plural(n, "more byte") }

func plural(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}

func (r *reader) left() int { return len(r.b) - r.p }

func (r *reader) u8() byte {
	if r.p < len(r.b) {
		c := r.b[r.p]
		r.p++
		return c
	}
	r.short(1)
	return 0
}

// bytes returns the next n bytes; they alias the module.
func (r *reader) bytes(n uint32) []byte {
	if uint64(n) > uint64(r.left()) {
		r.short(int(int64(n) - int64(r.left())))
		return nil
	}
	s := r.b[r.p : r.p+int(n)]
	r.p += int(n)
	return s
}

func (r *reader) skip(n int) {
	if n > r.left() {
		r.short(n - r.left())
		return
	}
	r.p += n
}

// u32 reads an unsigned LEB128 of at most 32 bits.
func (r *reader) u32() uint32 {
	if r.p < len(r.b) {
		if c := r.b[r.p]; c < 0x80 {
			r.p++
			return uint32(c)
		}
	}
	return uint32(r.uleb(32))
}

func (r *reader) uleb(bits uint) uint64 {
	at, v := r.p, uint64(0)
	for shift := uint(0); shift < bits; shift += 7 {
		c := r.u8()
		if r.err != nil {
			return 0
		}
		if rest := bits - shift; rest < 7 && c>>rest != 0 {
			break
		}
		v |= uint64(c&0x7f) << shift
		if c < 0x80 {
			return v
		}
	}
	r.fail(at, "integer does not fit %d bits", bits)
	return 0
}

// sleb reads a signed LEB128 of at most bits bits.
func (r *reader) sleb(bits uint) int64 {
	at, v := r.p, int64(0)
	for shift := uint(0); shift < bits; shift += 7 {
		c := r.u8()
		if r.err != nil {
			return 0
		}
		if rest := bits - shift; rest < 7 {
			// The bits beyond the value must repeat its sign, and nothing may follow.
			if ext := int8(c<<1) >> rest; c >= 0x80 || ext != 0 && ext != -1 {
				break
			}
		}
		v |= int64(c&0x7f) << shift
		if c < 0x80 {
			if shift += 7; shift < 64 && c&0x40 != 0 {
				v |= -1 << shift
			}
			return v
		}
	}
	r.fail(at, "integer does not fit %d bits", bits)
	return 0
}

// count reads the length of a vector whose items take at least size bytes each. It refuses more items than the rest of
// the section can hold, and more than limit: what a caller allocates for them is bounded by the module's own size.
func (r *reader) count(size int, limit uint32, what string) int {
	at := r.p
	n := r.u32()
	if r.err != nil {
		return 0
	}
	if n > limit {
		r.fail(at, "%d %s: no more than %d are allowed", n, what, limit)
		return 0
	}
	if need := int(n) * size; need > r.left() {
		r.fail(at, "cut off: %d %s need %s than there are", n, what, moreBytes(need-r.left()))
		return 0
	}
	return int(n)
}

// name reads a string. It is a copy.
func (r *reader) name() string {
	at := r.p
	n := r.u32()
	if n > maxName {
		r.fail(at, "name of %d bytes: no more than %d are allowed", n, maxName)
		return ""
	}
	s := r.bytes(n)
	if !utf8.Valid(s) {
		r.fail(at, "name is not UTF-8")
		return ""
	}
	return string(s)
}

// end reports bytes that nothing claimed.
func (r *reader) end() {
	if n := r.left(); r.err == nil && n > 0 {
		r.fail(r.p, "%s too many", plural(n, "byte"))
	}
}

// appendU32 appends v as an unsigned LEB128.
func appendU32(b []byte, v uint32) []byte {
	for v >= 0x80 {
		b = append(b, byte(v)|0x80)
		v >>= 7
	}
	return append(b, byte(v))
}

// sizeU32 is the length that appendU32 gives v.
func sizeU32(v uint32) int {
	n := 1
	for v >= 0x80 {
		v >>= 7
		n++
	}
	return n
}

// appendSigned appends v as a signed LEB128.
func appendSigned(b []byte, v int64) []byte {
	for v < -64 || v > 63 {
		b = append(b, byte(v)|0x80)
		v >>= 7
	}
	return append(b, byte(v)&0x7f)
}

func appendName(b []byte, s string) []byte {
	return append(appendU32(b, uint32(len(s))), s...)
}
