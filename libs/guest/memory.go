// Package guest is the host's view of a guest's linear memory: bounds-checked, little-endian, valid for one host call.
//
// Host functions get offsets and lengths from code that may lie. Every access here is checked as a 64-bit sum against
// the memory's size before a byte is touched, and reports false instead of panicking.
package guest

import (
	"bytes"
	"encoding/binary"
)

// Memory is a guest's linear memory as it is during one host function. The slice is the memory itself, not a copy: what
// is written is what the guest sees. It is valid until the host function returns or calls back into the guest (which may
// grow its memory); nothing may keep it, or a part of it, for longer. It is not safe for concurrent use.
type Memory []byte

// Bytes returns the n bytes at off, or false when any of them lies outside the memory. n = 0 is in bounds at off ≤ size.
func (m Memory) Bytes(off, n uint32) ([]byte, bool) {
	end := uint64(off) + uint64(n)
	if end > uint64(len(m)) {
		return nil, false
	}
	return m[off:end:end], true
}

// Write copies b to off, or writes nothing and returns false when it does not fit.
func (m Memory) Write(off uint32, b []byte) bool {
	if uint64(off)+uint64(len(b)) > uint64(len(m)) {
		return false
	}
	copy(m[off:], b)
	return true
}

// Uint8 returns the byte at off.
func (m Memory) Uint8(off uint32) (uint8, bool) {
	if uint64(off) >= uint64(len(m)) {
		return 0, false
	}
	return m[off], true
}

// Uint16 returns the 16-bit word at off. No alignment is asked for, here and below.
func (m Memory) Uint16(off uint32) (uint16, bool) {
	b, ok := m.Bytes(off, 2)
	if !ok {
		return 0, false
	}
	return binary.LittleEndian.Uint16(b), true
}

// Uint32 returns the 32-bit word at off.
func (m Memory) Uint32(off uint32) (uint32, bool) {
	b, ok := m.Bytes(off, 4)
	if !ok {
		return 0, false
	}
	return binary.LittleEndian.Uint32(b), true
}

// Uint64 returns the 64-bit word at off.
func (m Memory) Uint64(off uint32) (uint64, bool) {
	b, ok := m.Bytes(off, 8)
	if !ok {
		return 0, false
	}
	return binary.LittleEndian.Uint64(b), true
}

// PutUint8 writes v at off.
func (m Memory) PutUint8(off uint32, v uint8) bool {
	if uint64(off) >= uint64(len(m)) {
		return false
	}
	m[off] = v
	return true
}

// PutUint16 writes v at off.
func (m Memory) PutUint16(off uint32, v uint16) bool {
	b, ok := m.Bytes(off, 2)
	if ok {
		binary.LittleEndian.PutUint16(b, v)
	}
	return ok
}

// PutUint32 writes v at off.
func (m Memory) PutUint32(off uint32, v uint32) bool {
	b, ok := m.Bytes(off, 4)
	if ok {
		binary.LittleEndian.PutUint32(b, v)
	}
	return ok
}

// PutUint64 writes v at off.
func (m Memory) PutUint64(off uint32, v uint64) bool {
	b, ok := m.Bytes(off, 8)
	if ok {
		binary.LittleEndian.PutUint64(b, v)
	}
	return ok
}

// CString returns a copy of the NUL-terminated string at off, without its NUL. It reports false when no NUL comes within
// max bytes or before the memory ends.
func (m Memory) CString(off, max uint32) (string, bool) {
	if uint64(off) >= uint64(len(m)) {
		return "", false
	}
	b := m[off:]
	if uint64(len(b)) > uint64(max)+1 {
		b = b[:uint64(max)+1]
	}
	i := bytes.IndexByte(b, 0)
	if i < 0 {
		return "", false
	}
	return string(b[:i]), true
}
