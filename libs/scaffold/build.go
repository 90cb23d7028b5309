package scaffold

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"time"
)

// Build compiles the project in dir to NAME.wasm in the same folder and returns the path of it. What the compiler says,
// warnings too, goes to out. A machine without the compiler gives a *MissingError, sources that do not compile a
// *CompileError; a NAME.wasm of an earlier build is then still there.
func Build(ctx context.Context, dir string, out io.Writer) (wasmPath string, err error) {
	p, err := Load(dir)
	if err != nil {
		return "", err
	}
	wasmPath = filepath.Join(dir, p.Name+".wasm")
	return wasmPath, p.build(ctx, dir, wasmPath, out)
}

// BuildTo is Build with the module written to wasmPath, whose folder must exist.
func BuildTo(ctx context.Context, dir, wasmPath string, out io.Writer) error {
	p, err := Load(dir)
	if err != nil {
		return err
	}
	return p.build(ctx, dir, wasmPath, out)
}

// build compiles to a file beside wasmPath and moves it there when it is known to be good.
func (p Project) build(ctx context.Context, dir, wasmPath string, out io.Writer) (err error) {
	tmpDir, err := os.MkdirTemp(filepath.Dir(wasmPath), "."+p.Name+"-build-")
	if err != nil {
		return fmt.Errorf("build %s: %w", p.Name, err)
	}
	defer func() { err = errors.Join(err, os.RemoveAll(tmpDir)) }()
	// The compilers run in dir, and clang puts the name of its output into the module.
	tmp, err := filepath.Abs(filepath.Join(tmpDir, p.Name+".wasm"))
	if err != nil {
		return fmt.Errorf("build %s: %w", p.Name, err)
	}
	commands, err := p.commands(ctx, dir, tmp)
	if err != nil {
		return err
	}
	for _, cmd := range commands {
		if err := cmd.run(ctx, dir, out); err != nil {
			return &CompileError{Name: p.Name, Compiler: cmd.name, Err: err}
		}
	}
	if err := p.check(tmp); err != nil {
		return err
	}
	if err := os.Chmod(tmp, 0o644); err != nil { // linkers make it executable, which it is not
		return err
	}
	return os.Rename(tmp, wasmPath)
}

// commands returns what is run, one after the other, to compile the project in dir to output, in a folder of its own.
func (p Project) commands(ctx context.Context, dir, output string) ([]command, error) {
	var one command
	var err error
	switch p.Lang {
	case "go":
		one, err = p.goCommand(output)
	case "rust":
		return p.rustCommands(ctx, dir, output)
	case "assemblyscript":
		one, err = p.ascCommand(dir, output)
	default:
		one, err = p.clangCommand(ctx, dir, output)
	}
	if err != nil {
		return nil, err
	}
	return []command{one}, nil
}

// command is a compiler and what to tell it.
type command struct {
	name string // for people: "clang-19"
	path string
	args []string
	env  []string // on top of the environment
	made string   // where it leaves its output, as a pattern of one file, when it can't be told; "" when it was told
	to   string   // where that is moved
}

// stopDelay is how long a compiler that was told to stop may take before it is killed, with its pipes closed.
const stopDelay = 2 * time.Second

func (c command) run(ctx context.Context, dir string, out io.Writer) error {
	cmd := exec.CommandContext(ctx, c.path, c.args...)
	cmd.Cancel = func() error { return cmd.Process.Signal(os.Interrupt) } // go and clang remove what they began
	cmd.WaitDelay = stopDelay
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), c.env...)
	cmd.Stdout, cmd.Stderr = out, out
	if err := cmd.Run(); err != nil {
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		return err
	}
	if c.made == "" {
		return nil
	}
	made, err := filepath.Glob(c.made)
	if err != nil || len(made) != 1 {
		return fmt.Errorf("it made %d modules, not one", len(made))
	}
	return os.Rename(made[0], c.to)
}

// goCommand is the go command that makes a reactor. -w leaves out debug information and keeps the names of functions;
// trimming paths and leaving out the state of the repository make the bytes depend on the sources alone.
func (p Project) goCommand(output string) (command, error) {
	path, err := exec.LookPath("go")
	if err != nil {
		return command{}, &MissingError{Lang: p.Lang, What: []string{"go"}, Fix: "install Go 1.24 or later from https://go.dev/dl"}
	}
	args := []string{"build", "-buildmode=c-shared", "-trimpath", "-buildvcs=false", "-ldflags=-w", "-o", output}
	return command{
		name: "go",
		path: path,
		args: append(append(args, p.Flags...), "."),
		env:  []string{"GOOS=wasip1", "GOARCH=wasm", "CGO_ENABLED=0"},
	}, nil
}
