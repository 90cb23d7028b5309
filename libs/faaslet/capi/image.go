//go:build linux && cgo

package capi

// #include <stdlib.h>
// #include "capi.h"
import "C"

import (
	"errors"
	"fmt"
	"os"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"

	"github.com/shoal-run/shoal/libs/snapshot"
)

const pageSize = 4096

// Image is what instances of a Pre begin from: the content of the linear memory, in a sealed memfd that they map
// copy-on-write, and the saved globals. It is read-only and safe for concurrent use until Close.
type Image struct {
	c    C.shoal_image
	pre  *Pre
	kept int64 // bytes of the memory's pages that are not zero
}

// Save names the mutable globals that images of p have: number types, exported. Preconditions: nothing was started from p.
func (p *Pre) Save(globals []string) error {
	names := make([]*C.char, len(globals)+1)
	lens := make([]C.size_t, len(globals)+1)
	for i, g := range globals {
		names[i], lens[i] = C.CString(g), C.size_t(len(g))
		defer C.free(unsafe.Pointer(names[i]))
	}
	list := (**C.char)(C.calloc(C.size_t(len(names)), C.size_t(unsafe.Sizeof(names[0]))))
	if list == nil {
		return errNoMemory
	}
	defer C.free(unsafe.Pointer(list))
	copy(unsafe.Slice(list, len(names)), names)
	if !C.shoal_pre_save(p.p, list, &lens[0], C.size_t(len(globals))) {
		return errNoMemory
	}
	return nil
}

// Global is a mutable global and its value.
type Global = snapshot.Global

// Globals returns the saved globals of an instance of p. Preconditions: the guest does not run.
func (in *Instance) Globals(p *Pre) ([]Global, error) {
	var img C.shoal_image
	if !C.shoal_instance_save(in.c, p.p, &img) {
		return nil, errors.New("the module's globals are not there")
	}
	defer C.free(unsafe.Pointer(img.vals))
	defer C.free(unsafe.Pointer(img.libvals))
	n := int(p.p.nsaved)
	names, vals := unsafe.Slice(p.p.saved, n), unsafe.Slice(img.vals, n)
	out := make([]Global, n)
	for i := range out {
		out[i] = Global{Name: C.GoString(names[i]), Type: 0x7f - byte(vals[i].kind), Bits: *(*uint64)(unsafe.Pointer(&vals[i].of))}
		if out[i].Type == 0x7f || out[i].Type == 0x7d {
			out[i].Bits = uint64(uint32(out[i].Bits))
		}
	}
	return out, nil
}

// NewImage makes an image of a linear memory of so many bytes and of globals, which are those that p saves, in that order and
// of their types. load calls put for what of the memory is not zero: whole pages, at an offset. The caller keeps p as long as
// the image, and closes it.
func (p *Pre) NewImage(memory int64, globals []Global, load func(put func(at int64, pages []byte) error) error) (_ *Image, err error) {
	img := &Image{pre: p}
	img.c.fd, img.c.size = -1, C.size_t(memory)
	defer func() {
		if err != nil {
			img.Close()
		}
	}()
	if len(globals) != int(p.p.nsaved) || memory <= 0 || memory%pageSize != 0 {
		return nil, ErrShape
	}
	vals := (*C.wasmtime_val_t)(C.calloc(C.size_t(len(globals)+1), C.size_t(unsafe.Sizeof(C.wasmtime_val_t{}))))
	if vals == nil {
		return nil, errNoMemory
	}
	img.c.vals = vals
	for i, g := range globals {
		v := &unsafe.Slice(vals, len(globals))[i]
		v.kind = C.uint8_t(0x7f - g.Type)
		*(*uint64)(unsafe.Pointer(&v.of)) = g.Bits
	}
	fd, err := newMemfd()
	if err != nil {
		return nil, err
	}
	img.c.fd = C.int(fd)
	if err := unix.Ftruncate(fd, memory); err != nil {
		return nil, fmt.Errorf("write image: %w", err)
	}
	end := int64(0)
	err = load(func(at int64, pages []byte) error {
		if at < 0 || at%pageSize != 0 || len(pages)%pageSize != 0 || at+int64(len(pages)) > memory {
			return fmt.Errorf("%d bytes at %d of an image of %d", len(pages), at, memory)
		}
		end = max(end, at+int64(len(pages)))
		img.kept += int64(len(pages))
		return write(fd, pages, at)
	})
	if err != nil {
		return nil, err
	}
	return img, img.seal(end)
}

// write writes all of b at that offset.
func write(fd int, b []byte, at int64) error {
	for len(b) > 0 {
		n, err := unix.Pwrite(fd, b, at)
		if err != nil && !errors.Is(err, syscall.EINTR) {
			return fmt.Errorf("write image: %w", err)
		}
		b, at = b[max(n, 0):], at+int64(max(n, 0))
	}
	return nil
}

func newMemfd() (int, error) {
	fd, err := unix.MemfdCreate("shoal-image", unix.MFD_CLOEXEC|unix.MFD_ALLOW_SEALING)
	if err != nil {
		return -1, fmt.Errorf("make image: %w", err)
	}
	return fd, nil
}

// seal cuts the memfd off after end, where nothing but zeros follows, and makes it what nobody can change.
func (img *Image) seal(end int64) error {
	fd := int(img.c.fd)
	if err := unix.Ftruncate(fd, end); err != nil {
		return fmt.Errorf("write image: %w", err)
	}
	const seals = unix.F_SEAL_SHRINK | unix.F_SEAL_GROW | unix.F_SEAL_WRITE | unix.F_SEAL_SEAL
	if _, err := unix.FcntlInt(uintptr(fd), unix.F_ADD_SEALS, seals); err != nil {
		return fmt.Errorf("seal image: %w", err)
	}
	if end == 0 {
		_ = unix.Close(fd) // there is nothing in it
		img.c.fd = -1
		return nil
	}
	view, err := unix.MmapPtr(fd, 0, nil, uintptr(end), unix.PROT_READ, unix.MAP_PRIVATE)
	if err != nil {
		return fmt.Errorf("map image: %w", err)
	}
	img.c.view, img.c.len = (*C.uint8_t)(view), C.size_t(end)
	return nil
}

// Image takes an image of the instance as it is. The caller keeps p as long as the image, and closes it. Preconditions: the
// guest does not run, and has exported its memory.
func (in *Instance) Image(p *Pre) (_ *Image, err error) {
	img := &Image{pre: p}
	img.c.fd = -1
	defer func() {
		if err != nil {
			img.Close()
		}
	}()
	mem := in.Memory()
	if len(mem) == 0 || len(mem)%pageSize != 0 {
		return nil, errors.New("no memory to take an image of")
	}
	img.c.size = C.size_t(len(mem))
	if !C.shoal_instance_save(in.c, p.p, &img.c) {
		return nil, errors.New("the module's globals are not there")
	}
	end := len(mem)
	for end > 0 && isZero(mem[end-pageSize:end]) {
		end -= pageSize
	}
	if end == 0 {
		return img, nil
	}
	fd, err := newMemfd()
	if err != nil {
		return nil, err
	}
	img.c.fd = C.int(fd)
	if img.kept, err = fill(fd, mem[:end]); err != nil {
		return nil, err
	}
	return img, img.seal(int64(end))
}

// fill writes the pages of mem that are not zero into fd, and returns their bytes.
func fill(fd int, mem []byte) (kept int64, err error) {
	if err := unix.Ftruncate(fd, int64(len(mem))); err != nil {
		return 0, fmt.Errorf("write image: %w", err)
	}
	for at := 0; at < len(mem); {
		n := at
		for n < len(mem) && !isZero(mem[n:n+pageSize]) {
			n += pageSize
		}
		if err := write(fd, mem[at:n], int64(at)); err != nil {
			return 0, err
		}
		kept += int64(n - at)
		at = n + pageSize
	}
	return kept, nil
}

// isZero reports whether page has nothing but zeros. It is as long as a page.
func isZero(page []byte) bool { return *(*[pageSize]byte)(page) == [pageSize]byte{} }

// Size returns the bytes of linear memory that instances of img have, and how many of them the image keeps: those of pages
// that are not zero.
func (img *Image) Size() (memory, kept int64) { return int64(img.c.size), img.kept }

// Close frees img; instances that were restored from it keep their memory, but can't be reset. It is idempotent.
func (img *Image) Close() {
	if img.c.view != nil {
		_ = unix.MunmapPtr(unsafe.Pointer(img.c.view), uintptr(img.c.len)) // our own mapping: it can be unmapped
	}
	if img.c.fd >= 0 {
		_ = unix.Close(int(img.c.fd)) // nothing is left to be written
	}
	C.free(unsafe.Pointer(img.c.vals))
	C.free(unsafe.Pointer(img.c.libvals))
	img.c = C.shoal_image{fd: -1}
}

// ErrShape is why Restore refuses: the instance has more memory than the image, or other globals. Nothing was changed.
var ErrShape = errors.New("the instance is not of the image's shape")

// Restore makes in what img has: memory mapped copy-on-write, and globals. After an error other than ErrShape in
// is of no more use.
// Preconditions: in was started from img's Pre, and the guest does not run.
func (in *Instance) Restore(img *Image) error {
	switch n := C.shoal_instance_restore(in.c, img.pre.p, &img.c); {
	case n < 0:
		return ErrShape
	case n > 0:
		return os.NewSyscallError("restore", syscall.Errno(n))
	}
	return nil
}

// Pages finds the pages of this process's memory that differ from what is mapped there. It is safe for concurrent use.
type Pages struct {
	fd  int
	how C.int
}

// OpenPages returns the quickest Pages that works here: PAGEMAP_SCAN on Linux 6.7 and newer, else reading
// /proc/self/pagemap, which is also what slow asks for. The caller closes it.
func OpenPages(slow bool) (*Pages, error) {
	fd, err := unix.Open("/proc/self/pagemap", unix.O_RDONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, fmt.Errorf("open pagemap: %w", err)
	}
	p := &Pages{fd: fd, how: C.shoal_scan_works(C.int(fd))}
	if p.how < 0 {
		_ = unix.Close(fd)
		return nil, errors.New("the kernel does not tell which pages were written")
	}
	if slow {
		p.how = C.SHOAL_PAGEMAP
	}
	return p, nil
}

// Scans reports whether p uses PAGEMAP_SCAN.
func (p *Pages) Scans() bool { return p.how == C.SHOAL_SCAN }

// Close frees p.
func (p *Pages) Close() { _ = unix.Close(p.fd) }

// What Reset returns instead of pages when there were too many, and when memory has grown.
const (
	ResetTooMuch = C.SHOAL_TOO_MUCH
	ResetGrew    = C.SHOAL_GREW
)

// Reset makes in again what img has, if no more than limit pages differ, and forgets that it was killed. It returns how many
// pages it put back. When it reports false, in is of no more use: memory has grown, too much was written, or the kernel does
// not answer; pages is a negative number then. Preconditions: in was restored from img, the guest does not run, and nobody
// kills it.
func (in *Instance) Reset(img *Image, p *Pages, limit int) (pages int, ok bool) {
	n := int(C.shoal_instance_reset(in.c, img.pre.p, &img.c, C.int(p.fd), p.how, C.size_t(limit)))
	in.reason = ""
	return n, n >= 0
}

// Unkill forgets that in was killed, as Reset does. Preconditions: the guest does not run, and nobody kills it.
func (in *Instance) Unkill() { C.shoal_instance_unkill(in.c) }

// dirty reports whether an entry of /proc/self/pagemap is that of a page which differs from what is mapped.
func dirty(entry uint64) bool { return bool(C.shoal_page_dirty(C.uint64_t(entry))) }
