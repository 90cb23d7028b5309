// Package sdk carries what functions are written with, so that `shoal new` can put it into a project without any
// network: the headers of sdk/c and the Go module of sdk/go.
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

//go:embed all:c/include c/README.md
var cFiles embed.FS

// C returns the files of the C and C++ SDK: README.md, and the headers under include.
func C() (fs.FS, error) {
	files, err := fs.Sub(cFiles, "c")
	if err != nil {
		return nil, fmt.Errorf("open the embedded C SDK: %w", err)
	}
	return files, nil
}

// Go returns the files of the Go SDK: a module, with its go.mod at the root and without its tests.
func Go() (fs.FS, error) {
	files, err := zip.NewReader(strings.NewReader(goArchive), int64(len(goArchive)))
	if err != nil {
		return nil, fmt.Errorf("open the embedded Go SDK: %w", err)
	}
	return files, nil
}
