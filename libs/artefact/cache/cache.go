// Package cache keeps verified artefacts, and packs of pages of Proto-Faaslets, as files on a worker, in a directory that
// nobody else can write, so that the engine can map them. What it hands out was signed with the deployment's key and is for
// exactly the key that was asked, or has the digest that was asked for.
package cache

import (
	"container/list"
	"context"
	"crypto/ed25519"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"sync"
	"syscall"

	"github.com/shoal-run/shoal/bus/faas"
	"github.com/shoal-run/shoal/libs/artefact"
	"github.com/shoal-run/shoal/libs/objectstore"
	"github.com/shoal-run/shoal/libs/snapshot"
)

// DefaultMax is how many bytes a Cache keeps unless New is told another number.
const DefaultMax = 4 * int64(faas.GiB)

// Suffixes of the files that a Cache makes, and the only ones that it removes.
const (
	suffix  = ".cwasm"
	packs   = ".pack"
	partial = ".part"
)

// Getter is where artefacts come from.
type Getter interface {
	Get(ctx context.Context, name string) (io.ReadCloser, error)
}

// Cache is the directory. It is safe for concurrent use; two processes can't share one. It starts no goroutine and needs no
// Close: its files stay until the next process that uses the directory clears it, which is also why nothing of an earlier
// life is ever trusted.
type Cache struct {
	dir   string
	store Getter
	pub   ed25519.PublicKey
	max   int64
	spare func() int // see Spare; nil for nobody

	mu      sync.Mutex
	cleared bool
	entries map[string]*entry // by object
	idle    list.List         // of *entry that nobody holds, the longest idle first
	size    int64             // of all entries, in bytes
	unheld  int64             // of those that are idle
}

// item is what can be kept.
type item struct {
	object  string                               // its name in the store
	file    string                               // its name in the directory
	version faas.Version                         // that it is of; "" for a pack
	what    string                               // for errors
	copy    func(r io.Reader, w io.Writer) error // with verification
}

// entry is one item. Its fields but ready and err are guarded by Cache.mu; err is written before ready is closed.
type entry struct {
	item
	path   string
	size   int64
	refs   int
	idle   *list.Element
	stale  bool          // Drop was called: removed as soon as nobody holds it
	filled bool          // the file was there
	ready  chan struct{} // closed when the fetching has ended
	err    error
}

// New returns a Cache in dir, which the first Open makes or clears. It keeps about max bytes, DefaultMax for 0: files that
// are held may make it more.
func New(dir string, store Getter, pub ed25519.PublicKey, max int64) *Cache {
	if max <= 0 {
		max = DefaultMax
	}
	return &Cache{dir: dir, store: store, pub: pub, max: max, entries: map[string]*entry{}}
}

// File is a verified artefact's payload, which the engine loads by its path. The file is there until Release.
type File struct {
	cache *Cache
	entry *entry
	once  sync.Once
}

// Path returns where the file is.
func (f *File) Path() string { return f.entry.path }

// Size returns the file's length in bytes.
func (f *File) Size() int64 { return f.entry.size }

// Release says that the path is not needed any more; a mapping made from it stays. It may be called more than once.
func (f *File) Release() { f.once.Do(func() { f.cache.release(f.entry) }) }

// Open returns the artefact for key, which it fetches and verifies when it is not there yet, once for all who ask at the
// same time. A file that somebody has deleted is fetched again. When the disk is full, every file that nobody holds is
// removed and the fetching tried once more. Errors: not_found when the store has none; one that wraps artefact.ErrFormat, ErrSignature, ErrMismatch or
// ErrCorrupt when what it has must not be loaded; the store's and the disk's own. A failure is not remembered.
func (c *Cache) Open(ctx context.Context, key artefact.Key) (*File, error) {
	if err := key.Validate(); err != nil {
		return nil, err
	}
	return c.open(ctx, item{
		object: key.Object(), file: key.Object() + suffix, version: key.Version, what: "artefact " + key.Version.Short(),
		copy: func(r io.Reader, w io.Writer) error { return artefact.Verify(c.pub, key, r, w) },
	})
}

// OpenPack is Open for a pack, which has its digest for a signature; what is damaged is one that wraps snapshot.ErrCorrupt.
func (c *Cache) OpenPack(ctx context.Context, ref snapshot.PackRef) (*File, error) {
	if err := ref.Validate(); err != nil {
		return nil, err
	}
	return c.open(ctx, item{
		object: ref.Object(), file: ref.Digest.String() + packs, what: ref.Object(),
		copy: func(r io.Reader, w io.Writer) error { return snapshot.CopyPack(ref, r, w) },
	})
}

func (c *Cache) open(ctx context.Context, it item) (*File, error) {
	for {
		e, mine, err := c.take(it)
		if err != nil {
			return nil, err
		}
		if mine {
			return c.fill(ctx, e)
		}
		select {
		case <-e.ready:
			if e.err == nil {
				return &File{cache: c, entry: e}, nil
			}
			c.release(e)
			if errors.Is(e.err, context.Canceled) || faas.CodeOf(e.err) == faas.Cancelled ||
				errors.Is(e.err, context.DeadlineExceeded) || faas.CodeOf(e.err) == faas.DeadlineExceeded {
				continue // whoever fetched it gave up, which is not our end
			}
			return nil, e.err
		case <-ctx.Done():
			c.release(e)
			return nil, fmt.Errorf("wait for %s: %w", it.what, context.Cause(ctx))
		}
	}
}

// take returns the entry of an item with one more reference; mine says that the caller must fill it.
func (c *Cache) take(it item) (e *entry, mine bool, err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if err := c.clear(); err != nil {
		return nil, false, err
	}
	e = c.entries[it.object]
	if e != nil && e.lost() {
		c.forget(e) // who holds it has it mapped
		e = nil
	}
	if e == nil {
		e = &entry{item: it, path: filepath.Join(c.dir, it.file), ready: make(chan struct{})}
		c.entries[it.object], mine = e, true
	}
	c.hold(e)
	e.stale = false
	e.refs++
	return e, mine, nil
}

// clear makes the directory private and empties it of an earlier life's files. Preconditions: mu is held.
func (c *Cache) clear() error {
	if c.cleared {
		return nil
	}
	if err := os.MkdirAll(c.dir, 0o700); err != nil {
		return fmt.Errorf("make the artefact directory: %w", err)
	}
	if err := os.Chmod(c.dir, 0o700); err != nil {
		return fmt.Errorf("make the artefact directory private: %w", err)
	}
	for _, pattern := range []string{"*" + suffix, "*" + packs, "*" + partial} {
		old, err := filepath.Glob(filepath.Join(c.dir, pattern))
		if err != nil {
			return fmt.Errorf("clear the artefact directory: %w", err)
		}
		for _, path := range old {
			if err := os.Remove(path); err != nil {
				return fmt.Errorf("clear the artefact directory: %w", err)
			}
		}
	}
	c.cleared = true
	return nil
}

// fill fetches e's artefact and lets those who wait for it go on.
func (c *Cache) fill(ctx context.Context, e *entry) (*File, error) {
	size, err := c.fetch(ctx, e)
	if NoSpace(err) && c.FreeDisk() > 0 {
		size, err = c.fetch(ctx, e)
	}
	c.mu.Lock()
	if err == nil {
		e.size, e.filled = size, true
		c.size += size
		c.evict()
	} else {
		e.err = err
		delete(c.entries, e.object)
	}
	c.mu.Unlock()
	close(e.ready)
	if err != nil {
		return nil, err
	}
	return &File{cache: c, entry: e}, nil
}

func (c *Cache) fetch(ctx context.Context, e *entry) (size int64, err error) {
	what := "fetch " + e.what
	r, err := c.store.Get(ctx, e.object)
	if err != nil {
		return 0, err
	}
	defer r.Close()
	if err := os.MkdirAll(c.dir, 0o700); err != nil { // somebody may have deleted it since
		return 0, fmt.Errorf("%s: %w", what, err)
	}
	f, err := os.CreateTemp(c.dir, "*"+partial) // mode 0600
	if err != nil {
		return 0, fmt.Errorf("%s: %w", what, err)
	}
	defer func() {
		if err != nil {
			f.Close()
			err = errors.Join(err, removeIfThere(f.Name()))
		}
	}()
	if err := e.copy(r, f); err != nil {
		if errors.Is(err, objectstore.ErrCorrupt) {
			err = fmt.Errorf("%w: %w", artefact.ErrCorrupt, err)
		}
		return 0, fmt.Errorf("%s: %w", what, err)
	}
	info, err := f.Stat()
	if err != nil {
		return 0, fmt.Errorf("%s: %w", what, err)
	}
	if err := f.Close(); err != nil {
		return 0, fmt.Errorf("%s: %w", what, err)
	}
	if err := os.Rename(f.Name(), e.path); err != nil {
		return 0, fmt.Errorf("%s: %w", what, err)
	}
	return info.Size(), nil
}

func (c *Cache) release(e *entry) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if e.refs--; e.refs == 0 && c.entries[e.object] == e {
		e.idle = c.idle.PushBack(e)
		c.unheld += e.size
		if e.stale {
			c.remove(e)
		}
		c.evict()
	}
}

// evict removes idle files, the longest idle first, until the rest is within max. A file that can't be removed is
// forgotten; the next life clears it. Preconditions: mu is held.
func (c *Cache) evict() {
	for c.size > c.max && c.idle.Len() > 0 {
		c.remove(c.idle.Front().Value.(*entry))
	}
}

// Drop removes the artefacts of a version, those that are held as soon as they were released. One that is opened again
// before that stays.
func (c *Cache) Drop(v faas.Version) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, e := range c.entries {
		switch {
		case e.version != v:
		case e.idle != nil:
			c.remove(e)
		default:
			e.stale = true
		}
	}
}

// Spare has f remove what others keep on the same disk and can spare, when it is full, and return how many files those
// were. Preconditions: nothing was opened yet.
func (c *Cache) Spare(f func() int) { c.spare = f }

// FreeDisk removes what nobody holds, here and with Spare elsewhere, since the disk is full. It returns how many files those were.
func (c *Cache) FreeDisk() int {
	n := c.DropIdle()
	if c.spare != nil {
		n += c.spare()
	}
	return n
}

// DropIdle removes every artefact that nobody holds, to make room on the disk, and returns how many there were.
func (c *Cache) DropIdle() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	n := c.idle.Len()
	for c.idle.Len() > 0 {
		c.remove(c.idle.Front().Value.(*entry))
	}
	return n
}

// remove forgets an idle entry and its file. Preconditions: mu is held.
func (c *Cache) remove(e *entry) {
	c.forget(e)
	_ = os.Remove(e.path)
}

// forget makes the next Open fetch e's artefact anew. Preconditions: mu is held, and e was fetched.
func (c *Cache) forget(e *entry) {
	c.hold(e)
	delete(c.entries, e.object)
	c.size -= e.size
}

// hold makes e one that is not idle. Preconditions: mu is held.
func (c *Cache) hold(e *entry) {
	if e.idle != nil {
		c.idle.Remove(e.idle)
		e.idle = nil
		c.unheld -= e.size
	}
}

// Full reports whether the files that are held are more than so many percent of what the Cache keeps.
func (c *Cache) Full(percent int) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.size-c.unheld > c.max/100*int64(percent)
}

// lost reports whether e was fetched and its file is not there any more. Preconditions: Cache.mu is held.
func (e *entry) lost() bool {
	if !e.filled {
		return false
	}
	_, err := os.Stat(e.path)
	return errors.Is(err, os.ErrNotExist)
}

// NoSpace reports whether err says that the disk, or what this user may have of it, is full.
func NoSpace(err error) bool { return errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT) }

func removeIfThere(path string) error {
	if err := os.Remove(path); err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	return nil
}
