package service

import (
	"runtime/debug"
	"strings"
)

// Version is this program's version, "devel" for a build from a checkout.
func Version() string {
	if info, ok := debug.ReadBuildInfo(); ok {
		if v := strings.Trim(info.Main.Version, "()"); v != "" {
			return v
		}
	}
	return "devel"
}
