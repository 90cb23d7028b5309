package hostapi

import (
	"errors"

	"github.com/shoal-run/shoal/bus/faas"
	"github.com/shoal-run/shoal/libs/guest"
)

// fakeGuest is a guest with a memory up to a limit and a malloc that never frees.
type fakeGuest struct {
	mem   guest.Memory
	most  int // bytes
	stack []faas.Frame
}

// newGuest returns one with that many pages, of at most.
func newGuest(pages, most int) *fakeGuest {
	return &fakeGuest{mem: make(guest.Memory, pages*pageSize), most: most * pageSize}
}

func (g *fakeGuest) Backtrace() []faas.Frame { return g.stack }

func (g *fakeGuest) Grow(pages uint32) (guest.Memory, bool) {
	n := len(g.mem) + int(pages)*pageSize
	if n > g.most {
		return nil, false
	}
	g.mem = append(make(guest.Memory, 0, n), g.mem...)[:n]
	return g.mem, true
}

func (g *fakeGuest) Malloc(n uint32) (uint32, guest.Memory, error) {
	at := uint32(len(g.mem))
	mem, ok := g.Grow((n + pageSize - 1) / pageSize)
	if !ok {
		return 0, g.mem, nil
	}
	return at, mem, nil
}

func (g *fakeGuest) Mallocs() bool { return true }

func (g *fakeGuest) Dlopen(path string) (uint32, string, error) {
	switch path {
	case "":
		return 999, "", nil
	case "lib.so":
		return 1, "", nil
	case "end.so":
		return 0, "", errEnd
	}
	return 0, "no library " + path, nil
}

func (g *fakeGuest) Dlsym(handle uint32, name string) (uint32, string) {
	if handle == 1 && name == "f" {
		return 77, ""
	}
	return 0, "no symbol " + name
}

func (g *fakeGuest) Dlclose(handle uint32) bool { return handle == 1 }

// errEnd is the end of a guest.
var errEnd = errors.New("the guest ended")
