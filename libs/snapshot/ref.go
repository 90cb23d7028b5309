package snapshot

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
)

// Digest is a sha256. Its text, in JSON too, is 64 lower-case hexadecimal digits.
type Digest [sha256.Size]byte

func (d Digest) String() string { return hex.EncodeToString(d[:]) }

// MarshalText implements encoding.TextMarshaler.
func (d Digest) MarshalText() ([]byte, error) { return hex.AppendEncode(nil, d[:]), nil }

// UnmarshalText implements encoding.TextUnmarshaler. It takes only what MarshalText gives.
func (d *Digest) UnmarshalText(text []byte) error {
	var got Digest
	if len(text) != hex.EncodedLen(len(got)) {
		return fmt.Errorf("digest of %d characters, want %d", len(text), hex.EncodedLen(len(got)))
	}
	if _, err := hex.Decode(got[:], text); err != nil {
		return fmt.Errorf("digest: %w", err)
	}
	if got.String() != string(text) {
		return fmt.Errorf("digest %q has upper-case digits", text)
	}
	*d = got
	return nil
}

// PackPrefix begins the names of packs in the object store, and of nothing else.
const PackPrefix = "pack/"

// PackRef names a pack and says what fetching it costs. It is comparable; the zero PackRef names none.
type PackRef struct {
	Digest Digest `json:"digest"` // of the pack's bytes
	Pages  uint32 `json:"pages"`  // that it holds, 1 to 1048576
	Size   int64  `json:"size"`   // of the pack in bytes, as it is stored
}

// Object returns the name of the pack in the object store: "pack/" and the digest in hexadecimal digits.
func (r PackRef) Object() string { return PackPrefix + r.Digest.String() }

// Validate reports a PackRef that no pack can have.
func (r PackRef) Validate() error {
	if r.Pages == 0 || r.Pages > maxPages {
		return fmt.Errorf("pack of %d pages: want 1 to %d", r.Pages, maxPages)
	}
	if limit := maxPackSize(r.Pages); r.Size <= packHeaderLen || r.Size > limit {
		return fmt.Errorf("pack of %d bytes for %d pages: want %d to %d", r.Size, r.Pages, packHeaderLen+1, limit)
	}
	return nil
}

// maxPackSize is more than any encoder makes of pages that do not compress: zstd spends 3 bytes on a block.
func maxPackSize(pages uint32) int64 { return packHeaderLen + 64 + int64(pages)*(Page+16) }
