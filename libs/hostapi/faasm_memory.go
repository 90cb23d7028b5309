package hostapi

import (
	"math"

	"github.com/shoal-run/shoal/libs/guest"
	"github.com/shoal-run/shoal/libs/wasi"
)

// Flags of mmap, as in Linux and in Faasm's C library.
const (
	mapFixed     = 0x10
	mapAnonymous = 0x20
)

// failed is -1 as an i32: MAP_FAILED, and what POSIX functions without an errno of their own return.
const failed = 0xffffffff

// faasmMemory returns the rows for memory beside the guest's own allocator.
func faasmMemory() []Row {
	return []Row{
		{
			Module: env, Name: "mmap", Group: groupMemory,
			Params:  []Param{{"addr", I32}, {"len", I32}, {"prot", I32}, {"flags", I32}, {"fd", I32}, {"offset", I64}},
			Results: word, Support: Partial,
			Limitation: "all memory can be read and written; addr is a hint that is not taken, MAP_FIXED fails; a file is copied: what is written to it stays in memory, and the file may change meanwhile",
			Doc:        "Return `len` bytes of new memory, zero or with what `fd` has at `offset`, at a multiple of 64 KiB; -1 when there is no room.",
			Func:       mmap,
		},
		{
			Module: env, Name: "munmap", Group: groupMemory,
			Params: words("addr", "len"), Results: word, Support: Partial,
			Limitation: "the pages wait for the next mmap of the same call: memory does not shrink",
			Doc:        "Give pages back; 0, or -1 when `addr` is no multiple of 64 KiB or the range is not within the memory.",
			Func:       munmap,
		},
		{
			Module: env, Name: "__sbrk", Group: groupMemory,
			Params: words("increment"), Results: word, Support: Full,
			Doc:  "Move the end of the heap by so many bytes, which may be negative, and return where it was; -1 when there is no room.",
			Func: sbrk,
		},
		{
			Module: env, Name: "sbrk", Group: groupMemory,
			Params: words("increment"), Results: word, Support: Full,
			Doc:  "Is `__sbrk` under the name that the paper has.",
			Func: sbrk,
		},
		{
			Module: env, Name: "brk", Group: groupMemory,
			Params: words("addr"), Results: word, Support: Full,
			Doc:  "Make `addr` the end of the heap, which began at the end of the memory; 0, or -1 when there is no room or it lies below.",
			Func: brk,
		},
		{
			Module: env, Name: "__faasm_memory_layout_protection", Group: groupMemory,
			Support:    Ignored,
			Limitation: "Faasm's headers leave this import behind in C programs; no part of the memory is protected from the guest",
			Doc:        "Do nothing.",
			Func:       func(*Call, guest.Memory, Args) (uint64, error) { return 0, nil },
		},
	}
}

// mmap hands out pages.
//
// Parameters
//   - addr: a hint, not taken
//   - len: how many bytes; rounded up to pages of 64 KiB
//   - prot: not looked at: all of a guest's memory can be read and written
//   - flags: MAP_FIXED (0x10) is refused, MAP_ANONYMOUS (0x20) makes fd nothing; the others change nothing
//   - fd: a file that can be read, -1 for none
//   - offset: where in the file, in bytes; a multiple of 4096
//
// The result is the address, a multiple of 64 KiB. What is past the end of the file is zero.
//
// Errors
//   - -1: len is 0, the memory would pass its limit, MAP_FIXED, fd can't be read, offset is no multiple of 4096
//   - wasi.ErrInterrupted: the call ended while pages were cleared or read
//
// It is mmap in POSIX, which sets errno as well; Faasm fails the call when there is no room. See
// https://man7.org/linux/man-pages/man2/mmap.2.html
func mmap(c *Call, mem guest.Memory, a Args) (uint64, error) {
	n, flags, fd, offset := uint64(a.U32(1)), a.U32(3), a.U32(4), a.U64(5)
	if n == 0 || flags&mapFixed != 0 || offset%4096 != 0 || offset > math.MaxInt64 {
		return failed, nil
	}
	file := fd != failed && flags&mapAnonymous == 0
	if file {
		if _, errno := c.WASI.ReadAt(fd, nil, 0); errno != wasi.ESUCCESS {
			return failed, nil
		}
	}
	at, mem, ok, err := c.take(mem, roundUp(n))
	if err != nil || !ok {
		return failed, err
	}
	if !file {
		return at, nil
	}
	switch _, errno := c.WASI.ReadAt(fd, mem[at:at+n], int64(offset)); errno {
	case wasi.ESUCCESS:
		return at, nil
	case wasi.EINTR:
		return 0, wasi.ErrInterrupted
	}
	c.pages.give(extent{at, at + roundUp(n)})
	return failed, nil
}

// munmap takes pages back: the next mmap of the same call may hand them out, cleared. Parts of what mmap returned may be given
// back, and what a heap of the guest's own no longer needs.
//
// Parameters
//   - addr: a multiple of 64 KiB
//   - len: how many bytes; rounded up to pages of 64 KiB
//
// The result is 0, or -1 when addr is no such multiple, len is 0 or the range is not within the memory; Faasm traps for
// the first.
//
// It is munmap in POSIX. See https://man7.org/linux/man-pages/man2/mmap.2.html
func munmap(c *Call, mem guest.Memory, a Args) (uint64, error) {
	at, n := uint64(a.U32(0)), roundUp(uint64(a.U32(1)))
	if at%pageSize != 0 || n == 0 || at+n > uint64(len(mem)) {
		return failed, nil
	}
	c.pages.give(extent{at, at + n})
	return 0, nil
}

// sbrk moves the end of the heap. The heap begins where the memory ended when sbrk or brk was first called with anything but
// 0, and again at the end of the memory, as POSIX allows, when the guest has grown its memory otherwise meanwhile.
//
// Parameters
//   - increment: how many bytes, as a signed number
//
// The result is where the end was, in bytes: the address of the new ones, which are zero; -1 when the memory would pass its
// limit or increment leads below the start. Faasm takes whole pages only.
//
// Errors
//   - wasi.ErrInterrupted: the call ended while bytes were cleared
//
// It is sbrk of BSD. See https://man7.org/linux/man-pages/man2/brk.2.html
func sbrk(c *Call, mem guest.Memory, a Args) (uint64, error) {
	was, ok, err := c.move(mem, int64(int32(a.U32(0))))
	if err != nil || !ok || was > failed {
		return failed, err
	}
	return was, nil
}

// brk sets the end of the heap.
//
// Parameters
//   - addr: the new end; from the start of the heap on, as sbrk has it
//
// The result is 0, or -1 when there is no room or addr lies below the start.
//
// Errors
//   - wasi.ErrInterrupted: the call ended while bytes were cleared
//
// It is brk of BSD. See https://man7.org/linux/man-pages/man2/brk.2.html
func brk(c *Call, mem guest.Memory, a Args) (uint64, error) {
	was, _, err := c.move(mem, 0)
	if err != nil {
		return failed, err
	}
	by := int64(a.U32(0)) - int64(was)
	if by > 0 && c.pages.heap.end != uint64(len(mem)) && uint64(by) > c.pages.heap.end-was {
		return failed, nil // the heap would begin elsewhere
	}
	if _, ok, err := c.move(mem, by); err != nil || !ok {
		return failed, err
	}
	return 0, nil
}
