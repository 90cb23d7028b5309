// Package objectstore keeps large things (modules, artefacts, bodies) in JetStream, in pieces, with memory for a piece
// at a time whatever their size. What it writes is the format of NATS's object store, so that `nats object` and the
// nats.go client read it; it reads what they write, except links.
//
// It differs from the nats.go client in what Shoal's promises need: the window of unacknowledged pieces is small (the
// server drops a publisher that is more than 128 MiB ahead of the disk), a put of the bytes that are there already
// changes nothing a reader sees, of two puts one wins whole, deleting works in a full bucket, and a read of an object
// that somebody deletes fails at once.
package objectstore

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/shoal-run/shoal/bus/faas"
	"github.com/shoal-run/shoal/libs/natserr"
)

// Options say how a bucket is made and used. MaxBytes, Replicas and TTL apply when Open makes the bucket; one that
// exists keeps what it has.
type Options struct {
	MaxObject int64         // bytes of one object; a larger Put fails with too_large. 0: no limit
	MaxBytes  int64         // of the bucket, in bytes; 0: no limit but the server's
	Replicas  int           // 0 means 1
	TTL       time.Duration // of every object; 0: for ever
}

// Store is one bucket. It is safe for concurrent use, and holds no goroutine and no subscription between calls.
type Store struct {
	bucket string
	opts   Options
	stream jetstream.Stream
	pub    jetstream.JetStream
}

// Info describes an object.
type Info struct {
	Name   string
	Size   int64     // in bytes
	Digest string    // "SHA-256=" and the base64url of the sum
	Time   time.Time // when it was put or touched last, by the server's clock

	nuid string // names the chunks
	seq  uint64 // of the meta message; what compare-and-set compares
}

// ackTimeout is how long a piece may go without the server's acknowledgement: a server that has met a full disk never gives it.
const ackTimeout = 10 * time.Second

// Open returns the bucket, which it makes when there is none.
func Open(ctx context.Context, js jetstream.JetStream, bucket string, opts Options) (*Store, error) {
	stream, err := js.Stream(ctx, "OBJ_"+bucket)
	if errors.Is(err, jetstream.ErrStreamNotFound) {
		_, err = js.CreateObjectStore(ctx, jetstream.ObjectStoreConfig{
			Bucket: bucket, MaxBytes: opts.MaxBytes, Replicas: opts.Replicas, TTL: opts.TTL, Storage: jetstream.FileStorage,
		})
		if err == nil || errors.Is(err, jetstream.ErrBucketExists) { // made by us, or by somebody just before us
			stream, err = js.Stream(ctx, "OBJ_"+bucket)
		}
	}
	if err != nil {
		return nil, natserr.Wrap(err, "open bucket "+bucket)
	}
	// The window of a Put is its own; the limit of the context, over all puts, must only not be in the way.
	pub, err := jetstream.New(js.Conn(), jetstream.WithPublishAsyncMaxPending(1<<20), jetstream.WithPublishAsyncTimeout(ackTimeout))
	if err != nil {
		return nil, natserr.Wrap(err, "open bucket "+bucket)
	}
	return &Store{bucket: bucket, opts: opts, stream: stream, pub: pub}, nil
}

// Stat returns what there is to know of an object without reading it; not_found when there is none.
func (s *Store) Stat(ctx context.Context, name string) (Info, error) {
	info, err := s.stat(ctx, name)
	if err == nil && info.nuid == "" {
		err = notFound(name)
	}
	return info, err
}

// Has reports whether there is an object of that name.
func (s *Store) Has(ctx context.Context, name string) (bool, error) {
	info, err := s.stat(ctx, name)
	return err == nil && info.nuid != "", err
}

// Touch sets the object's time to now. A reader does not notice.
func (s *Store) Touch(ctx context.Context, name string) error {
	for {
		info, err := s.Stat(ctx, name)
		if err != nil {
			return err
		}
		if err = s.putMeta(ctx, &info, info.seq); !natserr.IsConflict(err) {
			return natserr.Wrap(err, "touch object "+name)
		}
	}
}

// Delete deletes an object; not_found when there is none. Readers of it fail with not_found.
func (s *Store) Delete(ctx context.Context, name string) error {
	for {
		info, err := s.Stat(ctx, name)
		if err != nil {
			return err
		}
		if err = s.DeleteUnchanged(ctx, info); faas.CodeOf(err) != faas.Conflict {
			return err
		}
	}
}

// DeleteUnchanged deletes the object that info describes, unless it was put or touched since: then it is left alone and
// the error is a conflict.
func (s *Store) DeleteUnchanged(ctx context.Context, info Info) error {
	what := "delete object " + info.Name
	err := s.stream.Purge(ctx, jetstream.WithPurgeSubject(s.metaSubject(info.Name)), jetstream.WithPurgeSequence(info.seq+1))
	if err != nil {
		return natserr.Wrap(err, what)
	}
	now, err := s.stat(ctx, info.Name)
	if err != nil {
		return natserr.Wrap(err, what)
	}
	if now.nuid == info.nuid {
		return faas.Errorf(faas.Conflict, "%s: it was put again meanwhile", what)
	}
	return natserr.Wrap(s.purgeChunks(ctx, info.nuid), what)
}

// Sweep removes the pieces of objects that were never finished or not wholly deleted because a process died, when nothing
// was added to them for longer than age. It returns how many such objects there were.
func (s *Store) Sweep(ctx context.Context, age time.Duration) (int, error) {
	what := "sweep bucket " + s.bucket
	chunks := s.chunkSubject("")
	state, err := s.stream.Info(ctx, jetstream.WithSubjectFilter(chunks+">")) // first: what is new after this is not looked at
	if err != nil {
		return 0, natserr.Wrap(err, what)
	}
	live := map[string]bool{}
	infos, err := s.List(ctx, "")
	if err != nil {
		return 0, err
	}
	for _, i := range infos {
		live[i.nuid] = true
	}
	n := 0
	for subject := range state.State.Subjects {
		nuid := strings.TrimPrefix(subject, chunks)
		if live[nuid] {
			continue
		}
		last, err := s.stream.GetLastMsgForSubject(ctx, subject)
		if errors.Is(err, jetstream.ErrMsgNotFound) || err == nil && time.Since(last.Time) < age {
			continue
		}
		if err == nil {
			err = s.purgeChunks(ctx, nuid)
		}
		if err != nil {
			return n, natserr.Wrap(err, what)
		}
		n++
	}
	return n, nil
}

// stat is Stat with an empty nuid for "there is none"; seq is then that of the marker of a deletion, or 0.
func (s *Store) stat(ctx context.Context, name string) (Info, error) {
	if name == "" || len(name) > 512 {
		return Info{}, faas.Errorf(faas.BadRequest, "object name %.64q: want 1 to 512 bytes", name)
	}
	m, err := s.stream.GetLastMsgForSubject(ctx, s.metaSubject(name))
	if errors.Is(err, jetstream.ErrMsgNotFound) {
		return Info{Name: name}, nil
	}
	if err != nil {
		return Info{}, natserr.Wrap(err, "look up object "+name)
	}
	var meta jetstream.ObjectInfo
	if err := json.Unmarshal(m.Data, &meta); err != nil {
		return Info{}, fmt.Errorf("look up object %s: %w", name, err)
	}
	info := Info{Name: name, Size: int64(meta.Size), Digest: meta.Digest, Time: m.Time, nuid: meta.NUID, seq: m.Sequence}
	if meta.Deleted {
		info.nuid = ""
	}
	return info, nil
}

func (s *Store) purgeChunks(ctx context.Context, nuid string) error {
	return s.stream.Purge(ctx, jetstream.WithPurgeSubject(s.chunkSubject(nuid)))
}

func (s *Store) chunkSubject(nuid string) string { return "$O." + s.bucket + ".C." + nuid }

func (s *Store) metaSubject(name string) string {
	return "$O." + s.bucket + ".M." + base64.URLEncoding.EncodeToString([]byte(name))
}

func notFound(name string) error { return faas.Errorf(faas.NotFound, "no object %s", name) }
