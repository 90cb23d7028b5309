package snapshot

import (
	"crypto/sha256"
	"io"
	"slices"
)

// Base is what packs hold that are stored already, those of a function's versions before. Encode names their pages
// instead of storing them again. It needs some 50 bytes a page. Add is for one goroutine at a time, and for none while
// Encode uses the Base; Encodes may share one.
type Base struct {
	packs []basePack
}

type basePack struct {
	ref   PackRef
	pages map[Digest]uint32 // by content; the number of the page in the pack
}

// NewBase returns a Base without packs.
func NewBase() *Base { return &Base{} }

// Add reads the pack ref from r to its end and remembers what it holds. An error leaves b as it was and wraps ErrCorrupt
// unless r failed. A pack that b has is not read again.
func (b *Base) Add(ref PackRef, r io.Reader) error {
	if slices.ContainsFunc(b.packs, func(p basePack) bool { return p.ref == ref }) {
		return nil
	}
	p, err := newPackReader(ref)
	if err != nil {
		return err
	}
	defer p.Close()
	pages := map[Digest]uint32{} // not made for ref.Pages: who says that there are as many?
	err = p.read(ref, r, func(first uint32, chunk []byte) error {
		for i := range uint32(len(chunk) / Page) {
			pages[sha256.Sum256(chunk[i*Page:(i+1)*Page])] = first + i
		}
		return nil
	})
	if err != nil {
		return err
	}
	b.packs = append(b.packs, basePack{ref, pages})
	return nil
}

// place is where a page is stored.
type place struct {
	pack int32 // index in what choose returned; own for the pack that is to be made
	page uint32
}

const own = -1

// worthwhile is the part of a pack that an image must use to name it: one in so many pages. With less, workers would
// fetch much for little.
const worthwhile = 4

// choose picks the packs to use for pages with these distinct sums, at most MaxPacks together with the one that is to be
// made, and says for each page where it is. The page number of own places is not set. b may be nil.
//
// It takes the pack that brings most pages which are in none taken before, again and again: the least used ones are left.
func (b *Base) choose(sums []Digest) ([]PackRef, []place) {
	places := make([]place, len(sums))
	for i := range places {
		places[i].pack = own
	}
	if b == nil {
		return nil, places
	}
	missing := len(sums)
	var taken []PackRef
	have := b.match(sums)
	for missing > 0 && len(taken) < MaxPacks {
		best, most := -1, 0
		for k, hits := range have {
			n := 0
			for _, h := range hits {
				if places[h.sum].pack == own {
					n++
				}
			}
			if n > most && n*worthwhile >= int(b.packs[k].ref.Pages) {
				best, most = k, n
			}
		}
		if best < 0 {
			break
		}
		if missing > most && len(taken) == MaxPacks-1 {
			break // the last place is for the pack with what is missing
		}
		for _, h := range have[best] {
			if p := &places[h.sum]; p.pack == own {
				*p = place{int32(len(taken)), h.page}
			}
		}
		taken = append(taken, b.packs[best].ref)
		missing -= most
	}
	return taken, places
}

// hit is a page that a pack has: its index among the sums that are looked for, and its number in the pack.
type hit struct{ sum, page uint32 }

// match returns the hits of each pack, ascending by sum.
func (b *Base) match(sums []Digest) [][]hit {
	have := make([][]hit, len(b.packs))
	for k, p := range b.packs {
		for i, sum := range sums {
			if page, ok := p.pages[sum]; ok {
				have[k] = append(have[k], hit{uint32(i), page})
			}
		}
	}
	return have
}
