package faas

import (
	"crypto/rand"
	"encoding/binary"
	"encoding/hex"
	"time"
)

// CallID identifies a call: a UUIDv7 (RFC 9562 §5.7), so that ids sort by the time the call was taken.
// The zero value means "no call".
type CallID [16]byte

// NewCallID returns a fresh id. It is safe for concurrent use.
func NewCallID() CallID {
	var id CallID
	_, _ = rand.Read(id[6:]) // never fails: crypto/rand aborts the process instead
	ms := uint64(time.Now().UnixMilli())
	binary.BigEndian.PutUint32(id[:4], uint32(ms>>16))
	binary.BigEndian.PutUint16(id[4:6], uint16(ms))
	id[6] = id[6]&0x0f | 0x70
	id[8] = id[8]&0x3f | 0x80
	return id
}

// ParseCallID parses the canonical 36-character form.
func ParseCallID(s string) (CallID, error) {
	var id CallID
	if err := id.UnmarshalText([]byte(s)); err != nil {
		return CallID{}, err
	}
	return id, nil
}

// IsZero reports whether id is the zero value.
func (id CallID) IsZero() bool { return id == CallID{} }

// Time returns when the id was made, to the millisecond.
func (id CallID) Time() time.Time {
	ms := uint64(binary.BigEndian.Uint32(id[:4]))<<16 | uint64(binary.BigEndian.Uint16(id[4:6]))
	return time.UnixMilli(int64(ms))
}

// String returns the canonical form, as "01890a5d-ac96-774b-bcce-b302099a8057".
func (id CallID) String() string {
	var b [36]byte
	id.encode(&b)
	return string(b[:])
}

func (id CallID) encode(b *[36]byte) {
	hex.Encode(b[0:8], id[0:4])
	hex.Encode(b[9:13], id[4:6])
	hex.Encode(b[14:18], id[6:8])
	hex.Encode(b[19:23], id[8:10])
	hex.Encode(b[24:36], id[10:16])
	b[8], b[13], b[18], b[23] = '-', '-', '-', '-'
}

// MarshalText encodes the canonical form.
func (id CallID) MarshalText() ([]byte, error) {
	var b [36]byte
	id.encode(&b)
	return b[:], nil
}

// UnmarshalText decodes the canonical form; anything else is a bad_request Error.
func (id *CallID) UnmarshalText(b []byte) error {
	if len(b) != 36 || b[8] != '-' || b[13] != '-' || b[18] != '-' || b[23] != '-' {
		return Errorf(BadRequest, "call id %q: want 36 characters as 01890a5d-ac96-774b-bcce-b302099a8057", clip(b))
	}
	var h [32]byte
	n := copy(h[:], b[0:8])
	n += copy(h[n:], b[9:13])
	n += copy(h[n:], b[14:18])
	n += copy(h[n:], b[19:23])
	copy(h[n:], b[24:36])
	if _, err := hex.Decode(id[:], h[:]); err != nil {
		return Errorf(BadRequest, "call id %q: not hexadecimal", clip(b))
	}
	return nil
}

func clip(b []byte) []byte {
	if len(b) > 64 {
		return b[:64]
	}
	return b
}
