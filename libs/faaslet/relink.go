//go:build linux && cgo

package faaslet

import (
	"fmt"
	"slices"

	"github.com/shoal-run/shoal/libs/faaslet/capi"
)

// linkedImage is what an Image has of libraries: which they are and where they lie. A Faaslet that is restored gets instances of
// them in the same places, of which no code runs: memory and globals come from the image.
type linkedImage struct {
	libraries []linkedLibrary // in the order of their instances
	groups    []int           // how many came with each Dlopen: what each sees of the others depends on it
	points    []point
	elements  uint32 // of the table
}

// linkedLibrary is one of them. The image has a reference of its code.
type linkedLibrary struct {
	*library
	path          string
	memory, table uint32
	needs         []int
}

// imageable reports whether an image can have what l has. l may be nil.
func (l *linked) imageable() bool {
	if l == nil {
		return true
	}
	nothing := len(l.libraries) == 0 && len(l.points) == 0 // that can be described
	return !l.broken && !(nothing && l.changed) && !slices.ContainsFunc(l.libraries, func(lib *loaded) bool { return lib.fixed })
}

// describe returns what an image of f is to have of libraries, nil for none; without references.
func (f *Faaslet) describe() *linkedImage {
	l := f.linked
	if l == nil || len(l.libraries) == 0 && len(l.points) == 0 {
		return nil
	}
	d := &linkedImage{groups: slices.Clone(l.groups), points: slices.Clone(l.points)}
	if _, ok := f.instance.SharedTable(); ok {
		d.elements = f.instance.Elements()
	}
	for _, lib := range l.libraries {
		is := linkedLibrary{library: lib.library, path: lib.path, memory: lib.memory, table: lib.table}
		for _, n := range lib.needs {
			is.needs = append(is.needs, n.at)
		}
		d.libraries = append(d.libraries, is)
	}
	return d
}

// acquire takes a reference of each library's code. d may be nil. Preconditions: the caller knows that somebody has one.
func (d *linkedImage) acquire() *linkedImage {
	if d != nil {
		for _, lib := range d.libraries {
			lib.refs.Add(1)
		}
	}
	return d
}

// release gives them up.
func (d *linkedImage) release() {
	if d != nil {
		for _, lib := range d.libraries {
			lib.library.release()
		}
	}
}

// equal reports whether two Faaslets with d and o are linked alike, so that an image of one is good for the other.
func (d *linkedImage) equal(o *linkedImage) bool {
	if d == nil || o == nil {
		return d == o
	}
	return d.elements == o.elements && slices.Equal(d.groups, o.groups) && slices.Equal(d.points, o.points) &&
		slices.EqualFunc(d.libraries, o.libraries, func(a, b linkedLibrary) bool {
			return a.digest == b.digest && a.path == b.path && a.memory == b.memory && a.table == b.table && slices.Equal(a.needs, b.needs)
		})
}

// relink links f, whose instance has run nothing, as d says; memory is the size of the image's linear memory.
// Preconditions: f.mu is held.
func (f *Faaslet) relink(d *linkedImage, memory int64) error {
	l, err := f.link()
	if err != nil {
		return err
	}
	if n := memory - int64(len(f.instance.Memory())); n > 0 && !f.instance.Grow(uint32(n>>16)) {
		return fmt.Errorf("no room for the memory of an image with libraries")
	}
	if _, ok := f.instance.SharedTable(); ok {
		if n := f.instance.Elements(); d.elements > n {
			if _, ok := f.instance.GrowTable(d.elements - n); !ok {
				return fmt.Errorf("no room for the table of an image with libraries")
			}
		}
	}
	rest := d.libraries
	for _, n := range d.groups {
		if err := f.relinkGroup(rest[:n]); err != nil {
			return err
		}
		rest = rest[n:]
	}
	for i, lib := range d.libraries {
		for _, n := range lib.needs {
			l.libraries[i].needs = append(l.libraries[i].needs, l.libraries[n])
		}
	}
	l.groups = slices.Clone(d.groups)
	for _, p := range d.points {
		if err := f.repoint(p); err != nil {
			return err
		}
	}
	l.changed = false
	return nil
}

// relinkGroup makes instances of libraries that came with one Dlopen.
func (f *Faaslet) relinkGroup(libraries []linkedLibrary) error {
	g := &group{host: &f.host, linked: f.linked, replays: true}
	defer g.giveUp()
	for _, lib := range libraries {
		lib.refs.Add(1)
		g.held = append(g.held, lib.library)
		g.members = append(g.members, &loaded{library: lib.library, path: lib.path, memory: lib.memory, table: lib.table, at: -1})
	}
	bound, err := g.resolve()
	if err != nil {
		return err
	}
	g.linking, g.before = true, len(f.linked.libraries)
	if err := g.instantiate(bound); err != nil {
		return err
	}
	g.done = true
	return nil
}

// repoint makes an element of the table the function that it was.
func (f *Faaslet) repoint(p point) error {
	var x capi.Extern
	found := false
	if p.library == hostPoint {
		x, found = f.instance.HostFunction(f.module.engine.linker, "env", p.symbol)
	} else {
		x, found = f.instance.Export(p.library, p.symbol)
	}
	if !found {
		return fmt.Errorf("no symbol %.200q", p.symbol)
	}
	f.linked.elements[f.instance.Identity(x)] = p.element
	f.linked.points = append(f.linked.points, p)
	return f.instance.Point(p.element, x)
}

// libraries returns what i, which is taken, has of libraries; nil for none. i may be nil.
func (i *Image) libraries() *linkedImage {
	if i == nil {
		return nil
	}
	return i.linked
}
