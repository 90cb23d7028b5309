// Command probe tells which tests this machine can run. On stdout it prints the comma-separated requirements that it
// has, as SHOAL_TEST_REQUIRE takes them; on stderr, for people, each that is missing, why, and what to do.
package main

import (
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/shoal-run/shoal/internal/testenv"
)

func main() {
	report(os.Stdout, os.Stderr, testenv.Probe())
}

func report(list, people io.Writer, probed map[testenv.Requirement]error) {
	var have []string
	for _, r := range testenv.Requirements() {
		what, fix := testenv.Describe(r)
		if err := probed[r]; err != nil {
			fmt.Fprintf(people, "left out: tests that %s: %v (%s)\n", what, err, fix)
			continue
		}
		have = append(have, string(r))
	}
	fmt.Fprintln(list, strings.Join(have, ","))
}
