package cache

import (
	"errors"
	"fmt"
	"io"
	"os"
	"sync/atomic"
)

// handle is an opened content. It implements vfs.Content.
type handle struct {
	cache  *Cache
	entry  *entry
	closed atomic.Bool
}

// ReadAt implements io.ReaderAt.
func (h *handle) ReadAt(p []byte, off int64) (int, error) {
	e := h.entry
	switch {
	case h.closed.Load():
		return 0, os.ErrClosed
	case off < 0:
		return 0, errors.New("read at a negative offset")
	case off >= e.size:
		return 0, io.EOF
	}
	for range 100 { // a descriptor that makes way between the two steps is rare, and twice in a row rarer
		d := e.desc.Load()
		if d == nil {
			var err error
			if d, err = h.cache.descriptor(e); err != nil {
				return 0, err
			}
		}
		n, err := d.ReadAt(p, off)
		switch {
		case errors.Is(err, os.ErrClosed):
			continue
		case errors.Is(err, io.EOF) && off+int64(n) < e.size:
			return n, fmt.Errorf("%w: it ends at byte %d of %d", ErrDamaged, off+int64(n), e.size)
		}
		return n, err
	}
	return 0, os.ErrClosed
}

// Close implements io.Closer. It may be called more than once.
func (h *handle) Close() error {
	if !h.closed.Swap(true) {
		h.cache.release(h.entry)
	}
	return nil
}

// descriptor returns a descriptor of e's file, which may be closed under the caller: the next one may make way. A file that
// is not as it was when it was checked is ErrDamaged. Preconditions: the caller has a reference, and e was fetched.
func (c *Cache) descriptor(e *entry) (*os.File, error) {
	if d := e.desc.Load(); d != nil {
		return d, nil
	}
	f, err := os.Open(e.path)
	if errors.Is(err, os.ErrNotExist) {
		return nil, fmt.Errorf("%w: its file on this disk is gone", ErrDamaged)
	}
	if err != nil {
		return nil, fmt.Errorf("open the file: %w", err)
	}
	now, err := f.Stat()
	if err != nil {
		f.Close()
		return nil, fmt.Errorf("open the file: %w", err)
	}
	if now.Size() != e.size || !now.ModTime().Equal(e.stat.ModTime()) || !os.SameFile(now, e.stat) {
		f.Close()
		return nil, fmt.Errorf("%w: its file on this disk was changed", ErrDamaged)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if d := e.desc.Load(); d != nil { // somebody was faster
		f.Close()
		return d, nil
	}
	if c.closed {
		f.Close()
		return nil, os.ErrClosed
	}
	e.desc.Store(f)
	e.opened = c.opened.PushBack(e)
	if c.opened.Len() > c.cfg.Descriptors {
		c.undescribe(c.opened.Front().Value.(*entry))
	}
	return f, nil
}

// undescribe closes e's descriptor, if it has one. Who reads through it is not disturbed. Preconditions: mu is held.
func (c *Cache) undescribe(e *entry) {
	if e.opened == nil {
		return
	}
	c.opened.Remove(e.opened)
	e.opened = nil
	e.desc.Swap(nil).Close()
}

// empty are the contents of a file without any.
type empty struct{}

func (empty) ReadAt([]byte, int64) (int, error) { return 0, io.EOF }
func (empty) Close() error                      { return nil }
