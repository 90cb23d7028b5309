package main

import (
	"time"

	"github.com/shoal-run/shoal/bus/faas"
	"github.com/shoal-run/shoal/libs/apiclient"
)

// functionJSON is a function as -o json prints it: in the gateway's words.
type functionJSON struct {
	Tenant   string        `json:"tenant"`
	Function string        `json:"function"`
	Version  faas.Version  `json:"version"`
	Kind     faas.Kind     `json:"kind"`
	Entry    string        `json:"entry"`
	Size     int64         `json:"size"`
	Imports  []faas.Import `json:"imports"`
	Settings faas.Settings `json:"settings"`
	Deployed time.Time     `json:"deployed"`
	Changed  time.Time     `json:"changed"`
}

func functionOf(f faas.Function) functionJSON {
	return functionJSON{
		f.Name.Tenant, f.Name.Function, f.Version, f.Kind, f.Entry, f.Size, append([]faas.Import{}, f.Imports...), f.Settings,
		f.Deployed, f.Changed,
	}
}

type deployedJSON struct {
	functionJSON
	New       bool  `json:"new"`
	Unchanged bool  `json:"unchanged"`
	CompileMs int64 `json:"compile_ms"`
}

type descriptionJSON struct {
	functionJSON
	Workers []apiclient.Readiness `json:"workers"`
}
