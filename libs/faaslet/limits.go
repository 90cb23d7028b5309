//go:build linux && cgo

package faaslet

import (
	"os"
	"strconv"
	"strings"

	"github.com/shoal-run/shoal/bus/faas"
	"github.com/shoal-run/shoal/libs/faaslet/capi"
	"golang.org/x/sys/unix"
)

const (
	addressSpace     = 1 << 47 // what a process has on amd64, in bytes
	defaultMaps      = 65530   // vm.max_map_count when it can't be read
	mapsPerFaaslet   = 4       // its memory, guards and image, rounded up
	usable           = 75      // percent of a limit: at the map limit the Go runtime itself dies
	bytesPerFaaslet  = Reserve
	maxMapCountPath  = "/proc/sys/vm/max_map_count"
	fewestFaaslets   = 1
	percent          = 100
	instanceHeadroom = 1024 // slots of capi left for instances that are being closed
)

// machineLimit returns how many Faaslets this process can have at once, by the kernel's limits.
func machineLimit() int64 {
	maps := uint64(defaultMaps)
	if b, err := os.ReadFile(maxMapCountPath); err == nil {
		if n, err := strconv.ParseUint(strings.TrimSpace(string(b)), 10, 64); err == nil {
			maps = n
		}
	}
	space := uint64(addressSpace)
	var r unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_AS, &r); err == nil && r.Cur != unix.RLIM_INFINITY {
		space = min(space, r.Cur)
	}
	return faasletLimit(maps, space)
}

// faasletLimit returns how many Faaslets fit into a number of maps and bytes of address space, with a margin.
func faasletLimit(maps, space uint64) int64 {
	maps = min(maps, 1<<40)
	n := min(maps*usable/percent/mapsPerFaaslet, space/percent*usable/bytesPerFaaslet, capi.MaxInstances-instanceHeadroom)
	return max(int64(n), fewestFaaslets)
}

// Stats is what an engine holds at a moment.
type Stats struct {
	Faaslets    int       // live ones: made and not closed
	MaxFaaslets int       // New refuses beyond it
	Modules     int       // loaded ones
	Memory      faas.Size // of all linear memories, as they were last measured: after New and after Run
	Images      int
	ImageMemory faas.Size // that images keep
}

// Stats returns what e holds. The numbers are taken one after the other.
func (e *Engine) Stats() Stats {
	images, bytes := e.images.count()
	return Stats{
		Images: images, ImageMemory: faas.Size(bytes),
		Faaslets:    int(e.faaslets.Load()),
		MaxFaaslets: int(e.max),
		Modules:     int(e.modules.Load()),
		Memory:      faas.Size(e.mapped.Load()),
	}
}

// admit counts a Faaslet in, or refuses it.
func (e *Engine) admit() *faas.Error {
	if e.faaslets.Add(1) > e.max {
		e.faaslets.Add(-1)
		return faas.Errorf(faas.NoCapacity, "the worker has %d live Faaslets, as many as it may", e.max).
			Hint("raise vm.max_map_count, or the worker's limit")
	}
	return nil
}
