//go:build linux && cgo

package faaslet

import (
	"github.com/shoal-run/shoal/bus/faas"
	"github.com/shoal-run/shoal/libs/faaslet/capi"
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

// faasletLimit returns how many Faaslets fit into a number of maps and bytes of address space, with a margin.
func faasletLimit(maps, space uint64) int64 {
	maps = min(maps, 1<<40)
	n := min(maps*usable/percent/mapsPerFaaslet, space/percent*usable/bytesPerFaaslet, capi.MaxInstances-instanceHeadroom)
	return max(int64(n), fewestFaaslets)
}

// Stats is what an engine holds at a moment.
type Stats struct {
	Faaslets    int // live ones: made and not closed
	MaxFaaslets int // New refuses beyond it
	Modules     int // loaded ones
	Shells      int // instances that closed Faaslets left
	// What all of them and the threads of slots take of the process's maps and descriptors, as counted, and may take.
	Maps, MaxMaps, Files, MaxFiles int
	Memory                         faas.Size // of all linear memories, as they were last measured: after New and after Run
	Images                         int
	ImageMemory                    faas.Size // that images keep
}

// Stats returns what e holds. The numbers are taken one after the other.
func (e *Engine) Stats() Stats {
	images, bytes := e.images.total()
	return Stats{
		Images: images, ImageMemory: faas.Size(bytes),
		Faaslets:    int(e.faaslets.Load()),
		MaxFaaslets: int(e.max),
		Modules:     int(e.modules.Load()),
		Shells:      int(e.shells.Load()),
		Maps:        int(e.account.maps.Load()),
		MaxMaps:     int(e.account.most.maps),
		Files:       int(e.account.files.Load()),
		MaxFiles:    int(e.account.most.files),
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
	if err := e.charge(faasletCost); err != nil {
		e.faaslets.Add(-1)
		return err
	}
	return nil
}

// leave counts a Faaslet out.
func (e *Engine) leave() {
	e.faaslets.Add(-1)
	e.account.give(faasletCost)
}
