package sdk

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/shoal-run/shoal/integration/framework"
	"github.com/shoal-run/shoal/internal/testenv"
	"github.com/shoal-run/shoal/libs/scaffold"
	"github.com/shoal-run/shoal/services/standalone"
)

// Go's standard library does in a function what it does natively: one program, built twice, prints the same.
func TestGoStandardLibrary(t *testing.T) {
	testenv.Long(t, "links Go programs")
	testenv.Need(t, testenv.GoWasm)
	dir := filepath.Join(t.TempDir(), "stdlib")
	if err := scaffold.New(dir, "stdlib", "go"); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"main.go", "main_test.go"} {
		if err := os.Remove(filepath.Join(dir, name)); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.CopyFS(dir, os.DirFS("testdata/stdlib")); err != nil {
		t.Fatal(err)
	}
	native := filepath.Join(t.TempDir(), "native")
	env := []string{"GOPROXY=off", "GOFLAGS=", "GOWORK=off"}
	command(t, dir, env, "go", "mod", "edit", "-go=1.26")
	command(t, dir, env, "go", "build", "-o", native, ".")
	t.Setenv("GOWORK", "off")
	module := build(t, dir)

	s := framework.Start(t, standalone.Config{})
	s.Deploy(t, "t/stdlib", module)
	for _, part := range []string{"json", "text", "gzip", "crypto", "time", "big", "language", "files"} {
		t.Run(part, func(t *testing.T) {
			want := command(t, t.TempDir(), nil, native, part)
			a := s.Call(t, "t/stdlib", []byte(part))
			if a.Err != nil {
				t.Fatalf("%v\n%s", a.Err, a.Err.Stderr)
			}
			if got := string(a.Body); got != want || len(want) < 100 {
				t.Errorf("in a Faaslet it prints\n%s\nand natively\n%s", got, want)
			}
		})
	}
}
