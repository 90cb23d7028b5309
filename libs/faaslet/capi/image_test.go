//go:build linux && cgo

package capi

import (
	"bytes"
	"testing"
	"unsafe"

	"golang.org/x/sys/unix"
)

// A page that was swapped out is as much the guest's as one that is there.
func TestDirty(t *testing.T) {
	const present, swapped, file, softDirty, exclusive = 1 << 63, 1 << 62, 1 << 61, 1 << 55, 1 << 56
	for _, k := range []struct {
		entry uint64
		want  bool
	}{
		{0, false},
		{softDirty, false},
		{present, true},
		{present | softDirty | exclusive | 12345, true},
		{swapped, true},
		{swapped | 3<<5 | 1, true},
		{present | file, false},
		{swapped | file, false},
		{file, false},
	} {
		if got := dirty(k.entry); got != k.want {
			t.Errorf("%#x: %t", k.entry, got)
		}
	}
}

func TestImageRestoreReset(t *testing.T) {
	for _, slow := range []bool{false, true} {
		pages, err := OpenPages(slow)
		if err != nil {
			t.Log(err)
			return
		}
		e, p := newPre(t)
		if err := p.Save([]string{"refused"}); err != nil {
			t.Fatal(err)
		}
		host := hostFunc(func(uint32, []byte, []Slot) (uint64, error) { return 0, nil })
		first := newInstance(t, e, p, host)
		copy(first.Memory()[20000:], "of the image")
		img, err := first.Image(p)
		if err != nil {
			t.Fatal(err)
		}
		if all, kept := img.Size(); all != 1<<16 || kept != pageSize {
			t.Errorf("%d bytes, %d kept", all, kept)
		}
		in := newInstance(t, e, p, host)
		copy(in.Memory()[:], "overwritten by what is restored")
		if err := in.Restore(img); err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(in.Memory(), first.Memory()) {
			t.Error("what was restored differs")
		}
		// Memory was read: that is not written, but a kernel without a page of zeros to share gives a page of its own for it.
		const beyond = (1<<16)/pageSize - 5
		if n, ok := in.Reset(img, pages, 16); n != 0 && n != beyond && pages.Scans() || !ok {
			t.Errorf("%d pages of a Faaslet that wrote nothing", n)
		}
		mem := in.Memory()
		mem[0], mem[20001], mem[9*pageSize], mem[1<<16-1] = 1, 1, 1, 1
		if n, ok := in.Reset(img, pages, 16); n < 4 || !ok {
			t.Errorf("%d pages, %t", n, ok)
		}
		if !bytes.Equal(in.Memory(), first.Memory()) {
			t.Error("memory is not what it was")
		}
		if _, ok := in.Reset(img, pages, 3); ok {
			t.Error("more pages than the limit were put back")
		}
		in.Close()
		first.Close()
		img.Close()
		img.Close()
		pages.Close()
	}
}

func TestImageIsSealed(t *testing.T) {
	e, p := newPre(t)
	if err := p.Save(nil); err != nil {
		t.Fatal(err)
	}
	in := newInstance(t, e, p, hostFunc(nil))
	in.Memory()[0] = 1
	img, err := in.Image(p)
	if err != nil {
		t.Fatal(err)
	}
	defer img.Close()
	if _, err := unix.Write(int(img.c.fd), []byte("x")); err == nil {
		t.Error("an image can be written to")
	}
	if err := unix.Ftruncate(int(img.c.fd), 0); err == nil {
		t.Error("an image can be cut")
	}
	if b := unsafe.Slice((*byte)(unsafe.Pointer(img.c.view)), 1); b[0] != 1 {
		t.Error("the image's content differs")
	}
}

// Of a guest that left its memory as it was made there is nothing to keep.
func TestEmptyImage(t *testing.T) {
	e, p := newPre(t)
	if err := p.Save(nil); err != nil {
		t.Fatal(err)
	}
	in := newInstance(t, e, p, hostFunc(nil))
	img, err := in.Image(p)
	if err != nil {
		t.Fatal(err)
	}
	defer img.Close()
	if err := in.Restore(img); err != nil {
		t.Fatal(err)
	}
	pages, err := OpenPages(false)
	if err != nil {
		t.Log(err)
		return
	}
	defer pages.Close()
	in.Memory()[70] = 1
	if n, ok := in.Reset(img, pages, 1); n != 1 || !ok || in.Memory()[70] != 0 {
		t.Errorf("%d, %t", n, ok)
	}
}
