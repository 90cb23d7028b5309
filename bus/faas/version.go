package faas

import (
	"crypto/sha256"
	"encoding/hex"
)

// Version identifies one module of a function: the sha256 of its bytes, in 64 lower-case hexadecimal digits.
type Version string

// VersionOf returns the version that module has.
func VersionOf(module []byte) Version {
	sum := sha256.Sum256(module)
	return Version(hex.EncodeToString(sum[:]))
}

// Validate reports, as a bad_request Error, whether v has the form of a version.
func (v Version) Validate() error {
	if len(v) != 64 {
		return Errorf(BadRequest, "version %q: want 64 hexadecimal digits", clip([]byte(v)))
	}
	for i := 0; i < len(v); i++ {
		if c := v[i]; !(c >= '0' && c <= '9' || c >= 'a' && c <= 'f') {
			return Errorf(BadRequest, "version %q: character %d is not a lower-case hexadecimal digit", string(v), i+1)
		}
	}
	return nil
}

// Short returns the first 12 digits, for people.
func (v Version) Short() string {
	if len(v) < 12 {
		return string(v)
	}
	return string(v[:12])
}
