// Command hostapi writes docs/host-interface.md from the table of host functions, and docs/host-functions.md from it and from
// their doc comments.
//
//	go run ./internal/gen/hostapi -root .
package main

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"

	"github.com/shoal-run/shoal/libs/hostapi"
)

func main() {
	root := flag.String("root", ".", "the repository")
	flag.Parse()
	if err := write(*root); err != nil {
		fmt.Fprintln(os.Stderr, "hostapi:", err)
		os.Exit(1)
	}
}

func write(root string) error {
	table := hostapi.New()
	full, err := functions(root, table)
	if err != nil {
		return err
	}
	docs := filepath.Join(root, "docs")
	if err := os.WriteFile(filepath.Join(docs, "host-functions.md"), full, 0o644); err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(docs, "host-interface.md"), table.Markdown(), 0o644)
}
