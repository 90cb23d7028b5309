//go:build linux && cgo

package capi

import (
	"bytes"
	"encoding/binary"
	"testing"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"

	"github.com/shoal-run/shoal/internal/testenv"
)

// Pages that were swapped out since they were written are put back like those that are there.
func TestSwappedPagesArePutBack(t *testing.T) {
	testenv.Need(t, testenv.Swap)
	for _, slow := range []bool{false, true} {
		pages, err := OpenPages(slow)
		if err != nil {
			t.Fatal(err)
		}
		e, p := newPre(t)
		if err := p.Save(nil); err != nil {
			t.Fatal(err)
		}
		host := hostFunc(func(uint32, []byte, []Slot) (uint64, error) { return 0, nil })
		first := newInstance(t, e, p, host)
		copy(first.Memory()[20000:], "of the image")
		img, err := first.Image(p)
		if err != nil {
			t.Fatal(err)
		}
		before := bytes.Clone(first.Memory())
		in := newInstance(t, e, p, host)
		if err := in.Restore(img); err != nil {
			t.Fatal(err)
		}
		mem := in.Memory()
		for i := range mem {
			mem[i] = byte(i) | 1
		}
		testenv.Eventually(t, 10*time.Second, func() bool {
			if err := unix.Madvise(mem, unix.MADV_PAGEOUT); err != nil {
				t.Fatal(err)
			}
			return swappedOut(t, pages, mem) > 0
		}, "no page was swapped out")
		if n, ok := in.Reset(img, pages, len(mem)/pageSize); !ok || n != len(mem)/pageSize {
			t.Errorf("%d of %d pages were put back, %t", n, len(mem)/pageSize, ok)
		}
		if !bytes.Equal(in.Memory(), before) {
			t.Error("memory is not what it was")
		}
		in.Close()
		first.Close()
		img.Close()
		pages.Close()
	}
}

// swappedOut returns how many pages of mem are in swap space.
func swappedOut(t *testing.T, p *Pages, mem []byte) (n int) {
	t.Helper()
	for _, e := range entriesOf(t, p, mem) {
		if e&(1<<62) != 0 {
			n++
		}
	}
	return n
}

// entriesOf returns what the kernel says of the pages of mem.
func entriesOf(t *testing.T, p *Pages, mem []byte) []uint64 {
	t.Helper()
	raw := make([]byte, len(mem)/pageSize*8)
	at := int64(uintptr(unsafe.Pointer(unsafe.SliceData(mem)))) / pageSize * 8
	if _, err := unix.Pread(p.fd, raw, at); err != nil {
		t.Fatal(err)
	}
	entries := make([]uint64, len(raw)/8)
	for i := range entries {
		entries[i] = binary.LittleEndian.Uint64(raw[8*i:])
	}
	return entries
}
