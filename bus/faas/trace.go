package faas

import (
	"bytes"
	"compress/gzip"
	"encoding/base64"
	"fmt"
	"io"
)

// MaxHostTrace is how much of a trace of host calls travels with a result, in bytes of text.
const MaxHostTrace = 64 << 10

// PackHostTrace returns text in a form that fits a header: gzip (RFC 1952) in base64 (RFC 4648 §4).
func PackHostTrace(text []byte) string {
	var b bytes.Buffer
	z := gzip.NewWriter(&b)
	_, err := z.Write(text)
	if err == nil {
		err = z.Close()
	}
	if err != nil { // a Buffer takes everything
		return ""
	}
	return base64.StdEncoding.EncodeToString(b.Bytes())
}

// UnpackHostTrace returns the text that PackHostTrace was given. One that is larger than a trace is refused.
func UnpackHostTrace(packed string) ([]byte, error) {
	b, err := base64.StdEncoding.DecodeString(packed)
	if err != nil {
		return nil, fmt.Errorf("trace: %w", err)
	}
	z, err := gzip.NewReader(bytes.NewReader(b))
	if err != nil {
		return nil, fmt.Errorf("trace: %w", err)
	}
	const most = MaxHostTrace + 1<<10 // a line says what was dropped
	text, err := io.ReadAll(io.LimitReader(z, most+1))
	if err == nil && len(text) > most {
		err = fmt.Errorf("more than %d bytes", most)
	}
	if err != nil {
		return nil, fmt.Errorf("trace: %w", err)
	}
	return text, nil
}
