package service

import (
	"runtime/debug"
	"strings"
)

// version is what the build was told: go build -ldflags '-X github.com/shoal-run/shoal/libs/service.version=…'.
var version string

// Version is this program's version: what its build was told, as `make build` does, or that of its module; "devel" when
// neither is known.
func Version() string {
	if version != "" {
		return version
	}
	if info, ok := debug.ReadBuildInfo(); ok {
		if v := strings.Trim(info.Main.Version, "()"); v != "" {
			return v
		}
	}
	return "devel"
}
