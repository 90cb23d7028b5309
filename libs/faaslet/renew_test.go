//go:build linux && cgo

package faaslet

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/shoal-run/shoal/bus/faas"
	"github.com/shoal-run/shoal/libs/guest"
	"github.com/shoal-run/shoal/libs/hostapi"
	"github.com/shoal-run/shoal/libs/vfs/vfstest"
	"github.com/shoal-run/shoal/libs/wasmbin"
)

// watRenew is a guest whose initialiser runs init, whose function after a restore runs restored, and which answers how many
// times that ran in the Faaslet, plus 100 for each call before. Both are wat, with $random and $clock to call.
func watRenew(result, init, restored string) string {
	return fmt.Sprintf(`(module
	  (import "wasi_snapshot_preview1" "random_get" (func $random_get (param i32 i32) (result i32)))
	  (import "wasi_snapshot_preview1" "clock_time_get" (func $clock_time_get (param i32 i64 i32) (result i32)))
	  (import "wasi_snapshot_preview1" "proc_exit" (func $exit (param i32)))
	  (memory (export "memory") 1)
	  (global $n (mut i32) (i32.const 0))
	  (func $random (drop (call $random_get (i32.const 8) (i32.const 8))))
	  (func $clock (param i32) (drop (call $clock_time_get (local.get 0) (i64.const 0) (i32.const 16))))
	  (func $try (param i32) (if (local.get 0) (then (unreachable))))
	  (func (export "_initialize") %s)
	  (func (export "shoal_restored") %s (global.set $n (i32.add (global.get $n) (i32.const 1))) %s)
	  (func (export "handle") (result i32)
	    (global.set $n (i32.add (global.get $n) (i32.const 100)))
	    (global.get $n)))`, init, result, restored)
}

// ran runs a call of a watRenew guest and returns its exit code.
func ran(t *testing.T, f *Faaslet) int32 {
	t.Helper()
	o := runWith(t.Context(), f, "")
	if o.Err == nil || o.Err.Code != faas.GuestFailed {
		t.Fatalf("the call ended with %v", o.Err)
	}
	return int32(o.Err.ExitCode)
}

func TestRestoredIsCalled(t *testing.T) {
	const everything = "(call $random) (call $random) (call $clock (i32.const 0))"
	for name, c := range map[string]struct {
		result, init, restored string
		reset                  bool
	}{
		"no result":                      {"", everything, "", true},
		"all":                            {"(result i32)", everything, "(i32.const 0)", true},
		"nothing":                        {"(result i32)", "", "(i32.const 1)", false},
		"unknown":                        {"(result i32)", "", "(i32.const -5)", false},
		"runtime, which drew nothing":    {"(result i32)", "", "(i32.const 2)", true},
		"runtime, which drew once":       {"(result i32)", "(call $random) (call $clock (i32.const 1))", "(i32.const 2)", true},
		"runtime, and random bytes":      {"(result i32)", "(call $random) (call $random)", "(i32.const 2)", false},
		"runtime, and the time of day":   {"(result i32)", "(call $clock (i32.const 0))", "(i32.const 2)", false},
		"what it draws itself is no bar": {"(result i32)", "", "(call $random) (call $random) (i32.const 2)", true},
	} {
		t.Run(name, func(t *testing.T) {
			m := load(t, newEngine(t, nil), watRenew(c.result, c.init, c.restored))
			i := newImage(t, m)
			for n := range 3 {
				f := newFaaslet(t, m, Setup{Image: i})
				want := int32(102) // asked before the image was taken, and after the restore
				if !c.reset {
					want = 101
				}
				for range 3 {
					if got := ran(t, f); got != want {
						t.Errorf("Faaslet %d answers %d, want %d", n, got, want)
					}
					if got := f.Reset(); got != c.reset {
						t.Fatalf("reset: %t", got)
					} else if !got {
						break
					}
				}
			}
			if i.Taken() != c.reset {
				t.Errorf("image taken: %t", i.Taken())
			}
		})
	}
}

// A guest may find out only later that it can't be restored: nothing of the image is used any more, and calls go on.
func TestRestoredChangesItsMind(t *testing.T) {
	m := load(t, newEngine(t, nil), watRenew("(result i32)", "", "(i32.ge_u (global.get $n) (i32.const 2))"))
	i := newImage(t, m)
	for range 3 {
		f := newFaaslet(t, m, Setup{Image: i}) // the first was asked as n = 1; the one restored is, as n = 2
		if got := ran(t, f); got != 101 {
			t.Errorf("%d, want 101: no more than its own initialiser", got)
		}
		if f.Reset() || i.Taken() {
			t.Error("reset")
		}
	}
}

func TestRestoredFails(t *testing.T) {
	const later = "(if (i32.ge_u (global.get $n) (i32.const 2)) (then %s))"
	for name, c := range map[string]struct {
		does string
		code faas.Code
		word string
	}{
		"traps": {"unreachable", faas.GuestTrapped, "unreachable"},
		"loops": {"(loop $l (br $l))", faas.DeadlineExceeded, ""},
		"exits": {"(call $exit (i32.const 3))", faas.GuestFailed, "3"},
		"ends":  {"(call $exit (i32.const 0))", faas.GuestFailed, "0"},
	} {
		for when, does := range map[string]string{"at once": c.does, "after a restore": fmt.Sprintf(later, c.does)} {
			t.Run(name+" "+when, func(t *testing.T) {
				e := newEngine(t, nil)
				m := load(t, e, watRenew("", "", does))
				i := newImage(t, m)
				for range 3 {
					ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
					f, err := m.New(ctx, Setup{Image: i})
					cancel()
					if err == nil {
						f.Close()
						t.Fatal("there is a Faaslet")
					}
					if err.Code != c.code || !strings.Contains(err.Message, "in shoal_restored: ") || !strings.Contains(err.Message, c.word) {
						t.Errorf("%v", err)
					}
				}
				if n := e.faaslets.Load(); n != 0 {
					t.Errorf("%d Faaslets are left", n)
				}
			})
		}
	}
}

// What goes wrong at a reset costs the Faaslet, and nothing else.
func TestRestoredFailsAtAReset(t *testing.T) {
	for name, does := range map[string]string{"traps": "unreachable", "loops": "(loop $l (br $l))", "exits": "(call $exit (i32.const 0))"} {
		t.Run(name, func(t *testing.T) {
			var bad byte // what the guest is given for random bytes
			table := hostapi.New()
			for i := range table {
				if table[i].Name == "random_get" {
					table[i].Func = func(_ *hostapi.Call, mem guest.Memory, _ hostapi.Args) (uint64, error) {
						mem[8] = bad
						return 0, nil
					}
				}
			}
			m := load(t, newEngine(t, table), watRenew("", "", "(call $random) (if (i32.load8_u (i32.const 8)) (then "+does+"))"))
			s := Setup{Image: newImage(t, m)}
			for range 3 {
				bad = 0
				f := newFaaslet(t, m, s)
				for range 2 {
					if got := ran(t, f); got != 102 {
						t.Errorf("%d, want 102", got)
					}
					if !f.Reset() {
						t.Fatal("not reset")
					}
				}
				ran(t, f)
				bad = 1
				if f.Reset() {
					t.Error("reset")
				}
				if r := f.LastReset(); r.Why != NotRenewed || r.Err == nil {
					t.Errorf("%+v", r)
				}
				if o := runWith(t.Context(), f, ""); o.Err == nil || o.Err.Code != faas.Internal {
					t.Errorf("a call in it ended with %v", o.Err)
				}
				f.Close()
			}
		})
	}
}

// A wrong type is refused when the module is checked, and when an artefact with it is loaded.
func TestRestoredOfAWrongType(t *testing.T) {
	e := newEngine(t, nil)
	for _, x := range []string{
		`(func (export "shoal_restored") (param i32))`, `(func (export "shoal_restored") (result i64) (i64.const 0))`,
		`(func (export "shoal_restored") (result i32 i32) (i32.const 0) (i32.const 0))`,
	} {
		b := assemble(t, `(module (memory (export "memory") 1) (func (export "handle"))`+x+`)`)
		m, err := wasmbin.Parse(b)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := wasmbin.Check(m, wasmbin.Host{Types: e.table.Types}); err == nil || !strings.Contains(err.Error(), "shoal_restored") {
			t.Errorf("%s: Check: %v", x, err)
		}
		artefact, err := e.Compile(b)
		if err != nil {
			continue // refused, too
		}
		if _, err := e.LoadBytes(artefact, wasmbin.Info{}); err == nil || !strings.Contains(err.Error(), "shoal_restored") {
			t.Errorf("%s: load: %v", x, err)
		}
	}
}

// What an initialiser finds out of files, or leaves of them, is of one call. That there is a root is known to all.
func TestInitialisersThatUseFiles(t *testing.T) {
	const guest = `(module
	  (import "wasi_snapshot_preview1" "fd_prestat_get" (func $prestat (param i32 i32) (result i32)))
	  (import "wasi_snapshot_preview1" "path_open" (func $open (param i32 i32 i32 i32 i32 i64 i64 i32 i32) (result i32)))
	  (import "wasi_snapshot_preview1" "fd_close" (func $close (param i32) (result i32)))
	  (import "wasi_snapshot_preview1" "path_unlink_file" (func $unlink (param i32 i32 i32) (result i32)))
	  (memory (export "memory") 1)
	  (data (i32.const 8) "fg")
	  (func $try (param i32) (if (local.get 0) (then (unreachable))))
	  (func (export "_initialize") %s)
	  (func (export "handle")))`
	const opens = "(call $try (call $open (i32.const 3) (i32.const 0) (i32.const %d) (i32.const 1) (i32.const %d) (i64.const 2) (i64.const 0) (i32.const 0) (i32.const 16)))"
	for name, c := range map[string]struct {
		init         string
		captured     string // why nothing is; "" when something is
		image, looks bool   // of a Faaslet
	}{
		"none":    {"", "", true, false},
		"a libc":  {"(drop (call $prestat (i32.const 3) (i32.const 16))) (drop (call $prestat (i32.const 4) (i32.const 16)))", "", true, false},
		"looks":   {fmt.Sprintf(opens, 8, 0) + "(drop (call $close (i32.const 4)))", looked, true, true},
		"opens":   {fmt.Sprintf(opens, 8, 0), looked, false, true},
		"creates": {fmt.Sprintf(opens, 9, 1), looked, false, true},
	} {
		t.Run(name, func(t *testing.T) {
			m := load(t, newEngine(t, nil), fmt.Sprintf(guest, c.init))
			captured, why, err := m.Capture(t.Context(), Setup{})
			if err != nil {
				t.Fatal(err)
			}
			if captured != nil {
				captured.Close()
			}
			if (captured != nil) != (c.captured == "") || why != c.captured {
				t.Errorf("captured: %t, %q", captured != nil, why)
			}
			tree := vfstest.New(map[string]string{"f": "text"})
			image := newImage(t, m)
			newFaaslet(t, m, Setup{Shared: tree, Image: image}).Close()
			if image.Taken() != c.image || image.Looked() != c.looks {
				t.Errorf("an image is taken: %t, of files that were looked at: %t", image.Taken(), image.Looked())
			}
			if n := tree.Opened.Load(); n != 0 {
				t.Errorf("%d shared files are still open", n)
			}
		})
	}
}

// A guest that looks at shared files only in some restores depends on them too.
func TestRestoredLooksForFiles(t *testing.T) {
	m := load(t, newEngine(t, nil), `(module
	  (import "wasi_snapshot_preview1" "path_filestat_get" (func $stat (param i32 i32 i32 i32 i32) (result i32)))
	  (import "wasi_snapshot_preview1" "random_get" (func $random (param i32 i32) (result i32)))
	  (import "env" "__faasm_write_output" (func $write (param i32 i32)))
	  (memory (export "memory") 1)
	  (data (i32.const 0) "f")
	  (func (export "shoal_restored")
	    (drop (call $random (i32.const 200) (i32.const 1)))
	    (if (i32.and (i32.load8_u (i32.const 200)) (i32.const 1))
	      (then (drop (call $stat (i32.const 3) (i32.const 0) (i32.const 0) (i32.const 1) (i32.const 64))))))
	  (func (export "handle") (call $write (i32.const 96) (i32.const 1))))`)
	image := newImage(t, m)
	f := newFaaslet(t, m, Setup{Image: image, Shared: vfstest.New(map[string]string{"f": "1"})})
	for try := 0; ; try++ {
		o := f.Run(t.Context(), hostapi.NewCall(hostapi.CallConfig{Kind: faas.Reactor}))
		if o.Err != nil || try > 100 {
			t.Fatalf("try %d: %v", try, o.Err)
		}
		if o.Output[0] == 1 { // it saw the file
			break
		}
		if !f.Reset() {
			t.Fatal("it was not reset")
		}
	}
	if !image.Looked() {
		t.Error("the image is taken for one that depends on no files")
	}
}
