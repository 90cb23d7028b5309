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
)

const pageSize = 4096

// Image is what instances of a Pre begin from: the content of the linear memory, in a sealed memfd that they map
// copy-on-write, and the saved globals. It is read-only and safe for concurrent use until Close.
type Image struct {
	c   C.shoal_image
	pre *Pre
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

// Image takes an image of the instance as it is. The caller keeps p as long as the image, and closes it. Preconditions: the
// guest does not run, and has exported its memory.
func (in *Instance) Image(p *Pre) (img *Image, err error) {
	img = &Image{pre: p}
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
	fd, err := unix.MemfdCreate("shoal-image", unix.MFD_CLOEXEC|unix.MFD_ALLOW_SEALING)
	if err != nil {
		return nil, fmt.Errorf("make image: %w", err)
	}
	img.c.fd, img.c.len = C.int(fd), C.size_t(end)
	if err := fill(fd, mem[:end]); err != nil {
		return nil, fmt.Errorf("write image: %w", err)
	}
	const seals = unix.F_SEAL_SHRINK | unix.F_SEAL_GROW | unix.F_SEAL_WRITE | unix.F_SEAL_SEAL
	if _, err := unix.FcntlInt(uintptr(fd), unix.F_ADD_SEALS, seals); err != nil {
		return nil, fmt.Errorf("seal image: %w", err)
	}
	view, err := unix.MmapPtr(fd, 0, nil, uintptr(end), unix.PROT_READ, unix.MAP_PRIVATE)
	if err != nil {
		return nil, fmt.Errorf("map image: %w", err)
	}
	img.c.view = (*C.uint8_t)(view)
	return img, nil
}

// fill writes the pages of mem that are not zero into fd.
func fill(fd int, mem []byte) error {
	if err := unix.Ftruncate(fd, int64(len(mem))); err != nil {
		return err
	}
	for at := 0; at < len(mem); {
		n := at
		for n < len(mem) && !isZero(mem[n:n+pageSize]) {
			n += pageSize
		}
		for at < n {
			k, err := unix.Pwrite(fd, mem[at:n], int64(at))
			if err != nil && !errors.Is(err, syscall.EINTR) {
				return err
			}
			at += max(k, 0)
		}
		at += pageSize
	}
	return nil
}

// isZero reports whether page has nothing but zeros. It is as long as a page.
func isZero(page []byte) bool { return *(*[pageSize]byte)(page) == [pageSize]byte{} }

// Size returns the bytes of linear memory that instances of img have, and how many of them the image keeps.
func (img *Image) Size() (memory, kept int) { return int(img.c.size), int(img.c.len) }

// Close frees img; instances that were restored from it keep their memory, but can't be reset. It is idempotent.
func (img *Image) Close() {
	if img.c.view != nil {
		_ = unix.MunmapPtr(unsafe.Pointer(img.c.view), uintptr(img.c.len)) // our own mapping: it can be unmapped
	}
	if img.c.fd >= 0 {
		_ = unix.Close(int(img.c.fd)) // nothing is left to be written
	}
	C.free(unsafe.Pointer(img.c.vals))
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
	ResetTooMuch = -1
	ResetGrew    = -4
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
