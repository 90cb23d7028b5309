package worker

import (
	"context"
	"log/slog"
	"path/filepath"
	"strings"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"

	"github.com/shoal-run/shoal/bus/faas"
	"github.com/shoal-run/shoal/libs/files"
	"github.com/shoal-run/shoal/libs/files/cache"
	"github.com/shoal-run/shoal/libs/telemetry"
	"github.com/shoal-run/shoal/libs/telemetry/metrics"
	"github.com/shoal-run/shoal/libs/vfs"
)

// Files gives calls their tenant's shared files.
type Files interface {
	// For returns the shared files of a tenant as they are now, at a revision that is at least revision; nil when there are
	// none. It may wait, which ends with ctx.
	For(ctx context.Context, tenant string, revision uint64) (vfs.Shared, error)
	// Want says that For will be called for a tenant soon. It does not block.
	Want(tenant string)
}

// shared returns the shared files that j's call sees in a Faaslet of p: nil when it can't see any, or there are none. A
// worker that does not know them refuses the call, which has not started: another may.
func (w *Worker) shared(j *job, p *pool) (vfs.Shared, *faas.Error) {
	if w.cfg.Files == nil || !p.files {
		return nil, nil
	}
	s, err := w.cfg.Files.For(j.ctx, j.call.Name.Tenant, j.call.Files)
	switch {
	case err == nil:
		return s, nil
	case j.ctx.Err() != nil:
		return nil, ended(j.ctx)
	}
	return nil, faas.Errorf(faas.NoCapacity, "worker %s does not know what files %s has: %s", w.id, j.call.Name, pathless(err))
}

// suit has the initialisers of p's next Faaslets find shared. What others made, or are about to make, of other files is given
// up: ready Faaslets, which the caller closes when it has left mu, and the image, which one whose initialiser still runs
// would fill. It changes nothing when they are the same, or when the initialisers did not look for any. Preconditions: mu is
// held.
func (p *pool) suit(shared vfs.Shared) (stale []ready) {
	old := p.set
	if !p.files || p.closed || sameFiles(old.Shared, shared) || old.Image.Taken() && !old.Image.Looked() {
		return nil
	}
	set := *old
	set.Shared = shared
	set.Image = p.w.imageOf(p.fn, p.key.version, p.module)
	old.Image.Close()
	p.set = &set
	stale, p.ready = p.ready, nil
	return stale
}

// suitNow is suit with the files that there are now.
func (p *pool) suitNow(ctx context.Context) error {
	if !p.files || p.w.cfg.Files == nil {
		return nil
	}
	shared, err := p.w.cfg.Files.For(ctx, p.key.name.Tenant, 0)
	if err != nil {
		return err
	}
	p.mu.Lock()
	stale := p.suit(shared)
	p.mu.Unlock()
	closeAll(stale)
	return nil
}

// sameFiles reports whether a and b, which may be nil, have the same files.
func sameFiles(a, b vfs.Shared) bool {
	if a == nil || b == nil {
		return a == b
	}
	return a.Same(b)
}

// opensFiles reports whether version v of fn may open a file: whether it imports a function that takes a path, or lists a
// directory. What is not known of a version counts as yes.
func opensFiles(fn faas.Function, v faas.Version) bool {
	if fn.Version != v || fn.Imports == nil {
		return true
	}
	for _, i := range fn.Imports {
		if strings.HasPrefix(i.Name, "path_") || i.Name == "fd_readdir" || i.Name == "dlopen" {
			return true
		}
	}
	return false
}

// DefaultFilesCache is the disk that a worker keeps shared files on.
const DefaultFilesCache = faas.Size(cache.DefaultMax)

// StoredFiles are the tenants' shared files in JetStream, cached on this machine. The workers of a process have one
// together.
type StoredFiles struct {
	*files.Reader
	cache  *cache.Cache
	meters *metrics.Group
}

var _ Files = (*StoredFiles)(nil)

// FilesIn returns the shared files of bucket as view has them, with contents kept as files below dir, which no other process
// uses, in at most max bytes, DefaultFilesCache for 0. Its owner closes it when no worker has it any more.
func FilesIn(dir string, bucket *files.Bucket, view *files.View, max faas.Size, m *metrics.Metrics, log *slog.Logger) *StoredFiles {
	if max == 0 {
		max = DefaultFilesCache
	}
	s := &StoredFiles{meters: m.Group("shoal/files")}
	const fetches, fetchesAre = "shoal.files.fetches", "contents of shared files that were fetched from the object store, by what came of it"
	fetched, failed := s.meters.Counter(fetches, fetchesAre, "result", "ok"), s.meters.Counter(fetches, fetchesAre, "result", "failed")
	bytes := s.meters.Counter("shoal.files.fetched.bytes", "bytes of them that came whole")
	took := s.meters.Histogram("shoal.files.fetch.duration", "fetching contents, waiting for their turn included, also when that failed")
	s.cache = cache.New(cache.Config{
		Dir: filepath.Join(dir, "files"), Store: bucket, Max: int64(max), Descriptors: fileDescriptors(),
		Fetched: func(n int64, d time.Duration, err error) {
			took.Record(d)
			if err != nil {
				failed.Add()
				return
			}
			fetched.Add()
			bytes.AddN(n)
		},
	})
	s.meters.Gauge("shoal.files.cache", "By", "contents of shared files on this machine's disk", func() int64 { return s.cache.Stats().Bytes })
	s.meters.Gauge("shoal.files.cache.max", "By", "what they may take", func() int64 { return s.cache.Stats().Max })
	s.meters.Gauge("shoal.files.descriptors", "", "descriptors of them that are open", func() int64 { return int64(s.cache.Stats().Descriptors) })
	s.meters.Gauge("shoal.files.tenants", "", "tenants whose shared files are followed", func() int64 { return int64(view.Len()) })
	s.Reader = files.NewReader(view, &toldContents{
		Contents: s.cache, log: log,
		failed: metrics.CountersOf(s.meters, "shoal.files.opens.failed", "opens of shared files that a guest was answered EIO, by why", "code", faas.Codes()),
	})
	return s
}

// GiveWay has contents that nobody has open make way for a and p when the disk is full: tenants choose what files they
// have, and without modules no function runs. Preconditions: nothing was opened of a and p yet.
func (s *StoredFiles) GiveWay(a *StoredArtefacts, p *StoredProtos) {
	a.Cache.Spare(s.cache.DropIdle)
	p.cache.Spare(s.cache.DropIdle)
}

// Close lets go of every file. It may be called more than once.
func (s *StoredFiles) Close() {
	s.cache.Close()
	s.meters.Close()
}

// toldContents counts and logs why contents can't be opened: a guest has only a number for it.
type toldContents struct {
	files.Contents
	failed metrics.Counters[faas.Code]
	log    *slog.Logger
	last   atomic.Int64 // when something was logged, in Unix seconds: it is once in one at most
}

// Open implements files.Contents.
func (t *toldContents) Open(ctx context.Context, tenant string, f faas.File) (vfs.Content, error) {
	c, err := t.Contents.Open(ctx, tenant, f)
	if err == nil || ctx.Err() != nil {
		return c, err
	}
	t.failed.Of(faas.CodeOf(err)).Add()
	now := time.Now().Unix()
	if last := t.last.Load(); now > last && t.last.CompareAndSwap(last, now) {
		t.log.Warn("shared file not opened", "tenant", tenant, "file", f.Path, telemetry.KeyErr, err)
	}
	return nil, err
}

// fileDescriptors returns how many descriptors of shared files stay open: an eighth of what the process may have, beside
// what the engine counts (a half) and connections.
func fileDescriptors() int {
	var r unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &r); err != nil {
		return 16
	}
	return int(min(max(r.Cur/8, 16), 1024))
}
