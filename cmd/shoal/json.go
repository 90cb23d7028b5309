package main

import (
	"github.com/shoal-run/shoal/bus/faas"
	"github.com/shoal-run/shoal/libs/apiclient"
)

// The documents of -o json that are more than a noun. They are the gateway's, with lists that are never null.

type deployedJSON struct {
	faas.Function
	New       bool  `json:"new"`
	Unchanged bool  `json:"unchanged"`
	CompileMs int64 `json:"compile_ms"`
}

type descriptionJSON struct {
	faas.Function
	Workers []apiclient.Readiness `json:"workers"`
}

// functionOf is f with lists that are not nil.
func functionOf(f faas.Function) faas.Function {
	f.Imports = append([]faas.Import{}, f.Imports...)
	f.Revision = 0 // the registry's own
	return f
}
