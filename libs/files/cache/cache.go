// Package cache keeps contents of tenants' shared files on a worker's disk, so that opening one again costs no more than
// opening a file. What it gives has the digest that was asked for: it is checked before anybody reads it.
//
// Contents that somebody has open stay; of the others the longest unused make way. Every content has one descriptor for all
// who read it, of which the most recently used stay open: a content that has lost its own gets another when it is read.
// Each tenant has its own contents, also where two have the same, so that none can tell what another has.
//
// libs/artefact/cache is its cousin for files that the engine maps. It gives paths, and room to whoever asks; here guests
// ask, so the room is a limit.
package cache

import (
	"container/list"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/shoal-run/shoal/bus/faas"
	"github.com/shoal-run/shoal/libs/files"
	"github.com/shoal-run/shoal/libs/vfs"
)

// Getter is where contents come from; a *files.Bucket.
type Getter interface {
	Get(ctx context.Context, tenant, digest string) (io.ReadCloser, error)
}

// Config says what a Cache is made of.
type Config struct {
	Dir         string // made private; no other process uses it
	Store       Getter
	Max         int64                                                           // bytes on disk, at most; default DefaultMax
	Descriptors int                                                             // that stay open, about; default 256
	Fetched     func(bytes int64, took time.Duration, err error)                // told of each fetch; nil for nobody
	create      func(path string, flag int, perm os.FileMode) (*os.File, error) // os.OpenFile but for tests
}

// DefaultMax is how many bytes a Cache keeps unless it is told another number.
const DefaultMax = 4 * int64(faas.GiB)

const (
	suffix      = ".file" // of the files that a Cache makes, and the only ones that it removes
	fetches     = 8       // at once, of a tenant half of them: one with large files leaves the others some
	maxFetches  = 1024    // at once and waiting, of a tenant half of them
	fetchWithin = 30 * time.Second
	fetchRate   = 1 << 20 // bytes per second that a fetch must have beyond fetchWithin
)

// Cache is the directory. It is safe for concurrent use. Its files stay when it is closed, until the next Cache of the
// directory clears it: nothing of an earlier life is ever trusted.
type Cache struct {
	cfg   Config
	alive context.Context // of the fetches: until Close
	end   context.CancelFunc
	slots chan struct{} // of the fetches that run
	wg    sync.WaitGroup

	mu      sync.Mutex
	cleared bool
	closed  bool
	entries map[key]*entry
	idle    list.List         // of *entry that nobody has open, the longest idle first
	opened  list.List         // of *entry with a descriptor, the longest unused first
	size    int64             // of all entries, in bytes, those that are being fetched included
	unheld  int64             // of those that are idle
	held    map[string]int64  // by tenant: of those that are not
	pending int               // fetches
	turns   map[string]*turns // by tenant: of those that fetch
	serial  uint64            // of the last file that was made
}

type key struct{ tenant, digest string }

// entry is one content. Fields without a word are guarded by Cache.mu.
type entry struct {
	key
	path   string    // never changes
	size   int64     // never changes
	put    time.Time // when the file was, by another machine's clock; never changes
	refs   int       // who has it open or waits for it, and its fetch
	idle   *list.Element
	opened *list.Element
	gone   bool                    // not the Cache's any more: it goes with the last who has it
	desc   atomic.Pointer[os.File] // nil when it has to be opened again; written under mu
	stat   os.FileInfo             // of the file when it was checked; written before ready is closed
	ready  chan struct{}           // closed when the fetching has ended
	err    error                   // of the fetching; written before ready is closed
}

// New returns a Cache; its first Open makes or clears the directory.
func New(cfg Config) *Cache {
	if cfg.Max <= 0 {
		cfg.Max = DefaultMax
	}
	if cfg.Descriptors <= 0 {
		cfg.Descriptors = 256
	}
	if cfg.Fetched == nil {
		cfg.Fetched = func(int64, time.Duration, error) {}
	}
	if cfg.create == nil {
		cfg.create = os.OpenFile
	}
	c := &Cache{cfg: cfg, entries: map[key]*entry{}, turns: map[string]*turns{}, held: map[string]int64{}, slots: make(chan struct{}, fetches)}
	c.alive, c.end = context.WithCancel(context.Background())
	return c
}

var _ files.Contents = (*Cache)(nil)

// Open implements files.Contents. A fetch goes on when who asked for it has left, so that a large file comes in the end
// however short calls are. Errors: no_capacity when there is no room, as what is open takes it; not_found when the store
// has none such; one that wraps ErrDamaged when it has other bytes; the disk's own, ctx's cause, and the store's. A failure
// is not remembered.
func (c *Cache) Open(ctx context.Context, tenant string, f faas.File) (vfs.Content, error) {
	if f.Size == 0 {
		return empty{}, nil
	}
	k := key{tenant, f.Digest}
	if h := c.quick(k); h != nil {
		return h, nil
	}
	for again := false; ; again = true {
		e, mine, err := c.take(k, f)
		if err != nil {
			return nil, err
		}
		other := false // this end is not the caller's
		select {
		case <-e.ready:
			if err = e.err; err != nil {
				other = !mine // a fetch that somebody began when the store was away, maybe
			} else if _, err = c.descriptor(e); errors.Is(err, ErrDamaged) {
				c.forget(e) // on this disk only: the store has it still
				other = true
			}
		case <-ctx.Done():
			err = fmt.Errorf("wait for the file: %w", context.Cause(ctx))
		}
		if err == nil {
			return &handle{cache: c, entry: e}, nil
		}
		c.release(e)
		if !other || again {
			return nil, err
		}
	}
}

// quick returns a content that is here and has a descriptor, else nil.
func (c *Cache) quick(k key) *handle {
	c.mu.Lock()
	defer c.mu.Unlock()
	e := c.entries[k]
	if e == nil || e.opened == nil || e.idle != nil && !c.mayHold(k.tenant, e.size) {
		return nil
	}
	c.hold(e)
	e.refs++
	c.opened.MoveToBack(e.opened)
	return &handle{cache: c, entry: e}
}

// take returns the entry of a content with one more reference. When there was none its fetch has begun, and is mine.
func (c *Cache) take(k key, f faas.File) (e *entry, mine bool, err error) {
	var gone []*entry
	defer func() { erase(gone) }()
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed {
		return nil, false, faas.Errorf(faas.Unavailable, "the cache of shared files is closed")
	}
	if err := c.clear(); err != nil {
		return nil, false, err
	}
	if e = c.entries[k]; e == nil {
		mine = true
		if gone, err = c.makeRoom(k.tenant, f.Size); err != nil {
			return nil, false, err
		}
		if t := c.turns[k.tenant]; c.pending >= maxFetches || t != nil && t.pending >= maxFetches/2 {
			return nil, false, faas.Errorf(faas.NoCapacity, "the worker fetches %d shared files, as many as it may", c.pending)
		}
		c.serial++
		e = &entry{
			key: k, size: f.Size, put: f.Modified, refs: 1, ready: make(chan struct{}),
			path: filepath.Join(c.cfg.Dir, k.digest[:min(len(k.digest), 16)]+"-"+strconv.FormatUint(c.serial, 10)+suffix),
		}
		c.entries[k] = e
		c.size += f.Size
		c.held[k.tenant] += f.Size
		c.pending++
		c.turnsOf(k.tenant).pending++
		c.wg.Go(func() { c.fill(e) })
	} else if e.idle != nil && !c.mayHold(k.tenant, e.size) {
		return nil, false, c.noRoom(e.size)
	}
	c.hold(e)
	e.refs++
	return e, mine, nil
}

// turns are the fetches of one tenant.
type turns struct {
	slots   chan struct{} // of those that run
	pending int           // those that run and those that wait
}

// turnsOf returns those of a tenant. Preconditions: mu is held.
func (c *Cache) turnsOf(tenant string) *turns {
	t := c.turns[tenant]
	if t == nil {
		t = &turns{slots: make(chan struct{}, fetches/2)}
		c.turns[tenant] = t
	}
	return t
}

// share is how many times what is not in use a tenant's files may have that are: alone 80 %, two 44 % each, and there is always
// something left for the next one, as of images.
const share = 4

// mayHold reports whether a tenant may have size bytes more in use. Its first file may be as large as there is room.
// Preconditions: mu is held.
func (c *Cache) mayHold(tenant string, size int64) bool {
	left := c.cfg.Max - (c.size - c.unheld) - size
	own := c.held[tenant]
	return left >= 0 && (own == 0 || own+size <= share*left)
}

func (c *Cache) noRoom(size int64) error {
	return faas.Errorf(faas.NoCapacity, "no room for a shared file of %s: this worker keeps %s, of which %s are in use, and the tenant has its share of them",
		faas.Size(size), faas.Size(c.cfg.Max), faas.Size(c.size-c.unheld)).Hint("the limit is the worker's files-cache")
}

// makeRoom forgets idle entries until size bytes more of a tenant are within the limit, and returns them: the caller erases them
// when it has left mu. Preconditions: mu is held.
func (c *Cache) makeRoom(tenant string, size int64) (gone []*entry, err error) {
	if !c.mayHold(tenant, size) {
		return nil, c.noRoom(size)
	}
	for c.size+size > c.cfg.Max {
		gone = append(gone, c.idle.Front().Value.(*entry))
		c.remove(gone[len(gone)-1])
	}
	return gone, nil
}

// clear makes the directory private and empties it of an earlier life's files. Preconditions: mu is held.
func (c *Cache) clear() error {
	if c.cleared {
		return nil
	}
	err := os.MkdirAll(c.cfg.Dir, 0o700)
	if err == nil {
		err = os.Chmod(c.cfg.Dir, 0o700)
	}
	var old []string
	if err == nil {
		old, err = filepath.Glob(filepath.Join(c.cfg.Dir, "*"+suffix))
	}
	for _, path := range old {
		if err == nil {
			err = os.Remove(path)
		}
	}
	if err != nil {
		return fmt.Errorf("make or clear the directory for shared files: %w", err)
	}
	c.cleared = true
	return nil
}

// release gives a reference back.
func (c *Cache) release(e *entry) {
	c.mu.Lock()
	e.refs--
	last := e.refs == 0
	if last && !e.gone {
		e.idle = c.idle.PushBack(e)
		c.unheld += e.size
		c.unhold(e)
	}
	if last = last && e.gone; last {
		c.undescribe(e)
	}
	c.mu.Unlock()
	if last {
		erase([]*entry{e})
	}
}

// forget makes the next Open fetch e's content anew. e's file stays for those who have it.
func (c *Cache) forget(e *entry) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !e.gone {
		c.drop(e)
	}
}

// drop takes e out of the Cache. Preconditions: mu is held, and somebody else has e.
func (c *Cache) drop(e *entry) {
	c.hold(e)
	e.gone = true
	delete(c.entries, e.key)
	c.size -= e.size
	c.unhold(e)
}

// unhold says that e is not in use any more, or not the Cache's. Preconditions: mu is held.
func (c *Cache) unhold(e *entry) {
	if c.held[e.tenant] -= e.size; c.held[e.tenant] == 0 {
		delete(c.held, e.tenant)
	}
}

// remove takes an idle entry out of the Cache; the caller erases it. Preconditions: mu is held.
func (c *Cache) remove(e *entry) {
	c.drop(e)
	c.undescribe(e)
}

// hold makes e one that is not idle. Preconditions: mu is held.
func (c *Cache) hold(e *entry) {
	if e.idle != nil {
		c.idle.Remove(e.idle)
		e.idle = nil
		c.unheld -= e.size
		c.held[e.tenant] += e.size
	}
}

// erase removes the files of entries that nobody has. One that can't be removed stays until the next life.
func erase(gone []*entry) {
	for _, e := range gone {
		_ = os.Remove(e.path)
	}
}

// DropIdle removes what nobody has open, to make room on the disk, and returns how much that was.
func (c *Cache) DropIdle() (n int) {
	var gone []*entry
	c.mu.Lock()
	for c.idle.Len() > 0 {
		gone = append(gone, c.idle.Front().Value.(*entry))
		c.remove(gone[len(gone)-1])
	}
	c.mu.Unlock()
	erase(gone)
	return len(gone)
}

// Close ends the fetches, waits for them, and closes every descriptor. What is open can't be read any more.
func (c *Cache) Close() {
	c.mu.Lock()
	c.closed = true
	c.mu.Unlock()
	c.end()
	c.wg.Wait()
	c.mu.Lock()
	defer c.mu.Unlock()
	for c.opened.Len() > 0 {
		c.undescribe(c.opened.Front().Value.(*entry))
	}
}

// Stats are numbers of a Cache at one moment.
type Stats struct {
	Bytes, Max         int64 // on disk, those that are being fetched included
	Files, Descriptors int
}

// Stats returns what c has.
func (c *Cache) Stats() Stats {
	c.mu.Lock()
	defer c.mu.Unlock()
	return Stats{Bytes: c.size, Max: c.cfg.Max, Files: len(c.entries), Descriptors: c.opened.Len()}
}

// noSpace reports whether err says that the disk, or what this user may have of it, is full.
func noSpace(err error) bool { return errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT) }
