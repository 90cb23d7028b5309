// Command hello is a Shoal function that says hello to whoever its input names.
package main

import (
	"strings"

	shoal "github.com/shoal-run/shoal/sdk/go"
)

func init() { shoal.Handle(hello) }

func main() {}

func hello(in []byte) ([]byte, error) {
	name := strings.TrimSpace(string(in))
	if name == "" {
		name = "world"
	}
	return []byte("Hello, " + name + ", from Go!\n"), nil
}
