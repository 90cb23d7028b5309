package main

import (
	"testing"

	shoal "github.com/shoal-run/shoal/sdk/go"
)

func TestHello(t *testing.T) {
	for in, want := range map[string]string{
		"Ada\n": "Hello, Ada, from Go!\n",
		"":      "Hello, world, from Go!\n",
	} {
		out, err := shoal.Run([]byte(in))
		if err != nil || string(out) != want {
			t.Errorf("%q: got %q, %v; want %q", in, out, err, want)
		}
	}
}
