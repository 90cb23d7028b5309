//go:build linux && cgo

package faaslet

import (
	"context"
	"encoding/binary"
	"strings"
	"sync"
	"testing"

	"github.com/shoal-run/shoal/bus/faas"
	"github.com/shoal-run/shoal/libs/hostapi"
)

// watInitialOpener loads a library in its initialiser and keeps a function of it; a call calls that. Its input, if there is any, is
// for watOpener's open.
var watInitialOpener = strings.Replace(watOpener, `(func (export "handle") (local $f i32)
    (local.set $f (call $open))`, `(global $kept (mut i32) (i32.const 0))
  (data (i32.const 20480) "a.so\00count\00")
  (func (export "_initialize")
    (global.set $kept (call $dlsym (call $dlopen (i32.const 20480) (i32.const 0)) (i32.const 20485)))
    (if (i32.eqz (global.get $kept)) (then unreachable)))
  (func (export "handle") (local $f i32)
    (local.set $f (global.get $kept))
    (if (call $read (i32.const 0) (i32.const 0)) (then (local.set $f (call $open))))`, 1)

// libCount counts in its memory, a global of its own and memory that its constructor has written to.
const libCount = `
  (import "env" "double" (func $double (param i32) (result i32)))
  (import "GOT.func" "double" (global $double_at (mut i32)))
  (import "GOT.mem" "answer" (global $answer (mut i32)))
  (import "GOT.func" "step" (global $step_at (mut i32)))
  (import "env" "step" (func $step (param i32) (result i32)))
  (type $one (func (param i32) (result i32)))
  (global $n (mut i32) (i32.const 0))
  (func (export "__wasm_call_ctors")
    (i32.store offset=4 (global.get $memory) (i32.load (global.get $answer)))
    (global.set $n (i32.const 7)))
  (func (export "other") (result i32) (i32.const 12))
  (func (export "fresh") (result i32) (i32.const 13))
  (func (export "count") (result i32)
    (global.set $n (call $step (global.get $n)))
    (i32.store (global.get $memory) (call_indirect (type $one) (i32.load (global.get $memory)) (global.get $step_at)))
    (i32.add (i32.mul (global.get $n) (i32.const 10000))
      (i32.add (i32.mul (i32.load (global.get $memory)) (i32.const 100))
        (i32.load offset=4 (global.get $memory)))))`

// libStep is what libCount needs; it needs libCount too.
const libStep = `
  (import "GOT.func" "other" (global $other (mut i32)))
  (func (export "step") (param i32) (result i32) (i32.add (local.get 0) (i32.const 1)))`

func countLibraries(t testing.TB) files {
	return files{"a.so": lib(t, libCount, "step.so"), "step.so": lib(t, libStep, "a.so"), "late.so": lib(t, `(func (export "f") (result i32) (i32.const 5))`)}
}

// countAgain is what a call returns whose Faaslet began as the initialiser left it.
const countAgain = 8*10000 + 1*100 + 42

func plainCall(t testing.TB, f *Faaslet, libs files) Outcome {
	t.Helper()
	return f.Run(t.Context(), hostapi.NewCall(hostapi.CallConfig{Kind: f.module.info.Kind, Shared: libs.shared()}))
}

// TestLibrariesInAnImage restores and resets Faaslets whose initialiser loaded libraries.
func TestLibrariesInAnImage(t *testing.T) {
	e := newEngine(t, nil)
	m := load(t, e, watInitialOpener)
	libs := countLibraries(t)
	image := m.NewImage("")
	defer image.Close()
	s := Setup{Image: image, Shared: libs.shared()}
	for i := range 3 {
		f := newFaaslet(t, m, s)
		if want := []faas.StartKind{faas.Cold, faas.Restored, faas.Restored}[i]; f.Birth().Kind != want {
			t.Errorf("Faaslet %d is %s", i, f.Birth().Kind)
		}
		for range 3 {
			isResult(t, plainCall(t, f, nil), countAgain)
			if !f.Reset() {
				t.Fatalf("not reset: %s", f.LastReset().Why)
			}
		}
		if i == 1 { // what it had loaded is not looked for again, and known by its name
			isResult(t, opened(t, f, nil, "a.so", "count"), countAgain)
			if !f.Reset() {
				t.Fatalf("not reset: %s", f.LastReset().Why)
			}
			o := opened(t, f, nil, "b.so", "count")
			if !strings.Contains(string(o.Output), "b.so: no such file") || !f.Reset() {
				t.Errorf("output %q, reset: %s", o.Output, f.LastReset().Why)
			}
		}
		f.Close()
	}
	if n := e.Stats().Shells; n != 0 {
		t.Errorf("%d shells were left", n)
	}
}

// TestLateLibraries has calls load a library, or have a function of one put into the table, where libStep has put only other: their
// Faaslet is replaced.
func TestLateLibraries(t *testing.T) {
	m := load(t, newEngine(t, nil), watInitialOpener)
	libs := countLibraries(t)
	image := m.NewImage("")
	defer image.Close()
	s := Setup{Image: image, Shared: libs.shared()}
	for range 2 {
		for _, c := range []struct {
			path, symbol string
			want         uint32
			why          NotReset
		}{{"late.so", "f", 5, Libraries}, {"a.so", "fresh", 13, Libraries}, {"a.so", "other", 12, ""}} {
			f := newFaaslet(t, m, s)
			isResult(t, plainCall(t, f, nil), countAgain)
			if !f.Reset() {
				t.Fatalf("not reset: %s", f.LastReset().Why)
			}
			isResult(t, opened(t, f, libs.shared(), c.path, c.symbol), c.want)
			if f.Reset(); f.LastReset().Why != c.why {
				t.Errorf("%s of %s: reset with %q", c.symbol, c.path, f.LastReset().Why)
			}
			f.Close()
		}
	}
	// The same of a program whose initialiser loads nothing: its image and its shells know nothing of libraries.
	plain := load(t, m.engine, watOpener)
	none := plain.NewImage("")
	defer none.Close()
	for range 3 {
		f := newFaaslet(t, plain, Setup{Image: none})
		isResult(t, opened(t, f, libs.shared(), "late.so", "f"), 5)
		if f.Reset() || f.LastReset().Why != Libraries {
			t.Errorf("reset with %q", f.LastReset().Why)
		}
		f.Close()
	}
	if n := m.engine.Stats().Shells; n != 0 {
		t.Errorf("%d shells were left", n)
	}
}

// TestLibraryThatCannotBeReset has an initialiser load one that writes to the table: there is no image, and calls work.
func TestLibraryThatCannotBeReset(t *testing.T) {
	m := load(t, newEngine(t, nil), watInitialOpener)
	libs := countLibraries(t)
	libs["step.so"] = lib(t, libStep+`(func (export "set") (table.set (i32.const 0) (ref.null func)))`, "a.so")
	image := m.NewImage("")
	defer image.Close()
	for range 2 {
		f := newFaaslet(t, m, Setup{Image: image, Shared: libs.shared()})
		isResult(t, plainCall(t, f, nil), countAgain)
		if f.Birth().Kind != faas.Cold || f.Reset() || image.Taken() {
			t.Errorf("it is %s, image: %t", f.Birth().Kind, image.Taken())
		}
		f.Close()
	}
}

// TestImagesOfOtherFiles has the files change between two that initialise at the same time: each has what it loaded.
func TestImagesOfOtherFiles(t *testing.T) {
	m := load(t, newEngine(t, nil), watInitialOpener)
	libs, others := countLibraries(t), countLibraries(t)
	others["step.so"] = lib(t, strings.Replace(libStep, "i32.const 1", "i32.const 2", 1), "a.so")
	image := m.NewImage("")
	defer image.Close()
	first := newFaaslet(t, m, Setup{Image: image, Shared: libs.shared()})
	taken := image.taken.Swap(nil) // as if the second had begun before
	if taken == nil {
		t.Fatal("no image")
	}
	s := Setup{Shared: others.shared()}
	second := newFaaslet(t, m, s)
	image.taken.Store(taken)
	second.setup.Image = image
	image.acquire()
	if err := second.restore(taken); err != nil || second.image != nil {
		t.Errorf("restored from an image of other libraries: %v", err)
	}
	isResult(t, plainCall(t, second, nil), 9*10000+2*100+42)
	isResult(t, plainCall(t, first, nil), countAgain)
	third := newFaaslet(t, m, Setup{Image: image, Shared: others.shared()}) // as the image was taken
	isResult(t, plainCall(t, third, nil), countAgain)
}

// TestNotCapturedWithLibraries has a deploy say why such a module's image is left to the workers.
func TestNotCapturedWithLibraries(t *testing.T) {
	m := load(t, newEngine(t, nil), watInitialOpener)
	if why := m.Uncapturable(); why != "it loads libraries" {
		t.Errorf("%q", why)
	}
	if why := load(t, m.engine, watInit).Uncapturable(); why != "" {
		t.Errorf("another: %q", why)
	}
}

// TestLibrariesAreGivenUp counts what is left when everything is closed.
func TestLibrariesAreGivenUp(t *testing.T) {
	e := newEngine(t, nil)
	before := e.Stats()
	m := load(t, e, watInitialOpener)
	libs := countLibraries(t)
	image := m.NewImage("")
	for range 3 {
		f := newFaaslet(t, m, Setup{Image: image, Shared: libs.shared()})
		isResult(t, plainCall(t, f, nil), countAgain)
		f.Close()
	}
	image.Close()
	for e.libraries.dropIdle("") {
	}
	m.Close()
	if n := e.libraries.count(); n != 0 {
		t.Errorf("%d libraries are in use", n)
	}
	after := e.Stats()
	if after.Maps != before.Maps || after.Files != before.Files || after.Images != 0 || e.account.space.Load() != 0 {
		t.Errorf("maps %d, then %d; files %d, then %d; %d bytes of space", before.Maps, after.Maps, before.Files, after.Files, e.account.space.Load())
	}
}

// TestImageOutlivesEngine closes an image with libraries after all else.
func TestImageOutlivesEngine(t *testing.T) {
	e := newEngine(t, nil)
	m := load(t, e, watInitialOpener)
	image := m.NewImage("")
	f := newFaaslet(t, m, Setup{Image: image, Shared: countLibraries(t).shared()})
	if f.Close(); !image.Taken() {
		t.Fatal("no image")
	}
	m.Close()
	e.Close()
	image.Close()
	if n := e.libraries.count(); n != 0 || e.libraries.shares.all != 0 || e.account.space.Load() != 0 {
		t.Errorf("%d libraries are left, of %d bytes", n, e.libraries.shares.all)
	}
}

// TestLibraryImageHammer has many Faaslets begin at once, without an image and then with one, and call and reset.
func TestLibraryImageHammer(t *testing.T) {
	e := newEngine(t, nil)
	m := load(t, e, watInitialOpener)
	libs := countLibraries(t)
	for range 5 {
		image := m.NewImage("")
		var all sync.WaitGroup
		for i := range 8 {
			all.Go(func() {
				for range 5 {
					f, err := m.New(context.Background(), Setup{Image: image, Shared: libs.shared()})
					if err != nil {
						t.Error(err)
						return
					}
					for range 3 {
						o := f.Run(context.Background(), hostapi.NewCall(hostapi.CallConfig{Kind: m.info.Kind}))
						if o.Err != nil || binary.LittleEndian.Uint32(o.Output) != countAgain {
							t.Errorf("output %q, error %v", o.Output, o.Err)
						}
						if !f.Reset() && f.LastReset().Why != NoImage {
							t.Errorf("not reset: %s", f.LastReset().Why)
						}
						if f.LastReset().Why != "" {
							break
						}
					}
					f.Close()
					if i == 0 {
						e.libraries.dropIdle("")
					}
				}
			})
		}
		all.Wait()
		image.Close()
	}
}
