package wasmbin

import (
	"slices"

	"github.com/shoal-run/shoal/bus/faas"
)

// What an instrumented program that imports env.dlopen exports for the libraries that it may load, whatever its author
// exports.
const (
	LibraryTable = Reserved + "table"         // its table of functions, which has no maximum of its own
	LibraryStack = Reserved + "stack_pointer" // its stack pointer, if it can be told which global that is
)

// Opens is the import by which a program loads libraries, of the module "env".
const Opens = "dlopen"

// opens reports whether m can load libraries.
func (m *Module) opens() bool {
	return slices.ContainsFunc(m.Imports, func(in Import) bool { return in.Kind == Func && in.Module == envName && in.Name == Opens })
}

// libraryTable returns the table that libraries share: the one with the linker's name, else the first of functions; -1 when m
// has none of its own.
func (m *Module) libraryTable() int {
	fits := func(i int) bool { return m.Tables[i].Type == funcref && !m.Tables[i].Imported }
	if x, ok := m.Export(tableName); ok && x.Kind == TableKind && fits(int(x.Index)) {
		return int(x.Index)
	}
	for i := range m.Tables {
		if fits(i) {
			return i
		}
	}
	return -1
}

// stackPointer returns the global that is the stack pointer, by its export or else by its name; -1 when neither is there.
func (m *Module) stackPointer() int {
	fits := func(i uint32) bool {
		return int64(i) < int64(len(m.Globals)) && m.Globals[i].Type == i32 && m.Globals[i].Mutable && !m.Globals[i].Imported
	}
	if x, ok := m.Export(stackName); ok {
		if x.Kind == GlobalKind && fits(x.Index) {
			return int(x.Index)
		}
		return -1
	}
	for i, name := range m.globalNames() {
		if name == stackName && fits(i) {
			return int(i)
		}
	}
	return -1
}

// globalNames reads the names of globals from the name section, as far as they can be read.
func (m *Module) globalNames() map[uint32]string {
	const subsection = 7
	contents, _ := m.Custom(nameSection)
	r := &reader{b: contents, section: "name"}
	for r.left() > 0 {
		id := r.u8()
		sub := &reader{b: r.bytes(r.u32()), section: "name"}
		if r.err != nil || id != subsection {
			continue
		}
		names := make(map[uint32]string)
		for range sub.count(2, faas.MaxGlobals, "names") {
			i, name := sub.u32(), sub.name()
			if sub.err != nil {
				break
			}
			names[i] = name
		}
		return names
	}
	return nil
}

// share exports what libraries share.
func (e *edit) share(table, stack int) {
	if table >= 0 {
		e.export(LibraryTable, TableKind, uint32(table))
	}
	if stack >= 0 {
		e.export(LibraryStack, GlobalKind, uint32(stack))
	}
}
