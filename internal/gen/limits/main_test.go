package main

import (
	"os"
	"strings"
	"testing"

	"github.com/shoal-run/shoal/bus/faas"
)

func TestPageIsCurrent(t *testing.T) {
	have, err := os.ReadFile("../../../docs/limits.md")
	if err != nil {
		t.Fatal(err)
	}
	if string(have) != markdown(faas.Limits()) {
		t.Error("docs/limits.md is not what faas.Limits says: make generate")
	}
}

func TestMarkdown(t *testing.T) {
	got := markdown([]faas.Limit{{Name: "memory", Default: "1MiB", Ceiling: "2MiB", What: "a|b"}})
	if want := "|---|---|---|---|\n| memory | 1MiB | 2MiB | a\\|b |\n"; !strings.HasSuffix(got, want) {
		t.Errorf("got %q, want %q at the end", got, want)
	}
}
