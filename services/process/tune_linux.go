package process

import (
	"os"
	"runtime/debug"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

const (
	gcPercent = 400 // the heap of small calls is small: by Go's own 100 it is collected dozens of times a second
	memoryCut = 4   // the part of the memory from which the collector works harder again
)

// memoryLimits are where a container finds how much memory it may have, for cgroups v2 and v1.
var memoryLimits = []string{"/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes"}

// Tune sets this process's garbage collector for serving calls, where GOGC and GOMEMLIMIT do not say otherwise. It is for
// programs that do nothing else.
func Tune() {
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(gcPercent)
	}
	var info unix.Sysinfo_t
	if os.Getenv("GOMEMLIMIT") == "" && unix.Sysinfo(&info) == nil {
		debug.SetMemoryLimit(int64(limited(uint64(info.Totalram)*uint64(info.Unit), memoryLimits) / memoryCut))
	}
}

// limited returns the least of memory and what the files say, in bytes. One that is not there, or has no number, sets no
// limit.
func limited(memory uint64, files []string) uint64 {
	for _, path := range files {
		b, err := os.ReadFile(path)
		if err != nil {
			continue
		}
		if n, err := strconv.ParseUint(strings.TrimSpace(string(b)), 10, 64); err == nil && n > 0 {
			memory = min(memory, n)
		}
	}
	return memory
}
