package wasmbin

import (
	"fmt"
	"slices"
	"strings"
)

// dylinkSection is the custom section that makes a module a library: the first of the module, as the tool conventions for
// WebAssembly have it (https://github.com/WebAssembly/tool-conventions/blob/main/DynamicLinking.md).
const dylinkSection = "dylink.0"

// The subsections of it that are read here.
const (
	dylinkMemory = 1
	dylinkNeeded = 2
	dylinkImport = 4
)

// symbolWeak is the flag of an imported symbol that may be missing.
const symbolWeak = 1

// What a library may ask for.
const (
	// MaxNeeded is how many libraries a library may need.
	MaxNeeded = 32
	// maxLibName is the length of the name of a needed library, in bytes.
	maxLibName = 255
	// maxLibAlign is the largest alignment of a library's memory and table, as a power of two: a page.
	maxLibAlign = 16
)

// dylink is the content of a dylink.0 section.
type dylink struct {
	memory, table           uint32 // bytes and elements that the library takes
	memoryAlign, tableAlign uint32 // as powers of two
	needed                  []string
	weak                    map[[2]string]bool // imports by module and name
}

// isLibrary reports whether m begins with a dylink.0 section.
func (m *Module) isLibrary() bool {
	return len(m.sections) > 0 && m.sections[0].id == secCustom && m.sections[0].name == dylinkSection
}

// linksIn reports whether m is instrumented as a library: a program may begin with such a section too, and has a memory of its own.
func (m *Module) linksIn() bool {
	return m.isLibrary() && !slices.ContainsFunc(m.Memories, func(mem Memory) bool { return !mem.Imported })
}

// dylink reads the section that makes m a library. Every error is a *FormatError.
func (m *Module) dylink() (dylink, error) {
	var d dylink
	if !m.isLibrary() {
		reason := "not a library: it has no section dylink.0 (link it with -fPIC -shared)"
		if _, old := m.Custom("dylink"); old {
			reason = "a library of an older toolchain: its section is dylink, not dylink.0 (build it with clang 19)"
		} else if _, found := m.Custom(dylinkSection); found {
			reason = "not a library: its section dylink.0 is not the first"
		}
		return d, &FormatError{Reason: reason}
	}
	s := m.sections[0]
	r := &reader{b: m.raw[:s.end], p: s.start, section: dylinkSection}
	for r.left() > 0 {
		id := r.u8()
		size := r.u32()
		at := r.p
		r.skip(int(size))
		if r.err != nil {
			return d, r.err
		}
		sub := &reader{b: m.raw[:r.p], p: at, section: dylinkSection}
		switch id {
		case dylinkMemory:
			d.memory, d.memoryAlign = sub.u32(), sub.align("memory")
			d.table, d.tableAlign = sub.u32(), sub.align("table")
			sub.end()
		case dylinkNeeded:
			d.needed = append(d.needed, sub.needed(len(d.needed))...)
		case dylinkImport:
			sub.weak(&d)
		}
		if sub.err != nil {
			return d, sub.err
		}
	}
	return d, nil
}

func (r *reader) align(what string) uint32 {
	at := r.p
	n := r.u32()
	if n > maxLibAlign {
		r.fail(at, "alignment of 2^%d for the %s: no more than 2^%d is possible", n, what, maxLibAlign)
		return 0
	}
	return n
}

// needed reads the names of libraries, behind that many others.
func (r *reader) needed(had int) (names []string) {
	for range r.count(1, uint32(MaxNeeded-had), "needed libraries") {
		at := r.p
		name := r.name()
		if r.err == nil && (name == "" || len(name) > maxLibName || strings.ContainsRune(name, 0)) {
			r.fail(at, "name %s of a needed library: it has 1 to %d bytes, and no NUL", printable(name), maxLibName)
		}
		if r.err != nil {
			return nil
		}
		names = append(names, name)
	}
	r.end()
	return names
}

// weak reads which imports may be missing.
func (r *reader) weak(d *dylink) {
	for range r.count(3, uint32(maxImports-len(d.weak)), "symbols") { // of all such subsections
		key := [2]string{r.name(), r.name()}
		flags := r.u32()
		if r.err != nil {
			return
		}
		if flags&symbolWeak == 0 {
			continue
		}
		if d.weak == nil {
			d.weak = make(map[[2]string]bool)
		}
		d.weak[key] = true
	}
	r.end()
}

// aligned returns the number of a power of two.
func aligned(power uint32) uint32 { return 1 << power }

// String says what d asks for, for messages.
func (d dylink) String() string {
	return fmt.Sprintf("%d bytes of memory, %d elements of the table", d.memory, d.table)
}
