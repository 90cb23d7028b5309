package files

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/shoal-run/shoal/bus/faas"
	"github.com/shoal-run/shoal/libs/natserr"
	"github.com/shoal-run/shoal/libs/objectstore"
)

// tombstones is how long the index remembers that a file was deleted: much longer than rememberWrites, and not so long that
// those of a tenant that puts and deletes all the time are many. A View that was cut off reads the tenant as a whole.
const tombstones = time.Hour

// Bucket is what is kept in JetStream: the index and the contents. It is safe for concurrent use.
type Bucket struct {
	js      jetstream.JetStream
	kv      jetstream.KeyValue
	objects *objectstore.Store
	name    string
}

// Open returns the index and the object store of that name, and makes what is not there yet.
func Open(ctx context.Context, js jetstream.JetStream, name string) (*Bucket, error) {
	objects, err := objectstore.Open(ctx, js, name, objectstore.Options{MaxObject: int64(faas.MaxFile)})
	if err != nil {
		return nil, err
	}
	kv, err := js.KeyValue(ctx, name)
	if errors.Is(err, jetstream.ErrBucketNotFound) {
		kv, err = js.CreateKeyValue(ctx, jetstream.KeyValueConfig{
			Bucket: name, Description: "index of tenants' shared files", Storage: jetstream.FileStorage, LimitMarkerTTL: tombstones,
		})
		if errors.Is(err, jetstream.ErrBucketExists) { // somebody was faster
			kv, err = js.KeyValue(ctx, name)
		}
	}
	if err != nil {
		return nil, natserr.Wrap(err, "open the index "+name)
	}
	return &Bucket{js: js, kv: kv, objects: objects, name: name}, nil
}

// record is a file as the index has it, under its key.
type record struct {
	Digest   string    `json:"digest"`
	Size     int64     `json:"size"`
	Modified time.Time `json:"modified"`
}

// key is a file's key in the index. The path is one token of it, of characters that are legal there, whatever they are.
//
//	<tenant>.<base64url of the path>
func key(tenant, path string) string {
	return tenant + "." + base64.RawURLEncoding.EncodeToString([]byte(path))
}

// parseKey returns what a key names; ok is false for one that this package has not made.
func parseKey(k string) (tenant, path string, ok bool) {
	tenant, token, _ := strings.Cut(k, ".")
	b, err := base64.RawURLEncoding.Strict().DecodeString(token)
	path = string(b)
	if err != nil || faas.CheckName("tenant", tenant) != nil || faas.CheckFilePath(path) != nil {
		return "", "", false
	}
	return tenant, path, true
}

// object names the contents of a tenant that have a digest.
//
//	<tenant>/<digest>
func object(tenant, digest string) string { return tenant + "/" + digest }

// filter matches every key of a tenant.
func filter(tenant string) string { return tenant + ".>" }

func (b *Bucket) subject(key string) string { return "$KV." + b.name + "." + key }

// get returns what the index has at path, and its revision; not_found when that is nothing.
func (b *Bucket) get(ctx context.Context, tenant, path string) (faas.File, uint64, error) {
	e, err := b.kv.Get(ctx, key(tenant, path))
	if errors.Is(err, jetstream.ErrKeyNotFound) {
		return faas.File{}, 0, noFile(tenant, path)
	}
	if err != nil {
		return faas.File{}, 0, natserr.Wrap(err, "look up the file "+tenant+"/"+path)
	}
	f, err := decode(path, e.Value())
	return f, e.Revision(), err
}

func decode(path string, value []byte) (faas.File, error) {
	var r record
	if err := json.Unmarshal(value, &r); err != nil {
		return faas.File{}, fmt.Errorf("index of file %q: %w", path, err)
	}
	if !isDigest(r.Digest) || r.Size < 0 {
		return faas.File{}, fmt.Errorf("index of file %q: digest %q, size %d", path, r.Digest, r.Size)
	}
	return faas.File{Path: path, Size: r.Size, Digest: r.Digest, Modified: r.Modified}, nil
}

// isDigest reports whether s is a sha256 in lower-case hexadecimal digits: it becomes part of names.
func isDigest(s string) bool {
	return len(s) == 64 && strings.Trim(s, "0123456789abcdef") == ""
}

// write puts f into the index, or with nil deletes what is at path, if expect still is the tenant's last revision; else the
// error is a conflict (natserr.IsConflict) and nothing has changed. It returns the revision.
func (b *Bucket) write(ctx context.Context, tenant, path string, f *faas.File, expect uint64) (uint64, error) {
	m := nats.NewMsg(b.subject(key(tenant, path)))
	opts := []jetstream.PublishOpt{jetstream.WithExpectLastSequenceForSubject(expect, b.subject(filter(tenant)))}
	if f == nil {
		m.Header.Set("KV-Operation", "DEL") // as the nats.go client marks it
		opts = append(opts, jetstream.WithMsgTTL(tombstones))
	} else {
		body, err := json.Marshal(record{f.Digest, f.Size, f.Modified})
		if err != nil {
			return 0, err
		}
		m.Data = body
	}
	ack, err := b.js.PublishMsg(ctx, m, opts...)
	if err != nil {
		return 0, err
	}
	return ack.Sequence, nil
}

// touch makes contents young, so that the sweep lets them be for its grace. What is not there stays so.
func (b *Bucket) touch(ctx context.Context, tenant, digest string) error {
	err := b.objects.Touch(ctx, object(tenant, digest))
	if faas.CodeOf(err) == faas.NotFound {
		return nil
	}
	return err
}

// Get opens contents of a tenant for reading; not_found when they are gone. Their bytes were checked against the store's
// digest when the reader ends with io.EOF.
func (b *Bucket) Get(ctx context.Context, tenant, digest string) (io.ReadCloser, error) {
	if faas.CheckName("tenant", tenant) != nil || !isDigest(digest) {
		return nil, faas.Errorf(faas.BadRequest, "no contents are called %q of %q", digest, tenant)
	}
	return b.objects.Get(ctx, object(tenant, digest))
}

// state returns when the index was made and the highest revision that it has given out.
func (b *Bucket) state(ctx context.Context) (made time.Time, last uint64, err error) {
	stream, err := b.js.Stream(ctx, "KV_"+b.name) // asks the server
	if err != nil {
		return time.Time{}, 0, natserr.Wrap(err, "look at the index of files")
	}
	info := stream.CachedInfo()
	return info.Created, info.State.LastSeq, nil
}

func noFile(tenant, path string) *faas.Error {
	return faas.Errorf(faas.NotFound, "tenant %s has no file %s", tenant, path)
}
