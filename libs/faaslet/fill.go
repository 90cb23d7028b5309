//go:build linux && cgo

package faaslet

import (
	"cmp"
	"slices"
	"strings"

	"github.com/shoal-run/shoal/bus/faas"
)

// Fill has Faaslets of i begin from what was captured of another instance of the module with an equal Setup, on whatever
// worker: a linear memory of that many bytes, of which kept are not zero, and every mutable global. load calls put for what
// is not zero: whole pages of 4 KiB, at an offset. It does nothing when i is filled or closed, or is never to be filled;
// else an error leaves i empty, to be filled by the first Faaslet. Errors: no_capacity when the engine's images have no room;
// internal when what was captured is not of the module's shape; load's own.
func (i *Image) Fill(memory, kept int64, globals []Global, load func(put func(at int64, pages []byte) error) error) error {
	m := i.module
	if !i.acquire() {
		return nil
	}
	defer i.release()
	if i.never.Load() || i.taken.Load() != nil {
		return nil
	}
	if m.engine.pages.get() == nil {
		i.never.Store(true)
		return nil
	}
	ordered, ok := m.order(globals)
	if !ok || memory < int64(m.info.MemoryMin) || memory > int64(min(m.info.MemoryMax, uint64(faas.MaxMemory))) || memory%(64<<10) != 0 {
		return faas.Errorf(faas.Internal, "what was captured is not of the module's shape: %d bytes of memory, %d globals", memory, len(globals))
	}
	if !m.engine.images.add(i.owner, memory, kept) {
		return faas.Errorf(faas.NoCapacity, "no room for another image: those of %s, or all, have their share of memory or descriptors", cmp.Or(i.owner, "nobody"))
	}
	img, err := m.pre.NewImage(memory, ordered, load)
	if err != nil {
		m.engine.images.drop(i.owner, memory, kept)
		return err
	}
	_, has := img.Size()
	m.engine.images.fit(i.owner, memory, kept, has)
	i.mu.Lock() // not before: a Faaslet that takes an image waits for it
	defer i.mu.Unlock()
	if i.never.Load() || i.taken.Load() != nil { // meanwhile
		img.Close()
		m.engine.images.drop(i.owner, memory, has)
		return nil
	}
	i.taken.Store(img)
	return nil
}

// order returns globals as m.saved has them, or false when they are others.
func (m *Module) order(globals []Global) ([]Global, bool) {
	ordered := slices.SortedFunc(slices.Values(globals), func(a, b Global) int { return strings.Compare(a.Name, b.Name) })
	return ordered, slices.EqualFunc(ordered, m.saved, func(a, b Global) bool { return a.Name == b.Name && a.Type == b.Type })
}
