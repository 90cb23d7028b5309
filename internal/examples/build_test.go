package examples

import (
	"bytes"
	"errors"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/shoal-run/shoal/internal/testenv"
	"github.com/shoal-run/shoal/libs/scaffold"
	"github.com/shoal-run/shoal/libs/wasmbin"
)

func TestBuildExamples(t *testing.T) {
	testenv.Long(t, "links Go modules")
	testenv.Need(t, testenv.GoWasm, testenv.Clang, testenv.Rust)
	out := t.TempDir()
	var log bytes.Buffer
	built, skipped, err := Build(t.Context(), dir, out, &log)
	skipped = slices.DeleteFunc(skipped, func(s Skipped) bool { return s.Reason.Lang == "assemblyscript" }) // before npm install
	if err != nil || len(skipped) > 0 {
		t.Fatalf("%v, skipped %v\n%s", err, skipped, log.String())
	}
	entries := map[string]string{
		"echo": "handle", "hello-c": "handle", "hello-cpp": "_start", "hello-go": "handle", "hello-rust": "handle", "nbody": "_start", "wordcount": "handle",
	}
	for _, b := range built {
		if b.Name == "hello-assemblyscript" {
			entries[b.Name] = "handle"
		}
		data, err := os.ReadFile(filepath.Join(out, b.Name+".wasm"))
		if err != nil {
			t.Error(err)
			continue
		}
		m, err := wasmbin.Parse(data)
		if err != nil {
			t.Errorf("%s: %v", b.Name, err)
			continue
		}
		for _, name := range []string{entries[b.Name], "memory"} {
			if _, ok := m.Export(name); !ok {
				t.Errorf("%s does not export %q", b.Name, name)
			}
		}
		delete(entries, b.Name)
	}
	if len(entries) > 0 {
		t.Errorf("not built: %v", entries)
	}

	again, _, err := Build(t.Context(), dir, out, io.Discard)
	if err != nil {
		t.Fatal(err)
	}
	for _, b := range again {
		if !b.Fresh {
			t.Errorf("%s was built again", b.Name)
		}
	}
}

// tree is an examples folder with one C project, x; it returns the folder and the source.
func tree(t *testing.T) (root, source string) {
	t.Helper()
	root = t.TempDir()
	if err := scaffold.New(filepath.Join(root, "x"), "x", "c"); err != nil {
		t.Fatal(err)
	}
	old := time.Now().Add(-time.Hour)
	err := filepath.WalkDir(root, func(path string, _ os.DirEntry, err error) error {
		return errors.Join(err, os.Chtimes(path, old, old))
	})
	if err != nil {
		t.Fatal(err)
	}
	return root, filepath.Join(root, "x", "main.c")
}

func TestBuildOnlyWhatChanged(t *testing.T) {
	testenv.Need(t, testenv.Clang)
	root, source := tree(t)
	out := t.TempDir()
	build := func(wantFresh bool, after string) {
		t.Helper()
		built, _, err := Build(t.Context(), root, out, io.Discard)
		if err != nil || len(built) != 1 || built[0].Fresh != wantFresh {
			t.Fatalf("after %s: %+v, %v; want fresh: %v", after, built, err, wantFresh)
		}
	}
	touch := func(path string) {
		t.Helper()
		now := time.Now()
		if err := os.Chtimes(path, now, now); err != nil {
			t.Fatal(err)
		}
	}
	build(false, "nothing was there")
	build(true, "nothing changed")
	touch(source)
	build(false, "the source changed")
	touch(filepath.Join(root, "x", scaffold.SDKDir, "include", "shoal.h"))
	build(false, "the SDK changed")
	build(true, "nothing changed")
	if err := os.Remove(filepath.Join(root, "x", "README.md")); err != nil {
		t.Fatal(err)
	}
	build(false, "a file was removed")
	if err := os.Remove(filepath.Join(out, "x.wasm")); err != nil {
		t.Fatal(err)
	}
	build(false, "the module was removed")
}

func TestBuildNamesWhatFails(t *testing.T) {
	testenv.Need(t, testenv.Clang)
	root, source := tree(t)
	if err := os.WriteFile(source, []byte("int handle(void) { return nosuch; }\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := scaffold.New(filepath.Join(root, "y"), "y", "c"); err != nil {
		t.Fatal(err)
	}
	var log bytes.Buffer
	built, _, err := Build(t.Context(), root, t.TempDir(), &log)
	if err == nil || !strings.Contains(err.Error(), filepath.Join(root, "x")) || !strings.Contains(log.String(), "nosuch") {
		t.Errorf("error %v, log %q", err, log.String())
	}
	if len(built) != 1 || built[0].Name != "y" {
		t.Errorf("built %v, want y all the same", built)
	}
}

func TestBuildSkipsWithoutCompiler(t *testing.T) {
	root, _ := tree(t)
	t.Setenv("PATH", t.TempDir())
	t.Setenv("WASI_SDK_PATH", "")
	built, skipped, err := Build(t.Context(), root, t.TempDir(), io.Discard)
	if err != nil || len(built) != 0 || len(skipped) != 1 {
		t.Fatalf("built %v, skipped %v, %v", built, skipped, err)
	}
	if s := skipped[0]; s.Name != "x" || !strings.Contains(s.Reason.Error(), "clang-19") {
		t.Errorf("skipped %+v", s)
	}
}

func TestBuildRefuses(t *testing.T) {
	if _, _, err := Build(t.Context(), t.TempDir(), t.TempDir(), io.Discard); err == nil || !strings.Contains(err.Error(), "no examples") {
		t.Errorf("an empty folder: %v", err)
	}
	root, _ := tree(t)
	if err := os.CopyFS(filepath.Join(root, "z"), os.DirFS(filepath.Join(root, "x"))); err != nil {
		t.Fatal(err)
	}
	if _, _, err := Build(t.Context(), root, t.TempDir(), io.Discard); err == nil || !strings.Contains(err.Error(), "both name their function x") {
		t.Errorf("a name twice: %v", err)
	}
}
