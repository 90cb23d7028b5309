// Command build-examples builds what is in examples/ to bin/examples, and says what this machine lacks for the rest.
package main

import (
	"context"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strings"
	"syscall"

	"github.com/shoal-run/shoal/internal/examples"
)

func main() {
	src := flag.String("src", "examples", "`folder` of the examples")
	out := flag.String("o", "bin/examples", "`folder` for the modules")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, *src, *out, os.Stdout, os.Stderr); err != nil {
		fmt.Fprintln(os.Stderr, "build-examples:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, src, out string, stdout, stderr io.Writer) error {
	built, skipped, err := examples.Build(ctx, src, out, stderr)
	var names []string
	for _, b := range built {
		names = append(names, b.Name)
	}
	fmt.Fprintf(stdout, "examples in %s: %s\n", out, strings.Join(names, ", "))
	for _, s := range skipped {
		hint := ""
		if len(s.Reason.Packages) > 0 {
			hint = "; on Debian `make deps` installs it"
		}
		fmt.Fprintf(stdout, "left out %s: %v%s\n", s.Name, s.Reason, hint)
	}
	return err
}
