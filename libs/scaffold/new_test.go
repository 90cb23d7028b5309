package scaffold

import (
	"bytes"
	"go/format"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

func TestNewWritesAProject(t *testing.T) {
	for _, lang := range Languages() {
		t.Run(lang, func(t *testing.T) {
			dir := filepath.Join(t.TempDir(), "deep", "wc-2")
			if err := New(dir, "wc-2", lang); err != nil {
				t.Fatal(err)
			}
			p, err := Load(dir)
			if err != nil {
				t.Fatal(err)
			}
			if p.Name != "wc-2" || p.Lang != lang {
				t.Errorf("the project is %+v", p)
			}
			want := map[string][]string{
				"assemblyscript": {".gitignore", "README.md", "asconfig.json", "assembly", "package.json", SDKDir, ConfigName, "test"},
				"c":              {".gitignore", "Makefile", "README.md", "compile_flags.txt", "main.c", SDKDir, ConfigName, "test"},
				"cpp":            {".gitignore", "Makefile", "README.md", "compile_flags.txt", "main.cpp", SDKDir, ConfigName, "test"},
				"go":             {".gitignore", "README.md", "go.mod", "main.go", "main_test.go", SDKDir, ConfigName},
				"rust":           {".gitignore", "Cargo.toml", "README.md", SDKDir, ConfigName, "src"},
			}
			if got := names(t, dir); !slices.Equal(got, want[lang]) {
				t.Errorf("files %q, want %q", got, want[lang])
			}
			checkFiles(t, dir)
			readme := readFile(t, filepath.Join(dir, "README.md"))
			for _, command := range []string{" test ", "shoal build", "shoal deploy me/wc-2", "shoal call me/wc-2 -d Ada"} {
				if !strings.Contains(readme, command) {
					t.Errorf("the README does not show %q", command)
				}
			}
		})
	}
}

// checkFiles reports template actions that were left over, and Go files that are not formatted.
func checkFiles(t *testing.T, dir string) {
	t.Helper()
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		data, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		if bytes.Contains(data, []byte("{{.")) || bytes.Contains(data, []byte("<no value>")) {
			t.Errorf("%s was not filled in", path)
		}
		if filepath.Ext(path) == ".go" {
			formatted, err := format.Source(data)
			if err != nil {
				return err
			}
			if !bytes.Equal(formatted, data) {
				t.Errorf("%s is not formatted", path)
			}
		}
		return nil
	})
	if err != nil {
		t.Error(err)
	}
}

func TestNewRefuses(t *testing.T) {
	full := t.TempDir()
	if err := os.WriteFile(filepath.Join(full, "kept.txt"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(full, "kept.txt")
	for _, tc := range []struct{ name, dir, fn, lang, want string }{
		{"language", filepath.Join(t.TempDir(), "x"), "x", "zig", `"zig" is no language that Shoal knows: choose assemblyscript, c, cpp, go, rust`},
		{"no language", filepath.Join(t.TempDir(), "x"), "x", "", "choose assemblyscript, c, cpp, go, rust"},
		{"name", filepath.Join(t.TempDir(), "x"), "My Function", "go", "character 1 must be a-z or 0-9"},
		{"no name", filepath.Join(t.TempDir(), "x"), "", "go", "function name is empty"},
		{"path as name", filepath.Join(t.TempDir(), "x"), "../x", "go", "character 1"},
		{"folder in use", full, "x", "go", "is not empty (it has kept.txt)"},
		{"folder is a file", file, "x", "go", "kept.txt"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			err := New(tc.dir, tc.fn, tc.lang)
			if err == nil || !strings.Contains(err.Error(), tc.want) {
				t.Fatalf("error %v, want one with %q", err, tc.want)
			}
			if tc.name != "folder in use" && tc.name != "folder is a file" {
				if _, err := os.Stat(tc.dir); err == nil {
					t.Errorf("%s was made all the same", tc.dir)
				}
			}
		})
	}
	if got := names(t, full); !slices.Equal(got, []string{"kept.txt"}) {
		t.Errorf("the folder in use now has %q", got)
	}
}

func TestNewRemovesWhatItWroteOnError(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "x"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	// A file where a folder must be is an error that even root meets.
	if err := New(filepath.Join(dir, "x", "y"), "y", "c"); err == nil {
		t.Fatal("no error")
	}
	if got := names(t, dir); !slices.Equal(got, []string{"x"}) {
		t.Errorf("left behind: %q", got)
	}
	for _, made := range []bool{true, false} {
		target := filepath.Join(t.TempDir(), "p")
		if err := New(target, "p", "c"); err != nil {
			t.Fatal(err)
		}
		if err := clear(target, made); err != nil {
			t.Fatal(err)
		}
		if _, err := os.Stat(target); (err == nil) == made {
			t.Errorf("made %v: the folder is there: %v", made, err == nil)
		}
	}
}

// In a clone of a repository with a go.work, as Shoal's own, the go command must work in the new folder all the same.
func TestNewInsideAWorkspace(t *testing.T) {
	root := t.TempDir()
	if err := os.WriteFile(filepath.Join(root, "go.work"), []byte("go 1.24\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	dir := filepath.Join(root, "a", "fn")
	if err := New(dir, "fn", "go"); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command("go", "list", "-m")
	cmd.Dir = dir
	cmd.Env = offline()
	out, err := cmd.CombinedOutput()
	if err != nil || strings.TrimSpace(string(out)) != "example.com/fn" {
		t.Errorf("go list -m: %v\n%s", err, out)
	}
}

// offline is an environment in which the go command can fetch nothing.
func offline() []string {
	return append(os.Environ(), "GOPROXY=off", "GOFLAGS=", "GOWORK=", "GOTOOLCHAIN=local")
}

func names(t *testing.T, dir string) []string {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, e := range entries {
		names = append(names, e.Name())
	}
	return names
}

func readFile(t *testing.T, path string) string {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}
