//go:build linux && cgo

package faaslet

import (
	"context"
	"strings"
	"sync"
	"testing"

	"github.com/shoal-run/shoal/bus/faas"
	"github.com/shoal-run/shoal/libs/faaslet/capi"
)

// shellsOf returns how many shells m keeps.
func shellsOf(m *Module) int {
	m.shells.mu.Lock()
	defer m.shells.mu.Unlock()
	return len(m.shells.kept)
}

// withImage returns a Setup whose image was taken.
func withImage(t *testing.T, m *Module) Setup {
	t.Helper()
	s := Setup{Image: newImage(t, m), Memory: faas.Size(m.info.MemoryMin) + faas.MiB}
	newFaaslet(t, m, s).Close()
	if !s.Image.Taken() {
		t.Fatal("no image was taken: the kernel does not tell which pages were written")
	}
	return s
}

func TestClosedFaasletLeavesItsShell(t *testing.T) {
	m := load(t, newEngine(t, nil), watSecret)
	s := withImage(t, m)
	for _, how := range []string{"n", "t", "e", "r"} {
		f := newFaaslet(t, m, s)
		was := f.instance
		runWith(t.Context(), f, "l"+how)
		f.Close()
		if n := shellsOf(m); n != 1 {
			t.Fatalf("%s: %d shells", how, n)
		}
		f = newFaaslet(t, m, s)
		if f.instance != was {
			t.Errorf("%s: not made of the shell", how)
		}
		if o := runWith(t.Context(), f, "q"); o.Err != nil {
			t.Errorf("%s: %v", how, o.Err)
		}
		f.Close()
	}
}

func TestShellIsNotForEverybody(t *testing.T) {
	m := load(t, newEngine(t, nil), watSecret)
	s := withImage(t, m)
	f := newFaaslet(t, m, s)
	runWith(t.Context(), f, "ln")
	f.Close()
	other, more, built := withImage(t, m), s, s
	more.Memory, built.Image = s.Memory+faas.MiB, nil
	m.shells.mu.Lock()
	left := m.shells.kept[0].instance
	m.shells.mu.Unlock()
	for _, x := range []Setup{other, more, built} {
		if f := newFaaslet(t, m, x); f.instance == left {
			t.Errorf("a shell was given to %+v", x)
		}
	}
}

func TestUnsoundFaasletLeavesNone(t *testing.T) {
	m := load(t, newEngine(t, nil), watSecret)
	s := withImage(t, m)
	m.shells.drop(nil)
	f := newFaaslet(t, m, s)
	runWith(t.Context(), f, "lg") // memory grew
	f.Close()
	f = newFaaslet(t, m, s)
	runWith(t.Context(), f, "ln")
	f.sound = false
	f.Close()
	built := newFaaslet(t, m, Setup{})
	runWith(t.Context(), built, "ln")
	built.Close()
	if n := shellsOf(m); n != 0 {
		t.Errorf("%d shells", n)
	}
}

func TestShellsAreBounded(t *testing.T) {
	e := newEngine(t, nil)
	m := load(t, e, watSecret)
	s := withImage(t, m)
	var all []*Faaslet
	for range 3 * moduleShells {
		all = append(all, newFaaslet(t, m, s))
	}
	for _, f := range all {
		f.Close()
	}
	if n := shellsOf(m); n != moduleShells || e.shells.Load() != moduleShells {
		t.Errorf("%d shells of %d", n, e.shells.Load())
	}
	other := withImage(t, m)
	for range moduleShells {
		all = append(all, newFaaslet(t, m, other))
	}
	for _, f := range all {
		f.Close()
	}
	if in := m.shells.take(other.Image.get(), other.Memory); in == nil {
		t.Error("the shells of one image keep those of another out")
	} else {
		in.Close()
	}
	m.shells.drop(nil)
	if n := e.shells.Load(); n != 0 {
		t.Errorf("%d shells are counted", n)
	}
	e.shells.Store(engineShells)
	newFaaslet(t, m, s).Close()
	if n := shellsOf(m); n != 0 {
		t.Errorf("%d shells beyond what an engine keeps", n)
	}
	e.shells.Store(0)
}

func TestShellsGoWithTheirImageAndModule(t *testing.T) {
	e := newEngine(t, nil)
	m := load(t, e, watSecret)
	s := withImage(t, m)
	if shellsOf(m) != 1 || !strings.Contains(readMaps(t), "shoal-image") {
		t.Fatal("no shell")
	}
	s.Image.Close()
	if shellsOf(m) != 0 || strings.Contains(readMaps(t), "shoal-image") {
		t.Error("a shell has outlived its image")
	}
	s = withImage(t, m)
	f, other := newFaaslet(t, m, s), newFaaslet(t, m, s)
	s.Image.Close()
	f.Close()
	if shellsOf(m) != 0 {
		t.Error("a shell was left that nobody can move into")
	}
	other.Close()
	s = withImage(t, m)
	f = newFaaslet(t, m, s)
	m.Close()
	f.Close()
	if shellsOf(m) != 0 || e.shells.Load() != 0 {
		t.Error("a shell has outlived its module")
	}
}

// Much that was written is given back: a shell keeps no more than shellPages.
func TestShellIsSmall(t *testing.T) {
	for _, slow := range []bool{false, true} {
		m := load(t, newEngineWith(t, Config{SlowReset: slow}), strings.Replace(watSecret, `(memory (export "memory") 4)`,
			`(memory (export "memory") 400)`, 1))
		s := withImage(t, m)
		f := newFaaslet(t, m, s)
		runWith(t.Context(), f, "ln")
		in := f.instance
		f.Close()
		if shellsOf(m) == 0 {
			t.Fatal("no shell")
		}
		f = newFaaslet(t, m, s)
		if f.instance != in {
			t.Fatal("not made of the shell")
		}
		pages, err := capi.OpenPages(slow)
		if err != nil {
			t.Fatal(err)
		}
		if n, ok := in.Reset(f.image, pages, maxDirty); !ok || n > shellPages {
			t.Errorf("%d pages were kept, %t", n, ok)
		}
		pages.Close()
	}
}

func TestShellHammer(t *testing.T) {
	eachScan(t, func(t *testing.T, e *Engine) {
		m := load(t, e, watSecret)
		s := withImage(t, m)
		var wg sync.WaitGroup
		for g := range 6 {
			wg.Go(func() {
				own := s
				for i := range 60 {
					if i%20 == 10 && g%2 == 0 {
						own.Image = m.NewImage("")
					}
					f, err := m.New(context.Background(), own)
					if err != nil {
						t.Error(err)
						return
					}
					if o := runWith(context.Background(), f, "q"); o.Err != nil {
						t.Error(o.Err)
					}
					if i%3 != 0 && f.Reset() || i%3 == 0 {
						f.Close()
					}
					f.Close()
					if f, err = m.New(context.Background(), own); err != nil {
						t.Error(err)
						return
					}
					runWith(context.Background(), f, "l"+"ntefgr"[i%6:i%6+1])
					f.Close()
					if i%20 == 19 && g%2 == 0 {
						own.Image.Close()
						own = s
					}
				}
			})
		}
		wg.Wait()
		m.Close()
		if n := e.shells.Load(); n != 0 {
			t.Errorf("%d shells are left", n)
		}
	})
}
