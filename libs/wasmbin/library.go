package wasmbin

import (
	"github.com/shoal-run/shoal/bus/faas"
)

// Library is what an engine needs to know of a module that passed CheckLibrary, to link it into a running guest.
type Library struct {
	Memory, MemoryAlign uint32   // bytes that it takes of the guest's memory, all zero before, at a multiple of MemoryAlign
	Table, TableAlign   uint32   // elements that it takes of the guest's table, likewise
	Needed              []string // libraries that have to be loaded with it, as the linker has their names
	Imports             []LibraryImport
	Symbols             map[string]Symbol // that it defines for others
	Functions, Globals  int               // that an instance takes memory for, beside its Imports
	Start               bool              // it exports StartFunc when it is instrumented
	Relocs              bool              // it exports LibraryRelocs
	Ctors               string            // the export of the instrumented module that runs its constructors, "" for none
}

// What a library exports to be called once, without parameters: LibraryRelocs writes addresses into its data before anything else of
// it runs but the start function; LibraryCtors runs its constructors.
const (
	LibraryRelocs = "__wasm_apply_data_relocs"
	LibraryCtors  = "__wasm_call_ctors"
)

// Role is what an import of a library stands for.
type Role int

// The roles.
const (
	RoleFunc       Role = iota // a function, of another library, the program or the host
	RoleMemory                 // the program's memory
	RoleTable                  // the program's table of functions
	RoleStack                  // the program's stack pointer
	RoleMemoryBase             // where the library has its part of the memory
	RoleTableBase              // and of the table
	RoleAddress                // the address of a variable, wherever it is defined
	RolePointer                // the table's element that has a function, wherever it is defined
)

// LibraryImport is one import, in the order of the module.
type LibraryImport struct {
	Role         Role
	Module, Name string // Name is the symbol's where Role is RoleFunc, RoleAddress or RolePointer
	Params       []byte // of a function, as its Results; types in their binary encoding
	Results      []byte
	Weak         bool // it may be missing
}

// Symbol is what a library itself defines, not what it imports and exports again: that could lead back to it, and
// nowhere else. It is a function with its type or, where Data, a variable: an exported global with its place
// in the library's memory.
type Symbol struct {
	Name            string
	Data            bool
	Params, Results []byte
}

// The names by which libraries import what they share with the program, in the module "env".
const (
	stackName      = "__stack_pointer"
	tableName      = "__indirect_function_table"
	memoryBaseName = "__memory_base"
	tableBaseName  = "__table_base"
	gotMemory      = "GOT.mem"
	gotFunction    = "GOT.func"
	envName        = "env"
)

// ReadLibrary is Parse and CheckLibrary, but for the code: whoever compiles the module reads that too, where what it takes, up to
// 40 times its size in memory, is bounded. It takes little beside the module, whatever is in it.
func ReadLibrary(module []byte) (Library, error) {
	m, err := parse(module, true)
	if err != nil {
		return Library{}, err
	}
	return CheckLibrary(m)
}

// CheckLibrary decides whether m can be loaded into a running guest: a shared library as clang links it, with a dylink.0
// section, whose memory, table and stack pointer are the program's. Whether what it imports is there is for the engine to
// say. Errors are *faas.Error with the code invalid_module, or *FormatError.
func CheckLibrary(m *Module) (Library, error) {
	d, err := m.dylink()
	if err != nil {
		return Library{}, err
	}
	if name, ok := m.reservedExport(); ok {
		return Library{}, invalid("%s", reservedReason(name))
	}
	l := Library{
		Memory: d.memory, MemoryAlign: aligned(d.memoryAlign), Table: d.table, TableAlign: aligned(d.tableAlign),
		Needed: d.needed, Functions: len(m.Funcs), Globals: len(m.Globals), Start: m.Start >= 0,
	}
	switch {
	case l.Table > faas.MaxTableElements:
		return Library{}, invalid("it asks for %s: the table can have %d elements", d, faas.MaxTableElements)
	case len(m.Globals) > faas.MaxGlobals:
		return Library{}, invalid("%d globals: a module can have %d", len(m.Globals), faas.MaxGlobals)
	case m.active.copied() > faas.MaxSparseData:
		return Library{}, invalid("%d segments of initial data with %s: writing them is not interrupted", m.active.segments, faas.Size(m.active.bytes))
	case m.Start >= 0 && m.Start < m.importedFuncs:
		return Library{}, invalid("the start function is imported: it must be the library's own")
	}
	if err := m.libraryOwns(); err != nil {
		return Library{}, err
	}
	if l.Imports, err = m.libraryImports(d); err != nil {
		return Library{}, err
	}
	return l, m.librarySymbols(&l)
}

// libraryOwns refuses memories and tables of a library's own: what it has is the guest's.
func (m *Module) libraryOwns() error {
	for _, mem := range m.Memories {
		switch {
		case mem.Is64:
			return invalid("memory with 64-bit addresses (memory64): build for wasm32")
		case mem.Shared:
			return invalid("shared memory: threads are not supported (build without -pthread)")
		case !mem.Imported:
			return invalid("a library with a memory of its own: it has to import the program's (link it with -fPIC -shared)")
		}
	}
	for _, t := range m.Tables {
		switch {
		case !t.Imported:
			return invalid("a library with a table of its own: it has to import the program's (link it with -fPIC -shared)")
		case t.Type != funcref:
			return invalid("a library that imports a table of %s", valName(t.Type))
		}
	}
	return nil
}

func (m *Module) libraryImports(d dylink) ([]LibraryImport, error) {
	out := make([]LibraryImport, 0, len(m.Imports))
	globals, memories, tables := 0, 0, 0
	for _, in := range m.Imports {
		x := LibraryImport{Module: in.Module, Name: in.Name, Weak: d.weak[[2]string{in.Module, in.Name}]}
		known := in.Module == envName
		switch in.Kind {
		case Func:
			t := m.Types[in.Type]
			if !t.linkable() {
				return nil, invalid("import %s.%s has the type %s: a function between libraries has up to %d numbers as parameters and one as result",
					printable(in.Module), printable(in.Name), t, maxHostParams)
			}
			x.Role, x.Params, x.Results, known = RoleFunc, cloned(t.Params), cloned(t.Results), true
		case MemoryKind:
			memories++
			x.Role, known = RoleMemory, known && in.Name == memoryName && memories == 1
		case TableKind:
			tables++
			x.Role, known = RoleTable, known && in.Name == tableName && tables == 1
		case GlobalKind:
			x.Role, known = globalRole(in, m.Globals[globals])
			globals++
		}
		if !known {
			return nil, invalid("import %s.%s is a %s that no program has for a library", printable(in.Module), printable(in.Name), in.Kind)
		}
		out = append(out, x)
	}
	return out, nil
}

func globalRole(in Import, g Global) (Role, bool) {
	if g.Type != i32 {
		return 0, false
	}
	switch in.Module {
	case gotMemory:
		return RoleAddress, g.Mutable
	case gotFunction:
		return RolePointer, g.Mutable
	case envName:
		switch in.Name {
		case stackName:
			return RoleStack, g.Mutable
		case memoryBaseName:
			return RoleMemoryBase, !g.Mutable
		case tableBaseName:
			return RoleTableBase, !g.Mutable
		}
	}
	return 0, false
}

// librarySymbols fills in what m defines for others, and what is called to make it ready.
func (m *Module) librarySymbols(l *Library) error {
	l.Symbols = make(map[string]Symbol, len(m.Exports))
	if m.hiddenCtors() >= 0 {
		l.Ctors = Ctors
	}
	for _, x := range m.Exports {
		switch x.Kind {
		case Func:
			t := m.FuncType(x.Index)
			once := x.Name == LibraryRelocs || x.Name == LibraryCtors
			if once && !t.equal(nil, nil) {
				return invalid("export %q has the type %s, it must be () -> ()", x.Name, t)
			}
			l.Relocs = l.Relocs || x.Name == LibraryRelocs
			if x.Name == LibraryCtors {
				l.Ctors = LibraryCtors
			}
			if !once && int(x.Index) >= m.importedFuncs {
				l.Symbols[x.Name] = Symbol{Name: x.Name, Params: cloned(t.Params), Results: cloned(t.Results)}
			}
		case GlobalKind:
			if g := m.Globals[x.Index]; g.Type == i32 && !g.Mutable && !g.Imported {
				l.Symbols[x.Name] = Symbol{Name: x.Name, Data: true}
			}
		}
	}
	return nil
}

// hiddenCtors returns the function that runs a library's constructors where it is not exported, as linkers leave it unless they are
// told; -1 when there is none, or m is no library.
func (m *Module) hiddenCtors() int {
	if _, exported := m.Export(LibraryCtors); exported || !m.linksIn() {
		return -1
	}
	ctors, _ := m.structors()
	return ctors
}

// cloned copies types out of the module.
func cloned(types []byte) []byte { return append([]byte(nil), types...) }
