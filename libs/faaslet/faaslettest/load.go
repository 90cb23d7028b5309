//go:build linux && cgo

package faaslettest

import (
	"github.com/shoal-run/shoal/libs/faaslet"
	"github.com/shoal-run/shoal/libs/hostapi"
	"github.com/shoal-run/shoal/libs/wasmbin"
)

// load takes a module into e, whose host functions are table, as a deploy does: parse, check, compile, load. The caller closes
// what it gets.
func load(e *faaslet.Engine, table hostapi.Table, module []byte) (*faaslet.Module, error) {
	parsed, err := wasmbin.Parse(module)
	if err != nil {
		return nil, err
	}
	info, err := wasmbin.Check(parsed, wasmbin.Host{Types: table.Types})
	if err != nil {
		return nil, err
	}
	artefact, err := e.Compile(module)
	if err != nil {
		return nil, err
	}
	return e.LoadBytes(artefact, info)
}
