//go:build !wasip1

package main

import (
	"fmt"
	"os"
)

func main() {
	out, err := answer(os.Args[1])
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	os.Stdout.Write(out)
}
