//go:build linux && cgo

package faaslet

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"unsafe"

	"github.com/shoal-run/shoal/libs/hostapi"
	"github.com/shoal-run/shoal/libs/vfs/vfstest"
)

// TestCompiledOnce has many Faaslets load the same libraries at the same time.
func TestCompiledOnce(t *testing.T) {
	var compiled atomic.Int64
	var e *Engine
	e = newEngineWith(t, Config{Compile: func(_ context.Context, module []byte) ([]byte, error) {
		compiled.Add(1)
		return e.Compile(module)
	}})
	m := load(t, e, watOpener)
	libs := files{}
	const n = 4
	for i := range n {
		libs[fmt.Sprintf("%d.so", i)] = lib(t, fmt.Sprintf(`(func (export "f") (result i32) (i32.const %d))`, i))
	}
	var all sync.WaitGroup
	for i := range 8 * n {
		all.Go(func() { gives(t, m, libs.shared(), fmt.Sprintf("%d.so", i%n), "f", uint32(i%n)) })
	}
	all.Wait()
	if got := compiled.Load(); got != n {
		t.Errorf("%d compilations of %d libraries", got, n)
	}
	if got := e.libraries.count(); got != n {
		t.Errorf("%d libraries are kept", got)
	}
}

// TestLibrariesAreIsolated has two Faaslets write to the same library's memory and globals.
func TestLibrariesAreIsolated(t *testing.T) {
	m := load(t, newEngine(t, nil), watOpener)
	libs := files{"a.so": lib(t, `
	  (global $n (mut i32) (i32.const 0))
	  (func (export "count") (result i32)
	    (global.set $n (i32.add (global.get $n) (i32.const 1)))
	    (i32.store (global.get $memory) (i32.add (i32.load (global.get $memory)) (i32.const 1)))
	    (i32.add (i32.mul (global.get $n) (i32.const 100)) (i32.load (global.get $memory))))`)}
	a, b := newFaaslet(t, m, Setup{}), newFaaslet(t, m, Setup{})
	isResult(t, opened(t, a, libs.shared(), "a.so", "count"), 101)
	if !a.Keep() {
		t.Fatal("not kept")
	}
	isResult(t, opened(t, a, libs.shared(), "a.so", "count"), 202)
	isResult(t, opened(t, b, libs.shared(), "a.so", "count"), 101)
}

// TestLibraryCacheIsBounded loads more libraries than are kept, and leaves nothing on the account.
func TestLibraryCacheIsBounded(t *testing.T) {
	e := newEngine(t, nil)
	before := e.Stats()
	m := load(t, e, watOpener)
	libs := files{}
	for i := range keptLibraries + 3 {
		libs[fmt.Sprintf("%d.so", i)] = lib(t, fmt.Sprintf(`(func (export "f") (result i32) (i32.const %d))`, i))
	}
	for i := range keptLibraries + 3 {
		gives(t, m, libs.shared(), fmt.Sprintf("%d.so", i), "f", uint32(i))
	}
	if n := e.libraries.count(); n != keptLibraries {
		t.Errorf("%d libraries are kept", n)
	}
	gives(t, m, libs.shared(), "0.so", "f", 0) // again, after it was given up
	for e.libraries.dropIdle("") {
	}
	m.Close()
	if after := e.Stats(); after.Maps != before.Maps || after.Files != before.Files {
		t.Errorf("maps %d, then %d", before.Maps, after.Maps)
	}
}

// TestLibrariesMakeRoom has a worker at its limit give up what nobody has open, and refuse the guest when all is in use.
func TestLibrariesMakeRoom(t *testing.T) {
	e := newEngineWith(t, Config{MaxMaps: int(moduleCost.maps*2 + faasletCost.maps)})
	m := load(t, e, watOpener)
	libs := files{}
	for i := range 3 {
		libs[fmt.Sprintf("%d.so", i)] = lib(t, fmt.Sprintf(`(func (export "f") (result i32) (i32.const %d))`, i))
	}
	libs["both.so"] = lib(t, `(func (export "f") (result i32) (i32.const 9))`, "0.so")
	for i := range 3 {
		gives(t, m, libs.shared(), fmt.Sprintf("%d.so", i), "f", uint32(i))
	}
	f := newFaaslet(t, m, Setup{})
	o := opened(t, f, libs.shared(), "both.so", "f")
	if o.Err != nil || len(o.Output) <= 4 {
		t.Errorf("output %q, error %v", o.Output, o.Err)
	}
}

// TestNamesAreCounted has a library of little but names, and a Faaslet that asks for all of them.
func TestNamesAreCounted(t *testing.T) {
	e := newEngine(t, nil)
	m := load(t, e, watOpener)
	const n, size = 1000, 4000
	wat := ""
	for i := range n {
		wat += fmt.Sprintf(`(func (export "%0*d") (result i32) (i32.const %d))`, size, i, i)
	}
	libs := files{"a.so": lib(t, wat)}
	f := newFaaslet(t, m, Setup{})
	for i := range 3 {
		isResult(t, opened(t, f, libs.shared(), "a.so", fmt.Sprintf("%0*d", size, i)), uint32(i))
		if !f.Keep() {
			t.Fatal("not kept")
		}
	}
	if e.libraries.shares.all < 3*n*size {
		t.Errorf("%d bytes are counted", e.libraries.shares.all)
	}
	name := f.linked.points[0].symbol
	for have, s := range f.linked.libraries[0].info.Symbols {
		if have == name && unsafe.StringData(s.Name) != unsafe.StringData(name) {
			t.Error("each Faaslet has a copy of the name")
		}
	}
}

// TestBuildingPanics has a panic where a library is compiled, more often than there are slots.
func TestBuildingPanics(t *testing.T) {
	panics := true
	var e *Engine
	e = newEngineWith(t, Config{Compile: func(_ context.Context, module []byte) ([]byte, error) {
		if panics {
			panic("a bug")
		}
		return e.Compile(module)
	}})
	m := load(t, e, watOpener)
	libs := files{"a.so": lib(t, `(func (export "f") (result i32) (i32.const 1))`)}
	for range cap(e.libraries.slots) + 1 {
		if o := opened(t, newFaaslet(t, m, Setup{}), libs.shared(), "a.so", "f"); o.Err != nil || !strings.Contains(string(o.Output), "a bug") {
			t.Fatalf("output %q, error %v", o.Output, o.Err)
		}
	}
	panics = false
	gives(t, m, libs.shared(), "a.so", "f", 1)
}

// TestBadLibraryFiles has a panic where a library comes from, and one that is too large.
func TestBadLibraryFiles(t *testing.T) {
	m := load(t, newEngine(t, nil), watOpener)
	tree := vfstest.New(map[string]string{"a.so": "text", "long.so": string(make([]byte, hostapi.MaxLibrary+1))})
	if o := opened(t, newFaaslet(t, m, Setup{}), tree, "long.so", "f"); o.Err != nil || !strings.Contains(string(o.Output), "more than 64MiB") {
		t.Errorf("output %q, error %v", o.Output, o.Err)
	}
	tree.Fail = func(context.Context, string) error { panic("a bug") }
	if o := opened(t, newFaaslet(t, m, Setup{}), tree, "a.so", "f"); o.Err == nil || o.Err.Code != "internal" {
		t.Errorf("%v", o.Err)
	}
}
