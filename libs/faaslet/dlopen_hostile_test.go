//go:build linux && cgo

package faaslet

import (
	"context"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/shoal-run/shoal/bus/faas"
	"github.com/shoal-run/shoal/libs/faaslet/capi"
	"github.com/shoal-run/shoal/libs/hostapi"
)

// openerWithMalloc is watOpener with another body of malloc.
func openerWithMalloc(body string) string {
	i := strings.Index(watOpener, "    (local $at i32)\n    (local $end i32)")
	j := strings.Index(watOpener, "  (func $double")
	return watOpener[:i] + body + ")\n" + watOpener[j:]
}

// TestHostileMalloc has a program's malloc do to dlopen what it can.
func TestHostileMalloc(t *testing.T) {
	e := newEngine(t, nil)
	libs := files{"a.so": lib(t, `(func (export "f") (result i32) (i32.const 1))`), "b.so": lib(t, `(func (export "f") (result i32) (i32.const 2))`)}
	for name, c := range map[string]struct {
		body   string
		code   faas.Code // "" for what dlerror says
		output string
	}{
		"beyond the memory": {`(i32.const 0xffffff00)`, "", ""}, // dlerror's text can't be written there either
		"at the end":        {`(i32.sub (i32.shl (memory.size) (i32.const 16)) (i32.const 8))`, faas.GuestTrapped, ""},
		"nothing":           {`(i32.const 0)`, "", ""},
		"traps":             {`unreachable`, faas.GuestTrapped, ""},
		"loops":             {`(loop $l (br $l)) unreachable`, faas.DeadlineExceeded, ""},
		"recurses":          {`(drop (call $dlopen (i32.const 12288) (i32.const 0))) (i32.const 40000)`, "", "\x01\x00\x00\x00"},
		"another":           {`(i32.store (i32.const 12288) (i32.const 0x6f732e62)) (drop (call $dlopen (i32.const 12288) (i32.const 0))) (i32.const 40000)`, "", "\x01\x00\x00\x00"},
		"grows":             {`(drop (memory.grow (i32.const 1))) (i32.const 40000)`, "", "\x01\x00\x00\x00"},
	} {
		t.Run(name, func(t *testing.T) {
			m := load(t, e, openerWithMalloc(c.body))
			ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
			defer cancel()
			o := openedIn(ctx, newFaaslet(t, m, Setup{}), libs.shared(), "a.so", "f")
			switch {
			case c.code == "" && c.output != "":
				if o.Err != nil || string(o.Output) != c.output {
					t.Errorf("output %q, error %v", o.Output, o.Err)
				}
			case c.code == "":
				if o.Err != nil && o.Err.Code != faas.GuestTrapped {
					t.Errorf("%v", o.Err)
				}
			default:
				wantCode(t, o, c.code)
			}
		})
	}
}

// TestDeepNesting has a malloc that fails into itself through a host function, as deep as the stack goes, below as many frames as fit:
// unwinding it is not interrupted, and must not take long.
func TestDeepNesting(t *testing.T) {
	e := newEngine(t, nil)
	again := strings.Replace(openerWithMalloc(`(drop (call $dlclose (i32.const 77))) (drop (call $dlerror)) (i32.const 40000)`),
		`(import "env" "dlsym"`, `(import "env" "dlclose" (func $dlclose (param i32) (result i32))) (import "env" "dlsym"`, 1)
	for _, frames := range []int{0, 10000, 18000} {
		m := load(t, e, strings.Replace(again, `(func (export "handle")`, fmt.Sprintf(`(func $down (param i32) (result i32)
		    (if (i32.eqz (local.get 0)) (then (return (call $malloc (i32.const 4)))))
		    (i32.add (i32.const 1) (call $down (i32.sub (local.get 0) (i32.const 1)))))
		  (func (export "handle") (drop (call $down (i32.const %d))))
		  (func`, frames), 1))
		began := time.Now()
		err := wantCode(t, opened(t, newFaaslet(t, m, Setup{}), nil, "", ""), faas.GuestTrapped)
		deep := strings.Contains(err.Message, "stack_overflow") || strings.Contains(err.Message, "within each other")
		if took := time.Since(began); took > 300*time.Millisecond || !deep || len(err.Backtrace) != capi.MaxFrames {
			t.Errorf("%d frames: it took %s: %s with %d frames", frames, took, err.Message, len(err.Backtrace))
		}
	}
}

// TestCirclesWithoutCode has host functions and stubs call each other, with no code of the guest in between whose stack is checked.
func TestCirclesWithoutCode(t *testing.T) {
	e := newEngine(t, nil)
	m := load(t, e, `(module (import "env" "getpwuid" (func $g (param i32) (result i32))) (memory (export "memory") 1) (export "malloc" (func $g))
	  (func $down (param i32) (result i32)
	    (if (i32.eqz (local.get 0)) (then (return (call $g (i32.const 0)))))
	    (i32.add (i32.const 1) (call $down (i32.sub (local.get 0) (i32.const 1)))))
	  (func (export "handle") (drop (call $down (i32.const 20000)))))`)
	err := wantCode(t, call(t, t.Context(), m, Setup{}, ""), faas.GuestTrapped)
	if !strings.Contains(err.Message, "within each other") {
		t.Error(err.Message)
	}
	m = load(t, e, watOpener)
	libs := files{
		"self": lib(t, `(import "env" "f" (func $f (result i32))) (export "f" (func $f))`),
		"a.so": lib(t, `(import "env" "g" (func $g (result i32))) (export "f" (func $g))`, "b.so"),
		"b.so": lib(t, `(import "env" "f" (func $f (result i32))) (export "g" (func $f))`, "a.so"),
	}
	for path := range libs {
		if o := opened(t, newFaaslet(t, m, Setup{}), libs.shared(), path, "f"); o.Err != nil || !strings.Contains(string(o.Output), "undefined symbol") {
			t.Errorf("%s: output %q, error %v", path, o.Output, o.Err)
		}
	}
}

// TestWithoutMalloc has a library's memory come from pages, and constructors that load more.
func TestWithoutMalloc(t *testing.T) {
	m := load(t, newEngine(t, nil), strings.Replace(watOpener, `(export "malloc")`, "", 1))
	libs := files{"a.so": lib(t, `
	  (data (global.get $memory) "\09\00\00\00")
	  (func (export "f") (result i32) (i32.add (i32.load (global.get $memory)) (i32.and (global.get $memory) (i32.const 65535))))`)}
	gives(t, m, libs.shared(), "a.so", "f", 9)
	o := opened(t, newFaaslet(t, m, Setup{}), libs.shared(), "none.so", "f") // dlerror has no memory for its text
	if o.Err != nil || len(o.Output) != 0 {
		t.Errorf("output %q, error %v", o.Output, o.Err)
	}
}

// TestConstructorsLoad has 32 libraries, each loaded by the constructor of the one before, and a 33rd.
func TestConstructorsLoad(t *testing.T) {
	m := load(t, newEngine(t, nil), watOpener)
	libs := files{}
	for i := range hostapi.MaxLibraries + 1 {
		libs[fmt.Sprintf("%02d", i)] = lib(t, fmt.Sprintf(`
		  (import "env" "dlopen" (func $open (param i32 i32) (result i32)))
		  (global $n (mut i32) (i32.const 0))
		  (data (global.get $memory) "%02d\00")
		  (func (export "__wasm_call_ctors") (global.set $n (call $open (global.get $memory) (i32.const 0))))
		  (func (export "f") (result i32) (global.get $n))`, i+1))
	}
	gives(t, m, libs.shared(), "00", "f", 2) // the handle of the second
	f := newFaaslet(t, m, Setup{})
	if o := opened(t, f, libs.shared(), "00", "f"); o.Err != nil || len(f.linked.libraries) != hostapi.MaxLibraries || f.linked.broken {
		t.Errorf("%d libraries, error %v", len(f.linked.libraries), o.Err)
	}
}

// TestWeakSymbols has a library do without what it says may be missing.
func TestWeakSymbols(t *testing.T) {
	m := load(t, newEngine(t, nil), watOpener)
	weak := []byte{4, 0, 3}
	for _, s := range [][2]string{{"env", "nobody"}, {"GOT.mem", "no_variable"}, {"GOT.func", "nobody"}} {
		weak = append(append(weak, byte(len(s[0]))), s[0]...)
		weak = append(append(append(weak, byte(len(s[1]))), s[1]...), 1)
	}
	weak[1] = byte(len(weak) - 2)
	libs := files{"a.so": custom(assemble(t, libHead+`
	  (import "env" "nobody" (func $nobody (result i32)))
	  (import "GOT.mem" "no_variable" (global $v (mut i32)))
	  (import "GOT.func" "nobody" (global $p (mut i32)))
	  (func (export "call") (result i32) (call $nobody))
	  (func (export "f") (result i32) (i32.add (i32.add (global.get $v) (global.get $p)) (i32.const 1))))`), "dylink.0", append(dylinkOf(0, 0), weak...))}
	gives(t, m, libs.shared(), "a.so", "f", 1)
	err := wantCode(t, opened(t, newFaaslet(t, m, Setup{}), libs.shared(), "a.so", "call"), faas.GuestTrapped)
	if !strings.Contains(err.Message, "weak") {
		t.Errorf("%v", err)
	}
}

// TestProgramsThatShareLittle has programs without a table, or without a stack pointer that can be told.
func TestProgramsThatShareLittle(t *testing.T) {
	e := newEngine(t, nil)
	libs := files{"a.so": lib(t, `(func (export "f") (result i32) (i32.const 1))`)}
	m := load(t, e, strings.Replace(strings.ReplaceAll(watOpener, `$sp`, `$__stack_pointer`), `(export "__stack_pointer")`, "", 1)) // it has its name
	gives(t, m, libs.shared(), "a.so", "f", 1)
	m = load(t, e, strings.Replace(strings.ReplaceAll(watOpener, `$sp`, `$other`), `(export "__stack_pointer")`, "", 1))
	if o := opened(t, newFaaslet(t, m, Setup{}), libs.shared(), "a.so", "f"); !strings.Contains(string(o.Output), "--export=__stack_pointer") {
		t.Errorf("output %q, error %v", o.Output, o.Err)
	}
}

// TestLinkingFailsInTheMiddle has the second of three libraries take the last of the table's room when it is linked: all of them
// stay away, and their code is given up with the Faaslet.
func TestLinkingFailsInTheMiddle(t *testing.T) {
	e := newEngine(t, nil)
	m := load(t, e, watOpener)
	image := newImage(t, m)
	libs := files{
		"a.so": lib(t, `(func (export "f") (result i32) (i32.const 1))`, "b.so"),
		"b.so": custom(assemble(t, libHead+`(import "GOT.func" "f" (global (mut i32)))
		  (func (export "f") (result i32) (i32.const 2)))`), "dylink.0", dylinkOf(0, faas.MaxTableElements-3-2*4, "c.so")),
		"c.so": lib(t, `(func (export "f") (result i32) (i32.const 3))`),
		"d.so": lib(t, `(func (export "f") (result i32) (i32.const 4))`),
	}
	f := newFaaslet(t, m, Setup{Image: image})
	for _, path := range []string{"a.so", "a.so", "c.so", "d.so"} {
		want := "failed in the middle"
		if f.linked == nil {
			want = "no room in the table"
		}
		if o := opened(t, f, libs.shared(), path, "f"); !strings.Contains(string(o.Output), want) {
			t.Errorf("%s: output %q, error %v", path, o.Output, o.Err)
		}
		if f.Reset() || f.LastReset().Why != Libraries {
			t.Errorf("reset with %q", f.LastReset().Why)
		}
		if !f.Keep() {
			t.Fatal("not kept")
		}
	}
	f.Close()
	gives(t, m, libs.shared(), "c.so", "f", 3)
	for e.libraries.dropIdle("") {
	}
	if n := e.libraries.count(); n != 0 || e.libraries.shares.all != 0 {
		t.Errorf("%d libraries are in use, of %d bytes", n, e.libraries.shares.all)
	}
}

// TestHalfALibrary has libraries that put a function into the table and then fail to be linked: the guest ends there, since nothing
// could interrupt that function.
func TestHalfALibrary(t *testing.T) {
	m := load(t, newEngine(t, nil), strings.Replace(watOpener, `(if (i32.eqz (local.get $f)) (then return))`,
		`(if (i32.eqz (local.get $f)) (then (drop (call_indirect (type $fn) (i32.const 1)))))`, 1))
	const spin = `(func $spin (export "f") (result i32) (loop $l (br $l)) unreachable) (elem (i32.const 1) $spin)`
	libs := files{
		"elements": lib(t, spin+`(elem (i32.const 1000000) $spin)`),
		"data":     lib(t, spin+`(data (i32.const 0x7ffffff0) "x")`),
		"needs":    lib(t, spin, "elements"),
	}
	for path := range libs {
		f := newFaaslet(t, m, Setup{Image: newImage(t, m)})
		err := wantCode(t, opened(t, f, libs.shared(), path, "f"), faas.GuestTrapped)
		if !strings.Contains(err.Message, "failed in the middle") || f.Reset() || f.Keep() {
			t.Errorf("%s: %s", path, err.Message)
		}
		f.Close()
	}
}

// TestKillHammer ends guests at any moment of loading, constructing and running libraries.
func TestKillHammer(t *testing.T) {
	e := newEngine(t, nil)
	m := load(t, e, watOpener)
	libs := files{
		"ctors": lib(t, `(func $spin (loop $l (br $l))) (func (export "__wasm_call_ctors") (call $spin))`, "needed"),
		"call":  lib(t, `(func (export "f") (result i32) (loop $l (br $l)) unreachable)`, "needed"),
		"start": lib(t, `(func $spin (loop $l (br $l))) (start $spin)`, "needed"),
		"reloc": lib(t, `(func $spin (loop $l (br $l))) (func (export "__wasm_apply_data_relocs") (call $spin))`, "needed"),
	}
	libs["needed"] = lib(t, `(func (export "x"))`)
	var all sync.WaitGroup
	for i := range 8 {
		all.Go(func() {
			for j := range 15 {
				f, err := m.New(context.Background(), Setup{})
				if err != nil {
					t.Error(err)
					return
				}
				ctx, cancel := context.WithTimeout(context.Background(), time.Duration(rand.IntN(3000))*time.Microsecond)
				o := openedIn(ctx, f, libs.shared(), []string{"ctors", "call", "start", "reloc"}[(i+j)%4], "f")
				if o.Err == nil || o.Err.Code != faas.DeadlineExceeded {
					t.Errorf("%q %v", o.Output, o.Err)
				}
				cancel()
				f.Close()
			}
		})
	}
	all.Wait()
}
