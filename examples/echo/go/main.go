// Command echo is a Shoal function that answers with its input, byte for byte.
package main

import shoal "github.com/shoal-run/shoal/sdk/go"

func init() { shoal.Handle(echo) }

func main() {}

func echo(in []byte) ([]byte, error) { return in, nil }
