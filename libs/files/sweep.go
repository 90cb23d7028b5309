package files

import (
	"context"
	"strings"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/shoal-run/shoal/bus/faas"
	"github.com/shoal-run/shoal/libs/natserr"
)

// Sweep deletes the contents that no file has and that were not put, replaced or deleted within grace, and the pieces of
// uploads that somebody who died has left. It returns how many. Any number of processes may sweep at the same time, and
// others write: what a put is about to name it has made young before, and a write that takes contents out of use makes
// them young first, so grace is also how long a call that began before can still open them.
func (b *Bucket) Sweep(ctx context.Context, grace time.Duration) (int, error) {
	// The order matters: contents that a put makes young after this list are not deleted (DeleteUnchanged), and those that
	// it made young before are young in it.
	infos, err := b.objects.List(ctx, "")
	if err != nil {
		return 0, err
	}
	named, unknown, err := b.named(ctx)
	if err != nil {
		return 0, err
	}
	n := 0
	for _, info := range infos {
		tenant, digest, _ := strings.Cut(info.Name, "/")
		if time.Since(info.Time) < grace || named[info.Name] || unknown[tenant] || !isDigest(digest) {
			continue
		}
		switch err := b.objects.DeleteUnchanged(ctx, info); faas.CodeOf(err) {
		case "":
			n++
		case faas.Conflict, faas.NotFound: // somebody wants it, or was faster
		default:
			return n, err
		}
	}
	pieces, err := b.objects.Sweep(ctx, grace)
	return n + pieces, err
}

// named returns every object that a file has, and the tenants of which something in the index can't be read.
func (b *Bucket) named(ctx context.Context) (objects, unknown map[string]bool, err error) {
	const what = "read the index of files"
	w, err := b.kv.WatchAll(ctx, jetstream.IgnoreDeletes())
	if err != nil {
		return nil, nil, natserr.Wrap(err, what)
	}
	defer stop(w)
	objects, unknown = map[string]bool{}, map[string]bool{}
	for {
		select {
		case e, ok := <-w.Updates():
			if !ok {
				return nil, nil, faas.Errorf(faas.Unavailable, "%s: the bus connection was closed", what)
			}
			if e == nil { // the present values are through
				return objects, unknown, nil
			}
			tenant, _, _ := strings.Cut(e.Key(), ".")
			if f, err := decode(e.Key(), e.Value()); err == nil {
				objects[object(tenant, f.Digest)] = true
			} else {
				unknown[tenant] = true
			}
		case <-ctx.Done():
			return nil, nil, natserr.Wrap(ctx.Err(), what)
		}
	}
}

// stop ends a watch and waits for it: the watcher's callback may be waiting to hand over an entry, and would for ever.
func stop(w jetstream.KeyWatcher) {
	_ = w.Stop()            // an error says that the connection is closed, which ends the watch too
	for range w.Updates() { //nolint:revive // the client closes it
	}
}
