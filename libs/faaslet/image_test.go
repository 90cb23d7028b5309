//go:build linux && cgo

package faaslet

import (
	"context"
	"encoding/json"
	"os"
	"strings"
	"sync"
	"testing"

	"github.com/shoal-run/shoal/bus/faas"
	"github.com/shoal-run/shoal/libs/hostapi"
)

func newImage(t testing.TB, m *Module) *Image {
	i := m.NewImage("")
	t.Cleanup(i.Close)
	return i
}

func runWith(ctx context.Context, f *Faaslet, input string) Outcome {
	return f.Run(ctx, hostapi.NewCall(hostapi.CallConfig{Kind: f.module.info.Kind, Input: []byte(input), Args: f.setup.Args, Env: f.setup.Env}))
}

func TestGrownIsReplaced(t *testing.T) {
	eachScan(t, func(t *testing.T, e *Engine) {
		m := load(t, e, watSecret)
		s := Setup{Image: newImage(t, m)}
		f := newFaaslet(t, m, s)
		if o := runWith(t.Context(), f, "lg"); o.Err != nil || o.Memory != 5<<16 {
			t.Fatalf("%v, memory %d", o.Err, o.Memory)
		}
		if f.Reset() {
			t.Error("reset though memory grew")
		}
		if o := runWith(t.Context(), f, "q"); o.Err == nil || o.Err.Code != faas.Internal {
			t.Errorf("a call in it ended with %v", o.Err)
		}
		f.Close()
		if o := runWith(t.Context(), newFaaslet(t, m, s), "q"); o.Err != nil {
			t.Errorf("the one after it: %v", o.Err)
		}
	})
}

// What the initialiser grew is there in every Faaslet, and only that.
func TestImageOfGrownMemory(t *testing.T) {
	m := load(t, newEngine(t, nil), `(module
	  (memory (export "memory") 1)
	  (func (export "_initialize") (drop (memory.grow (i32.const 3))) (i32.store (i32.const 0x30000) (i32.const 5)))
	  (func (export "handle") (result i32)
	    (i32.store (i32.const 0x3fffc) (i32.add (i32.const 1) (i32.load (i32.const 0x3fffc))))
	    (i32.sub (i32.add (memory.size) (i32.mul (i32.const 100) (i32.load (i32.const 0x3fffc))))
	      (i32.add (i32.const 99) (i32.load (i32.const 0x30000))))))`)
	s := Setup{Image: newImage(t, m)}
	for range 3 {
		f := newFaaslet(t, m, s)
		for range 3 {
			if o := runWith(t.Context(), f, ""); o.Err != nil {
				t.Fatal(o.Err)
			}
			if !f.Reset() {
				t.Fatal("not reset")
			}
		}
	}
}

func TestTooMuchWritten(t *testing.T) {
	m := load(t, newEngine(t, nil), `(module
	  (import "env" "__faasm_read_input" (func $read (param i32 i32) (result i32)))
	  (memory (export "memory") 256)
	  (func (export "handle")
	    (drop (call $read (i32.const 0) (i32.const 4)))
	    (memory.fill (i32.const 65536) (i32.const 1) (i32.load (i32.const 0)))))`)
	s := Setup{Image: newImage(t, m)}
	for pages, want := range map[int]bool{0: true, maxDirty - 1: true, maxDirty: false, 3000: false} {
		f := newFaaslet(t, m, s)
		n := pages * 4096
		if o := runWith(t.Context(), f, string([]byte{byte(n), byte(n >> 8), byte(n >> 16), byte(n >> 24)})); o.Err != nil {
			t.Fatal(o.Err)
		}
		if got := f.Reset(); got != want { // one more page has the input
			t.Errorf("%d pages: reset %t", pages, got)
		}
	}
}

// The counter of refused grows is state, too.
func TestResetForgetsRefusals(t *testing.T) {
	m := load(t, newEngine(t, nil), watSecret)
	f := newFaaslet(t, m, Setup{Image: newImage(t, m), Memory: faas.MiB})
	if o := runWith(t.Context(), f, "lr"); o.Err != nil || f.instance.Refused() != 1 {
		t.Fatal(o.Err, f.instance.Refused())
	}
	if !f.Reset() {
		t.Fatal("not reset")
	}
	wantCode(t, runWith(t.Context(), f, "lt"), faas.GuestTrapped)
}

// Guests that can't be put back, or whose Faaslets must not have a state in common.
func TestNeverReset(t *testing.T) {
	const handle = `(memory (export "memory") 1) (func (export "handle"))`
	guests := map[string]string{
		"table.set":  `(module (table 1 funcref) (func (export "f") (table.set (i32.const 0) (ref.null func)))` + handle + `)`,
		"elem.drop":  `(module (table 1 funcref) (elem $e func $g) (func $g) (func (export "f") (elem.drop $e))` + handle + `)`,
		"data.drop":  `(module (data $d "x") (func (export "f") (data.drop $d))` + handle + `)`,
		"vector":     `(module (global (mut v128) (v128.const i64x2 0 0))` + handle + `)`,
		"reference":  `(module (global (mut externref) (ref.null extern))` + handle + `)`,
		"large":      `(module (memory (export "memory") 1025) (func (export "handle")))`,
		"random":     `(module (import "wasi_snapshot_preview1" "random_get" (func $r (param i32 i32) (result i32))) (func (export "_initialize") (drop (call $r (i32.const 0) (i32.const 8))))` + handle + `)`,
		"clock":      `(module (import "wasi_snapshot_preview1" "clock_time_get" (func $c (param i32 i64 i32) (result i32))) (func (export "_initialize") (drop (call $c (i32.const 1) (i64.const 0) (i32.const 8))))` + handle + `)`,
		"of another": "",
	}
	e := newEngine(t, nil)
	other := load(t, e, watNop)
	for name, wat := range guests {
		m, i := other, newImage(t, load(t, e, watEcho))
		if wat != "" {
			m = load(t, e, wat)
			i = newImage(t, m)
		}
		for range 2 {
			f := newFaaslet(t, m, Setup{Image: i, Memory: 128 * faas.MiB})
			if o := runWith(t.Context(), f, ""); o.Err != nil {
				t.Fatalf("%s: %v", name, o.Err)
			}
			if f.Reset() || i.Taken() {
				t.Errorf("%s: was reset (image taken: %t)", name, i.Taken())
			}
		}
	}
	// Random bytes in a call are the call's own.
	m := load(t, e, strings.Replace(guests["random"], "_initialize", "elsewhere", 1))
	f := newFaaslet(t, m, Setup{Image: newImage(t, m)})
	if o := runWith(t.Context(), f, ""); o.Err != nil || !f.Reset() {
		t.Errorf("a guest that asks for random bytes later is not reset: %v", o.Err)
	}
}

// A Faaslet that was reset, or restored, answers as one that was built.
func TestResetBehavesAlike(t *testing.T) {
	eachScan(t, func(t *testing.T, e *Engine) {
		for name, wat := range map[string]string{
			"echo": watEcho, "recurse": watRecurse, "grow": watGrow, "grow and go on": watGrowAndGoOn, "exit 1": watExit1,
			"exit 0": watExit0, "unreachable": watUnreachable, "out of bounds": watOutOfBounds, "near top": watNearTop,
			"divide": watDivide, "null call": watNullCall, "wrong type": watWrongType, "nop": watNop, "stdio": watStdio,
			"init": watInit, "start": watStart,
		} {
			m := load(t, e, wat)
			plain := Setup{Memory: 4 * faas.MiB, Args: []string{"name"}}
			reset := plain
			reset.Image = newImage(t, m)
			f := newFaaslet(t, m, reset)
			for i, input := range []string{"hello", "", "a longer input of a call", "x"} {
				want := said(t, call(t, t.Context(), m, plain, input))
				if got := said(t, runWith(t.Context(), f, input)); got != want {
					t.Errorf("%s, call %d: %s\nwant %s", name, i, got, want)
				}
				if !f.Reset() {
					f.Close()
					f = newFaaslet(t, m, reset)
				}
			}
		}
	})
}

// said is all of an outcome but what is measured.
func said(t *testing.T, o Outcome) string {
	o.Duration = 0
	b, err := json.Marshal(o)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// Faaslets that begin at the same time with an empty image end up with the same one.
func TestImageIsTakenOnce(t *testing.T) {
	m := load(t, newEngineWith(t, Config{NoShells: true}), watSecret)
	s := Setup{Image: newImage(t, m)}
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			f := newFaaslet(t, m, s)
			for range 5 {
				if o := runWith(context.Background(), f, "q"); o.Err != nil {
					t.Error(o.Err)
				}
				runWith(context.Background(), f, "ln")
				if f.Reset(); f.image != s.Image.get() {
					t.Error("an image of its own")
				}
			}
			f.Close()
		})
	}
	wg.Wait()
	if n := imageDescriptors(t); n != 1 {
		t.Errorf("%d images are open", n)
	}
	if n := strings.Count(readMaps(t), "shoal-image"); n != 1 {
		t.Errorf("%d maps of images, want that of the image alone", n)
	}
	f := newFaaslet(t, m, s)
	s.Image.Close()
	if o := runWith(context.Background(), f, "ln"); o.Err != nil || !f.Reset() {
		t.Error("not reset after its image was given up", o.Err)
	}
	f.Close()
	if n := imageDescriptors(t) + strings.Count(readMaps(t), "shoal-image"); n != 0 {
		t.Errorf("%d descriptors and maps of images are left", n)
	}
	f = newFaaslet(t, m, s)
	if f.image != nil {
		t.Error("a Faaslet has an image that was given up")
	}
}

func readMaps(t *testing.T) string {
	t.Helper()
	b, err := os.ReadFile("/proc/self/maps")
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func imageDescriptors(t *testing.T) (n int) {
	t.Helper()
	fds, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Fatal(err)
	}
	for _, fd := range fds {
		if to, err := os.Readlink("/proc/self/fd/" + fd.Name()); err == nil && strings.Contains(to, "shoal-image") {
			n++
		}
	}
	return n
}

// limits.go counts on this.
func TestMapsOfARestoredFaaslet(t *testing.T) {
	m := load(t, newEngine(t, nil), watSecret)
	s := Setup{Image: newImage(t, m)}
	newFaaslet(t, m, s)
	const n = 64
	before := maps(t)
	for range n {
		f := newFaaslet(t, m, s)
		if o := runWith(t.Context(), f, "ln"); o.Err != nil || !f.Reset() {
			t.Fatal(o.Err)
		}
	}
	if got := maps(t) - before; got > n*mapsPerFaaslet {
		t.Errorf("%d Faaslets have %d maps", n, got)
	} else {
		t.Logf("%d Faaslets have %d maps", n, got)
	}
}

// Images that find no room are taken when there is some again.
func TestImagesAreBounded(t *testing.T) {
	e := newEngine(t, nil)
	e.account.most.files = imageFiles
	m := load(t, e, watSecret)
	first, second := newImage(t, m), newImage(t, m)
	newFaaslet(t, m, Setup{Image: first}).Close()
	newFaaslet(t, m, Setup{Image: second}).Close()
	if !first.Taken() || second.Taken() {
		t.Errorf("the first is taken: %t, the second: %t", first.Taken(), second.Taken())
	}
	first.Close()
	newFaaslet(t, m, Setup{Image: second}).Close()
	if !second.Taken() {
		t.Error("none is taken though the first is gone")
	}
	second.Close()
	if n, bytes := e.images.total(); n != 0 || bytes != 0 || len(e.images.owners) != 0 {
		t.Errorf("%d images of %d bytes of %v are counted", n, bytes, e.images.owners)
	}
	if e.images.add("", 0, int64(maxImageMemory)+1) {
		t.Error("more memory than there may be")
	}
}

// TestImagesAreShared has tenants take images until they get no more: none has them all, and a later one still gets some.
func TestImagesAreShared(t *testing.T) {
	const mib = 1 << 20
	for _, c := range []struct {
		owners []string
		size   int64
		least  []int64 // of MiB, in that order
		most   []int64
	}{
		{[]string{"a"}, mib, []int64{819}, []int64{820}},
		{[]string{"a", "b"}, mib, []int64{819, 160}, []int64{820, 165}},
		{[]string{"a", "b", "c"}, mib, []int64{819, 160, 30}, []int64{820, 165, 34}},
		{[]string{"a", "b"}, 256 * mib, []int64{768, 0}, []int64{768, 0}},
	} {
		i := images{account: &account{most: cost{maps: 1 << 40, files: 1 << 40, space: 1 << 50}}}
		for k, owner := range c.owners {
			for i.add(owner, c.size, c.size) {
			}
			if got := i.owners[owner].bytes / mib; got < c.least[k] || got > c.most[k] {
				t.Errorf("%v of %d: %s has %d MiB", c.owners, c.size, owner, got)
			}
		}
		for _, owner := range c.owners {
			for i.owners[owner].n > 0 {
				i.drop(owner, c.size, c.size)
			}
		}
		if n, bytes := i.total(); n != 0 || bytes != 0 || i.account.used() != 0 {
			t.Errorf("%d images of %d bytes are left", n, bytes)
		}
	}
	i := images{account: &account{most: cost{maps: 1 << 40, files: 20, space: 1 << 50}}} // ten images
	for i.add("many", mib, 1) {
	}
	if n, _ := i.total(); n != 8 || !i.add("other", mib, 1) {
		t.Errorf("%d of 10 images are one tenant's, or no other gets one", n)
	}
}
