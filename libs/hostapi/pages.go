package hostapi

import (
	"slices"

	"github.com/shoal-run/shoal/libs/guest"
	"github.com/shoal-run/shoal/libs/wasi"
)

// pageSize is the size of a WebAssembly page, in bytes: what memory grows by and what mmap hands out.
const pageSize = 1 << 16

// pages is what a call knows of the memory that the guest was given through host functions. What an initialiser took is
// memory like any other for the calls that follow.
type pages struct {
	free []extent // given back, in order, never touching each other
	heap heap
}

// extent is a range of memory, of whole pages, in bytes.
type extent struct{ from, to uint64 }

// heap is what sbrk hands out: from start to brk is in use, from there to end is left of whole pages.
type heap struct{ start, brk, end uint64 }

// roundUp returns n as bytes of whole pages.
func roundUp(n uint64) uint64 { return (n + pageSize - 1) &^ (pageSize - 1) }

// grow makes the memory n bytes larger, a multiple of the page size, and returns it and where the new bytes, all zero,
// begin; ok is false when it may not be that large.
func (c *Call) grow(n uint64) (at uint64, mem guest.Memory, ok bool) {
	if c.Guest == nil || n > 1<<32 {
		return 0, nil, false
	}
	if mem, ok = c.Guest.Grow(uint32(n / pageSize)); !ok {
		return 0, nil, false
	}
	return uint64(len(mem)) - n, mem, true
}

// take returns n bytes of zeros, a multiple of the page size, that nobody uses, and the memory with them in it: the first
// that was given back and is large enough, else new ones at the end. The error is wasi.ErrInterrupted.
func (c *Call) take(mem guest.Memory, n uint64) (at uint64, _ guest.Memory, ok bool, err error) {
	p := &c.pages
	for i, e := range p.free {
		if e.to-e.from < n {
			continue
		}
		if p.free[i].from += n; p.free[i].from == e.to {
			p.free = slices.Delete(p.free, i, i+1)
		}
		if !c.WASI.Zero(mem[e.from : e.from+n]) {
			return 0, nil, false, wasi.ErrInterrupted
		}
		return e.from, mem, true, nil
	}
	at = uint64(len(mem))
	if last := len(p.free) - 1; last >= 0 && p.free[last].to == at { // the end is free, and too short
		at = p.free[last].from
		had := uint64(len(mem)) - at
		if _, mem, ok = c.grow(n - had); !ok {
			return 0, nil, false, nil
		}
		p.free = p.free[:last]
		if !c.WASI.Zero(mem[at : at+had]) {
			return 0, nil, false, wasi.ErrInterrupted
		}
		return at, mem, true, nil
	}
	at, mem, ok = c.grow(n)
	return at, mem, ok, nil
}

// give makes e free. Preconditions: it is within the memory and of whole pages.
func (p *pages) give(e extent) {
	if e.from == e.to {
		return
	}
	i, _ := slices.BinarySearchFunc(p.free, e.from, func(f extent, from uint64) int {
		if f.to < from {
			return -1
		}
		return 1
	})
	j := i
	for j < len(p.free) && p.free[j].from <= e.to { // they touch, or overlap when the guest gave back twice
		e.from, e.to = min(e.from, p.free[j].from), max(e.to, p.free[j].to)
		j++
	}
	p.free = slices.Replace(p.free, i, j, e)
}

// move moves the break of the heap by n bytes and returns where it was. The heap begins at the end of the memory, and
// again there when something else has taken the pages behind it. ok is false when there is no room, or n leads below the
// heap's start. The error is wasi.ErrInterrupted.
func (c *Call) move(mem guest.Memory, n int64) (was uint64, ok bool, err error) {
	p := &c.pages
	h := &p.heap
	end := uint64(len(mem))
	if h.end == 0 {
		*h = heap{end, end, end}
	}
	if n <= 0 {
		if h.brk-h.start < uint64(-n) {
			return 0, false, nil
		}
		was, h.brk = h.brk, h.brk-uint64(-n)
		return was, true, nil
	}
	have := h.end - h.brk
	if need := uint64(n); need > have {
		if h.end != end {
			have = 0
		}
		_, grown, ok := c.grow(roundUp(need - have))
		if !ok {
			return 0, false, nil
		}
		if mem = grown; h.end != end {
			p.give(extent{roundUp(h.brk), h.end})
			*h = heap{start: end, brk: end}
		}
		h.end = uint64(len(mem))
	}
	was = h.brk
	if have > 0 && !c.WASI.Zero(mem[was:was+min(have, uint64(n))]) { // it may have been in use before
		return 0, false, wasi.ErrInterrupted
	}
	h.brk += uint64(n)
	return was, true, nil
}
