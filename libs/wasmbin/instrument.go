package wasmbin

import (
	"fmt"
	"slices"
	"strings"

	"github.com/shoal-run/shoal/bus/faas"
)

// Reserved is the prefix of the export names that Shoal keeps for what it adds to a module.
const Reserved = "__shoal_"

// GrowRefused is the exported mutable i32 global of an instrumented module that counts the memory.grow instructions that
// were answered with -1, modulo 2³².
const GrowRefused = Reserved + "grow_refused"

// How the added functions appear in backtraces.
const (
	growName = Reserved + "memory_grow"
	fillName = Reserved + "memory_fill"
	copyName = Reserved + "memory_copy"
	initName = Reserved + "memory_init_" // and the data segment
)

// Instrument is Parse and Module.Instrument.
func Instrument(module []byte) ([]byte, error) {
	m, err := Parse(module)
	if err != nil {
		return nil, err
	}
	return m.Instrument()
}

// Instrument returns the module with what the engine can't see or can't stop made visible and stoppable:
//
//   - every loop, and every function that calls others or is longer than light, begins with an interruption point: Kill says
//     how the host uses it. A start function becomes the export StartFunc;
//   - every memory.grow becomes the call of a function that does the same and counts the refusals in the exported global
//     GrowRefused;
//   - a memory.fill or memory.copy of more than 4 KiB, and a memory.init of a data segment of more than 1 MiB, becomes the
//     call of a function that does the same in chunks of 1 MiB, with an interruption point before each. What is out of
//     bounds traps as it would, with nothing written;
//   - a memory.init of a smaller segment, a table.init, a table.copy and a table.fill get an interruption point before
//     them. They stay whole: with a table of a million elements, the most there is, the dearest takes 30 ms;
//   - code that can run on for more than 16 KiB without a loop gets interruption points on its way;
//   - where several tables could grow past faas.MaxTableElements together, their maximums are lowered;
//   - a program that loads libraries exports what they share, LibraryTable and LibraryStack, and the maximum of that table, which
//     linkers make its size, is raised;
//   - the constructors of a module with a zygote run once, and its destructors not after the zygote, as Ctors says; those of a
//     command that loads libraries, which call its exports, run as it begins and ends;
//   - mutable globals are exported, so that an instance can be put back to what it was; where that takes more, an export says
//     why it can't be done (NoReset).
//
// A library is instrumented as any module is. Of what it imports nothing is exported: it is the program's state or the host's.
// Its constructors are exported as Ctors where the linker has only named them.
//
// What is added (types where none fits, functions with names, the globals, the exports, a local behind the others of a
// function) comes last in its index space: no index changes. Of a name section the names of functions are kept, each
// behind NamePrefix and cut after MaxFuncName bytes, so that a backtrace shows them and costs little. Custom sections that
// point into the code by offset (.debug_*, reloc.*, metadata.code.*, source maps) are dropped, others kept.
//
// A module without a start function, loops, calls and any of these instructions, with nothing to be told of its state and without a name section comes back
// as the same slice, with nothing added; fills and copies whose length is a constant of at most 4 KiB do not count, nor
// does anything on a memory that does not exist or has 64-bit addresses, which Check refuses.
//
// Errors are *FormatError: an export with a reserved name, or a function body that gets too large for the engine.
func (m *Module) Instrument() ([]byte, error) {
	if name, ok := m.reservedExport(); ok {
		return nil, &FormatError{Section: "export", Offset: m.offset(secExport), Reason: reservedReason(name)}
	}
	sites := m.sites
	if len(m.Memories) == 0 || m.Memories[0].Is64 {
		sites = slices.DeleteFunc(slices.Clone(sites), func(s site) bool { return s.op.onMemory() })
	}
	ctors, dtors, sites := m.guards(sites)
	starts := m.Start >= 0 && len(m.bodies) > 0
	why := m.Unresettable()
	var mutable []uint32
	if len(why) == 0 {
		mutable = m.mutableGlobals()
	}
	shared, stack := -1, -1
	if m.opens() {
		shared, stack = m.libraryTable(), m.stackPointer()
	}
	tables := m.boundTables(shared)
	hidden := m.hiddenCtors()
	if _, named := m.Custom(nameSection); len(sites) == 0 && !starts && !named && tables == nil && stack < 0 && hidden < 0 && len(why)+len(mutable) == 0 {
		return m.raw, nil
	}
	p := &prepass{edit: &edit{m: m, patches: make([]patch, 0, len(sites)), tables: tables}, helpers: make(map[helper]uint32)}
	if len(sites) > 0 || starts {
		p.interruptible()
	}
	switch {
	case ctors < 0:
	case len(m.zygotes()) > 0:
		p.zygote(ctors, dtors)
	default:
		p.nested()
	}
	for i, rest := 0, sites; len(rest) > 0; i++ {
		b, n := m.bodies[i], 0
		for n < len(rest) && rest[n].at < b.end {
			n++
		}
		if n > 0 {
			p.body(m.importedFuncs+i, b, rest[:n])
		}
		rest = rest[n:]
	}
	p.exportState(why, mutable)
	p.share(shared, stack)
	if hidden >= 0 {
		p.export(Ctors, Func, uint32(hidden))
	}
	return p.apply()
}

// onMemory reports whether o is an instruction on a memory that Instrument replaces.
func (o op) onMemory() bool {
	return o == opMemoryGrow || o == opMemoryFill || o == opMemoryCopy || o == opMemoryInit
}

// boundTables returns the contents of a table section whose tables can't grow past what all may have together, each by the
// same part of what is left; shared is a table that may always grow, -1 for none. It returns nil when there is nothing to
// change: nothing grows, or maximums keep to it. One table alone is for the engine's limiter.
func (m *Module) boundTables(shared int) []byte {
	if shared < 0 && (!m.tablesGrow || len(m.Tables) < 2) {
		return nil
	}
	least, most := uint64(0), uint64(0)
	for i, t := range m.Tables {
		if t.Imported || t.Min > faas.MaxTableElements { // Check refuses it
			return nil
		}
		least += t.Min
		if !t.HasMax || i == shared {
			t.Max = faas.MaxTableElements
		}
		most += min(t.Max, faas.MaxTableElements)
	}
	if shared < 0 && most <= faas.MaxTableElements || least > faas.MaxTableElements {
		return nil
	}
	room := (faas.MaxTableElements - least) / uint64(len(m.Tables))
	out := appendU32(nil, uint32(len(m.Tables)))
	for i, t := range m.Tables {
		ceiling := t.Min + room
		if t.HasMax && i != shared {
			ceiling = min(ceiling, t.Max)
		}
		out = append(out, t.Type, 1)
		out = appendU32(appendU32(out, uint32(t.Min)), uint32(ceiling))
	}
	return out
}

// segment is the length of data segment i, 0 if there is none.
func (m *Module) segment(i uint32) uint32 {
	if uint64(i) < uint64(len(m.segments)) {
		return m.segments[i]
	}
	return 0
}

// growCode is the body of (param i32) (result i32): memory.grow, and one more in global g when the answer is -1.
func growCode(g uint32, point []byte) []byte {
	code := slices.Concat([]byte{0}, point, []byte{ // no locals
		byte(opLocalGet), 0, byte(opMemoryGrow), 0, byte(opLocalTee), 0,
		byte(opI32Const), 0x7f, byte(opI32Eq), // -1
	})
	code = appendU32(append(code, byte(opGlobalGet)), g)
	code = appendU32(append(code, byte(opI32Add), byte(opGlobalSet)), g)
	return append(code, byte(opLocalGet), 0, byte(opEnd))
}

func (m *Module) reservedExport() (string, bool) {
	for _, e := range m.Exports {
		if strings.HasPrefix(e.Name, Reserved) {
			return e.Name, true
		}
	}
	return "", false
}

func reservedReason(name string) string {
	return fmt.Sprintf("export %q: names that begin with %s are Shoal's own", name, Reserved)
}

// offset is where the section begins, 0 when there is none.
func (m *Module) offset(id byte) int {
	for _, s := range m.sections {
		if s.id == id {
			return s.at
		}
	}
	return 0
}
