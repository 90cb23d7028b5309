//go:build linux && cgo

package faaslet

import (
	"sync"

	"github.com/shoal-run/shoal/bus/faas"
)

const (
	// What the images of an engine may take together: of memory, and of the engine's descriptors, of which each has one.
	// Beyond it Faaslets are built from the module.
	maxImageMemory = 1 * faas.GiB
	imageFiles     = 2 // one part in
	// ownerShare is how many times what is still free one owner's images may take, of memory and of descriptors: alone
	// 80 %, two 44 % each, and there is always something left for the next one (dynamic thresholds, as switches share
	// their buffers: Choudhury and Hahne, 1998).
	ownerShare = 4
)

// images counts those of an engine.
type images struct {
	account *account

	mu     sync.Mutex
	all    held
	owners map[string]held
}

// held is what images take.
type held struct {
	n     int64 // of them
	bytes int64
}

// add counts an image of a linear memory, of which it keeps so many bytes, or reports that there is no room for it.
func (c *images) add(owner string, memory, kept int64) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	own := c.owners[owner]
	most := max(int64(c.account.most.files)/imageFiles, 1)
	if !fits(own.n+1, c.all.n+1, most) || !fits(own.bytes+kept, c.all.bytes+kept, int64(maxImageMemory)) ||
		c.account.take(imageCostOf(memory, kept)) != nil {
		return false
	}
	c.count(owner, 1, kept)
	return true
}

// fits reports whether an owner may have own of most when all together then have all.
func fits(own, all, most int64) bool {
	return all <= most && (own <= ownerShare*(most-all) || own <= 1)
}

// count adds to what owner's images take. Preconditions: mu is held.
func (c *images) count(owner string, n, bytes int64) {
	own := c.owners[owner]
	own.n, own.bytes = own.n+n, own.bytes+bytes
	c.all.n, c.all.bytes = c.all.n+n, c.all.bytes+bytes
	switch {
	case own.n == 0:
		delete(c.owners, owner)
	case c.owners == nil:
		c.owners = map[string]held{owner: own}
	default:
		c.owners[owner] = own
	}
}

// fit corrects what was counted for an image: it keeps no more than that.
func (c *images) fit(owner string, memory, counted, kept int64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.count(owner, 0, kept-counted)
	if was, is := imageCostOf(memory, counted), imageCostOf(memory, kept); was != is {
		c.account.give(cost{was.maps - is.maps, was.files - is.files, was.space - is.space})
	}
}

// imageCostOf returns the cost of an image of a linear memory. One of nothing but zeros has no file.
func imageCostOf(memory, kept int64) cost {
	if kept == 0 {
		return cost{}
	}
	return imageCost.spaced(memory)
}

// drop counts an image out.
func (c *images) drop(owner string, memory, kept int64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.count(owner, -1, -kept)
	c.account.give(imageCostOf(memory, kept))
}

// total returns how many images there are and what they keep.
func (c *images) total() (n int, bytes int64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return int(c.all.n), c.all.bytes
}
