package wasmbin

import (
	"fmt"
	"strings"
)

// Reserved is the prefix of the export names that Shoal keeps for what it adds to a module.
const Reserved = "__shoal_"

// GrowRefused is the exported mutable i32 global of an instrumented module that counts the memory.grow instructions that
// were answered with -1, modulo 2³².
const GrowRefused = Reserved + "grow_refused"

// growName is how the added function appears in backtraces.
const growName = Reserved + "memory_grow"

// Instrument is Parse and Module.Instrument.
func Instrument(module []byte) ([]byte, error) {
	m, err := Parse(module)
	if err != nil {
		return nil, err
	}
	return m.Instrument()
}

// Instrument returns the module with every memory.grow replaced by the call of a function that does the same and counts
// the refusals in the exported global GrowRefused. What is added (a type where none fits, the function, the global, the
// export, a name) comes last in its index space: no index changes, and the name section stays right. Custom sections
// that point into the code by offset (.debug_*, reloc.*, metadata.code.*, source maps) are dropped, others kept.
//
// A module without a memory.grow comes back as the same slice, with nothing added. So does one whose first memory does
// not exist or has 64-bit addresses, which Check refuses.
//
// Errors are *FormatError: an export with a reserved name, or a function body that gets too large for the engine.
func (m *Module) Instrument() ([]byte, error) {
	if name, ok := m.reservedExport(); ok {
		return nil, &FormatError{Section: "export", Offset: m.offset(secExport), Reason: reservedReason(name)}
	}
	if len(m.grows) == 0 || len(m.Memories) == 0 || m.Memories[0].Is64 {
		return m.raw, nil
	}
	e := &edit{m: m}
	g := e.global()
	f := e.function(e.funcType(FuncType{Params: []byte{i32}, Results: []byte{i32}}), growCode(g), growName)
	e.export(GrowRefused, GlobalKind, g)
	call := appendU32([]byte{byte(opCall)}, f)
	e.patches = make([]patch, 0, len(m.grows))
	for _, s := range m.grows {
		e.replace(s, call)
	}
	return e.apply()
}

// growCode is the body of (param i32) (result i32): memory.grow, and one more in global g when the answer is -1.
func growCode(g uint32) []byte {
	code := []byte{
		0, // no locals
		byte(opLocalGet), 0, byte(opMemoryGrow), 0, byte(opLocalTee), 0,
		byte(opI32Const), 0x7f, byte(opI32Eq), // -1
	}
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
