package worker

import (
	"context"
	"testing"

	"github.com/shoal-run/shoal/bus/faas"
	"github.com/shoal-run/shoal/libs/faaslet"
	"github.com/shoal-run/shoal/libs/hostapi"
	"github.com/shoal-run/shoal/libs/vfs"
	"github.com/shoal-run/shoal/libs/vfs/vfstest"
)

// watSize answers how large the shared file "f" was when it was initialised.
const watSize = `(module
  (import "wasi_snapshot_preview1" "path_filestat_get" (func $stat (param i32 i32 i32 i32 i32) (result i32)))
  (import "env" "__faasm_write_output" (func $write (param i32 i32)))
  (memory (export "memory") 1)
  (data (i32.const 0) "f")
  (func (export "_initialize")
    (drop (call $stat (i32.const 3) (i32.const 0) (i32.const 0) (i32.const 1) (i32.const 64)))
    (i32.store8 (i32.const 16) (i32.add (i32.const 48) (i32.load8_u (i32.const 96)))))
  (func (export "handle") (call $write (i32.const 16) (i32.const 1))))`

// suited returns a pool of watSize.
func suited(t *testing.T) *pool {
	t.Helper()
	f := start(t, func(cfg *Config) { cfg.Files = &sharedFiles{answer: func(context.Context) error { return nil }} })
	v := f.artefacts.Add(watSize)
	f.functions.set(faas.Function{Name: echo, Version: v})
	p, err := f.acquire(t.Context(), echo, v)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.put)
	return p
}

// size runs a call in f and returns what it answers.
func size(t *testing.T, f *faaslet.Faaslet) string {
	t.Helper()
	o := f.Run(t.Context(), hostapi.NewCall(hostapi.CallConfig{Kind: faas.Reactor}))
	if o.Err != nil {
		t.Fatal(o.Err)
	}
	return string(o.Output)
}

// Files change while an initialiser reads the ones before: what it leaves is for nobody who shall see the new ones.
func TestImagesOfFilesThatChangeMeanwhile(t *testing.T) {
	p := suited(t)
	suit := func(text string) {
		p.mu.Lock()
		defer p.mu.Unlock()
		p.suit(vfstest.New(map[string]string{"f": text}))
	}
	suit("1")
	old := p.set
	suit("22")
	for _, c := range []struct {
		set  *faaslet.Setup
		want string
	}{{old, "1"}, {p.set, "2"}} {
		f, err := p.make(t.Context(), c.set)
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		if got := size(t, f); got != c.want {
			t.Errorf("the initialiser saw a file of %s bytes, want %s", got, c.want)
		}
	}
}

// A call whose holder knows of newer files is overtaken by one that was given the files before: each finds its own.
func TestCallsOfTwoRevisionsAtOnce(t *testing.T) {
	p := suited(t)
	newer, older := vfstest.New(map[string]string{"f": "22"}), vfstest.New(map[string]string{"f": "1"})
	for range 3 {
		for want, shared := range map[string]vfs.Shared{"2": newer, "1": older} {
			l, err := p.take(t.Context(), shared, &faas.Result{})
			if err != nil {
				t.Fatal(err)
			}
			if got := size(t, l.f); got != want {
				t.Errorf("the initialiser saw a file of %s bytes, want %s", got, want)
			}
			p.giveBack(l)
		}
	}
}
