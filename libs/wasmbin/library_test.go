package wasmbin

import (
	"bytes"
	"errors"
	"math/bits"
	"reflect"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/shoal-run/shoal/bus/faas"
)

// sub is a subsection of dylink.0.
func sub(id byte, content ...byte) []byte {
	return append(appendU32([]byte{id}, uint32(len(content))), content...)
}

// sizes is the subsection with what a library asks for.
func sizes(memory, memoryAlign, table, tableAlign uint32) []byte {
	var b []byte
	for _, n := range []uint32{memory, memoryAlign, table, tableAlign} {
		b = appendU32(b, n)
	}
	return sub(dylinkMemory, b...)
}

func importGlobal(mod, name string, mut byte) []byte {
	return slices.Concat(str(mod), str(name), []byte{byte(GlobalKind), i32, mut})
}

// libraryOf is a library with those subsections and sections behind them.
func libraryOf(dylink []byte, sections ...[]byte) []byte {
	return module(append([][]byte{custom(dylinkSection, dylink...)}, sections...)...)
}

// wholeLibrary has one of everything that a library may have.
func wholeLibrary() []byte {
	return libraryOf(
		slices.Concat(sizes(100, 4, 7, 2), sub(dylinkNeeded, vec(str("a.so"), str("b.so"))...), sub(9, 1, 2, 3),
			sub(dylinkImport, vec(append(slices.Concat(str("env"), str("weak")), symbolWeak))...)),
		sec(secType, vec(noTypes, i32ToI32)),
		sec(secImport, vec(
			append(slices.Concat(str("env"), str("memory")), byte(MemoryKind), 0, 1),
			append(slices.Concat(str("env"), str(tableName)), byte(TableKind), funcref, 0, 1),
			importGlobal("env", stackName, 1), importGlobal("env", memoryBaseName, 0), importGlobal("env", tableBaseName, 0),
			importGlobal(gotMemory, "variable", 1), importGlobal(gotFunction, "callback", 1),
			importFunc("env", "weak", 1), importFunc("wasi_snapshot_preview1", "fd_write", 1),
		)),
		sec(secFunction, vec([]byte{0}, []byte{0}, []byte{1})),
		sec(secGlobal, vec([]byte{i32, 0, 0x41, 8, 0x0b}, []byte{i32, 1, 0x41, 0, 0x0b})),
		sec(secExport, vec(exportOf(LibraryRelocs, Func, 2), exportOf("f", Func, 4), exportOf("v", GlobalKind, 5), exportOf("state", GlobalKind, 6))),
		sec(secStart, []byte{2}),
		sec(secCode, vec(codeBody(), codeBody(), codeBody(0x20, 0))),
		custom(nameSection, sub(nameFunctions, vec(append([]byte{3}, str(LibraryCtors)...))...)...),
	)
}

func TestCheckLibrary(t *testing.T) {
	m := mustParse(t, wholeLibrary())
	l, err := CheckLibrary(m)
	if err != nil {
		t.Fatal(err)
	}
	if l.Memory != 100 || l.MemoryAlign != 16 || l.Table != 7 || l.TableAlign != 4 || !slices.Equal(l.Needed, []string{"a.so", "b.so"}) {
		t.Errorf("%+v", l)
	}
	if !l.Start || !l.Relocs || l.Ctors != Ctors || l.Functions != 5 || l.Globals != 7 {
		t.Errorf("%+v", l)
	}
	want := []Role{RoleMemory, RoleTable, RoleStack, RoleMemoryBase, RoleTableBase, RoleAddress, RolePointer, RoleFunc, RoleFunc}
	for i, x := range l.Imports {
		if x.Role != want[i] || x.Weak != (x.Name == "weak") {
			t.Errorf("import %d is %+v, want role %d", i, x, want[i])
		}
	}
	if len(l.Symbols) != 2 || !l.Symbols["v"].Data || string(l.Symbols["f"].Params) != string([]byte{i32}) {
		t.Errorf("symbols %+v", l.Symbols)
	}
	after := instrumented(t, wholeLibrary())
	checkAdded(t, m, after)
	if x, ok := after.Export(Ctors); !ok || x.Index != 3 {
		t.Errorf("constructors are exported as %+v", x)
	}
	if why := m.Unresettable(); len(why) > 0 {
		t.Errorf("what it imports is not its own: %q", why)
	}
}

func TestCheckLibraryRefuses(t *testing.T) {
	none := sizes(0, 0, 0, 0)
	memory := func(flags byte) []byte {
		return sec(secImport, vec(append(slices.Concat(str("env"), str("memory")), byte(MemoryKind), flags, 1, 2)))
	}
	var circle []byte
	for range MaxNeeded + 1 {
		circle = append(circle, str("a.so")...)
	}
	for name, k := range map[string]struct {
		b    []byte
		want string
	}{
		"a program":       {everything(), "no section dylink.0"},
		"dylink":          {module(custom("dylink", 0)), "older toolchain"},
		"not the first":   {module(custom("x"), custom(dylinkSection)), "not the first"},
		"cut off":         {libraryOf([]byte{dylinkMemory, 200, 1}), "cut off"},
		"half a number":   {libraryOf(sub(dylinkMemory, 0xff)), "cut off"},
		"more":            {libraryOf(sub(dylinkMemory, 0, 0, 0, 0, 0)), "too many"},
		"alignment 2^31":  {libraryOf(sizes(1, 31, 0, 0)), "alignment of 2^31 for the memory"},
		"alignment 2^32":  {libraryOf(sizes(1, 1<<32-1, 0, 0)), "alignment"},
		"table alignment": {libraryOf(sizes(1, 0, 1, 17)), "alignment of 2^17 for the table"},
		"table":           {libraryOf(sizes(1<<32-1, 0, 1<<32-1, 0)), "4294967295 elements of the table"},
		"many needed":     {libraryOf(sub(dylinkNeeded, append(appendU32(nil, MaxNeeded+1), circle...)...)), "33 needed libraries"},
		"twice as many":   {libraryOf(append(sub(dylinkNeeded, append([]byte{20}, circle[:20*5]...)...), sub(dylinkNeeded, append([]byte{20}, circle[:20*5]...)...)...)), "20 needed libraries"},
		"billions needed": {libraryOf(sub(dylinkNeeded, 0xff, 0xff, 0xff, 0xff, 0x0f)), "needed libraries"},
		"NUL":             {libraryOf(sub(dylinkNeeded, vec(str("a\x00b"))...)), "needed library"},
		"no name":         {libraryOf(sub(dylinkNeeded, vec(str(""))...)), "needed library"},
		"long name":       {libraryOf(sub(dylinkNeeded, vec(str(strings.Repeat("x", maxLibName+1)))...)), "needed library"},
		"no UTF-8":        {libraryOf(sub(dylinkNeeded, vec([]byte{2, 0xc0, 0x80})...)), "not UTF-8"},
		"own memory":      {libraryOf(none, onePage), "memory of its own"},
		"shared memory":   {libraryOf(none, memory(3)), "shared memory"},
		"64-bit memory":   {libraryOf(none, memory(5)), "memory64"},
		"own table":       {libraryOf(none, sec(secTable, vec([]byte{funcref, 0, 1}))), "table of its own"},
		"table of others": {libraryOf(none, sec(secImport, vec(append(slices.Concat(str("env"), str(tableName)), byte(TableKind), externref, 0, 1)))), "externref"},
		"another table":   {libraryOf(none, sec(secImport, vec(append(slices.Concat(str("env"), str("t")), byte(TableKind), funcref, 0, 1)))), "env.t is a table"},
		"unknown global":  {libraryOf(none, sec(secImport, vec(importGlobal("env", "__tls_base", 1)))), "__tls_base"},
		"fixed address":   {libraryOf(none, sec(secImport, vec(importGlobal(gotMemory, "x", 0)))), "GOT.mem.x"},
		"vector":          {libraryOf(none, sec(secType, vec(fn(types(v128), nil))), sec(secImport, vec(importFunc("env", "f", 0)))), "up to 32 numbers"},
		"imported start":  {libraryOf(none, sec(secType, vec(noTypes)), sec(secImport, vec(importFunc("env", "f", 0))), sec(secStart, []byte{0})), "start function is imported"},
		"reserved":        {libraryOf(none, sec(secGlobal, vec([]byte{i32, 0, 0x41, 0, 0x0b})), sec(secExport, vec(exportOf(Reserved+"x", GlobalKind, 0)))), "Shoal's own"},
		"relocations":     {libraryOf(none, sec(secType, vec(toI32)), sec(secFunction, vec([]byte{0})), sec(secExport, vec(exportOf(LibraryRelocs, Func, 0))), sec(secCode, vec(codeBody(0x41, 0)))), "must be () -> ()"},
	} {
		m, err := Parse(k.b)
		if err == nil {
			_, err = CheckLibrary(m)
		}
		if err == nil || !strings.Contains(err.Error(), k.want) {
			t.Errorf("%s: %v, want %q", name, err, k.want)
		}
		if e := (*faas.Error)(nil); err != nil && (!errors.As(err, &e) || e.Code != faas.InvalidModule) {
			t.Errorf("%s: %v is no invalid_module", name, err)
		}
	}
}

// TestReadLibrary has what is dear to parse: it takes little memory, and code is not looked at.
func TestReadLibrary(t *testing.T) {
	l, err := ReadLibrary(wholeLibrary())
	want, _ := CheckLibrary(mustParse(t, wholeLibrary()))
	if err != nil || !reflect.DeepEqual(l, want) {
		t.Errorf("%+v, error %v", l, err)
	}
	loops := codeBody(append(bytes.Repeat([]byte{0x03, 0x40, 0x0b}, 1<<20), 0x0b)...)
	var weak []byte
	for i := range 20 {
		symbols := appendU32(nil, maxImports)
		for j := range maxImports {
			symbols = append(slices.Concat(symbols, str("env"), str(strconv.Itoa(i*maxImports+j))), symbolWeak)
		}
		weak = append(weak, sub(dylinkImport, symbols...)...)
	}
	for name, b := range map[string][]byte{
		"loops": libraryOf(sizes(0, 0, 0, 0), sec(secType, vec(noTypes)), sec(secFunction, vec([]byte{0})), sec(secCode, vec(loops))),
		"weak":  libraryOf(weak),
	} {
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		_, err := ReadLibrary(b)
		runtime.ReadMemStats(&after)
		if n := after.TotalAlloc - before.TotalAlloc; n > 4<<20 {
			t.Errorf("%s: %d bytes took %d, error %v", name, len(b), n, err)
		}
	}
}

// TestShares has programs that load libraries, with and without names and exports for what they share.
func TestShares(t *testing.T) {
	program := func(sections ...[]byte) []byte {
		return module(append([][]byte{
			sec(secType, vec(fn(types(i32, i32), types(i32)))), sec(secImport, vec(importFunc("env", Opens, 0))),
			sec(secTable, vec([]byte{externref, 1, 1, 1}, []byte{funcref, 1, 5, 5})), onePage,
			sec(secGlobal, vec([]byte{i32, 0, 0x41, 0, 0x0b}, []byte{i32, 1, 0x41, 0, 0x0b}, []byte{i32, 1, 0x41, 0, 0x0b})),
		}, sections...)...)
	}
	for name, k := range map[string]struct {
		b     []byte
		stack int
	}{
		"nothing":  {program(), -1},
		"export":   {program(sec(secExport, vec(exportOf(stackName, GlobalKind, 2)))), 2},
		"constant": {program(sec(secExport, vec(exportOf(stackName, GlobalKind, 0)))), -1},
		"name":     {program(custom(nameSection, sub(7, vec(append([]byte{1}, str(stackName)...))...)...)), 1},
		"no such":  {program(custom(nameSection, sub(7, vec(append([]byte{77}, str(stackName)...))...)...)), -1},
	} {
		before, after := mustParse(t, k.b), instrumented(t, k.b)
		checkAdded(t, before, after)
		if x, ok := after.Export(LibraryTable); !ok || x.Index != 1 {
			t.Errorf("%s: the table is %+v", name, x)
		}
		if got := after.Tables[1]; got.Min != 5 || got.Max < faas.MaxTableElements/2-5 || after.Tables[0].Max != 1 {
			t.Errorf("%s: tables %+v", name, after.Tables)
		}
		if x, ok := after.Export(LibraryStack); ok != (k.stack >= 0) || ok && int(x.Index) != k.stack {
			t.Errorf("%s: the stack pointer is %+v, want %d", name, x, k.stack)
		}
	}
	alone := mustParse(t, module(sec(secTable, vec([]byte{funcref, 1, 5, 5}))))
	if alone.boundTables(-1) != nil {
		t.Error("a program that loads nothing has its table changed")
	}
}

// TestCommandsThatOpen has the constructors and destructors of a command guarded that loads libraries, and no others.
func TestCommandsThatOpen(t *testing.T) {
	program := func(imported, entry string) []byte {
		return module(
			sec(secType, vec(noTypes, fn(types(i32, i32), types(i32)))), sec(secImport, vec(importFunc("env", imported, 1))),
			sec(secFunction, vec([]byte{0}, []byte{0}, []byte{0})),
			sec(secExport, vec(exportOf(entry, Func, 1), exportOf(ctorsName, Func, 2), exportOf(dtorsName, Func, 3))),
			sec(secCode, vec(codeBody(0x10, 2, 0x10, 3), codeBody(), codeBody())),
		)
	}
	for _, k := range []struct {
		imported, entry string
		want            bool
	}{{Opens, entryCommand, true}, {Opens, entryReactor, false}, {"other", entryCommand, false}} {
		after := instrumented(t, program(k.imported, k.entry))
		_, ran := after.Export(ctorsRan)
		_, held := after.Export(dtorsHeld)
		if _, called := after.Export(Ctors); ran != k.want || held != k.want || called {
			t.Errorf("%s, %s: %t %t %t", k.imported, k.entry, ran, held, called)
		}
	}
}

// FuzzDylink reads any content of a dylink.0 section.
func FuzzDylink(f *testing.F) {
	f.Add([]byte(nil))
	f.Add(sizes(1<<32-1, 31, 1<<32-1, 31))
	f.Add(slices.Concat(sizes(100, 4, 7, 2), sub(dylinkNeeded, vec(str("a.so"))...), sub(dylinkImport, vec(append(slices.Concat(str("env"), str("x")), 1))...)))
	f.Add(sub(dylinkNeeded, 0xff, 0xff, 0xff, 0xff, 0x0f))
	f.Fuzz(func(t *testing.T, content []byte) {
		if len(content) > 1<<20 {
			return
		}
		m, err := Parse(libraryOf(content))
		if err != nil {
			t.Fatal(err)
		}
		checkedLibrary(t, m)
	})
}

// FuzzLibrary checks any module as a library.
func FuzzLibrary(f *testing.F) {
	f.Add(wholeLibrary())
	f.Add(libraryOf(sizes(1, 31, 0, 0)))
	f.Fuzz(func(t *testing.T, b []byte) {
		before := bytes.Clone(b)
		if m, err := Parse(b); err == nil {
			checkedLibrary(t, m)
		}
		if !bytes.Equal(before, b) {
			t.Fatal("the input changed")
		}
	})
}

func checkedLibrary(t *testing.T, m *Module) {
	t.Helper()
	l, err := CheckLibrary(m)
	if e := (*faas.Error)(nil); err != nil {
		if !errors.As(err, &e) || e.Code != faas.InvalidModule || err.Error() == "" {
			t.Fatalf("%T %v", err, err)
		}
		return
	}
	for _, align := range []uint32{l.MemoryAlign, l.TableAlign} {
		if bits.OnesCount32(align) != 1 || align > 1<<maxLibAlign {
			t.Fatalf("alignment %d", align)
		}
	}
	if l.Table > faas.MaxTableElements || len(l.Needed) > MaxNeeded || len(l.Imports) != len(m.Imports) {
		t.Fatalf("%+v", l)
	}
	for _, n := range l.Needed {
		if n == "" || strings.ContainsRune(n, 0) {
			t.Fatalf("needed library %q", n)
		}
	}
	if out, err := m.Instrument(); err == nil {
		if _, err := Parse(out); err != nil {
			t.Fatal(err)
		}
	}
}
