package wasmbin

import (
	"fmt"
	"slices"
	"strings"
	"unicode"

	"github.com/shoal-run/shoal/bus/faas"
)

// The exports that Check looks for.
const (
	entryReactor = "handle"
	entryCommand = "_start"
	initialize   = "_initialize"
	memoryName   = "memory"
	pageSize     = 1 << 16
)

// Info is what a deploy and an engine need to know of a module that passed Check.
type Info struct {
	Kind    faas.Kind
	Entry   string // the export that a call runs: "handle", "_start", or WizerResume
	Imports []faas.Import
	// Inits are the exports of the instrumented module that have to run once before the first call, in that order, but for
	// the start function, which HasStart tells of and which comes before them.
	Inits    []string
	HasStart bool
	NoZygote string // why a zygote is not among Inits, "" when there is none or it is
	// MemoryMin and MemoryMax are the memory's declared sizes in bytes; without a declared maximum MemoryMax is 4 GiB.
	// Both are 0 for a module without a memory.
	MemoryMin, MemoryMax uint64
}

// Host is what Check asks of the host interface. The zero value has nothing.
type Host struct {
	// Types returns the types of the parameters and results of a function, in their binary encoding, and whether it is there.
	Types func(module, name string) (params, results []byte, ok bool)
	// Why returns why a function is not there, "" when there is nothing to say.
	Why func(module, name string) string
	// AllowUnknown accepts functions that are not there, as the guest may never call them.
	AllowUnknown bool
}

func (h Host) types(module, name string) (params, results []byte, ok bool) {
	if h.Types == nil {
		return nil, nil, false
	}
	return h.Types(module, name)
}

func (h Host) why(module, name string) string {
	if h.Why == nil {
		return ""
	}
	return h.Why(module, name)
}

// Check decides whether m can become a function: that host has every function it imports with the type it wants, that it
// imports nothing else, that it has at most one memory, of 32 bits, its own and exported as "memory", and an entry.
//
// A module that exports a function "handle" of type () -> i32 or () -> () is a reactor; else one that exports "_start" of
// type () -> () is a command. A module without any memory is fine: host functions then see an empty one. An export with the
// name Restored has to be a function that can be called after a restore.
//
// Errors are *faas.Error with the code invalid_module.
func Check(m *Module, host Host) (Info, error) {
	if name, ok := m.reservedExport(); ok {
		return Info{}, invalid("%s", reservedReason(name))
	}
	return m.check(host)
}

func (m *Module) check(host Host) (Info, error) {
	var info Info
	for _, step := range []func(*Info) error{
		func(info *Info) error { return m.checkImports(info, host) },
		m.checkMemory, m.checkData, m.checkTables, m.checkStart, m.checkEntry, m.checkRestored, m.checkZygote,
	} {
		if err := step(&info); err != nil {
			return Info{}, err
		}
	}
	return info, nil
}

// invalid returns an error, never a nil *faas.Error.
func invalid(format string, args ...any) error {
	return faas.Errorf(faas.InvalidModule, format, args...)
}

func (m *Module) checkImports(info *Info, host Host) error {
	var unknown []Import
	missing := missing{types: map[[2]string]FuncType{}}
	info.Imports = make([]faas.Import, 0, len(m.Imports))
	for _, in := range m.Imports {
		if in.Kind != Func {
			return badKind(in)
		}
		params, results, ok := host.types(in.Module, in.Name)
		if !ok && host.AllowUnknown {
			if err := missing.add(in, m.Types[in.Type]); err != nil {
				return err
			}
			info.Imports = append(info.Imports, faas.Import{Module: in.Module, Name: in.Name, Missing: true})
			continue
		}
		if !ok {
			unknown = append(unknown, in)
			continue
		}
		if want := m.Types[in.Type]; !want.equal(params, results) {
			return invalid("import %s.%s has the type %s, but the host interface has it as %s", printable(in.Module),
				printable(in.Name), want, FuncType{params, results})
		}
		info.Imports = append(info.Imports, faas.Import{Module: in.Module, Name: in.Name})
	}
	if len(unknown) > 0 {
		return unknownImports(unknown, host)
	}
	return nil
}

// maxMissing is how long the names of all imports that are not there may be together, in bytes: they become part of what every
// worker and gateway knows of the function.
const maxMissing = 64 << 10

// missing are the imports that the host does not have and a guest may have all the same.
type missing struct {
	types map[[2]string]FuncType
	size  int // of their names
}

// add takes one, or says why no host function could be linked to it. Its name is shown to people, and was the guest's to choose.
func (s *missing) add(in Import, t FuncType) error {
	name := printable(in.Module) + "." + printable(in.Name)
	if !t.linkable() {
		return invalid("import %s has the type %s: a host function has up to %d numbers as parameters and one as result", name, t, maxHostParams)
	}
	if strings.ContainsFunc(in.Module+in.Name, func(r rune) bool { return !unicode.IsPrint(r) }) {
		return invalid("import %s: a name that the host interface does not have may be of letters, digits, signs and spaces only", name)
	}
	key := [2]string{in.Module, in.Name}
	was, twice := s.types[key]
	if twice && !was.equal(t.Params, t.Results) {
		return invalid("import %s has the types %s and %s", name, was, t)
	}
	s.types[key] = t
	if s.size += len(in.Module) + len(in.Name); s.size > maxMissing {
		return invalid("the names of imports that the host interface does not have are longer than %s together", faas.Size(maxMissing))
	}
	return nil
}

// maxHostParams is how many parameters a host function has at most.
const maxHostParams = 32

// linkable reports whether a function of the type can be linked to one that traps.
func (t FuncType) linkable() bool {
	notNumber := func(v byte) bool { return v < f64 || v > i32 }
	return len(t.Params) <= maxHostParams && len(t.Results) <= 1 && !slices.ContainsFunc(t.Params, notNumber) && !slices.ContainsFunc(t.Results, notNumber)
}

// badKind refuses an import that is no function.
func badKind(in Import) error {
	if in.Name == "__linear_memory" || in.Name == "__indirect_function_table" {
		return invalid("an object file, not a module: link it (clang without -c, or wasm-ld)")
	}
	hint := ""
	switch in.Kind {
	case MemoryKind:
		hint = " (a module defines its own memory and exports it as \"memory\": link without --import-memory and -pthread)"
	case TableKind:
		hint = " (link without --import-table and -shared)"
	case GlobalKind:
		hint = " (link without -shared and -pie)"
	}
	return invalid("import %s.%s is a %s: only functions can be imported%s", printable(in.Module), printable(in.Name), in.Kind, hint)
}

func (m *Module) checkMemory(info *Info) error {
	export, exported := m.Export(memoryName)
	if exported && export.Kind != MemoryKind {
		return invalid("export %q is a %s, where the memory belongs", memoryName, export.Kind)
	}
	switch len(m.Memories) {
	case 0:
		return nil
	case 1:
	default:
		return invalid("%d memories: only one is supported", len(m.Memories))
	}
	mem := m.Memories[0]
	switch {
	case mem.Is64:
		return invalid("memory with 64-bit addresses (memory64): build for wasm32")
	case mem.Shared:
		return invalid("shared memory: threads are not supported (build without -pthread)")
	case !exported:
		return invalid("no export %q: the module has a memory that the host can't see (export it under that name)", memoryName)
	}
	info.MemoryMin, info.MemoryMax = mem.Min*pageSize, maxPages*pageSize
	if mem.HasMax {
		info.MemoryMax = mem.Max * pageSize
	}
	return nil
}

// checkData refuses initial data that is copied, not mapped, into every Faaslet: nothing interrupts that.
func (m *Module) checkData(*Info) error {
	if n := m.active.copied(); n > faas.MaxSparseData {
		return invalid("%s of initial data spread over %s of memory: no more than %s can be, unless it is half of what it spans",
			faas.Size(n)>>20<<20, faas.Size(m.active.to-m.active.from)>>20<<20, faas.Size(faas.MaxSparseData))
	}
	return nil
}

// checkTables refuses what takes memory beside the linear memory: more tables, elements and globals than a Faaslet has.
func (m *Module) checkTables(*Info) error {
	if n := len(m.Tables); n > faas.MaxTables {
		return invalid("%d tables: a module can have %d", n, faas.MaxTables)
	}
	sum := uint64(0)
	for _, t := range m.Tables {
		sum += t.Min // each has 32 bits
	}
	if sum > faas.MaxTableElements {
		return invalid("its tables start with %d elements together: they can have %d", sum, faas.MaxTableElements)
	}
	if n := len(m.Globals); n > faas.MaxGlobals {
		return invalid("%d globals: a module can have %d", n, faas.MaxGlobals)
	}
	return nil
}

func (m *Module) checkStart(info *Info) error {
	if m.Start >= 0 && m.Start < m.importedFuncs {
		return invalid("the start function is imported: it must be the module's own")
	}
	info.HasStart = m.Start >= 0
	return nil
}

func (m *Module) checkEntry(info *Info) error {
	reactor, why := m.entry(entryReactor, "() -> i32 or () -> ()", FuncType{Results: []byte{i32}}, FuncType{})
	if reactor {
		info.Kind, info.Entry = faas.Reactor, entryReactor
		if ok, why := m.entry(initialize, "() -> ()", FuncType{}); !ok && why != "" {
			return invalid("%s", why)
		}
		return nil
	}
	command, whyCommand := m.entry(entryCommand, "() -> ()", FuncType{})
	switch {
	case command:
		info.Kind, info.Entry = faas.Command, entryCommand
		return nil
	case why != "" && whyCommand != "":
		return invalid("no entry: %s; %s", why, whyCommand)
	case why != "":
		return invalid("no entry: %s", why)
	case whyCommand != "":
		return invalid("no entry: %s", whyCommand)
	}
	return invalid("no entry: the module exports neither a function %q of type () -> i32 (a reactor) nor %q of type () -> () "+
		"(a command); it exports %s", entryReactor, entryCommand, m.exportedFuncs())
}

// checkRestored checks the type of what an engine calls in a Faaslet that it restored.
func (m *Module) checkRestored(*Info) error {
	ok, why := m.entry(Restored, "() -> i32 or () -> ()", FuncType{Results: []byte{i32}}, FuncType{})
	if !ok && why != "" {
		return invalid("%s", why)
	}
	return nil
}

// entry reports whether name is exported as a function of one of the types. When it is exported as something else, why
// says as what.
func (m *Module) entry(name, want string, types ...FuncType) (ok bool, why string) {
	e, found := m.Export(name)
	if !found {
		return false, ""
	}
	if e.Kind != Func {
		return false, fmt.Sprintf("export %q is a %s, not a function %s", name, e.Kind, want)
	}
	have := m.FuncType(e.Index)
	for _, t := range types {
		if have.equal(t.Params, t.Results) {
			return true, ""
		}
	}
	return false, fmt.Sprintf("export %q has the type %s, it must be %s", name, have, want)
}

// exportedFuncs lists the first few exported functions.
func (m *Module) exportedFuncs() string {
	const most = 6
	var names []string
	more := 0
	for _, e := range m.Exports {
		if e.Kind != Func {
			continue
		}
		if len(names) == most {
			more++
			continue
		}
		names = append(names, fmt.Sprintf("%s: %s", printable(e.Name), m.FuncType(e.Index)))
	}
	if len(names) == 0 {
		return "no function"
	}
	s := strings.Join(names, "; ")
	if more > 0 {
		s += fmt.Sprintf("; and %d more", more)
	}
	return s
}
