package wasi

import (
	"strconv"
)

// Stream takes what a guest writes to stdout or stderr and keeps a bounded part of it. It allocates nothing before the
// first write and grows geometrically, never past its limit. It is not safe for concurrent use.
type Stream struct {
	limit   int
	keep    bool // past limit: refuse the write (an output) instead of dropping the rest (a log)
	refused bool
	buf     []byte
	dropped uint64
}

// NewLog returns a stream that keeps the first limit bytes, drops the rest and counts it. Writes to it never fail.
func NewLog(limit int) *Stream { return &Stream{limit: max(limit, 0)} }

// NewOutput returns a stream that keeps up to limit bytes whole: a write that does not fit is refused, nothing of it is
// kept, and Refused says so from then on.
func NewOutput(limit int) *Stream { return &Stream{limit: max(limit, 0), keep: true} }

// BecomeLog turns s into a log of limit bytes. What it holds beyond them is dropped, and its memory is given back.
func (s *Stream) BecomeLog(limit int) {
	s.keep, s.refused, s.limit = false, false, max(limit, 0)
	if len(s.buf) > s.limit {
		s.dropped += uint64(len(s.buf) - s.limit)
		s.buf = append(make([]byte, 0, s.limit), s.buf[:s.limit]...)
	}
}

// Write takes a copy of p. It fails with EFBIG when s is an output and p does not fit.
func (s *Stream) Write(p []byte) Errno {
	if !s.admit(uint64(len(p))) {
		return EFBIG
	}
	s.add(p, func(dst, src []byte) bool { copy(dst, src); return true })
	return ESUCCESS
}

// admit reports whether a write of n bytes may happen now; a refusal is remembered.
func (s *Stream) admit(n uint64) bool {
	if s.keep && uint64(len(s.buf))+n > uint64(s.limit) {
		s.refused = true
		return false
	}
	return true
}

// add appends what fits of p with cp, a System.Copy, and counts the rest. It reports false when that did not copy all: s is of
// no more use then. Preconditions: admit said yes to p.
func (s *Stream) add(p []byte, cp func(dst, src []byte) bool) bool {
	n := min(len(p), s.limit-len(s.buf))
	s.dropped += uint64(len(p) - n)
	if n == 0 {
		return true
	}
	had := len(s.buf)
	if need := had + n; need > cap(s.buf) {
		grown := make([]byte, had, min(max(2*cap(s.buf), need, 512), s.limit))
		if !cp(grown, s.buf) {
			return false
		}
		s.buf = grown
	}
	s.buf = s.buf[:had+n]
	return cp(s.buf[had:], p[:n])
}

// Bytes returns what s holds. The slice is the stream's own; it is valid until the next write.
func (s *Stream) Bytes() []byte { return s.buf }

// Refused reports whether an output refused a write.
func (s *Stream) Refused() bool { return s.refused }

// Dropped returns how many bytes were written and not kept.
func (s *Stream) Dropped() uint64 { return s.dropped }

// Log returns what s holds, and when bytes were dropped a last line that says how many, as "… 17 bytes dropped\n". The
// slice may be the stream's own.
func (s *Stream) Log() []byte {
	if s.dropped == 0 {
		return s.buf
	}
	out := make([]byte, 0, len(s.buf)+48)
	out = append(out, s.buf...)
	if n := len(out); n > 0 && out[n-1] != '\n' {
		out = append(out, '\n')
	}
	out = append(out, "… "...)
	out = strconv.AppendUint(out, s.dropped, 10)
	return append(out, " bytes dropped\n"...)
}
