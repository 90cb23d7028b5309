// Command shoal is Shoal's command line: everything a person does with functions, from a new project to its logs, and
// on Linux with cgo also `shoal up`, the whole platform in one process.
package main

import (
	"context"
	"io"
	"os"

	"github.com/shoal-run/shoal/libs/service"
)

//go:generate go test . -run ^TestManual$ -update

// process is what the command line sees of the process it runs in; tests make their own.
type process struct {
	stdin          io.Reader
	stdout, stderr io.Writer
	getenv         func(string) string
	environ        []string // all that getenv knows, as "NAME=value"
	dir            string   // where relative paths start; "" = the working directory
	// stdinTerminal and stderrTerminal say whether a person is at the other end.
	stdinTerminal, stderrTerminal bool
}

func main() {
	atStart()
	ctx, stop := service.Signalled()
	code := run(ctx, os.Args[1:], thisProcess())
	stop()
	os.Exit(int(code))
}

func thisProcess() process {
	return process{
		stdin: os.Stdin, stdout: os.Stdout, stderr: os.Stderr, getenv: os.Getenv, environ: os.Environ(),
		stdinTerminal: isTerminal(os.Stdin), stderrTerminal: isTerminal(os.Stderr),
	}
}

// isTerminal reports whether f is a character device: a terminal or /dev/null, neither of which has input for a call.
func isTerminal(f *os.File) bool {
	st, err := f.Stat()
	return err == nil && st.Mode()&os.ModeCharDevice != 0
}

// run runs one command line, without the program's name, and returns the code to exit with. What went wrong is on
// p.stderr by then.
func run(ctx context.Context, args []string, p process) exitCode {
	a := &app{process: p, output: text}
	root := a.root()
	root.SetArgs(args)
	root.SetIn(p.stdin)
	root.SetOut(p.stdout)
	root.SetErr(p.stderr)
	err := root.ExecuteContext(ctx)
	if err == nil {
		return exitOK
	}
	return a.report(ctx, err)
}
