package hostapi

import (
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
