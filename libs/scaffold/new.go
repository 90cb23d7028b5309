package scaffold

import (
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strings"
	"text/template"

	"github.com/shoal-run/shoal/bus/faas"
	"github.com/shoal-run/shoal/sdk"
)

//go:embed all:templates
var templates embed.FS

// New makes a project for a function in dir, which must not exist or be empty: sources that work, a README with what to
// do next, and a copy of the SDK. On error what it wrote is removed.
func New(dir, name, lang string) (err error) {
	if err := faas.CheckName("function", name); err != nil {
		return err
	}
	if err := checkLang(lang); err != nil {
		return err
	}
	made, err := claim(dir)
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			err = errors.Join(fmt.Errorf("make project %s: %w", dir, err), clear(dir, made))
		}
	}()
	files, err := templateFiles(lang, name)
	if err != nil {
		return err
	}
	workspace, err := insideWorkspace(dir)
	if err != nil {
		return err
	}
	if workspace && lang == "go" {
		// Without a workspace of its own, the go command would refuse the folder as no part of the one around it.
		files["go.work"] = []byte("go 1.24\n\nuse .\n")
	}
	if err := addSDK(files, lang); err != nil {
		return err
	}
	for name, data := range files {
		file := filepath.Join(dir, filepath.FromSlash(name))
		if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
			return err
		}
		if err := os.WriteFile(file, data, 0o644); err != nil {
			return err
		}
	}
	return nil
}

// claim makes dir, or finds it empty. made says which.
func claim(dir string) (made bool, err error) {
	entries, err := os.ReadDir(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return true, os.MkdirAll(dir, 0o755)
	}
	if err != nil {
		return false, err
	}
	if len(entries) > 0 {
		return false, fmt.Errorf("%s is not empty (it has %s): choose another name, or an empty folder", dir, entries[0].Name())
	}
	return false, nil
}

// clear removes what New wrote to dir, and dir too when New made it.
func clear(dir string, made bool) error {
	if made {
		return os.RemoveAll(dir)
	}
	entries, err := os.ReadDir(dir)
	for _, e := range entries {
		err = errors.Join(err, os.RemoveAll(filepath.Join(dir, e.Name())))
	}
	return err
}

// templateFiles returns the project's own files, by their paths with slashes.
func templateFiles(lang, name string) (map[string][]byte, error) {
	files := map[string][]byte{}
	for _, root := range []string{"templates/" + lang, "templates/all"} {
		err := fs.WalkDir(templates, root, func(file string, d fs.DirEntry, err error) error {
			if err != nil || d.IsDir() {
				return err
			}
			t, err := template.ParseFS(templates, file)
			if err != nil {
				return err
			}
			var out strings.Builder
			if err := t.Option("missingkey=error").Execute(&out, map[string]string{"Name": name}); err != nil {
				return err
			}
			rel := strings.TrimSuffix(strings.TrimPrefix(file, root+"/"), ".tmpl")
			files[rel] = []byte(out.String())
			return nil
		})
		if err != nil {
			return nil, err
		}
	}
	return files, nil
}

// addSDK adds the language's SDK to the project's files.
func addSDK(files map[string][]byte, lang string) error {
	open := map[string]func() (fs.FS, error){
		"assemblyscript": sdk.AssemblyScript, "c": sdk.C, "cpp": sdk.C, "go": sdk.Go, "rust": sdk.Rust,
	}
	tree, err := open[lang]()
	if err != nil {
		return err
	}
	return fs.WalkDir(tree, ".", func(file string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		data, err := fs.ReadFile(tree, file)
		files[path.Join(SDKDir, file)] = data
		return err
	})
}

// insideWorkspace reports whether a go.work in a folder above dir would rule it.
func insideWorkspace(dir string) (bool, error) {
	abs, err := filepath.Abs(dir)
	if err != nil {
		return false, err
	}
	for parent := filepath.Dir(abs); ; parent = filepath.Dir(parent) {
		if _, err := os.Stat(filepath.Join(parent, "go.work")); err == nil {
			return true, nil
		}
		if parent == filepath.Dir(parent) {
			return false, nil
		}
	}
}
