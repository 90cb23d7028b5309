// Package cache keeps verified artefacts as files on a worker, in a directory that nobody else can write, so that the
// engine can map them. What it hands out was signed with the deployment's key and is for exactly the key that was asked.
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

	"github.com/shoal-run/shoal/bus/faas"
	"github.com/shoal-run/shoal/libs/artefact"
	"github.com/shoal-run/shoal/libs/objectstore"
)

// DefaultMax is how many bytes a Cache keeps unless New is told another number.
const DefaultMax = 4 * int64(faas.GiB)

// Suffixes of the files that a Cache makes, and the only ones that it removes.
const (
	suffix  = ".cwasm"
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

	mu      sync.Mutex
	cleared bool
	entries map[artefact.Key]*entry
	idle    list.List // of *entry that nobody holds, the longest idle first
	size    int64     // of all entries, in bytes
}

// entry is one artefact. Its fields but ready and err are guarded by Cache.mu; err is written before ready is closed.
type entry struct {
	key   artefact.Key
	path  string
	size  int64
	refs  int
	idle  *list.Element
	ready chan struct{} // closed when the fetching has ended
	err   error
}

// New returns a Cache in dir, which the first Open makes or clears. It keeps about max bytes, DefaultMax for 0: files that
// are held may make it more.
func New(dir string, store Getter, pub ed25519.PublicKey, max int64) *Cache {
	if max <= 0 {
		max = DefaultMax
	}
	return &Cache{dir: dir, store: store, pub: pub, max: max, entries: map[artefact.Key]*entry{}}
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
// same time. Errors: not_found when the store has none; one that wraps artefact.ErrFormat, ErrSignature, ErrMismatch or
// ErrCorrupt when what it has must not be loaded; the store's and the disk's own. A failure is not remembered.
func (c *Cache) Open(ctx context.Context, key artefact.Key) (*File, error) {
	if err := key.Validate(); err != nil {
		return nil, err
	}
	for {
		e, mine, err := c.take(key)
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
			return nil, fmt.Errorf("wait for artefact %s: %w", key.Version.Short(), context.Cause(ctx))
		}
	}
}

// take returns the entry of key with one more reference; mine says that the caller must fill it.
func (c *Cache) take(key artefact.Key) (e *entry, mine bool, err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if err := c.clear(); err != nil {
		return nil, false, err
	}
	e = c.entries[key]
	if e == nil {
		e = &entry{key: key, path: filepath.Join(c.dir, key.Object()+suffix), ready: make(chan struct{})}
		c.entries[key], mine = e, true
	}
	if e.idle != nil {
		c.idle.Remove(e.idle)
		e.idle = nil
	}
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
	for _, pattern := range []string{"*" + suffix, "*" + partial} {
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
	c.mu.Lock()
	if err == nil {
		e.size = size
		c.size += size
		c.evict()
	} else {
		e.err = err
		delete(c.entries, e.key)
	}
	c.mu.Unlock()
	close(e.ready)
	if err != nil {
		return nil, err
	}
	return &File{cache: c, entry: e}, nil
}

func (c *Cache) fetch(ctx context.Context, e *entry) (size int64, err error) {
	what := "fetch artefact " + e.key.Version.Short()
	r, err := c.store.Get(ctx, e.key.Object())
	if err != nil {
		return 0, err
	}
	defer r.Close()
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
	if err := artefact.Verify(c.pub, e.key, r, f); err != nil {
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
	if e.refs--; e.refs == 0 && c.entries[e.key] == e {
		e.idle = c.idle.PushBack(e)
		c.evict()
	}
}

// evict removes idle files, the longest idle first, until the rest is within max. A file that can't be removed is
// forgotten; the next life clears it. Preconditions: mu is held.
func (c *Cache) evict() {
	for c.size > c.max && c.idle.Len() > 0 {
		e := c.idle.Remove(c.idle.Front()).(*entry)
		delete(c.entries, e.key)
		c.size -= e.size
		_ = os.Remove(e.path)
	}
}

func removeIfThere(path string) error {
	if err := os.Remove(path); err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	return nil
}
