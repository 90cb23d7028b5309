package process

import (
	"os"
	"runtime/debug"

	"github.com/shoal-run/shoal/libs/service"
)

const (
	gcPercent = 400 // the heap of small calls is small: by Go's own 100 it is collected dozens of times a second
	memoryCut = 4   // the part of the memory from which the collector works harder again
)

// Tune sets this process's garbage collector for serving calls, where GOGC and GOMEMLIMIT do not say otherwise. It is for
// programs that do nothing else.
func Tune() {
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(gcPercent)
	}
	if memory := service.Memory(); os.Getenv("GOMEMLIMIT") == "" && memory > 0 {
		debug.SetMemoryLimit(int64(memory / memoryCut))
	}
}
