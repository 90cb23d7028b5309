package testenv

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"
)

// RustBin returns the folder with the rustc and the cargo that Rust stands for; t is skipped without. The first rustc on PATH
// may be another, which knows no WebAssembly.
func RustBin(t testing.TB) string {
	t.Helper()
	Need(t, Rust)
	return rustBin().dir
}

type rustFound struct {
	dir string
	err error
}

func probeRust() error { return rustBin().err }

var rustBin = sync.OnceValue(func() rustFound {
	dir, err := os.MkdirTemp("", "probe-rust-")
	if err != nil {
		return rustFound{err: err}
	}
	defer os.RemoveAll(dir)
	if err := write(dir, "a.rs", "pub fn f() -> String { String::new() }\n"); err != nil {
		return rustFound{err: err}
	}
	last := errors.New("rustc is not installed")
	for _, bin := range filepath.SplitList(os.Getenv("PATH")) {
		rustc, err := exec.LookPath(filepath.Join(bin, "rustc"))
		if err != nil {
			continue
		}
		for _, target := range []string{"wasm32-wasip1", "wasm32-wasi"} {
			last = run(dir, nil, rustc, "--target", target, "--crate-type", "cdylib", "-o", "a.wasm", "a.rs")
			if last == nil {
				if _, last = exec.LookPath(filepath.Join(bin, "cargo")); last == nil {
					return rustFound{dir: bin}
				}
			}
		}
	}
	return rustFound{err: last}
})

func probeCMake() error {
	if err := run("", nil, "cmake", "--version"); err != nil {
		return err
	}
	return run("", nil, "make", "--version")
}

// probeNpm asks the registry for one version that tests install.
func probeNpm() error {
	if err := run("", nil, "node", "--version"); err != nil {
		return err
	}
	if err := run("", nil, "npm", "view", "--fetch-timeout=10000", "--fetch-retries=0", "assemblyscript@0.28.20", "version"); err != nil {
		return fmt.Errorf("the registry does not answer: %w", err)
	}
	return nil
}
