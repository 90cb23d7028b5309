package vfs

import "context"

// The bytes of a regular file: pages that were written to over the shared file, where there is one, over zeros. So the first
// write to a large shared file copies the page it touches, not the file, and a hole takes nothing.
const (
	pageSize = 64 << 10
	pageMin  = 512 // what the first bytes of a page take; it grows from there

	// copyChunk is how many bytes are read between two looks at the context: under a millisecond's worth.
	copyChunk = 1 << 20
)

// ReadAt reads from an offset on into b, and returns how many bytes: fewer than b has at the end of the file, 0 beyond it.
//
// Errors: EISDIR; EIO: the shared file can't be read; EINTR: ctx ended, and b is of no use.
func (h *Handle) ReadAt(ctx context.Context, b []byte, off int64) (int, Errno) {
	n := h.n
	switch {
	case n.kind != Regular:
		return 0, EISDIR
	case off < 0 || off >= n.size:
		return 0, OK
	}
	b = b[:min(int64(len(b)), n.size-off)]
	for done := 0; done < len(b); {
		if done > 0 && ctx.Err() != nil {
			return 0, EINTR
		}
		at := off + int64(done)
		room := int64(copyChunk)
		if len(n.pages) > 0 {
			room = pageSize - at%pageSize
		}
		part := b[done:min(int64(len(b)), int64(done)+room)]
		if errno := h.fs.readPart(ctx, n, part, at); errno != OK {
			return 0, errno
		}
		done += len(part)
	}
	return len(b), OK
}

// readPart fills b with what is at an offset. Preconditions: it is of one page, or there are no pages.
func (f *FS) readPart(ctx context.Context, n *node, b []byte, at int64) Errno {
	if p, ok := n.pages[at/pageSize]; ok {
		copied := 0
		if in := int(at % pageSize); in < len(p) {
			copied = copy(b, p[in:])
		}
		clear(b[copied:])
		return OK
	}
	below := max(0, min(int64(len(b)), n.through-at))
	clear(b[below:])
	return f.readShared(ctx, n, b[:below], at)
}

// readShared fills b with what the shared file under n has at an offset.
func (f *FS) readShared(ctx context.Context, n *node, b []byte, at int64) Errno {
	if len(b) == 0 {
		return OK
	}
	if n.content == nil {
		c, err := f.shared.Open(ctx, n.lower)
		if err != nil {
			return failed(ctx)
		}
		if f.opened == nil {
			f.opened = map[*node]struct{}{}
		}
		n.content, f.opened[n] = c, struct{}{}
	}
	if got, _ := n.content.ReadAt(b, at); got < len(b) {
		return failed(ctx)
	}
	return OK
}

// failed returns why a shared file gave nothing.
func failed(ctx context.Context) Errno {
	if ctx.Err() != nil {
		return EINTR
	}
	return EIO
}

// WriteAt writes b from an offset on, and returns how many bytes it wrote: fewer than b has when the limit is reached on the way.
//
// Errors, with nothing written: EISDIR; EFBIG: it would end beyond MaxFile; EDQUOT: no bytes are left; ENOSPC: it is a shared file,
// for whose change there is no name left; EIO; EINTR: ctx ended.
func (h *Handle) WriteAt(ctx context.Context, b []byte, off int64) (int, Errno) {
	n, f := h.n, h.fs
	switch {
	case n.kind != Regular:
		return 0, EISDIR
	case len(b) == 0:
		return 0, OK
	case off < 0 || off >= MaxFile:
		return 0, EFBIG
	}
	if errno := f.keep(n); errno != OK {
		return 0, errno
	}
	b = b[:min(int64(len(b)), MaxFile-off)]
	done, errno := 0, OK
	for done < len(b) {
		if done > 0 && ctx.Err() != nil {
			return 0, EINTR
		}
		at := off + int64(done)
		in := int(at % pageSize)
		part := b[done:min(len(b), done+pageSize-in)]
		var p []byte
		if p, errno = f.page(ctx, n, at/pageSize, in, in+len(part)); errno != OK {
			break
		}
		copy(p[in:], part)
		done += len(part)
		n.size = max(n.size, at+int64(len(part)))
	}
	if done == 0 {
		return 0, errno
	}
	f.touch(n)
	return done, OK
}

// page returns a page of n to write to between two offsets in it; it has at least so many bytes. One that is not there yet is
// made of what shines through, unless that is written over whole.
func (f *FS) page(ctx context.Context, n *node, number int64, from, to int) ([]byte, Errno) {
	p, ok := n.pages[number]
	have := 0
	if !ok {
		have = int(max(0, min(pageSize, n.through-number*pageSize)))
	}
	need := max(to, have)
	if need > cap(p) {
		larger, errno := f.grow(p, need)
		if errno != OK {
			return nil, errno
		}
		if from > 0 || to < have {
			if errno := f.readShared(ctx, n, larger[:have], number*pageSize); errno != OK {
				f.bytes -= int64(cap(larger))
				return nil, errno
			}
		}
		p = larger
	}
	p = p[:max(len(p), need)]
	if n.pages == nil {
		n.pages = map[int64][]byte{}
	}
	n.pages[number] = p
	n.written = max(n.written, len(n.pages))
	return p, OK
}

// grow returns a copy of a page with room for so many bytes, twice what it had where the limit allows. What is beyond its
// length is zero.
func (f *FS) grow(p []byte, need int) ([]byte, Errno) {
	room := min(pageSize, max(2*cap(p), need, pageMin))
	if !f.charge(int64(room - cap(p))) {
		if room = need; !f.charge(int64(room - cap(p))) {
			return nil, EDQUOT
		}
	}
	larger := make([]byte, len(p), room)
	copy(larger, p)
	return larger, OK
}

// Truncate sets the size of a file: what is beyond is gone, and what is new is zero.
//
// Errors: EISDIR; EFBIG: it would end beyond MaxFile; ENOSPC: it is a shared file, for whose change there is no name left; EINTR.
func (h *Handle) Truncate(ctx context.Context, size int64) Errno {
	n, f := h.n, h.fs
	switch {
	case n.kind != Regular:
		return EISDIR
	case size < 0 || size > MaxFile:
		return EFBIG
	case ctx.Err() != nil:
		return EINTR
	}
	if errno := f.keep(n); errno != OK {
		return errno
	}
	if size < n.size {
		f.cut(n, size)
	}
	n.size = size
	f.touch(n)
	return OK
}

// cut gives back what n has beyond a size.
func (f *FS) cut(n *node, size int64) {
	n.through = min(n.through, size)
	for number, p := range n.pages {
		left := size - number*pageSize
		switch {
		case left <= 0:
			f.bytes -= int64(cap(p))
			delete(n.pages, number)
		case left < int64(len(p)):
			clear(p[left:])
			n.pages[number] = p[:left]
		}
	}
	n.pages, n.written = shrunk(n.pages, n.written)
}

// Allocate makes sure that a range of a file has space, so that no write to it fails with EDQUOT. The file grows to the end of it.
//
// Errors: EISDIR; EINVAL: the range is empty or negative; EFBIG: it ends beyond MaxFile; EDQUOT: so many bytes are not left; ENOSPC, EIO,
// EINTR as for a write. What was allocated before the error stays.
func (h *Handle) Allocate(ctx context.Context, off, length int64) Errno {
	n, f := h.n, h.fs
	switch {
	case n.kind != Regular:
		return EISDIR
	case off < 0 || length <= 0:
		return EINVAL
	case off > MaxFile || length > MaxFile-off:
		return EFBIG
	case length > f.limits.Bytes:
		return EDQUOT
	}
	if errno := f.keep(n); errno != OK {
		return errno
	}
	end := off + length
	for at := off; at < end; at = (at/pageSize + 1) * pageSize {
		if ctx.Err() != nil {
			return EINTR
		}
		to := int(min(pageSize, end-at/pageSize*pageSize))
		// Nothing is written yet: what shines through is needed whole.
		if _, errno := f.page(ctx, n, at/pageSize, 1, to); errno != OK {
			return errno
		}
	}
	n.size = max(n.size, end)
	f.touch(n)
	return OK
}
