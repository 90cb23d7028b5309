//go:build linux && cgo

package faaslet

import (
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync/atomic"

	"github.com/shoal-run/shoal/bus/faas"
	"golang.org/x/sys/unix"
)

// What a process may have of maps, address space, descriptors and threads is the kernel's to say, and at its limit the
// process dies: the Go runtime can't go on without a map or a thread. So the engine keeps one account of them, on which
// modules, images, Faaslets, shells and the threads of slots draw, and which ends well below the limits.

// cost is what something takes of the account.
type cost struct {
	maps, files int64
	space       int64 // bytes of address space
}

// What each takes, measured (TestCosts) and rounded up.
var (
	moduleCost  = cost{maps: 3, files: 1} // and the size of its artefact in space; the engine keeps the file open
	imageCost   = cost{maps: 2, files: 1} // its view and what it leaves of the first Faaslet's; and its memory in space
	faasletCost = cost{maps: mapsPerFaaslet, space: bytesPerFaaslet}
	threadCost  = cost{maps: 2, space: 8 << 20} // a stack and its guard
)

func (c cost) times(n int64) cost { return cost{c.maps * n, c.files * n, c.space * n} }

func (c cost) spaced(bytes int64) cost {
	c.space += bytes
	return c
}

// account counts what is taken. It is safe for concurrent use; two that ask for the last room at the same time may both be
// refused.
type account struct {
	maps, files, space atomic.Int64
	most               cost
}

// take counts c, or refuses it and says which limit it would pass.
func (a *account) take(c cost) *faas.Error {
	if a.maps.Add(c.maps) > a.most.maps {
		a.maps.Add(-c.maps)
		return faas.Errorf(faas.NoCapacity, "the worker's modules and Faaslets have as many maps as they may, %d", a.most.maps).
			Hint("raise vm.max_map_count")
	}
	if a.space.Add(c.space) > a.most.space {
		a.maps.Add(-c.maps)
		a.space.Add(-c.space)
		return faas.Errorf(faas.NoCapacity, "the worker's modules and Faaslets have as much address space as they may, %s", faas.Size(a.most.space)).
			Hint("raise `ulimit -v`, or have fewer")
	}
	if c.files != 0 && a.files.Add(c.files) > a.most.files {
		a.give(c)
		return faas.Errorf(faas.NoCapacity, "the worker's modules and images have as many descriptors as they may, %d", a.most.files).
			Hint("raise `ulimit -n`")
	}
	return nil
}

func (a *account) give(c cost) {
	a.maps.Add(-c.maps)
	a.space.Add(-c.space)
	if c.files != 0 {
		a.files.Add(-c.files)
	}
}

// used returns the part of the account that is taken, of whichever is the scarcest, in percent.
func (a *account) used() int {
	return int(max(a.maps.Load()*percent/a.most.maps, a.files.Load()*percent/a.most.files, a.space.Load()/max(a.most.space/percent, 1)))
}

// machineAccount returns what this process's limits allow.
func machineAccount() cost {
	return accountOf(machineMaps(), machineSpace(), machineFiles())
}

// accountOf returns what an engine may take of a process's limits. Half of the descriptors are left to connections and to
// files of guests.
func accountOf(maps, space, files uint64) cost {
	return cost{
		maps:  max(int64(min(maps, 1<<40)*usable/percent), moduleCost.maps+imageCost.maps+faasletCost.maps),
		files: max(int64(min(files, 1<<40)/2), moduleCost.files+imageCost.files),
		space: max(int64(min(space, 1<<56)/percent*usable), 2*bytesPerFaaslet),
	}
}

func machineMaps() uint64 {
	if n, ok := readNumber(maxMapCountPath); ok {
		return n
	}
	return defaultMaps
}

func machineSpace() uint64 { return min(addressSpace, softLimit(unix.RLIMIT_AS)) }

func machineFiles() uint64 { return min(1<<20, softLimit(unix.RLIMIT_NOFILE)) }

// machineThreads returns how many threads this process may have.
func machineThreads() uint64 {
	n := softLimit(unix.RLIMIT_NPROC)
	for _, path := range []string{"/proc/sys/kernel/threads-max", "/proc/sys/kernel/pid_max"} {
		if most, ok := readNumber(path); ok {
			n = min(n, most)
		}
	}
	return min(n, cgroupThreads())
}

// cgroupThreads returns what the process's cgroups allow; a huge number where there is no limit that can be read.
func cgroupThreads() uint64 {
	n := uint64(1 << 62)
	b, err := os.ReadFile("/proc/self/cgroup")
	if err != nil {
		return n
	}
	for line := range strings.Lines(string(b)) {
		_, rest, _ := strings.Cut(strings.TrimSpace(line), ":")
		controllers, path, found := strings.Cut(rest, ":")
		root := "/sys/fs/cgroup"
		switch {
		case !found:
			continue
		case controllers == "pids":
			root += "/pids"
		case controllers != "":
			continue
		}
		for dir := filepath.Clean("/" + path); ; dir = filepath.Dir(dir) {
			if most, ok := readNumber(filepath.Join(root, dir, "pids.max")); ok {
				n = min(n, most)
			}
			if dir == "/" {
				break
			}
		}
	}
	return n
}

func softLimit(resource int) uint64 {
	var r unix.Rlimit
	if err := unix.Getrlimit(resource, &r); err != nil {
		return unix.RLIM_INFINITY
	}
	return r.Cur
}

func readNumber(path string) (uint64, bool) {
	b, err := os.ReadFile(path)
	if err != nil {
		return 0, false
	}
	n, err := strconv.ParseUint(strings.TrimSpace(string(b)), 10, 64)
	return n, err == nil
}

// spareThreads is what a process has besides those of its slots: Go's own, those that wait for the disk or the network, and
// those that load modules.
const spareThreads = 1024

// Threads sets aside what n threads take that run guests at the same time, and says why that is more than this process may
// have. The caller gives it back.
func (e *Engine) Threads(n int) (release func(), _ *faas.Error) {
	all := e.threads.Add(int64(n))
	defer func() {
		if release == nil {
			e.threads.Add(-int64(n))
		}
	}()
	if most := machineThreads() / percent * usable; uint64(all)+spareThreads > max(most, 2*spareThreads) {
		return nil, faas.Errorf(faas.NoCapacity, "%d slots take as many threads, and this process may have %d with a margin", all, most).
			Hint("raise `ulimit -u`, kernel.pid_max or the cgroup's pids.max, or have fewer slots")
	}
	c := threadCost.times(int64(n))
	if c.maps > e.account.most.maps/2 {
		return nil, faas.Errorf(faas.NoCapacity, "%d slots take as many threads and %d maps, more than half of the %d that the worker may have", n, c.maps, e.account.most.maps).
			Hint("raise vm.max_map_count, or have fewer slots")
	}
	if err := e.account.take(c); err != nil {
		return nil, err
	}
	return func() {
		e.account.give(c)
		e.threads.Add(-int64(n))
	}, nil
}

// Used returns how much of the maps, address space, descriptors and memory of images that the engine may have is taken, of
// whichever is the scarcest, in percent.
func (e *Engine) Used() int {
	_, images := e.images.total()
	return max(e.account.used(), int(e.faaslets.Load()*percent/e.max), int(images*percent/int64(maxImageMemory)))
}

// trim closes every shell, which is for Faaslets to come, so that what is wanted now has room. It reports whether there was
// one.
func (e *Engine) trim() bool {
	if e.shells.Load() == 0 {
		return false
	}
	var all []*Module
	e.open.Range(func(m, _ any) bool {
		if m := m.(*Module); m.acquire() {
			all = append(all, m)
		}
		return true
	})
	some := false
	for _, m := range all {
		some = m.shells.drop(nil) > 0 || some
		m.release()
	}
	return some
}

// charge counts c on the account, at the expense of shells if need be.
func (e *Engine) charge(c cost) *faas.Error {
	err := e.account.take(c)
	for err != nil && e.trim() {
		err = e.account.take(c)
	}
	return err
}
