// Package sdk carries what functions are written with, so that `shoal new` can put it into a project without any
// network: the headers of sdk/c, the Go module of sdk/go, the crate of sdk/rust and the package of sdk/assemblyscript.
//
// sdk/go is a module of its own, which functions depend on without depending on Shoal, and Go refuses to embed another
// module's files. So they are embedded as an archive, go.zip, that `go generate ./sdk` makes from the folder; it is not
// compressed, and the same files make the same bytes. A test compares the two.
package sdk

import (
	"archive/zip"
	"embed"
	"fmt"
	"io/fs"
	"strings"
)

//go:generate go run ./internal/pack go go.zip

//go:embed go.zip
var goArchive string

//go:embed c/README.md c/Makefile c/shoal.pc c/include c/posix c/src c/cmake
//go:embed rust/README.md rust/Cargo.toml rust/src
//go:embed assemblyscript/README.md assemblyscript/*.json assemblyscript/test.mjs assemblyscript/assembly
var files embed.FS

// C returns the files of the C and C++ SDK: the headers under include and posix, and what is built of it.
func C() (fs.FS, error) { return below("c") }

// Rust returns the files of the Rust SDK: a crate, without its tests.
func Rust() (fs.FS, error) { return below("rust") }

// AssemblyScript returns the files of the AssemblyScript SDK: an npm package.
func AssemblyScript() (fs.FS, error) { return below("assemblyscript") }

func below(dir string) (fs.FS, error) {
	sub, err := fs.Sub(files, dir)
	if err != nil {
		return nil, fmt.Errorf("open the embedded SDK in %s: %w", dir, err)
	}
	return sub, nil
}

// Go returns the files of the Go SDK: a module, with its go.mod at the root and without its tests.
func Go() (fs.FS, error) {
	files, err := zip.NewReader(strings.NewReader(goArchive), int64(len(goArchive)))
	if err != nil {
		return nil, fmt.Errorf("open the embedded Go SDK: %w", err)
	}
	return files, nil
}
