package files

import (
	"context"
	"errors"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/shoal-run/shoal/libs/natserr"
	"github.com/shoal-run/shoal/libs/telemetry"
)

// errAgain ends a watch for another one: the connection was lost and is back, or somebody wants the tenant read anew. A new
// watch is quicker and surer than waiting for the old one to notice what it missed.
var errAgain = errors.New("watch anew")

// run keeps the tree up to date until f ends. Errors of the bus are logged and outlived.
func (f *follower) run() {
	defer f.end()
	nc := f.view.cfg.Bucket.js.Conn()
	status := nc.StatusChanged(nats.CONNECTED, nats.CLOSED)
	defer nc.RemoveStatusListener(status)
	const shortest, longest = 50 * time.Millisecond, 2 * time.Second
	var made time.Time
	for wait := shortest; ; wait = min(2*wait, longest) {
		err := f.watch(f.ctx, status, &made)
		switch {
		case nc.IsClosed():
			<-f.ctx.Done() // who asks waits in vain, as long as it likes to
			return
		case f.ctx.Err() != nil:
			return
		case errors.Is(err, errAgain):
			wait = shortest / 2
			continue
		}
		f.view.away(f.tenant, err)
		select {
		case <-f.ctx.Done():
			return
		case <-status:
		case <-f.again:
		case <-time.After(wait):
		}
	}
}

// away logs why a tenant can't be followed: once in a second at most, as what ails one ails all, thousands maybe.
func (v *View) away(tenant string, err error) {
	now := time.Now().Unix()
	if last := v.told.Load(); now > last && v.told.CompareAndSwap(last, now) {
		v.cfg.Log.Warn("following the shared files of a tenant, of others maybe too: trying again", "tenant", tenant, telemetry.KeyErr, err)
	}
}

// watch follows the tenant's keys until ctx ends or the watch has to be made anew. made is when the index that was read
// last was made.
func (f *follower) watch(ctx context.Context, status <-chan nats.Status, made *time.Time) error {
	bucket := f.view.cfg.Bucket
	select { // what is read now is anew
	case <-f.again:
	default:
	}
	t := f.tree.Load()
	now, last, err := bucket.state(ctx)
	if err != nil {
		return err
	}
	restarted := !made.IsZero() && !now.Equal(*made) || t != nil && last < t.revision
	w, err := bucket.kv.Watch(ctx, filter(f.tenant))
	if err != nil {
		return natserr.Wrap(err, "watch the index of files")
	}
	defer stop(w)
	initial, high := true, uint64(0)
	var batch []change
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-status:
			return errAgain
		case <-f.again:
			if !initial {
				return errAgain
			}
		case e, ok := <-w.Updates():
			switch {
			case !ok:
				return errors.New("watch the index of files: the watch ended")
			case e != nil:
				high = max(high, e.Revision())
				batch = f.add(batch, e)
			case initial:
				initial, *made = false, now
				f.replace(batch, high, restarted)
				batch = nil
			}
			if !initial && len(batch) > 0 && len(w.Updates()) == 0 {
				f.fold(batch)
				batch = nil
			}
		}
	}
}

// add appends what an entry says. One that can't be read is taken for a file that is gone: no call may see half of it.
func (f *follower) add(batch []change, e jetstream.KeyValueEntry) []change {
	tenant, path, ok := parseKey(e.Key())
	if !ok || tenant != f.tenant {
		f.view.cfg.Log.Warn("entry of the index of files skipped", "tenant", f.tenant, "key", e.Key())
		return batch
	}
	c := change{path: path, rev: e.Revision()}
	if e.Operation() == jetstream.KeyValuePut {
		file, err := decode(path, e.Value())
		if err != nil {
			f.view.cfg.Log.Warn("entry of the index of files skipped", "tenant", f.tenant, telemetry.KeyErr, err)
		} else {
			c.file = &file
		}
	}
	return append(batch, c)
}
