package wasi

import (
	"math"

	"github.com/shoal-run/shoal/libs/guest"
)

// maxIovecs is how many buffers one read or write may name, as IOV_MAX of Linux.
const maxIovecs = 1024

// iovecs is a guest's array of (address, length) pairs, 8 bytes each, whose bounds were checked.
//
//	┌──── 8 bytes, iovecs[0] ────┐┌──── 8 bytes, iovecs[1] ────┐
//	address u32  length u32        address u32  length u32       …
type iovecs struct {
	mem   guest.Memory
	array guest.Memory
	total uint32 // bytes in all buffers
}

// vector checks the n pairs at off and every buffer they name, and touches none.
//
// Errors
//   - EINVAL: more than maxIovecs pairs, or 4 GiB or more in all
//   - EFAULT: the array or a buffer is out of bounds
func vector(mem guest.Memory, off, n uint32) (iovecs, Errno) {
	if n > maxIovecs {
		return iovecs{}, EINVAL
	}
	array, ok := mem.Bytes(off, n*8)
	if !ok {
		return iovecs{}, EFAULT
	}
	v := iovecs{mem: mem, array: array}
	var total uint64
	for i := range n {
		b, ok := v.buffer(i)
		if !ok {
			return iovecs{}, EFAULT
		}
		total += uint64(len(b))
	}
	if total > math.MaxUint32 {
		return iovecs{}, EINVAL
	}
	v.total = uint32(total)
	return v, ESUCCESS
}

// len returns the number of pairs.
func (v *iovecs) len() uint32 { return uint32(len(v.array)) / 8 }

// buffer returns buffer i. It checks the bounds each time: a read into a buffer that lies over the array changes the array.
func (v *iovecs) buffer(i uint32) ([]byte, bool) {
	off, _ := v.array.Uint32(i * 8)
	n, _ := v.array.Uint32(i*8 + 4)
	return v.mem.Bytes(off, n)
}
