package objectstore

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"hash"
	"io"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/shoal-run/shoal/bus/faas"
	"github.com/shoal-run/shoal/libs/natserr"
)

// ErrCorrupt is what a read ends with when the object's bytes are not those that were put: the disk or somebody changed
// them. What was read before it must not be used. The object stays as it is.
var ErrCorrupt = errors.New("objectstore: the object is damaged")

// Get opens an object for reading; not_found when there is none. ctx bounds the whole reading, each piece of which is one
// request. A read fails with not_found when the object is deleted or replaced meanwhile, and with ErrCorrupt in place of
// io.EOF when the digest is wrong. The reader is for one goroutine; Close keeps nothing waiting.
func (s *Store) Get(ctx context.Context, name string) (io.ReadCloser, error) {
	info, err := s.Stat(ctx, name)
	if err != nil {
		return nil, err
	}
	return &reader{ctx: ctx, store: s, info: info, seq: 1, left: info.Size, sum: sha256.New()}, nil
}

type reader struct {
	ctx   context.Context // the reading's, as Get says
	store *Store
	info  Info
	seq   uint64 // where the search for the next chunk begins
	left  int64  // bytes not fetched yet
	chunk []byte // fetched, not read yet
	sum   hash.Hash
	err   error
}

func (r *reader) Read(p []byte) (int, error) {
	if len(p) == 0 {
		return 0, nil
	}
	for len(r.chunk) == 0 && r.err == nil {
		r.err = r.fetch()
	}
	if len(r.chunk) == 0 {
		return 0, r.err
	}
	n := copy(p, r.chunk)
	r.chunk = r.chunk[n:]
	return n, nil
}

// fetch gets the next chunk, or returns how the object ends.
func (r *reader) fetch() error {
	what := "get object " + r.info.Name
	if r.left == 0 {
		if r.info.Digest != "" && digestOf(r.sum) != r.info.Digest {
			return fmt.Errorf("%s: %w", what, ErrCorrupt)
		}
		return io.EOF
	}
	m, err := r.store.stream.GetMsg(r.ctx, r.seq, jetstream.WithGetMsgSubject(r.store.chunkSubject(r.info.nuid)))
	if errors.Is(err, jetstream.ErrMsgNotFound) {
		return r.missing()
	}
	if err != nil {
		return natserr.Wrap(err, what)
	}
	if int64(len(m.Data)) > r.left {
		return fmt.Errorf("%s: %w", what, ErrCorrupt)
	}
	r.sum.Write(m.Data)
	r.seq, r.left, r.chunk = m.Sequence+1, r.left-int64(len(m.Data)), m.Data
	return nil
}

// missing says why a chunk is not there: the object is not what it was, or it is damaged.
func (r *reader) missing() error {
	now, err := r.store.stat(r.ctx, r.info.Name)
	if err != nil {
		return err
	}
	if now.nuid == r.info.nuid {
		return fmt.Errorf("get object %s: %w", r.info.Name, ErrCorrupt)
	}
	return faas.Errorf(faas.NotFound, "object %s was deleted or replaced while it was read", r.info.Name)
}

func (r *reader) Close() error {
	r.chunk, r.err = nil, errors.New("objectstore: read after close")
	return nil
}
