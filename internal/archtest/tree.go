package archtest

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
)

// module is the path of the root module; packages are named below relative to it ("libs/faaslet").
const module = "github.com/shoal-run/shoal"

// finding is one broken rule: where, what, and why the rule is there.
type finding struct {
	where string // a package or file, relative to the root
	what  string
	why   string
}

func (f finding) String() string { return fmt.Sprintf("%s: %s\n\t%s", f.where, f.what, f.why) }

// pkg is one Go package as the go command sees it. Imports of ours are written relative to the module, with "./" before
// ("./libs/faaslet"), so that they cannot be mistaken for the standard library's.
type pkg struct {
	path        string   // relative to the module ("libs/faaslet")
	imports     []string // of its non-test files
	testImports []string // of its tests, inside and outside the package
	deps        []string // everything it links, tests excluded
	cgo         bool     // imports "C"
}

// source is one Go file.
type source struct {
	path  string // relative to the root, with slashes
	lines int
	ast   *ast.File
	fset  *token.FileSet
}

func (s source) test() bool { return strings.HasSuffix(s.path, "_test.go") }

func (s source) dir() string { return filepath.ToSlash(filepath.Dir(s.path)) }

func (s source) generated() bool { return ast.IsGenerated(s.ast) }

// at says where a node of s is, as path:line.
func (s source) at(n ast.Node) string {
	return fmt.Sprintf("%s:%d", s.path, s.fset.Position(n.Pos()).Line)
}

// local rewrites one of our import paths as "./path" and leaves others alone.
func local(path string) string {
	path, _, _ = strings.Cut(path, " [") // a package rebuilt for a test
	if path == module {
		return "./"
	}
	if rest, ok := strings.CutPrefix(path, module+"/"); ok {
		return "./" + rest
	}
	return path
}

// ours returns the path relative to the module when an import is one of ours.
func ours(path string) (string, bool) { return strings.CutPrefix(path, "./") }

// standard reports whether an import is of the standard library.
func standard(path string) bool {
	first, _, _ := strings.Cut(path, "/")
	return first != "." && !strings.Contains(first, ".")
}

// matchAny reports whether one of the patterns matches; "..." matches everything.
func matchAny(patterns []string, path string) bool {
	return slices.ContainsFunc(patterns, func(p string) bool { return p == "..." || match(p, path) })
}

// match reports whether path is pattern, or, for a pattern that ends in "/...", is it or lies below it.
func match(pattern, path string) bool {
	if prefix, ok := strings.CutSuffix(pattern, "/..."); ok {
		return path == prefix || strings.HasPrefix(path, prefix+"/")
	}
	return path == pattern
}

// root finds the directory with go.work, from the working directory upwards.
func root() (string, error) {
	dir, err := os.Getwd()
	if err != nil {
		return "", err
	}
	for {
		if _, err := os.Stat(filepath.Join(dir, "go.work")); err == nil {
			return dir, nil
		}
		up := filepath.Dir(dir)
		if up == dir {
			return "", errors.New("no go.work above the working directory")
		}
		dir = up
	}
}

// list asks the go command for the packages that match patterns. Packages that do not build are listed as far as the
// go command understands them: building is another step's business.
func list(root string, env []string, patterns ...string) ([]pkg, error) {
	args := []string{"list", "-e", "-json=ImportPath,Imports,TestImports,XTestImports,Deps,CgoFiles"}
	cmd := exec.Command("go", append(args, patterns...)...)
	cmd.Dir = root
	cmd.Env = append(os.Environ(), env...)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		return nil, fmt.Errorf("go list: %w: %s", err, bytes.TrimSpace(stderr.Bytes()))
	}
	return decode(bytes.NewReader(out))
}

func decode(r io.Reader) ([]pkg, error) {
	var pkgs []pkg
	for dec := json.NewDecoder(r); ; {
		var p struct {
			ImportPath                               string
			Imports, TestImports, XTestImports, Deps []string
			CgoFiles                                 []string
		}
		if err := dec.Decode(&p); errors.Is(err, io.EOF) {
			return pkgs, nil
		} else if err != nil {
			return nil, fmt.Errorf("read go list: %w", err)
		}
		pkgs = append(pkgs, pkg{
			path:        strings.TrimPrefix(local(p.ImportPath), "./"),
			imports:     locals(p.Imports),
			testImports: locals(slices.Concat(p.TestImports, p.XTestImports)),
			deps:        locals(p.Deps),
			cgo:         len(p.CgoFiles) > 0,
		})
	}
}

func locals(paths []string) []string {
	var out []string
	for _, p := range paths {
		out = append(out, local(p))
	}
	return out
}

// skipDirs hold what is not source of ours.
var skipDirs = []string{".git", "bin", "data", "node_modules"}

// files reads every Go file below root, whatever its build tags, and the paths of all text scripts of testscript.
func files(root string) (sources []source, scripts map[string]string, err error) {
	scripts = map[string]string{}
	err = filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(root, path)
		if err != nil {
			return err
		}
		rel = filepath.ToSlash(rel)
		switch {
		case d.IsDir():
			if slices.Contains(skipDirs, d.Name()) {
				return filepath.SkipDir
			}
		case strings.HasSuffix(rel, ".txtar"):
			text, err := os.ReadFile(path)
			if err != nil {
				return err
			}
			scripts[rel] = string(text)
		case strings.HasSuffix(rel, ".go") && !strings.Contains("/"+rel, "/testdata/"):
			text, err := os.ReadFile(path)
			if err != nil {
				return err
			}
			s, err := parse(rel, string(text))
			if err != nil {
				return err
			}
			sources = append(sources, s)
		}
		return nil
	})
	return sources, scripts, err
}

func parse(path, text string) (source, error) {
	fset := token.NewFileSet()
	f, err := parser.ParseFile(fset, path, text, parser.ParseComments)
	if err != nil {
		return source{}, err
	}
	return source{path: path, lines: strings.Count(text, "\n"), ast: f, fset: fset}, nil
}
