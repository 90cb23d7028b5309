//go:build linux && cgo

package faaslet

import (
	"strings"
	"testing"

	"github.com/shoal-run/shoal/libs/hostapi"
)

func TestLibrary(t *testing.T) {
	m := load(t, newEngine(t, nil), watOpener)
	libs := files{
		"/lib/a.so": lib(t, `
		  (import "GOT.mem" "answer" (global $answer (mut i32)))
		  (import "GOT.mem" "own" (global $own_at (mut i32)))
		  (import "GOT.func" "double" (global $double (mut i32)))
		  (import "env" "double" (func $twice (param i32) (result i32)))
		  (type $one (func (param i32) (result i32)))
		  (global (export "own") i32 (i32.const 8))
		  (global $state (mut i32) (i32.const 5))
		  (data (global.get $memory) "\01\00\00\00\02\00\00\00\03\00\00\00")
		  (elem (global.get $table) $hidden)
		  (func $hidden (result i32) (i32.const 99))
		  (func (export "__wasm_apply_data_relocs") ;; a pointer to a variable of the program's
		    (i32.store offset=16 (global.get $memory) (global.get $answer)))
		  (func (export "__wasm_call_ctors") (global.set $state (i32.load (i32.load offset=16 (global.get $memory)))))
		  (func (export "zero") (result i32) (i32.load offset=60 (global.get $memory)))
		  (func (export "constructed") (result i32) (global.get $state))
		  (func (export "data") (result i32) (i32.load (global.get $own_at)))
		  (func (export "element") (result i32) (call_indirect (result i32) (global.get $table)))
		  (func (export "direct") (result i32) (call $twice (i32.load (global.get $answer))))
		  (func (export "pointer") (result i32) (call_indirect (type $one) (i32.const 21) (global.get $double)))
		  (func (export "same") (result i32) (i32.eq (global.get $double) (i32.const 1)))
		  (func (export "stack") (result i32) (global.get $sp))`),
	}
	for symbol, want := range map[string]uint32{
		"zero": 0, "constructed": 42, "data": 3, "element": 99, "direct": 84, "pointer": 42, "same": 1, "stack": 4096,
	} {
		t.Run(symbol, func(t *testing.T) { gives(t, m, libs.shared(), "/lib/a.so", symbol, want) })
	}
	t.Run("path", func(t *testing.T) { gives(t, m, libs.shared(), "/lib/./x/../a.so", "data", 3) })
	if n := m.engine.libraries.count(); n != 1 {
		t.Errorf("%d libraries are kept", n)
	}
}

func TestLibrariesInACircle(t *testing.T) {
	m := load(t, newEngine(t, nil), watOpener)
	libs := files{
		"a.so": lib(t, `
		  (import "env" "b" (func $b (param i32) (result i32)))
		  (import "GOT.mem" "shared" (global $shared (mut i32)))
		  (import "GOT.func" "b" (global $bp (mut i32)))
		  (global (export "a_order") i32 (i32.const 4))
		  (type $one (func (param i32) (result i32)))
		  (func (export "__wasm_call_ctors") (i32.store (global.get $shared) (i32.add (i32.load (global.get $shared)) (i32.const 100))))
		  (func (export "a") (param i32) (result i32)
		    (i32.add (i32.load (global.get $shared)) (local.get 0)))
		  (func (export "run") (result i32) (call $b (i32.const 1)))
		  (func (export "run_pointer") (result i32) (call_indirect (type $one) (i32.const 2) (global.get $bp)))`, "b.so"),
		"b.so": lib(t, `
		  (import "env" "a" (func $a (param i32) (result i32)))
		  (import "GOT.func" "a" (global $ap (mut i32)))
		  (global (export "shared") i32 (i32.const 0))
		  (data (global.get $memory) "\07\00\00\00")
		  (type $one (func (param i32) (result i32)))
		  (func (export "__wasm_call_ctors") ;; a's code is there, and its constructors come later
		    (i32.store (global.get $memory) (i32.mul (call $a (i32.const 3)) (i32.const 10))))
		  (func (export "only_b") (result i32) (call_indirect (type $one) (i32.const 0) (global.get $ap)))
		  (func (export "b") (param i32) (result i32) (call $a (i32.mul (local.get 0) (i32.const 1000))))`, "a.so"),
	}
	for symbol, want := range map[string]uint32{"run": 1200, "run_pointer": 2200, "only_b": 200} { // (7+3)*10+100
		gives(t, m, libs.shared(), "a.so", symbol, want)
	}
}

// TestLibrariesOfEqualNames has two plug-ins with the same symbols, which each mean their own, and one that has none and gets
// those of the first.
func TestLibrariesOfEqualNames(t *testing.T) {
	m := load(t, newEngine(t, nil), watOpener)
	plugin := `(import "GOT.mem" "state" (global $state (mut i32)))
	  (import "GOT.func" "run" (global $run (mut i32)))
	  (global (export "state") i32 (i32.const 0))
	  (func (export "run") (result i32)
	    (i32.store (global.get $state) (i32.add (i32.load (global.get $state)) (i32.const STEP)))
	    (i32.load (global.get $state)))
	  (func (export "twice") (result i32)
	    (drop (call_indirect (result i32) (global.get $run))) (call_indirect (result i32) (global.get $run)))`
	libs := files{
		"a.so": lib(t, strings.ReplaceAll(plugin, "STEP", "1")),
		"b.so": lib(t, strings.ReplaceAll(plugin, "STEP", "100")),
		"c.so": lib(t, `(import "env" "run" (func $run (result i32))) (func (export "third") (result i32) (call $run))`),
	}
	f := newFaaslet(t, m, Setup{})
	for _, c := range []struct {
		path, symbol string
		want         uint32
	}{{"a.so", "twice", 2}, {"b.so", "twice", 200}, {"a.so", "run", 3}, {"c.so", "third", 4}, {"b.so", "run", 300}} {
		isResult(t, opened(t, f, libs.shared(), c.path, c.symbol), c.want)
		if !f.Keep() {
			t.Fatal("not kept")
		}
	}
}

func TestDlerror(t *testing.T) {
	m := load(t, newEngine(t, nil), watOpener)
	plain := lib(t, `(func (export "f") (result i32) (i32.const 1))`)
	many := files{}
	for i := range hostapi.MaxLibraries + 1 {
		needs := []string{"lib" + string(rune('A'+i+1)) + ".so"}
		many["lib"+string(rune('A'+i))+".so"] = lib(t, `(func (export "f") (result i32) (i32.const `+string(rune('0'+i%10))+`))`, needs...)
	}
	ceiling := Setup{}
	for _, c := range []struct {
		name, path, symbol string
		libs               files
		words              string
	}{
		{"no file", "none.so", "f", files{}, "none.so: no such file"},
		{"no symbol", "a.so", "g", files{"a.so": plain}, `no symbol "g" in a.so`},
		{"text", "a.so", "f", files{"a.so": []byte("hello, world")}, "not a WebAssembly module"},
		{"program", "a.so", "f", files{"a.so": assemble(t, watNop)}, "no section dylink.0"},
		{"cut off", "a.so", "f", files{"a.so": plain[:len(plain)-3]}, "a.so: "},
		{"own memory", "a.so", "f", files{"a.so": custom(assemble(t, `(module (memory 1))`), "dylink.0", dylinkOf(0, 0))}, "memory of its own"},
		{"own table", "a.so", "f", files{"a.so": custom(assemble(t, `(module (table 1 funcref))`), "dylink.0", dylinkOf(0, 0))}, "table of its own"},
		{"undefined function", "a.so", "f", files{"a.so": lib(t, `(import "env" "nobody" (func))`)}, `undefined symbol "nobody"`},
		{"undefined variable", "a.so", "f", files{"a.so": lib(t, `(import "GOT.mem" "nobody" (global (mut i32)))`)}, `undefined symbol "nobody"`},
		{"undefined host function", "a.so", "f", files{"a.so": lib(t, `(import "wasi_snapshot_preview1" "nobody" (func))`)}, "the host interface has no"},
		{"known reason", "a.so", "f", files{"a.so": lib(t, `(import "env" "fork" (func))`)}, "no processes"},
		{"wrong type", "a.so", "f", files{"a.so": lib(t, `(import "env" "double" (func))`)}, "has the type (i32) -> i32, and is called as () -> ()"},
		{"variable called", "a.so", "f", files{"a.so": lib(t, `(import "env" "answer" (func))`)}, "is a variable"},
		{"function as variable", "a.so", "f", files{"a.so": lib(t, `(import "GOT.mem" "double" (global (mut i32)))`)}, "not what it is taken for"},
		{"unknown global", "a.so", "f", files{"a.so": lib(t, `(import "env" "__heap_base" (global i32))`)}, "__heap_base"},
		{"invalid code", "a.so", "f", files{"a.so": bad(t)}, "a.so: "},
		{"needed is missing", "a.so", "f", files{"a.so": lib(t, `(func (export "f"))`, "gone.so")}, "gone.so: no such file"},
		{"33rd", "libA.so", "f", many, "as many as a Faaslet may have"},
		{"huge memory", "a.so", "f", files{"a.so": huge(t, 0xfffffff0, 0)}, "more than the limit of 128MiB"},
		{"memory beyond the limit", "a.so", "f", files{"a.so": huge(t, 128<<20-1024, 0)}, "no room for its "},
		{"huge table", "a.so", "f", files{"a.so": huge(t, 0, 1<<20)}, "in the table of functions"},
	} {
		t.Run(c.name, func(t *testing.T) {
			f := newFaaslet(t, m, ceiling)
			o := opened(t, f, c.libs.shared(), c.path, c.symbol)
			if o.Err != nil || !strings.Contains(string(o.Output), c.words) {
				t.Errorf("output %q, error %v; want %q", o.Output, o.Err, c.words)
			}
		})
	}
	t.Run("no files", func(t *testing.T) {
		if o := opened(t, newFaaslet(t, m, Setup{}), nil, "a.so", "f"); !strings.Contains(string(o.Output), "a.so: no such file") {
			t.Errorf("output %q, error %v", o.Output, o.Err)
		}
	})
}

// bad is a library whose code is not valid.
func bad(t testing.TB) []byte {
	b := lib(t, `(func (export "f") (result i32) (i32.const 1))`)
	i := strings.LastIndex(string(b), "\x41\x01\x0b")
	b[i] = 0x42 // i64.const
	return b
}

// huge is a library that asks for so much.
func huge(t testing.TB, memory, table uint64) []byte {
	return custom(assemble(t, libHead+`(func (export "f") (result i32) (i32.const 1)))`), "dylink.0", dylinkOf(memory, table))
}

// TestProgramWithLibrarySection has a program begin as a library does: its constructors run when it says so, once.
func TestProgramWithLibrarySection(t *testing.T) {
	e := newEngine(t, nil)
	artefact, err := e.Compile(custom(assemble(t, `(module (memory (export "memory") 1) (global $n (mut i32) (i32.const 0))
	  (func $__wasm_call_ctors (global.set $n (i32.add (global.get $n) (i32.const 1))))
	  (func (export "_initialize") (call $__wasm_call_ctors))
	  (func (export "handle") (result i32) (i32.sub (global.get $n) (i32.const 1))))`), "dylink.0", dylinkOf(0, 0)))
	if err != nil {
		t.Fatal(err)
	}
	m, err := e.LoadArtefact(artefact)
	if err != nil {
		t.Fatal(err)
	}
	defer m.Close()
	if o := call(t, t.Context(), m, Setup{}, ""); o.Err != nil {
		t.Error(o.Err)
	}
}
