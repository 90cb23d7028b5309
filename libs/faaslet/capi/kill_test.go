//go:build linux && cgo

package capi

import (
	"fmt"
	"strings"
	"testing"
)

// endless is a module that calls its host for ever; what is in more changes where its globals lie.
func endless(more string) string {
	return `(module (import "m" "f" (func $f (param i32 i32) (result i32)))
	  (memory (export "memory") 1) ` + more + `
	  (global $kill (export "kill") (mut i32) (i32.const 0))
	  (func $run (export "run") (result i32)
	    (loop (loop $poll (if (global.get $kill) (then
	        (global.get $kill) (global.set $kill (i32.const 2)) (br_if $poll (i32.ne (i32.const 1))) unreachable)))
	      (drop (call $f (i32.const 1) (i32.const 1))) (br 0)) unreachable))`
}

// TestFindsTheKillGlobal guards what kill.c knows of wasmtime's layout, with all that moves globals.
func TestFindsTheKillGlobal(t *testing.T) {
	for name, more := range map[string]string{
		"plain":            "",
		"imports":          "",
		"table":            `(table 3 externref)`,
		"globals":          strings.Repeat(`(global (mut i64) (i64.const -1)) (global v128 (v128.const i64x2 1 2))`, 50),
		"the same value":   strings.Repeat(`(global (mut i32) (i32.const 0))`, 50),
		"functions before": strings.Repeat(`(func)`, 9),
		"references":       `(func $g) (func $h) (table funcref (elem $g $h $g)) (func (export "init") (drop (ref.func $g))) (elem declare func $h $g)`,
		"many exports":     exports(300),
	} {
		t.Run(name, func(t *testing.T) {
			wat := endless(more)
			if name == "imports" {
				wat = strings.Replace(wat, "(memory", strings.Repeat(`(import "m" "f" (func (param i32 i32) (result i32)))`, 7)+"(memory", 1)
			}
			e, p := newPreOf(t, wat)
			for i := range 3 { // the later ones find it where the first one did
				calls := 0
				var in *Instance
				in = newInstance(t, e, p, hostFunc(func(uint32, []byte, []Slot) (uint64, error) {
					if calls++; calls == 3 {
						in.Kill()
						in.Kill()
					}
					return 0, nil
				}))
				if in.Killed() {
					t.Error("killed from the start")
				}
				_, fail := in.Call()
				if fail == nil || !fail.Killed || fail.Message != "killed" || fail.Code >= 0 || len(fail.Frames) != 1 || calls != 3 {
					t.Errorf("instance %d: %d calls, then %+v", i, calls, fail)
				}
			}
		})
	}
}

func exports(n int) string {
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, `(func (export "x%d"))`, i)
	}
	return b.String()
}

// A kill that comes before the instance is there is not lost.
func TestKillBeforeStart(t *testing.T) {
	e, p := newPreOf(t, endless(""))
	in, err := NewInstance(e, hostFunc(func(uint32, []byte, []Slot) (uint64, error) { return 0, nil }), Limits{Memory: 1 << 20, TableElements: 10, Tables: 1})
	if err != nil {
		t.Fatal(err)
	}
	defer in.Close()
	in.Kill()
	if fail := in.Start(p); fail != nil {
		t.Fatal(fail)
	}
	if _, fail := in.Call(); fail == nil || !fail.Killed {
		t.Errorf("ended with %+v", fail)
	}
}

// A module whose kill global can't be found does not run.
func TestKillGlobalIsNotThere(t *testing.T) {
	e, p := newPreOf(t, strings.Replace(endless(""), `(func $run (export "run") (result i32)`, `(export "run" (func $f)) (func (result i32)`, 1))
	in, err := NewInstance(e, hostFunc(nil), Limits{Memory: 1 << 20, TableElements: 10, Tables: 1})
	if err != nil {
		t.Fatal(err)
	}
	defer in.Close()
	if fail := in.Start(p); fail == nil || !strings.Contains(fail.Message, "can't be interrupted") {
		t.Errorf("started: %+v", fail)
	}
}
