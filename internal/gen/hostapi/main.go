// Command hostapi writes docs/host-interface.md from the table of host functions.
//
//	go run ./internal/gen/hostapi -o docs/host-interface.md
package main

import (
	"flag"
	"fmt"
	"os"

	"github.com/shoal-run/shoal/libs/hostapi"
)

func main() {
	out := flag.String("o", "", "file to write; standard output when empty")
	flag.Parse()
	if err := write(*out, hostapi.New().Markdown()); err != nil {
		fmt.Fprintln(os.Stderr, "hostapi:", err)
		os.Exit(1)
	}
}

// write puts page into the named file.
func write(name string, page []byte) error {
	if name == "" {
		_, err := os.Stdout.Write(page)
		return err
	}
	return os.WriteFile(name, page, 0o644)
}
