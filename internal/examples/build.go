// Package examples builds the functions under examples/, and reads from their READMEs what a call of each must answer.
package examples

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/shoal-run/shoal/libs/scaffold"
)

// Built is an example whose module is there.
type Built struct {
	Name   string // of the function: "hello-c"
	Source string // its project's folder
	Path   string // of the module
	Fresh  bool   // it was newer than its sources, and not built again
}

// Skipped is an example that this machine cannot build.
type Skipped struct {
	Name   string
	Source string
	Reason *scaffold.MissingError
}

// Build builds each project under srcDir (the repository's examples folder) to outDir, which it makes, as NAME.wasm, and
// leaves alone what is newer than its sources. What this machine has no compiler for is skipped. Progress and the words
// of the compilers go to log. Sources that do not compile are errors, which name the project; the others are built all
// the same. All results are in the order of the folders' names.
func Build(ctx context.Context, srcDir, outDir string, log io.Writer) ([]Built, []Skipped, error) {
	projects, err := find(srcDir)
	if err != nil {
		return nil, nil, err
	}
	if err := os.MkdirAll(outDir, 0o755); err != nil {
		return nil, nil, err
	}
	b := &builder{srcDir: srcDir, outDir: outDir, log: log}

	// The first Go build compiles the standard library, which the others then share: side by side each would do it.
	rest := slices.Clone(projects)
	if i := slices.IndexFunc(rest, func(p project) bool { return p.Lang == "go" }); i >= 0 {
		b.build(ctx, rest[i])
		rest = slices.Delete(rest, i, i+1)
	}
	var group errgroup.Group
	group.SetLimit(runtime.GOMAXPROCS(0))
	for _, p := range rest {
		group.Go(func() error {
			b.build(ctx, p)
			return nil
		})
	}
	_ = group.Wait() // the errors are in b
	slices.SortFunc(b.built, func(x, y Built) int { return strings.Compare(x.Source, y.Source) })
	slices.SortFunc(b.skipped, func(x, y Skipped) int { return strings.Compare(x.Source, y.Source) })
	return b.built, b.skipped, errors.Join(b.errs...)
}

// project is an example with its folder.
type project struct {
	scaffold.Project
	dir string
}

// find returns the projects under root. Two with one name are an error.
func find(root string) ([]project, error) {
	var projects []project
	dirs := map[string]string{} // by name
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || d.Name() != scaffold.ConfigName {
			return err
		}
		dir := filepath.Dir(path)
		p, err := scaffold.Load(dir)
		if err != nil {
			return err
		}
		if other, taken := dirs[p.Name]; taken {
			return fmt.Errorf("%s and %s both name their function %s", other, dir, p.Name)
		}
		dirs[p.Name] = dir
		projects = append(projects, project{Project: p, dir: dir})
		return nil
	})
	if err == nil && len(projects) == 0 {
		err = fmt.Errorf("no examples: no %s under %s", scaffold.ConfigName, root)
	}
	return projects, err
}

type builder struct {
	srcDir, outDir string

	mu      sync.Mutex
	log     io.Writer // one project's words at a time
	built   []Built
	skipped []Skipped
	errs    []error
}

// build builds one project and files the result.
func (b *builder) build(ctx context.Context, p project) {
	var words bytes.Buffer
	start := time.Now()
	result := Built{Name: p.Name, Source: p.dir, Path: filepath.Join(b.outDir, p.Name+".wasm")}
	fresh, err := b.fresh(p, result.Path)
	if err == nil && !fresh {
		err = scaffold.BuildTo(ctx, p.dir, result.Path, &words)
		if err == nil { // what changes while the compiler runs is newer than the module
			err = os.Chtimes(result.Path, time.Time{}, start)
		}
	}
	result.Fresh = fresh

	b.mu.Lock()
	defer b.mu.Unlock()
	_, _ = words.WriteTo(b.log) // a log that cannot be written is no reason to stop
	var missing *scaffold.MissingError
	switch {
	case errors.As(err, &missing):
		b.skipped = append(b.skipped, Skipped{Name: p.Name, Source: p.dir, Reason: missing})
	case err != nil:
		b.errs = append(b.errs, fmt.Errorf("example %s: %w", p.dir, err))
	default:
		b.built = append(b.built, result)
		if !fresh {
			fmt.Fprintf(b.log, "built %s (%.1f s)\n", result.Path, time.Since(start).Seconds())
		}
	}
}

// fresh reports whether the module at path is newer than all that it is made of. Folders count too: their times tell of
// files that were removed.
func (b *builder) fresh(p project, path string) (bool, error) {
	module, err := os.Stat(path)
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	inputs := []string{p.dir, filepath.Join(p.dir, p.SDK)}
	switch p.Lang {
	case "go":
		inputs = []string{p.dir, filepath.Join(b.srcDir, "go.mod"), filepath.Join(b.srcDir, "..", "sdk", "go")}
	case "assemblyscript":
		inputs = []string{p.dir, filepath.Join(b.srcDir, "..", "sdk", "assemblyscript")}
	}
	for _, input := range inputs {
		err := filepath.WalkDir(input, func(_ string, d fs.DirEntry, err error) error {
			if err != nil {
				return err
			}
			info, err := d.Info()
			if err == nil && !info.ModTime().Before(module.ModTime()) {
				return errStale
			}
			return err
		})
		if errors.Is(err, errStale) {
			return false, nil
		}
		if err != nil {
			return false, err
		}
	}
	return true, nil
}

var errStale = errors.New("newer than the module")
