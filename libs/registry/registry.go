// Package registry keeps what is deployed: a JetStream key-value bucket with one faas.Function per key, changed only by
// compare-and-set, and a View of it in memory for the path of a call.
package registry

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/shoal-run/shoal/bus/faas"
	"github.com/shoal-run/shoal/libs/natserr"
)

// tombstones is how long the bucket remembers that a function was removed. A View that was cut off for longer still
// learns it, from the bucket as a whole.
const tombstones = 24 * time.Hour

// Registry is the bucket. It is safe for concurrent use.
type Registry struct {
	js     jetstream.JetStream
	kv     jetstream.KeyValue
	bucket string
}

// Open returns the registry in bucket, which it makes when there is none.
func Open(ctx context.Context, js jetstream.JetStream, bucket string) (*Registry, error) {
	kv, err := js.KeyValue(ctx, bucket)
	if errors.Is(err, jetstream.ErrBucketNotFound) {
		kv, err = js.CreateKeyValue(ctx, jetstream.KeyValueConfig{
			Bucket: bucket, Description: "deployed functions", Storage: jetstream.FileStorage, LimitMarkerTTL: tombstones,
		})
		if errors.Is(err, jetstream.ErrBucketExists) { // somebody was faster
			kv, err = js.KeyValue(ctx, bucket)
		}
	}
	if err != nil {
		return nil, natserr.Wrap(err, "open the registry "+bucket)
	}
	return &Registry{js: js, kv: kv, bucket: bucket}, nil
}

// last returns the highest revision that the bucket has given out.
func (r *Registry) last(ctx context.Context) (uint64, error) {
	stream, err := r.js.Stream(ctx, "KV_"+r.bucket) // asks the server
	if err != nil {
		return 0, natserr.Wrap(err, "look at the registry")
	}
	return stream.CachedInfo().State.LastSeq, nil
}

// Get returns a function with its Revision; not_found when it is not deployed.
func (r *Registry) Get(ctx context.Context, name faas.Name) (faas.Function, error) {
	if err := name.Validate(); err != nil {
		return faas.Function{}, err
	}
	e, err := r.kv.Get(ctx, key(name))
	if errors.Is(err, jetstream.ErrKeyNotFound) {
		return faas.Function{}, faas.Errorf(faas.NotFound, "no function %s", name)
	}
	if err != nil {
		return faas.Function{}, natserr.Wrap(err, "look up "+name.String())
	}
	return decode(e)
}

// Put stores fn if the function's revision still is expect (0: it is not deployed), else it fails with conflict and
// changes nothing. It returns fn with its new Revision.
func (r *Registry) Put(ctx context.Context, fn faas.Function, expect uint64) (faas.Function, error) {
	if err := fn.Name.Validate(); err != nil {
		return faas.Function{}, err
	}
	fn.Revision = 0 // the bucket counts
	body, err := json.Marshal(fn)
	if err != nil {
		return faas.Function{}, fmt.Errorf("encode %s: %w", fn.Name, err)
	}
	var rev uint64
	if expect == 0 {
		rev, err = r.kv.Create(ctx, key(fn.Name), body)
	} else {
		rev, err = r.kv.Update(ctx, key(fn.Name), body, expect)
	}
	if err != nil {
		return faas.Function{}, natserr.Wrap(err, "store "+fn.Name.String())
	}
	fn.Revision = rev
	return fn, nil
}

// Delete removes a function if its revision still is rev, else it fails with conflict and changes nothing.
func (r *Registry) Delete(ctx context.Context, name faas.Name, rev uint64) error {
	if err := name.Validate(); err != nil {
		return err
	}
	if rev == 0 {
		return faas.Errorf(faas.NotFound, "no function %s", name)
	}
	err := r.kv.Purge(ctx, key(name), jetstream.LastRevision(rev), jetstream.PurgeTTL(tombstones))
	return natserr.Wrap(err, "remove "+name.String())
}

// List returns the functions of a tenant, of every tenant for "", by name.
func (r *Registry) List(ctx context.Context, tenant string) ([]faas.Function, error) {
	filter := jetstream.AllKeys
	if tenant != "" {
		if err := faas.CheckName("tenant", tenant); err != nil {
			return nil, err
		}
		filter = tenant + ".*"
	}
	w, err := r.kv.Watch(ctx, filter, jetstream.IgnoreDeletes())
	if err != nil {
		return nil, natserr.Wrap(err, "list functions")
	}
	defer stop(w)
	var out []faas.Function
	for {
		select {
		case e, ok := <-w.Updates():
			if !ok {
				return nil, faas.Errorf(faas.Unavailable, "list functions: the bus connection was closed")
			}
			if e == nil { // the present values are through
				slices.SortFunc(out, func(a, b faas.Function) int { return compare(a.Name, b.Name) })
				return out, nil
			}
			fn, err := decode(e)
			if err != nil {
				return nil, err
			}
			out = append(out, fn)
		case <-ctx.Done():
			return nil, natserr.Wrap(ctx.Err(), "list functions")
		}
	}
}

// stop ends a watch and waits for it: the watcher's callback may be waiting to hand over an entry, and would for ever.
func stop(w jetstream.KeyWatcher) {
	_ = w.Stop()            // an error says that the connection is closed, which ends the watch too
	for range w.Updates() { //nolint:revive // the client closes it
	}
}

func decode(e jetstream.KeyValueEntry) (faas.Function, error) {
	var fn faas.Function
	if err := json.Unmarshal(e.Value(), &fn); err != nil {
		return faas.Function{}, fmt.Errorf("registry entry %s at revision %d: %w", e.Key(), e.Revision(), err)
	}
	name, err := parseKey(e.Key())
	if err != nil {
		return faas.Function{}, err
	}
	fn.Name, fn.Revision = name, e.Revision()
	return fn, nil
}

// key is the function's key in the bucket: the characters of names are all legal in one.
//
//	<tenant>.<function>
func key(n faas.Name) string { return n.Tenant + "." + n.Function }

func parseKey(k string) (faas.Name, error) {
	tenant, function, _ := strings.Cut(k, ".")
	n := faas.Name{Tenant: tenant, Function: function}
	return n, n.Validate()
}

func compare(a, b faas.Name) int {
	if c := strings.Compare(a.Tenant, b.Tenant); c != 0 {
		return c
	}
	return strings.Compare(a.Function, b.Function)
}
