package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

const good = "# 0001 A title\n\n| | |\n|---|---|\n| Status | accepted |\n| Date | 2026-11-23 |\n\n" +
	"## Context\n\n## Decision\n\n## Consequences\n"

func TestIndexIsCurrent(t *testing.T) {
	const dir = "../../../docs/adr"
	want, err := build(dir)
	if err != nil {
		t.Fatal(err)
	}
	have, err := os.ReadFile(filepath.Join(dir, "README.md"))
	if err != nil {
		t.Fatal(err)
	}
	if string(have) != want {
		t.Error("docs/adr/README.md is not what the records say: make generate")
	}
}

func TestParse(t *testing.T) {
	for _, c := range []struct {
		name, file, old, new string
		want                 string
	}{
		{name: "good", file: "0001-a-title.md"},
		{name: "file name", file: "1-title.md", want: "is named NNNN"},
		{name: "another number", file: "0002-a-title.md", want: "first line"},
		{name: "no title", file: "0001-a-title.md", old: "# 0001", new: "0001", want: "first line"},
		{name: "status", file: "0001-a-title.md", old: "accepted", new: "maybe", want: `status "maybe"`},
		{name: "superseded", file: "0001-a-title.md", old: "accepted", new: "superseded by 0007"},
		{name: "date", file: "0001-a-title.md", old: "2026-11-23", new: "today", want: `date "today"`},
		{name: "section", file: "0001-a-title.md", old: "## Context", new: "## Why", want: "sections are"},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, err := parse(c.file, strings.Replace(good, c.old, c.new, 1))
			switch {
			case c.want == "" && err != nil:
				t.Error(err)
			case c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)):
				t.Errorf("got %v, want %q", err, c.want)
			}
		})
	}
}

func TestNumbersHaveNoHoles(t *testing.T) {
	dir := t.TempDir()
	for _, n := range []string{"0001", "0003"} {
		text := strings.ReplaceAll(good, "0001", n)
		if err := os.WriteFile(filepath.Join(dir, n+"-a-title.md"), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := build(dir); err == nil || !strings.Contains(err.Error(), "the next number is 0002") {
		t.Errorf("got %v", err)
	}
}
