//go:build linux && cgo

package faaslet

import (
	"sync"

	"github.com/shoal-run/shoal/bus/faas"
	"github.com/shoal-run/shoal/libs/faaslet/capi"
)

// A closed Faaslet leaves a shell: its instance, put back to the image as a reset does it. The next Faaslet that is made
// from the same image moves into it instead of building one, which costs ten times as much and holds other threads up, since
// the kernel changes a process's address space for one thread at a time.

const (
	moduleShells = 8   // that a module keeps
	engineShells = 256 // that all modules of an engine keep together
	// shellPages is how many written pages of 4 KiB a shell keeps. Beyond it they are given back at once: putting back is
	// cheaper than that and the faults of the next writes, but memory that nobody uses is for others.
	shellPages = 64
)

// shell is an instance without a Faaslet.
type shell struct {
	instance *capi.Instance
	image    *capi.Image // what it has
	limit    faas.Size   // of its linear memory
}

// shells are those of a module. It is safe for concurrent use.
type shells struct {
	engine *Engine

	mu   sync.Mutex
	kept []shell // the last one is taken first: its pages are likely in a cache
}

// take returns an instance that has what image has and may use limit of memory, nil when there is none.
func (s *shells) take(image *capi.Image, limit faas.Size) *capi.Instance {
	if image == nil {
		return nil
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for i := len(s.kept) - 1; i >= 0; i-- {
		if k := s.kept[i]; k.image == image && k.limit == limit {
			s.remove(i)
			return k.instance
		}
	}
	return nil
}

// put keeps k, or reports that there are enough.
func (s *shells) put(k shell) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.fits(k.image) || s.engine.account.take(faasletCost) != nil {
		return false
	}
	if len(s.kept) >= moduleShells {
		old := s.kept[0].instance
		s.remove(0)
		old.Close()
	}
	s.engine.shells.Add(1)
	s.kept = append(s.kept, k)
	return true
}

// room reports whether a shell of image would be kept, as far as can be told before.
func (s *shells) room(image *capi.Image) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.fits(image)
}

// fits reports whether there is room for a shell of image, if need be that of the oldest one of another image.
// Preconditions: s.mu is held.
func (s *shells) fits(image *capi.Image) bool {
	if len(s.kept) >= moduleShells {
		return s.kept[0].image != image
	}
	return s.engine.shells.Load() < engineShells // nearly: modules count at the same time
}

// drop closes the shells of image, of all images when it is nil, and returns how many there were.
func (s *shells) drop(image *capi.Image) (n int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for i := len(s.kept) - 1; i >= 0; i-- {
		if k := s.kept[i]; image == nil || k.image == image {
			s.remove(i)
			k.instance.Close()
			n++
		}
	}
	return n
}

// remove takes out the shell at i, which is no more on the account. Preconditions: s.mu is held.
func (s *shells) remove(i int) {
	last := len(s.kept) - 1
	copy(s.kept[i:], s.kept[i+1:])
	s.kept[last] = shell{}
	s.kept = s.kept[:last]
	s.engine.shells.Add(-1)
	s.engine.account.give(faasletCost)
}

// restorable reports whether everything that the last call can have changed is in the memory and the globals, so that it can be
// put back. Whatever a call may leave elsewhere is to be asked for here: a reset and a shell both depend on it.
// Preconditions: f.mu is held, f is spent, or was kept after that.
func (f *Faaslet) restorable() bool { return f.image != nil && f.sound && !f.linked.differs() }

// leave makes f's instance a shell, if that is worth it and nothing speaks against it, and reports whether it did.
// Preconditions: f.mu is held, f was in state from and does not run, and holds its image.
func (f *Faaslet) leave(from state) bool {
	m := f.module
	clean := f.restorable() || from == ready && f.image != nil && !f.kept
	if f.linked != nil { // its instances and its part of the table are no other's
		return false
	}
	if !clean || !m.engine.keeps || m.closed.Load() || f.setup.Image.closed.Load() || !m.shells.room(f.image) {
		return false
	}
	keep := min(shellPages, m.engine.maxDirty/2) // what it keeps is written memory at each reset of whoever moves in
	return f.instance.Empty(f.image, m.engine.pages.get(), keep) &&
		m.shells.put(shell{f.instance, f.image, f.limit})
}
