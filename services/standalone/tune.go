//go:build linux

package standalone

import (
	"os"
	"runtime/debug"

	"golang.org/x/sys/unix"
)

const (
	gcPercent = 400 // the heap of small calls is small: by Go's own 100 it is collected dozens of times a second
	memoryCut = 4   // the part of the machine's memory from which the collector works harder again
)

// Tune sets this process's garbage collector for serving calls, where GOGC and GOMEMLIMIT do not say otherwise. It is for
// programs that run nothing but a Standalone, and for what is compared with them.
func Tune() {
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(gcPercent)
	}
	var info unix.Sysinfo_t
	if os.Getenv("GOMEMLIMIT") == "" && unix.Sysinfo(&info) == nil {
		debug.SetMemoryLimit(int64(uint64(info.Totalram) * uint64(info.Unit) / memoryCut))
	}
}
