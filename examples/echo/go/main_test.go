package main

import (
	"bytes"
	"testing"

	shoal "github.com/shoal-run/shoal/sdk/go"
)

func TestEcho(t *testing.T) {
	for _, in := range []string{"", "hello", "a\x00b\xff\n", string(make([]byte, 1<<20))} {
		out, err := shoal.Run([]byte(in))
		if err != nil || !bytes.Equal(out, []byte(in)) {
			t.Errorf("%d bytes in, %d bytes out, %v", len(in), len(out), err)
		}
	}
}
