package faas

import (
	"bytes"
	"strings"
	"testing"
)

func TestHostTracePacks(t *testing.T) {
	text := []byte(strings.Repeat("==> fd_write(fd=1, iovs=0x3f8, iovs_len=1, nwritten=0x3f4)\n", MaxHostTrace/60))
	packed := PackHostTrace(text)
	if got, err := UnpackHostTrace(packed); err != nil || !bytes.Equal(got, text) || len(packed) > 4096 {
		t.Errorf("%d bytes packed: %v", len(packed), err)
	}
	for _, bad := range []string{"", "!", "aGVsbG8=", packed[:len(packed)/8*4], PackHostTrace(make([]byte, 2*MaxHostTrace))} {
		if _, err := UnpackHostTrace(bad); err == nil {
			t.Errorf("%.20q is unpacked", bad)
		}
	}
}
