package instrumenttest

import "testing"

// Fixtures: each exported function without parameters is called in the order of the exports, three rounds in one
// instance that may have 64 pages. refused is how many of its memory.grow are answered with -1.
var fixtures = []struct {
	name, wat string
	refused   int32
}{
	{"no memory.grow", `(module (memory (export "memory") 1) (data (i32.const 0) "no grow")
		(func (export "f") (result i32) (i32.load (i32.const 0))))`, 0},
	{"grows", `(module (memory (export "memory") 1)
		(func (export "one") (result i32) (memory.grow (i32.const 1)))
		(func (export "zero") (result i32) (memory.grow (i32.const 0)))
		(func (export "size") (result i32) (memory.size)))`, 0},
	{"refused", `(module (memory (export "memory") 1)
		(func (export "much") (result i32) (memory.grow (i32.const 64)))
		(func (export "most") (result i32) (memory.grow (i32.const -1)))
		(func (export "some") (result i32) (memory.grow (i32.const 31))))`, 7},
	{"own maximum", `(module (memory (export "memory") 1 3)
		(func (export "a") (result i32) (memory.grow (i32.const 2)))
		(func (export "b") (result i32) (memory.grow (i32.const 1))))`, 5},
	{"no globals, no type that fits", `(module (memory 1) (func (export "f") (param) (drop (memory.grow (i32.const 100)))))`, 3},
	{"globals", `(module (memory (export "memory") 1) (global $a (export "a") (mut i32) (i32.const 7)) (global (export "b") i64 (i64.const -1))
		(func (export "f") (global.set $a (i32.add (global.get $a) (memory.grow (i32.const 40))))))`, 2},
	{"start function grows", `(module (memory (export "memory") 1) (start $s)
		(func $s (i32.store (i32.const 8) (memory.grow (i32.const 2))))
		(func (export "f") (result i32) (i32.load (i32.const 8))))`, 0},
	{"start function is refused", `(module (memory (export "memory") 1) (start $s)
		(func $s (i32.store (i32.const 8) (memory.grow (i32.const 200))))
		(func (export "f") (result i32) (i32.load (i32.const 8))))`, 1},
	{"start function traps", `(module (memory (export "memory") 1) (start $s) (func $s (drop (memory.grow (i32.const 1))) unreachable))`, 0},
	{"table and indirect calls", `(module (memory (export "memory") 1) (type $t (func (result i32))) (table 4 funcref)
		(elem (i32.const 1) $g $h)
		(func $g (result i32) (memory.grow (i32.const 30))) (func $h (result i32) (i32.const 5))
		(func (export "a") (result i32) (call_indirect (type $t) (i32.const 1)))
		(func (export "b") (result i32) (call_indirect (type $t) (i32.const 2)))
		(func (export "null") (result i32) (call_indirect (type $t) (i32.const 3)))
		(func (export "beyond") (result i32) (call_indirect (type $t) (i32.const 4))))`, 1},
	{"traps", `(module (memory (export "memory") 1)
		(func (export "unreachable") (drop (memory.grow (i32.const 1))) unreachable)
		(func (export "divide") (result i32) (i32.div_u (i32.const 1) (i32.sub (memory.grow (i32.const 0)) (memory.size))))
		(func (export "bounds") (result i32) (i32.load (i32.mul (memory.grow (i32.const 0)) (i32.const 65536)))))`, 0},
	{"dead code", `(module (memory (export "memory") 1)
		(func (export "f") (result i32) (return (i32.const 1)) (memory.grow (i32.const 1)))
		(func (export "g") (result i32) (unreachable) (memory.grow)))`, 0},
	{"nested", `(module (memory (export "memory") 1)
		(func (export "f") (result i32) (local $i i32) (local $sum i32)
			(loop $l (block $b
				(br_if $b (i32.lt_s (memory.grow (memory.grow (i32.const 1))) (i32.const 0)))
				(local.set $sum (i32.add (local.get $sum) (memory.size))))
				(br_if $l (i32.lt_u (local.tee $i (i32.add (local.get $i) (i32.const 1))) (i32.const 4))))
			(local.get $sum)))`, 13},
	{"references and multi-value", `(module (memory (export "memory") 1) (table $t (export "t") 2 externref) (elem declare func $f)
		(func $f (export "f") (result i32 i64) (memory.grow (i32.const 1)) (i64.const 2))
		(func (export "g") (result i32) (table.grow $t (ref.null extern) (i32.const 3)))
		(func (export "h") (result i32) (ref.is_null (ref.func $f))))`, 0},
	{"vectors", `(module (memory (export "memory") 1)
		(func (export "f") (result i32) (local v128)
			(local.set 0 (i32x4.splat (memory.grow (i32.const 2))))
			(v128.store (i32.const 16) (i8x16.shuffle 0 1 2 3 4 5 6 7 8 9 10 11 12 13 14 31 (local.get 0) (v128.const i64x2 1 2)))
			(v128.store8_lane 3 (i32.const 64) (local.get 0))
			(i32x4.extract_lane 2 (v128.load (i32.const 16)))))`, 0},
	{"bulk memory", `(module (memory (export "memory") 1) (data $d "hello") (data (i32.const 32) "active")
		(func (export "f") (memory.init $d (i32.const 0) (i32.const 0) (i32.const 5)) (memory.copy (i32.const 8) (i32.const 0) (i32.const 40))
			(memory.fill (i32.mul (memory.grow (i32.const 1)) (i32.const 65536)) (i32.const 7) (i32.const 9)))
		(func (export "g") (data.drop $d)))`, 0},
	{"fills and copies alone", `(module (memory (export "memory") 3) (data (i32.const 64) "some bytes")
		(func (export "f") (param) (memory.fill (i32.const 5000) (i32.const 9) (i32.const 100000)) (memory.copy (i32.const 4096) (i32.const 0) (i32.const 4097)))
		(func (export "beyond") (memory.fill (i32.const 100000) (i32.const 1) (i32.const 100000)))
		(func (export "nothing") (memory.copy (i32.const 196608) (i32.const 196608) (i32.const 0)))
		(func (export "nothing beyond") (memory.copy (i32.const 196609) (i32.const 0) (i32.const 0))))`, 0},
	{"copies among locals", `(module (memory (export "memory") 1) (data (i32.const 64) "some bytes")
		(func $f (param i64 i32 f32) (result i32) (local f64 i32 i32) (local v128) (local i32)
			(local.set 4 (i32.const 5)) (local.set 7 (i32.const 11))
			(block $b (result i32) (memory.copy (i32.add (local.get 1) (local.get 4)) (i32.const 64) (local.tee 5 (local.get 7)))
				(br_if $b (i32.const 3) (i32.eqz (i32.load8_u (local.get 1))))
				(memory.fill (local.get 7) (local.get 4) (i32.load8_u (i32.const 64))) drop
				(i32.add (local.get 5) (local.get 7))))
		(func (export "f") (result i32) (call $f (i64.const 1) (i32.const 500) (f32.const 2))))`, 0},
	{"copies in dead code", `(module (memory (export "memory") 1)
		(func (export "f") (result i32) (return (i32.const 1)) (memory.copy))
		(func (export "g") (unreachable) (memory.fill) (memory.copy (i32.const 1))) (func (export "h") (br 0) (memory.fill (i32.const 70000))))`, 0},
	{"lengths that are constants or are not", `(module (memory (export "memory") 2)
		(func (export "f") (param) (local $n i32) (local.set $n (i32.const 60000))
			(memory.fill (i32.const 0) (i32.const 1) (i32.const 4096)) (memory.fill (i32.const 0) (i32.const 2) (i32.const 4097))
			(memory.fill (i32.const 0) (i32.const 3) (block (result i32) (drop (br_if 0 (local.get $n) (i32.const 1))) (i32.const 8))))
		(func (export "negative") (memory.fill (i32.const 0) (i32.const 4) (i32.const -1))))`, 0},
	{"inits and tables", `(module (memory (export "memory") 1) (data $d "hello") (table $t (export "t") 8 funcref) (elem $e func $f $g)
		(func $f (result i32) (i32.const 3)) (func $g (result i32) (i32.const 4)) (type $r (func (result i32)))
		(func (export "init") (result i32) (memory.init $d (i32.const 7) (i32.const 1) (i32.const 4))
			(table.init $t $e (i32.const 1) (i32.const 0) (i32.const 2)) (table.copy $t $t (i32.const 3) (i32.const 1) (i32.const 3))
			(table.fill $t (i32.const 6) (ref.func $f) (i32.const 2)) (call_indirect (type $r) (i32.const 4)))
		(func (export "beyond") (table.fill $t (i32.const 6) (ref.func $f) (i32.const 3)))
		(func (export "copy beyond") (table.copy $t $t (i32.const 6) (i32.const 0) (i32.const 3)))
		(func (export "init beyond") (table.init $t $e (i32.const 0) (i32.const 1) (i32.const 2)))
		(func (export "data beyond") (memory.init $d (i32.const 0) (i32.const 1) (i32.const 5)))
		(func (export "drop") (data.drop $d) (elem.drop $e)))`, 0},
	{"hundred types", `(module (memory (export "memory") 1) ` + types(100) + `
		(func (export "f") (memory.fill (i32.const 0) (i32.const 6) (memory.size)) (memory.copy (i32.const 8) (i32.const 0) (i32.mul (memory.size) (i32.const 9000)))))`, 0},
	{"many functions", `(module (memory (export "memory") 1) ` + many(300, `(func (drop (memory.grow (i32.const 0))))`) +
		` (func (export "f") (result i32) (memory.grow (i32.const 10))))`, 0},
	{"long code", `(module (memory (export "memory") 1) (global $g (export "g") (mut i32) (i32.const 0))
		(func (export "f") (result i32) (local i32)
			(block $out (block $in ` + many(3000, `(i32.store (i32.const 8) (i32.add (local.get 0) (local.tee 0 (i32.const 3))))`) + `
				(br_if $in (i32.eqz (global.get $g))) (br_table $in $out $in (global.get $g)))
				` + many(3000, `(local.set 0 (i32.add (local.get 0) (i32.load (i32.const 8))))`) + `)
			(if (result i32) (global.get $g) (then ` + many(3000, `(local.set 0 (i32.mul (local.get 0) (i32.const 5)))`) + ` (local.get 0))
				(else (i32.const 7) (global.set $g (i32.const 1)) ` + many(3000, `(local.set 0 (i32.xor (local.get 0) (i32.const 50)))`) + `))))`, 0},
	{"debug sections", `(module (memory (export "memory") 1) (func (export "f") (result i32) (memory.grow (i32.const 1)))
		(@custom ".debug_line" (after data) "\01\02") (@custom "mine" (before first) "x"))`, 0},
}

func many(n int, wat string) string {
	s := ""
	for range n {
		s += wat
	}
	return s
}

// types makes n function types, none of which fits a helper.
func types(n int) string {
	s := ""
	for i := range n {
		s += "(type (func (result" + many(i+1, " i64") + ")))"
	}
	return s
}

func TestInstrumentedModulesBehaveAlike(t *testing.T) {
	engine := newEngine()
	for _, f := range fixtures {
		t.Run(f.name, func(t *testing.T) { same(t, engine, assemble(t, f.wat), f.refused) })
	}
}
