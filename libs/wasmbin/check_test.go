package wasmbin

import (
	"bytes"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/shoal-run/shoal/bus/faas"
)

// testHost is a small host interface.
var testHost = Host{Types: testTypes, Why: func(_, name string) string { return map[string]string{"MPI_Init": "there is no MPI"}[name] }}

func testTypes(module, name string) (params, results []byte, ok bool) {
	switch module + "." + name {
	case "env.__faasm_read_input":
		return types(i32, i32), types(i32), true
	case "env.__faasm_write_output":
		return types(i32, i32), nil, true
	case "wasi_snapshot_preview1.fd_write":
		return types(i32, i32, i32, i32), types(i32), true
	}
	return nil, nil, false
}

// withEntry is a module with a memory, a function of each of the types, and exports; function i has type i.
func withEntry(ts [][]byte, exports ...[]byte) []byte {
	var fs, bodies [][]byte
	for i := range ts {
		fs = append(fs, []byte{byte(i)})
		bodies = append(bodies, codeBody(0x00))
	}
	return module(sec(secType, vec(ts...)), sec(secFunction, vec(fs...)), onePage,
		sec(secExport, vec(append([][]byte{exportOf("memory", MemoryKind, 0)}, exports...)...)), sec(secCode, vec(bodies...)))
}

// importing is a reactor with imports.
func importing(ts [][]byte, imports ...[]byte) []byte {
	return module(sec(secType, vec(append([][]byte{toI32}, ts...)...)), sec(secImport, vec(imports...)),
		sec(secFunction, vec([]byte{0})), onePage,
		sec(secExport, vec(exportOf("memory", MemoryKind, 0), exportOf("handle", Func, byte(len(imports))))),
		sec(secCode, vec(codeBody(0x00))))
}

func TestCheckAccepts(t *testing.T) {
	memory := func(i Info) Info { i.MemoryMin, i.MemoryMax = 1<<16, 1<<32; return i }
	reactor := memory(Info{Kind: faas.Reactor, Entry: "handle", Imports: []faas.Import{}})
	command := memory(Info{Kind: faas.Command, Entry: "_start", Imports: []faas.Import{}})
	initialised := reactor
	initialised.Inits = []string{"_initialize"}
	imports := reactor
	imports.Imports = []faas.Import{{Module: "wasi_snapshot_preview1", Name: "fd_write"}, {Module: "env", Name: "__faasm_read_input"}}
	starting := reactor
	starting.HasStart = true
	bounded := reactor
	bounded.MemoryMax = 7 << 16
	for _, k := range []struct {
		name string
		b    []byte
		want Info
	}{
		{"reactor", withEntry([][]byte{toI32}, exportOf("handle", Func, 0)), reactor},
		{"reactor without a result", withEntry([][]byte{noTypes}, exportOf("handle", Func, 0)), reactor},
		{"initialised reactor", withEntry([][]byte{toI32, noTypes}, exportOf("handle", Func, 0), exportOf("_initialize", Func, 1)), initialised},
		{"renewed", withEntry([][]byte{toI32}, exportOf("handle", Func, 0), exportOf("shoal_restored", Func, 0)), reactor},
		{"renewed without a result", withEntry([][]byte{toI32, noTypes}, exportOf("handle", Func, 0), exportOf("shoal_restored", Func, 1)), reactor},
		{"command", withEntry([][]byte{noTypes}, exportOf("_start", Func, 0)), command},
		{"command with an initialiser", withEntry([][]byte{noTypes}, exportOf("_start", Func, 0), exportOf("_initialize", Func, 0)), command},
		{"both", withEntry([][]byte{toI32, noTypes}, exportOf("_start", Func, 1), exportOf("handle", Func, 0)), reactor},
		{"command with another handle", withEntry([][]byte{i32ToI32, noTypes}, exportOf("_start", Func, 1), exportOf("handle", Func, 0)), command},
		{"no memory", module(sec(secType, vec(toI32)), sec(secFunction, vec([]byte{0})), sec(secExport, vec(exportOf("handle", Func, 0))),
			sec(secCode, vec(codeBody(0)))), Info{Kind: faas.Reactor, Entry: "handle", Imports: []faas.Import{}}},
		{"start", module(sec(secType, vec(toI32, noTypes)), sec(secFunction, vec([]byte{0}, []byte{1})), onePage,
			sec(secExport, vec(exportOf("memory", MemoryKind, 0), exportOf("handle", Func, 0))), sec(secStart, []byte{1}),
			sec(secCode, vec(codeBody(0), codeBody()))), starting},
		{"memory maximum", module(sec(secType, vec(toI32)), sec(secFunction, vec([]byte{0})), sec(secMemory, vec([]byte{1, 1, 7})),
			sec(secExport, vec(exportOf("memory", MemoryKind, 0), exportOf("handle", Func, 0))), sec(secCode, vec(codeBody(0)))), bounded},
		{"imports", importing([][]byte{fn(types(i32, i32, i32, i32), types(i32)), fn(types(i32, i32), types(i32))},
			importFunc("wasi_snapshot_preview1", "fd_write", 1), importFunc("env", "__faasm_read_input", 2)), imports},
	} {
		info, err := Check(mustParse(t, k.b), testHost)
		if err != nil || !reflect.DeepEqual(info, k.want) {
			t.Errorf("%s: %+v, %v\n\twant %+v", k.name, info, err, k.want)
		}
	}
}

func TestCheckRefuses(t *testing.T) {
	rw := fn(types(i32, i32), types(i32))
	withMemory := func(memories []byte, exports ...[]byte) []byte {
		return module(sec(secType, vec(toI32)), sec(secFunction, vec([]byte{0})), sec(secMemory, memories),
			sec(secExport, vec(append(exports, exportOf("handle", Func, 0))...)), sec(secCode, vec(codeBody(0))))
	}
	memory := exportOf("memory", MemoryKind, 0)
	for _, k := range []struct {
		name string
		b    []byte
		want string
	}{
		{"import with a reason", importing([][]byte{rw}, importFunc("env", "MPI_Init", 1)), "unknown import env.MPI_Init: there is no MPI"},
		{"unknown import", importing([][]byte{rw}, importFunc("env", "teapot", 1)), "unknown import env.teapot: no such host function"},
		{"a slip", importing([][]byte{rw}, importFunc("env", "__faasm_raed_input", 1)), "unknown import env.__faasm_raed_input: did you mean env.__faasm_read_input?"},
		{"a letter too many", importing([][]byte{rw}, importFunc("env", "__faasm_read_inputs", 1)), "did you mean env.__faasm_read_input?"},
		{"no prefix", importing([][]byte{rw}, importFunc("env", "read_input", 1)), "did you mean env.__faasm_read_input?"},
		{"other module", importing([][]byte{rw}, importFunc("env", "fd_write", 1)), "did you mean wasi_snapshot_preview1.fd_write?"},
		{"preview 0", importing([][]byte{rw}, importFunc("wasi_unstable", "path_open", 1)), "WASI preview 0 is not supported"},
		{"bindgen", importing([][]byte{rw}, importFunc("wbg", "__wbg_new", 1)), "without wasm-bindgen"},
		{"js go", importing([][]byte{rw}, importFunc("gojs", "runtime.wasmExit", 1)), "build with GOOS=wasip1"},
		{"emscripten", importing([][]byte{rw}, importFunc("env", "emscripten_resize_heap", 1)), "Emscripten"},
		{"threads", importing([][]byte{rw}, importFunc("wasi", "thread-spawn", 1)), "threads are not supported"},
		{
			"several", importing([][]byte{rw}, importFunc("env", "one", 1), importFunc("env", "two", 1), importFunc("x", "y z", 1)),
			`unknown import env.one: no such host function; if it is one of your own, it was not linked in (also unknown: env.two, x."y z")`,
		},
		{"many", importing([][]byte{rw}, slices.Repeat([][]byte{importFunc("q", "r", 1)}, 10)...), "q.r and 4 more)"},
		{
			"wrong type", importing([][]byte{i32ToI32}, importFunc("env", "__faasm_read_input", 1)),
			"import env.__faasm_read_input has the type (i32) -> i32, but the host interface has it as (i32, i32) -> i32",
		},
		{"wrong result", importing([][]byte{rw}, importFunc("env", "__faasm_write_output", 1)), "as (i32, i32) -> ()"},
		{
			"imported memory", module(sec(secImport, vec(slices.Concat(str("env"), str("memory"), []byte{2, 0, 1})))),
			"import env.memory is a memory: only functions can be imported (a module defines its own memory",
		},
		{"imported table", module(sec(secImport, vec(slices.Concat(str("env"), str("t"), []byte{1, funcref, 0, 1})))), "import env.t is a table"},
		{"imported global", module(sec(secImport, vec(slices.Concat(str("env"), str("g"), []byte{3, i32, 1})))), "import env.g is a global"},
		{"object file", module(sec(secImport, vec(slices.Concat(str("env"), str("__linear_memory"), []byte{2, 0, 1})))), "an object file, not a module: link it"},
		{"hidden memory", withMemory(vec([]byte{0, 1})), `no export "memory"`},
		{"memory of another kind", withMemory(vec([]byte{0, 1}), exportOf("memory", Func, 0)), `export "memory" is a function`},
		{"memory64", withMemory(vec([]byte{4, 1}), memory), "memory64"},
		{"shared", withMemory(vec([]byte{3, 1, 2}), memory), "shared memory: threads are not supported"},
		{"two memories", withMemory(vec([]byte{0, 1}, []byte{0, 1}), memory), "2 memories: only one is supported"},
		{"many tables", module(sec(secTable, vec(slices.Repeat([][]byte{{funcref, 0, 1}}, 17)...))), "17 tables: a module can have 16"},
		{"huge table", module(sec(secTable, vec([]byte{funcref, 0, 0x81, 0x80, 0x40}))), "its tables start with 1048577 elements together: they can have 1048576"},
		{"tables together", module(sec(secTable, vec(slices.Repeat([][]byte{{funcref, 0, 0x80, 0x80, 0x08}}, 9)...))), "its tables start with 1179648 elements together"},
		{"sparse data", sparse(17<<10, 4000, 64<<10), "of initial data spread over 1"},
		{"sparse data at a global", module(sec(secData, vec(slices.Repeat([][]byte{slices.Concat([]byte{0, 0x23, 0, 0x0b}, appendU32(nil, 33<<20), make([]byte, 33<<20))}, 2)...))), "66MiB of initial data"},
		{"many globals", module(sec(secGlobal, appendU32(nil, faas.MaxGlobals+1), bytes.Repeat([]byte{i32, 0, 0x41, 0, 0x0b}, faas.MaxGlobals+1))), "50001 globals: a module can have 50000"},
		{"imported start", module(sec(secType, vec(noTypes)), sec(secImport, vec(importFunc("env", "s", 0))), sec(secStart, []byte{0})), "the start function is imported"},
		{
			"no entry", withEntry([][]byte{i32ToI32}, exportOf("run", Func, 0)),
			`no entry: the module exports neither a function "handle" of type () -> i32 (a reactor) nor "_start" of type () -> () (a command); it exports run: (i32) -> i32`,
		},
		{"nothing at all", module(), "it exports no function"},
		{
			"wrong handle", withEntry([][]byte{rw}, exportOf("handle", Func, 0)),
			`no entry: export "handle" has the type (i32, i32) -> i32, it must be () -> i32 or () -> ()`,
		},
		{"wrong start", withEntry([][]byte{toI32}, exportOf("_start", Func, 0)), `no entry: export "_start" has the type () -> i32, it must be () -> ()`},
		{"both wrong", withEntry([][]byte{rw}, exportOf("_start", Func, 0), exportOf("handle", Func, 0)), `or () -> (); export "_start" has`},
		{"handle is no function", withEntry(nil, exportOf("handle", MemoryKind, 0)), `export "handle" is a memory, not a function () -> i32`},
		{"renewed with a parameter", withEntry([][]byte{toI32, i32ToI32}, exportOf("handle", Func, 0), exportOf("shoal_restored", Func, 1)), `export "shoal_restored" has the type (i32) -> i32, it must be () -> i32 or () -> ()`},
		{"renewed by a memory", withEntry([][]byte{toI32}, exportOf("handle", Func, 0), exportOf("shoal_restored", MemoryKind, 0)), `export "shoal_restored" is a memory, not a function`},
		{"wrong initialiser", withEntry([][]byte{toI32}, exportOf("handle", Func, 0), exportOf("_initialize", Func, 0)), `export "_initialize" has the type () -> i32`},
		{"reserved", withEntry([][]byte{toI32}, exportOf("handle", Func, 0), exportOf("__shoal_x", Func, 0)), `export "__shoal_x": names that begin with __shoal_ are Shoal's own`},
	} {
		host := testHost
		if k.name == "imported start" {
			host.Types = func(string, string) ([]byte, []byte, bool) { return nil, nil, true }
		}
		_, err := Check(mustParse(t, k.b), host)
		if faas.CodeOf(err) != faas.InvalidModule || !strings.Contains(err.Error(), k.want) {
			t.Errorf("%s: %v\n\twant %s", k.name, err, k.want)
		}
	}
}

// TestUnknownImportsAllowed accepts what a host function could be, and nothing else.
func TestUnknownImportsAllowed(t *testing.T) {
	host := testHost
	host.AllowUnknown = true
	rw := fn(types(i32, i32), types(i32))
	info, err := Check(mustParse(t, importing([][]byte{rw}, importFunc("env", "teapot", 1), importFunc("x", "y", 1))), host)
	want := []faas.Import{{Module: "env", Name: "teapot", Missing: true}, {Module: "x", Name: "y", Missing: true}}
	if err != nil || !slices.Equal(info.Imports, want) {
		t.Errorf("%v, %v", info.Imports, err)
	}
	const externref = 0x6f
	for name, ft := range map[string][]byte{"a reference": fn(types(externref), nil), "two results": fn(nil, types(i32, i32))} {
		if _, err := Check(mustParse(t, importing([][]byte{ft}, importFunc("env", "teapot", 1))), host); err == nil || !strings.Contains(err.Error(), "env.teapot has the type") {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := Check(mustParse(t, importing([][]byte{rw}, importFunc("env", "__faasm_read_input", 0))), host); err == nil {
		t.Error("a known import may have any type")
	}
	long := strings.Repeat("x", 40_000)
	for want, imports := range map[string][][]byte{
		"letters, digits":   {importFunc("env", "tea\x1b[2Jpot", 1)},
		"has the types":     {importFunc("env", "teapot", 0), importFunc("env", "teapot", 1)},
		"longer than 64KiB": {importFunc("env", long, 1), importFunc("x", long, 1)},
	} {
		if _, err := Check(mustParse(t, importing([][]byte{rw, fn(nil, nil)}, imports...)), host); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v, want %q", err, want)
		}
	}
}

func TestPrintable(t *testing.T) {
	for in, want := range map[string]string{"fd_write": "fd_write", "": `""`, "a b": `"a b"`, "a\nb": `"a\nb"`, "ü": "ü"} {
		if got := printable(in); got != want {
			t.Errorf("%q: %s, want %s", in, got, want)
		}
	}
	if n := len(printable(strings.Repeat("x", 5000))); n > 120 {
		t.Errorf("%d bytes", n)
	}
}

// sparse has n active data segments of size bytes, each gap bytes behind the one before.
func sparse(n, size, gap int) []byte {
	data := appendU32(nil, uint32(n))
	for i := range n {
		data = append(appendSigned(append(data, 0, byte(opI32Const)), int64(int32(uint32(i*gap)))), byte(opEnd))
		data = append(appendU32(data, uint32(size)), make([]byte, size)...)
	}
	return module(sec(secData, data))
}

func TestCopiedData(t *testing.T) {
	for _, k := range []struct {
		b    []byte
		want int64
	}{
		{sparse(0, 0, 0), 0},
		{sparse(1, 100<<20, 0), 0},
		{sparse(100, 1<<20, 2<<20), 0},
		{sparse(5, 1<<20, 3<<20), 0},
		{sparse(30, 1<<20, 3<<20), 30<<20 + 30*4096},
		{sparse(1000, 1, 3<<20), 1000 + 1000*4096},
	} {
		m := mustParse(t, k.b)
		if got := m.active.copied(); got != k.want {
			t.Errorf("%+v: %d bytes are copied, want %d", m.active, got, k.want)
		}
	}
}
