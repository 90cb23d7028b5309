package testenv

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"
)

// A cold build of Go's runtime for wasip1 takes tens of seconds on a busy machine; nothing else comes near.
const probeTimeout = 3 * time.Minute

func probeGoWasm() error {
	dir, err := os.MkdirTemp("", "probe-go-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	if err := write(dir, "go.mod", "module probe\n\ngo 1.26\n"); err != nil {
		return err
	}
	// A reactor, as the Go SDK builds them: a go command older than 1.24 cannot.
	src := "package main\n\n//go:wasmexport handle\nfunc handle() int32 { return 0 }\n\nfunc main() {}\n"
	if err := write(dir, "main.go", src); err != nil {
		return err
	}
	return run(dir, []string{"GOOS=wasip1", "GOARCH=wasm", "GOWORK=off", "GOFLAGS=", "GOPROXY=off", "GOTOOLCHAIN=local"},
		"go", "build", "-buildmode=c-shared", "-o", "probe.wasm", ".")
}

func probeClang() error {
	dir, err := os.MkdirTemp("", "probe-clang-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	if err := write(dir, "a.c", "#include <stdio.h>\nint main(void) { return puts(\"\") < 0; }\n"); err != nil {
		return err
	}
	if err := write(dir, "b.cc", "#include <string>\nint main(int c, char **) { return std::to_string(c).empty(); }\n"); err != nil {
		return err
	}
	if err := run(dir, nil, "clang-19", "--target=wasm32-wasi", "-o", "a.wasm", "a.c"); err != nil {
		return err
	}
	return run(dir, nil, "clang++-19", "--target=wasm32-wasi", "-fno-exceptions", "-o", "b.wasm", "b.cc")
}

func probeRedis() error {
	if err := run("", nil, "redis-server", "--version"); err != nil {
		return err
	}
	return run("", nil, "redis-cli", "--version")
}

func write(dir, name, text string) error {
	return os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600)
}

// run executes a command and says in one line what went wrong.
func run(dir string, env []string, name string, args ...string) error {
	ctx, cancel := context.WithTimeout(context.Background(), probeTimeout)
	defer cancel()
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), env...)
	out, err := cmd.CombinedOutput()
	if err == nil {
		return nil
	}
	if errors.Is(err, exec.ErrNotFound) {
		return fmt.Errorf("%s is not installed", name)
	}
	// "run /tmp/…/main" tells less than the tool's own first line.
	if line, _, _ := strings.Cut(string(bytes.TrimSpace(out)), "\n"); line != "" {
		return fmt.Errorf("%s: %s: %w", name, line, err)
	}
	return fmt.Errorf("%s: %w", name, err)
}
