package main

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"
)

func TestPageIsCurrent(t *testing.T) {
	have, err := os.ReadFile("../../../docs/subjects.md")
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(have, markdown()) {
		t.Error("docs/subjects.md is not what bus says: run go generate ./bus")
	}
}

func TestWrite(t *testing.T) {
	name := filepath.Join(t.TempDir(), "page.md")
	if err := write(name, []byte("page")); err != nil {
		t.Fatal(err)
	}
	if have, err := os.ReadFile(name); err != nil || string(have) != "page" {
		t.Errorf("wrote %q, %v", have, err)
	}
}
