//go:build linux && cgo

package capi

import (
	"bytes"
	"slices"
	"testing"
)

// own returns which pages of an instance are its own.
func own(t *testing.T, p *Pages, in *Instance) (pages []int) {
	t.Helper()
	for i, e := range entriesOf(t, p, in.Memory()) {
		if dirty(e) {
			pages = append(pages, i)
		}
	}
	return pages
}

// What a reset found written is there when the image is mapped again, and has the image's content.
func TestWrittenPagesAreReady(t *testing.T) {
	for _, slow := range []bool{false, true} {
		pages, err := OpenPages(slow)
		if err != nil {
			t.Log(err)
			return
		}
		e, p := newPreOf(t, `(module (import "m" "f" (func (param i32 i32) (result i32))) (memory (export "memory") 16) (func (export "run")))`)
		if err := p.Save(nil); err != nil {
			t.Fatal(err)
		}
		host := hostFunc(func(uint32, []byte, []Slot) (uint64, error) { return 0, nil })
		first := newInstance(t, e, p, host)
		for i := range 40 * pageSize {
			first.Memory()[i] = byte(i%251) | 1
		}
		img, err := first.Image(p)
		if err != nil {
			t.Fatal(err)
		}
		before := bytes.Clone(first.Memory())
		restored := func() *Instance {
			in := newInstance(t, e, p, host)
			if err := in.Restore(img); err != nil {
				t.Fatal(err)
			}
			return in
		}
		in := restored()
		if got := own(t, pages, in); len(got) != 0 {
			t.Errorf("pages %v before anything was written", got)
		}
		written := []int{3, 9, 30, 31, 100}
		for _, i := range written {
			in.Memory()[i*pageSize] = 0
		}
		if n, ok := in.Reset(img, pages, 100); !ok || n != len(written) {
			t.Fatal(n, ok)
		}
		next := restored()
		got := own(t, pages, next)
		for _, i := range written {
			if img.c.hot.pages > 0 && !slices.Contains(got, i) {
				t.Errorf("page %d is not ready: %v", i, got)
			}
		}
		if len(got) > len(written)+4 {
			t.Errorf("too many are: %v", got)
		}
		if !bytes.Equal(next.Memory(), before) {
			t.Error("memory is not the image's")
		}
		for i := range next.Memory() {
			next.Memory()[i] = 77
		}
		if !next.Empty(img, pages, 10) {
			t.Fatal("no shell")
		}
		if got := own(t, pages, next); len(got) != 0 {
			t.Errorf("a shell that gave its pages back has %v", got)
		}
		next.Adopt(host, img)
		if got := own(t, pages, next); !slices.Contains(got, 100) {
			t.Errorf("not ready in a shell: %v", got)
		}
		if !bytes.Equal(next.Memory(), before) {
			t.Error("memory is not the image's")
		}
		in.Close()
		next.Close()
		first.Close()
		img.Close()
		pages.Close()
	}
}

// What a call wrote in too many places, or too much of, is ready in part.
func TestReadyPagesAreBounded(t *testing.T) {
	pages, err := OpenPages(false)
	if err != nil {
		t.Log(err)
		return
	}
	defer pages.Close()
	for _, step := range []int{1, 2, 10} {
		e, p := newPreOf(t, `(module (import "m" "f" (func (param i32 i32) (result i32))) (memory (export "memory") 16) (func (export "run")))`)
		if err := p.Save(nil); err != nil {
			t.Fatal(err)
		}
		in := newInstance(t, e, p, hostFunc(nil))
		in.Memory()[5] = 1
		img, err := in.Image(p)
		if err != nil {
			t.Fatal(err)
		}
		if err := in.Restore(img); err != nil {
			t.Fatal(err)
		}
		for i := 0; i < len(in.Memory()); i += step * pageSize {
			in.Memory()[i] = 1
		}
		if _, ok := in.Reset(img, pages, 1<<20); !ok {
			t.Fatal("not reset")
		}
		if h := img.c.hot; h.n == 0 || int(h.n) > len(h.spans) || h.pages > 64 {
			t.Errorf("step %d: %d spans of %d pages", step, h.n, h.pages)
		}
		in.Close()
		img.Close()
	}
}
