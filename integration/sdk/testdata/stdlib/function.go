//go:build wasip1

package main

import shoal "github.com/shoal-run/shoal/sdk/go"

func init() { shoal.Handle(func(in []byte) ([]byte, error) { return answer(string(in)) }) }

func main() {}
