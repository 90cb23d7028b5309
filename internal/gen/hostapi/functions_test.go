package main

import (
	"strings"
	"testing"

	"github.com/shoal-run/shoal/libs/hostapi"
)

// TestEveryFunctionIsDescribed makes sure that each function of preview1 has its parameters and its errors in the page, and
// where it is specified.
func TestEveryFunctionIsDescribed(t *testing.T) {
	table := hostapi.New()
	page, err := functions("../../..", table)
	if err != nil {
		t.Fatal(err)
	}
	sections := make(map[string]string)
	for _, s := range strings.Split(string(page), "\n### `")[1:] {
		name, text, _ := strings.Cut(s, "`\n")
		sections[name] = text
	}
	for _, r := range table {
		text, there := sections[r.Name]
		if r.Module == "env" {
			continue
		}
		if !there || !strings.Contains(text, "POSIX") && !strings.Contains(text, "of Linux") || !strings.Contains(text, "https://") {
			t.Errorf("%s: no description with its cousin in POSIX and its specification: %.300s", r.Name, text)
		}
		if len(r.Params) > 0 && !strings.Contains(text, "Parameters:") {
			t.Errorf("%s: its parameters are not described", r.Name)
		}
	}
	for _, name := range []string{"mmap", "__faasm_read_input", "brk"} {
		if !strings.Contains(sections[name], "Parameters:") {
			t.Errorf("%s is not described: %q", name, sections[name])
		}
	}
}
