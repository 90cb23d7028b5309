package faas

import (
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"
)

// Size is a number of bytes that people write as "128MiB".
type Size int64

// Binary units.
const (
	KiB Size = 1 << 10
	MiB Size = 1 << 20
	GiB Size = 1 << 30
)

var sizeUnits = []struct {
	suffix string
	unit   Size
}{{"GiB", GiB}, {"MiB", MiB}, {"KiB", KiB}, {"B", 1}}

// String returns s in the largest unit that divides it, as "128MiB".
func (s Size) String() string {
	for _, u := range sizeUnits {
		if s != 0 && s%u.unit == 0 {
			return strconv.FormatInt(int64(s/u.unit), 10) + u.suffix
		}
	}
	return "0B"
}

// MarshalText encodes s as String does.
func (s Size) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// UnmarshalText decodes "64KiB", "128MiB", "1GiB", "512B" or a bare number of bytes.
func (s *Size) UnmarshalText(b []byte) error {
	v, err := ParseSize(string(b))
	if err != nil {
		return err
	}
	*s = v
	return nil
}

// ParseSize parses what Size.UnmarshalText takes. It fails with bad_request.
func ParseSize(text string) (Size, error) {
	num, unit := text, Size(1)
	for _, u := range sizeUnits {
		if n, ok := strings.CutSuffix(text, u.suffix); ok {
			num, unit = n, u.unit
			break
		}
	}
	v, err := strconv.ParseInt(num, 10, 64)
	if err != nil || v < 0 || Size(v) > math.MaxInt64/unit {
		return 0, Errorf(BadRequest, "size %q: want a number and B, KiB, MiB or GiB, as 128MiB", clip([]byte(text)))
	}
	return Size(v) * unit, nil
}

// Duration is a time.Duration that people write as "30s".
type Duration time.Duration

// String returns d as time.Duration does, without trailing zero units ("15m" rather than "15m0s").
func (d Duration) String() string {
	s := time.Duration(d).String()
	if strings.HasSuffix(s, "m0s") {
		s = strings.TrimSuffix(s, "0s")
	}
	if strings.HasSuffix(s, "h0m") {
		s = strings.TrimSuffix(s, "0m")
	}
	return s
}

// MarshalText encodes d as String does.
func (d Duration) MarshalText() ([]byte, error) { return []byte(d.String()), nil }

// UnmarshalText decodes what time.ParseDuration takes; a negative duration is refused.
func (d *Duration) UnmarshalText(b []byte) error {
	v, err := time.ParseDuration(string(b))
	if err != nil || v < 0 {
		return Errorf(BadRequest, "duration %q: want a number and ms, s, m or h, as 30s", clip(b))
	}
	*d = Duration(v)
	return nil
}

var _ fmt.Stringer = Duration(0)
