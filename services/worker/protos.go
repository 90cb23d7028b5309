package worker

import (
	"context"
	"crypto/ed25519"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"

	"github.com/shoal-run/shoal/bus/faas"
	"github.com/shoal-run/shoal/libs/artefact"
	"github.com/shoal-run/shoal/libs/artefact/cache"
	"github.com/shoal-run/shoal/libs/faaslet"
	"github.com/shoal-run/shoal/libs/objectstore"
	"github.com/shoal-run/shoal/libs/snapshot"
)

// protoTimeout bounds bringing a Proto-Faaslet, which calls wait for: past it they are served by Faaslets that are built.
const protoTimeout = 10 * time.Second

// prefetchProto has the Proto-Faaslet of fn brought here beside its module, once at a time for each version.
func (w *Worker) prefetchProto(fn faas.Function) {
	if _, goesOn := w.fetching.LoadOrStore(fn.Version, true); goesOn {
		return
	}
	go func() { // ends with w.ahead at the latest, and closeFaaslets waits for it
		defer w.fetching.Delete(fn.Version)
		if w.fills.TryRLock() {
			defer w.fills.RUnlock()
			w.cfg.Protos.Prefetch(w.ahead, fn)
		}
	}()
}

// fill is where a Faaslet's image comes from.
func (w *Worker) fill(ctx context.Context, fn faas.Function, image *faaslet.Image) error {
	if !w.fills.TryRLock() {
		return faas.Errorf(faas.Unavailable, "the worker has left")
	}
	defer w.fills.RUnlock()
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	defer context.AfterFunc(w.ahead, cancel)()
	err := w.cfg.Protos.Fill(ctx, fn, image)
	switch {
	case err != nil:
		w.meters.protosFailed.Add()
	case image.Taken():
		w.meters.protosFilled.Add()
	}
	return err
}

// DefaultProtoCache is the disk that a worker keeps Proto-Faaslets on.
const DefaultProtoCache = 2 * faas.GiB

// Protos gives Proto-Faaslets.
type Protos interface {
	// Fill fills an image for Faaslets of fn, if there is a Proto-Faaslet for it and its settings; else it does nothing.
	Fill(ctx context.Context, fn faas.Function, image *faaslet.Image) error
	// Prefetch brings to this machine what Fill will need, if that can be done. Fill tells of what can't.
	Prefetch(ctx context.Context, fn faas.Function)
}

// StoredProtos are the Proto-Faaslets that the upload service captured and signed, from the object store.
type StoredProtos struct {
	cache  *cache.Cache
	engine string // whose pre-pass they have to be of
}

var _ Protos = (*StoredProtos)(nil)

// ProtosIn returns the Proto-Faaslets for this program's engine. They come from the bucket protos, are signed with the private
// half of pub, and are kept as files below dir, which no other process uses, in about max bytes, DefaultProtoCache for 0.
func ProtosIn(dir string, pub ed25519.PublicKey, protos *objectstore.Store, max faas.Size) *StoredProtos {
	if max == 0 {
		max = DefaultProtoCache
	}
	return &StoredProtos{cache: cache.New(filepath.Join(dir, "protos"), protos, pub, int64(max)), engine: faaslet.Version()}
}

// has reports whether there is a Proto-Faaslet for fn, its settings and this engine.
func (p *StoredProtos) has(fn faas.Function) bool {
	return fn.Proto != nil && fn.Proto.None == "" && fn.Proto.Object == p.key(fn).Object() &&
		(fn.Proto.Setup == "" || fn.Proto.Setup == snapshot.Setup(fn.Args(), fn.Environ()))
}

func (p *StoredProtos) key(fn faas.Function) artefact.Key {
	return artefact.ProtoKey(fn.Version, p.engine, fn.Name.Tenant, fn.Proto.Setup)
}

// Prefetch implements Protos.
func (p *StoredProtos) Prefetch(ctx context.Context, fn faas.Function) {
	if !p.has(fn) {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, protoTimeout)
	defer cancel()
	m, err := p.manifest(ctx, fn)
	if err != nil {
		return
	}
	for _, ref := range m.Packs {
		if file, err := p.cache.OpenPack(ctx, ref); err == nil {
			file.Release()
		}
	}
}

// Fill implements Protos.
func (p *StoredProtos) Fill(ctx context.Context, fn faas.Function, image *faaslet.Image) error {
	if !p.has(fn) {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, protoTimeout)
	defer cancel()
	m, err := p.manifest(ctx, fn)
	if err != nil {
		return fmt.Errorf("Proto-Faaslet of %s: %w", fn.Name, err)
	}
	open := func(ref snapshot.PackRef) (io.ReadCloser, error) { return p.open(ctx, ref) }
	err = image.Fill(m.Memory, m.Kept(), m.Globals, func(put func(int64, []byte) error) error { return m.Load(open, put) })
	if err != nil {
		return fmt.Errorf("Proto-Faaslet of %s: %w", fn.Name, err)
	}
	return nil
}

func (p *StoredProtos) manifest(ctx context.Context, fn faas.Function) (*snapshot.Manifest, error) {
	file, err := p.cache.Open(ctx, p.key(fn))
	if err != nil {
		return nil, err
	}
	defer file.Release()
	b, err := os.ReadFile(file.Path())
	if err != nil {
		return nil, err
	}
	return snapshot.Parse(b)
}

// open opens a pack, which stays on the disk at least as long as it is open.
func (p *StoredProtos) open(ctx context.Context, ref snapshot.PackRef) (io.ReadCloser, error) {
	file, err := p.cache.OpenPack(ctx, ref)
	if err != nil {
		return nil, err
	}
	f, err := os.Open(file.Path())
	if err != nil {
		file.Release()
		return nil, err
	}
	return &packFile{f, file}, nil
}

type packFile struct {
	*os.File
	kept *cache.File
}

func (f *packFile) Close() error {
	defer f.kept.Release()
	return f.File.Close()
}
