package snapshot

import (
	"cmp"
	"fmt"
	"io"
	"slices"
)

// Load brings the content of memory. It asks open for each of m.Packs, once and in that order, reads it to its end,
// closes it, and calls put for all memory that the pack has: page is to be at byte offset at. It has one page or several,
// a multiple of Page in bytes, and is valid until put returns; offsets come in no order, none twice. Whatever put is not
// called for is zero. Load needs a few MiB and some 50 bytes a run, whatever the size of the image; it starts no goroutine.
//
// A pack is verified while its pages are put: nothing may be used before Load has returned nil, and after an error all of
// it must be thrown away. Errors wrap ErrCorrupt if a pack is damaged, shorter or longer, or not the one that m names;
// those of open, put and the readers are passed on.
func (m *Manifest) Load(open func(PackRef) (io.ReadCloser, error), put func(at int64, page []byte) error) error {
	if len(m.Packs) == 0 {
		return nil
	}
	p, err := newPackReader(m.Packs...)
	if err != nil {
		return err
	}
	defer p.Close()
	runs := slices.Clone(m.runs)
	slices.SortFunc(runs, func(a, b run) int { return cmp.Or(cmp.Compare(a.pack, b.pack), cmp.Compare(a.first, b.first)) })
	for i, ref := range m.Packs {
		n := 0
		for n < len(runs) && runs[n].pack == uint32(i) {
			n++
		}
		if err := loadPack(p, ref, runs[:n], open, put); err != nil {
			return err
		}
		runs = runs[n:]
	}
	return nil
}

// loadPack puts what runs name, all of one pack and ascending in it.
func loadPack(p *packReader, ref PackRef, runs []run, open func(PackRef) (io.ReadCloser, error), put func(int64, []byte) error) error {
	r, err := open(ref)
	if err != nil {
		return fmt.Errorf("opening %s: %w", ref.Object(), err)
	}
	defer r.Close()  // it was read to its end, or another error counts
	var active []run // those that the pages read so far have begun and not ended
	return p.read(ref, r, func(first uint32, pages []byte) error {
		end := first + uint32(len(pages)/Page)
		for len(runs) > 0 && runs[0].first < end {
			active, runs = append(active, runs[0]), runs[1:]
		}
		still := active[:0]
		for _, a := range active {
			from, to := max(a.first, first), min(a.first+a.count, end)
			at := int64(a.at+from-a.first) * Page
			if err := put(at, pages[(from-first)*Page:(to-first)*Page]); err != nil {
				return fmt.Errorf("putting memory at %#x: %w", at, err)
			}
			if a.first+a.count > end {
				still = append(still, a)
			}
		}
		active = still
		return nil
	})
}
