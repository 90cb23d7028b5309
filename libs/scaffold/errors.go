package scaffold

import (
	"fmt"
	"strings"
)

// MissingError is returned by Build when the machine lacks what the language needs. Nothing was built.
type MissingError struct {
	Lang     string   // of the project: "c"
	What     []string // what is missing, in words: "clang", "wasi-libc"
	Packages []string // the Debian packages that have it; empty when it is not a matter of packages
	Fix      string   // what to do where there is no such package
}

// Error names what is missing and how to get it.
func (e *MissingError) Error() string {
	msg := fmt.Sprintf("%s functions cannot be built here: %s not found", displayName(e.Lang), strings.Join(e.What, ", "))
	if len(e.Packages) > 0 {
		msg += " (Debian: apt-get install " + strings.Join(e.Packages, " ") + "; " + e.Fix + ")"
	} else {
		msg += " (" + e.Fix + ")"
	}
	return msg
}

// CompileError is returned by Build when the compiler refused the sources. What it said went to Build's out.
type CompileError struct {
	Name     string // of the project
	Compiler string // its command: "go", "clang-19"
	Err      error  // how it ended
}

// Error names the project and the compiler.
func (e *CompileError) Error() string {
	return fmt.Sprintf("build %s: %s: %v", e.Name, e.Compiler, e.Err)
}

// Unwrap returns how the compiler ended.
func (e *CompileError) Unwrap() error { return e.Err }
