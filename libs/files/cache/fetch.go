package cache

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/shoal-run/shoal/bus/faas"
	"github.com/shoal-run/shoal/libs/objectstore"
)

// ErrDamaged is what an Open or a read ends with when bytes are not those that the digest names: in the store, or in the file
// on this disk, which somebody has changed since. The Cache does not keep them.
var ErrDamaged = errors.New("the shared file is damaged")

// piece is how much is checked and written at once: what the object store gives at once.
const piece = 128 << 10

// young is how old a file is, as far as clocks agree, whose contents a replica of the store may still lack.
const young = time.Minute

// fill fetches e's content and lets those who wait for it go on.
func (c *Cache) fill(e *entry) {
	began := time.Now()
	err := c.fetchInTurn(e)
	c.cfg.Fetched(e.size, time.Since(began), err)
	e.err = err
	if err != nil {
		c.forget(e)
	}
	c.mu.Lock()
	c.pending--
	t := c.turnsOf(e.tenant)
	if t.pending--; t.pending == 0 {
		delete(c.turns, e.tenant)
	}
	c.mu.Unlock()
	c.release(e) // first: who has waited may close it at once, and then it is idle
	close(e.ready)
}

func (c *Cache) fetchInTurn(e *entry) error {
	// Without a deadline of its own ctx leaves each request to the store its usual one: a store that is away is told soon.
	ctx, cancel := context.WithCancelCause(c.alive)
	defer cancel(nil)
	limit := fetchWithin + time.Duration(e.size/fetchRate)*time.Second
	defer time.AfterFunc(limit, func() {
		cancel(faas.Errorf(faas.Unavailable, "a shared file of %s did not come within %s", faas.Size(e.size), faas.Duration(limit)))
	}).Stop()
	c.mu.Lock()
	own := c.turnsOf(e.tenant).slots
	c.mu.Unlock()
	for _, slots := range []chan struct{}{own, c.slots} {
		select {
		case slots <- struct{}{}:
			defer func() { <-slots }()
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
	err := c.fetch(ctx, e)
	for wait := 20 * time.Millisecond; faas.CodeOf(err) == faas.NotFound && wait < time.Second && time.Since(e.put).Abs() < young; wait *= 2 {
		select { // a replica of the store that does not have it yet may have answered
		case <-time.After(wait):
		case <-ctx.Done():
			return context.Cause(ctx)
		}
		err = c.fetch(ctx, e)
	}
	if noSpace(err) && c.DropIdle() > 0 {
		err = c.fetch(ctx, e)
	}
	if err != nil && ctx.Err() != nil {
		return context.Cause(ctx)
	}
	return err
}

// fetch brings e's content into its file, and checks it.
func (c *Cache) fetch(ctx context.Context, e *entry) (err error) {
	r, err := c.cfg.Store.Get(ctx, e.tenant, e.digest)
	if err != nil {
		return fmt.Errorf("fetch the file: %w", err)
	}
	defer r.Close()
	if err := os.MkdirAll(c.cfg.Dir, 0o700); err != nil { // somebody may have deleted it since
		return fmt.Errorf("keep the file: %w", err)
	}
	f, err := c.cfg.create(e.path, os.O_RDWR|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return fmt.Errorf("keep the file: %w", err)
	}
	defer func() {
		f.Close()
		if err != nil {
			_ = os.Remove(e.path) // one that stays is cleared in the next life
		}
	}()
	sum := sha256.New()
	n, err := io.CopyBuffer(struct{ io.Writer }{io.MultiWriter(f, sum)}, io.LimitReader(r, e.size+1), make([]byte, piece))
	switch {
	case errors.Is(err, objectstore.ErrCorrupt):
		return fmt.Errorf("fetch the file: %w: %w", ErrDamaged, err)
	case err != nil:
		return fmt.Errorf("fetch the file: %w", err)
	case n != e.size || hex.EncodeToString(sum.Sum(nil)) != e.digest:
		return fmt.Errorf("fetch the file: %w: it has %d bytes or more, and another digest than %s of %d bytes", ErrDamaged, n, e.digest, e.size)
	}
	if e.stat, err = f.Stat(); err != nil {
		return fmt.Errorf("keep the file: %w", err)
	}
	return nil
}
