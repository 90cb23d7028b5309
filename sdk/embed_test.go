package sdk

import (
	"bytes"
	"io/fs"
	"os"
	"slices"
	"strings"
	"testing"
)

// The embedded Go module must be what is in the folder: `go generate ./sdk` makes it so.
func TestGoArchiveIsCurrent(t *testing.T) {
	embedded, err := Go()
	if err != nil {
		t.Fatal(err)
	}
	compare(t, embedded, os.DirFS("go"), func(name string) bool { return !strings.HasSuffix(name, "_test.go") })
}

// The other SDKs are embedded as they are, without what is built of them and their tests.
func TestEmbeddedIsTheTree(t *testing.T) {
	for dir, open := range map[string]func() (fs.FS, error){"c": C, "rust": Rust, "assemblyscript": AssemblyScript} {
		embedded, err := open()
		if err != nil {
			t.Fatal(err)
		}
		compare(t, embedded, os.DirFS(dir), func(name string) bool {
			first, _, _ := strings.Cut(name, "/")
			return !slices.Contains([]string{"lib", "target", "tests", "Cargo.lock", "node_modules"}, first)
		})
	}
}

// compare reports the files of tree that are wanted and not in embedded, and the other way round.
func compare(t *testing.T, embedded, tree fs.FS, wanted func(name string) bool) {
	t.Helper()
	have, want := list(t, embedded), slices.DeleteFunc(list(t, tree), func(n string) bool { return !wanted(n) })
	if !slices.Equal(have, want) {
		t.Fatalf("embedded: %q\ntree:     %q\nrun: go generate ./sdk", have, want)
	}
	for _, name := range want {
		a, err := fs.ReadFile(embedded, name)
		if err != nil {
			t.Fatal(err)
		}
		b, err := fs.ReadFile(tree, name)
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(a, b) {
			t.Errorf("%s: the embedded copy differs from the tree; run: go generate ./sdk", name)
		}
	}
}

func list(t *testing.T, files fs.FS) []string {
	t.Helper()
	var names []string
	err := fs.WalkDir(files, ".", func(name string, d fs.DirEntry, err error) error {
		if err == nil && !d.IsDir() {
			names = append(names, name)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	slices.Sort(names)
	if len(names) == 0 {
		t.Fatal("no files")
	}
	return names
}
