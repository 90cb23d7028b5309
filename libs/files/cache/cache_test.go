package cache

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/iotest"
	"time"

	"github.com/shoal-run/shoal/bus/faas"
	"github.com/shoal-run/shoal/internal/leakcheck"
	"github.com/shoal-run/shoal/libs/vfs"
)

func TestMain(m *testing.M) { leakcheck.Main(m) }

// store is an object store in memory that counts what is fetched.
type store struct {
	mu      sync.Mutex
	objects map[string][]byte
	fetched atomic.Int64
	gate    func(context.Context) error // before an answer, when not nil
	gateOf  func(tenant string)         // likewise
}

func (s *store) Get(ctx context.Context, tenant, digest string) (io.ReadCloser, error) {
	if s.gate != nil {
		if err := s.gate(ctx); err != nil {
			return nil, err
		}
	}
	if s.gateOf != nil {
		s.gateOf(tenant)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	b, ok := s.objects[tenant+"/"+digest]
	if !ok {
		return nil, faas.Errorf(faas.NotFound, "no object")
	}
	s.fetched.Add(1)
	return io.NopCloser(iotest.HalfReader(bytes.NewReader(b))), nil
}

// body is the contents of file n.
func body(n int) []byte { return bytes.Repeat([]byte{byte('a' + n)}, 1000) }

func fileOf(b []byte) faas.File {
	return faas.File{Path: "f", Size: int64(len(b)), Digest: fmt.Sprintf("%x", sha256.Sum256(b))}
}

// newStore has the files below n for the tenant "me".
func newStore(n int) *store {
	s := &store{objects: map[string][]byte{}}
	for i := range n {
		s.objects["me/"+fileOf(body(i)).Digest] = body(i)
	}
	return s
}

func newCache(t testing.TB, s *store, max int64, change ...func(*Config)) (*Cache, string) {
	cfg := Config{Dir: filepath.Join(t.TempDir(), "files"), Store: s, Max: max}
	for _, f := range change {
		f(&cfg)
	}
	c := New(cfg)
	t.Cleanup(c.Close)
	return c, cfg.Dir
}

func open(t *testing.T, c *Cache, n int) vfs.Content {
	t.Helper()
	h, err := c.Open(t.Context(), "me", fileOf(body(n)))
	if err != nil {
		t.Fatal(err)
	}
	wantBody(t, h, n)
	return h
}

func wantBody(t *testing.T, h vfs.Content, n int) {
	t.Helper()
	got := make([]byte, 1500)
	if m, err := h.ReadAt(got, 0); m != 1000 || !errors.Is(err, io.EOF) || !bytes.Equal(got[:m], body(n)) {
		t.Fatalf("file %d: %d bytes, %v", n, m, err)
	}
	if m, err := h.ReadAt(got[:10], 500); m != 10 || err != nil {
		t.Fatalf("file %d, in the middle: %d bytes, %v", n, m, err)
	}
}

func onDisk(t *testing.T, dir string) []string {
	t.Helper()
	names, err := filepath.Glob(filepath.Join(dir, "*"))
	if err != nil {
		t.Fatal(err)
	}
	return names
}

func TestOpen(t *testing.T) {
	s := newStore(1)
	c, dir := newCache(t, s, 0)
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() { open(t, c, 0).Close() })
	}
	wg.Wait()
	if n := s.fetched.Load(); n != 1 {
		t.Errorf("fetched %d times", n)
	}
	if info, err := os.Stat(dir); err != nil || info.Mode().Perm() != 0o700 {
		t.Errorf("directory: %v, %v", info.Mode(), err)
	}
	_, err := c.Open(t.Context(), "me", fileOf(body(1)))
	if faas.CodeOf(err) != faas.NotFound {
		t.Errorf("missing: %v", err)
	}
	s.objects["me/"+fileOf(body(1)).Digest] = body(1)
	h := open(t, c, 1) // a failure is not remembered
	if _, err := h.ReadAt(nil, -1); err == nil {
		t.Error("read before the beginning")
	}
	if n, err := h.ReadAt(make([]byte, 1), 1000); n != 0 || !errors.Is(err, io.EOF) {
		t.Errorf("read at the end: %d, %v", n, err)
	}
	h.Close()
	h.Close()
	if _, err := h.ReadAt(make([]byte, 1), 0); !errors.Is(err, os.ErrClosed) {
		t.Errorf("read after close: %v", err)
	}
	if got := c.Stats(); got.Files != 2 || got.Bytes != 2000 || got.Descriptors != 2 {
		t.Errorf("%+v", got)
	}
}

// Another tenant's contents are not a tenant's, though their digest is the same.
func TestTenants(t *testing.T) {
	s := newStore(1)
	c, _ := newCache(t, s, 0)
	open(t, c, 0).Close()
	if _, err := c.Open(t.Context(), "you", fileOf(body(0))); faas.CodeOf(err) != faas.NotFound {
		t.Errorf("another tenant: %v", err)
	}
}

func TestEmpty(t *testing.T) {
	c, dir := newCache(t, newStore(0), 0)
	h, err := c.Open(t.Context(), "me", fileOf(nil))
	if err != nil {
		t.Fatal(err)
	}
	if n, err := h.ReadAt(make([]byte, 1), 0); n != 0 || !errors.Is(err, io.EOF) || h.Close() != nil {
		t.Errorf("read %d, %v", n, err)
	}
	if len(onDisk(t, dir)) != 0 {
		t.Error("it has a file")
	}
}

// What is open stays, the longest unused of the rest makes way, and what can't fit is refused.
func TestMax(t *testing.T) {
	s := newStore(6)
	c, dir := newCache(t, s, 3800)
	held := open(t, c, 0)
	open(t, c, 1).Close()
	open(t, c, 2).Close()
	open(t, c, 1).Close()
	open(t, c, 3).Close() // 2 goes
	open(t, c, 1).Close()
	if n := s.fetched.Load(); n != 4 || len(onDisk(t, dir)) != 3 {
		t.Errorf("fetched %d, files %v", n, onDisk(t, dir))
	}
	second, third := open(t, c, 4), open(t, c, 5)
	if _, err := c.Open(t.Context(), "me", fileOf(body(1))); faas.CodeOf(err) != faas.NoCapacity || !strings.Contains(err.Error(), "files-cache") {
		t.Errorf("when all is open: %v", err)
	}
	wantBody(t, held, 0)
	for _, h := range []vfs.Content{held, second, third} {
		h.Close()
	}
	open(t, c, 1).Close()
	if _, err := c.Open(t.Context(), "me", faas.File{Size: 4000, Digest: fileOf(nil).Digest}); faas.CodeOf(err) != faas.NoCapacity {
		t.Errorf("larger than all: %v", err)
	}
	if got := c.Stats(); got.Bytes > 3500 || int64(len(onDisk(t, dir)))*1000 != got.Bytes {
		t.Errorf("%+v, files %v", got, onDisk(t, dir))
	}
}

// Few descriptors serve many files that are open.
func TestDescriptors(t *testing.T) {
	c, _ := newCache(t, newStore(10), 0, func(c *Config) { c.Descriptors = 2 })
	var held []vfs.Content
	for n := range 10 {
		held = append(held, open(t, c, n))
	}
	for range 3 {
		for n, h := range held {
			wantBody(t, h, n)
		}
	}
	if got := c.Stats(); got.Descriptors != 2 || got.Files != 10 {
		t.Errorf("%+v", got)
	}
	for _, h := range held {
		h.Close()
	}
}

// Who waits for a fetch leaves when its context ends; the fetch goes on, for the next one.
func TestWaiting(t *testing.T) {
	s := newStore(1)
	arrived, let := make(chan struct{}), make(chan struct{})
	s.gate = func(ctx context.Context) error {
		close(arrived)
		select {
		case <-let:
			return nil
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	c, _ := newCache(t, s, 0)
	ctx, cancel := context.WithCancelCause(t.Context())
	errs := make(chan error, 1)
	go func() {
		_, err := c.Open(ctx, "me", fileOf(body(0)))
		errs <- err
	}()
	<-arrived
	why := errors.New("out of time")
	cancel(why)
	if err := <-errs; !errors.Is(err, why) {
		t.Errorf("left with %v", err)
	}
	close(let)
	open(t, c, 0).Close()
	if n := s.fetched.Load(); n != 1 {
		t.Errorf("fetched %d times", n)
	}
}

func TestCloseEndsFetches(t *testing.T) {
	s := newStore(1)
	arrived := make(chan struct{})
	s.gate = func(ctx context.Context) error {
		close(arrived)
		<-ctx.Done()
		return ctx.Err()
	}
	c, _ := newCache(t, s, 0)
	errs := make(chan error, 1)
	go func() {
		_, err := c.Open(t.Context(), "me", fileOf(body(0)))
		errs <- err
	}()
	<-arrived
	c.Close()
	if err := <-errs; !errors.Is(err, context.Canceled) {
		t.Errorf("ended with %v", err)
	}
	if _, err := c.Open(t.Context(), "me", fileOf(body(0))); faas.CodeOf(err) != faas.Unavailable {
		t.Errorf("after close: %v", err)
	}
}

// TestHammer opens, reads and closes more files than there is room and than there are descriptors, from many goroutines.
func TestHammer(t *testing.T) {
	const n = 12
	c, dir := newCache(t, newStore(n), 8000, func(c *Config) { c.Descriptors = 3 })
	var wg sync.WaitGroup
	for g := range 6 {
		wg.Go(func() {
			rnd := rand.New(rand.NewPCG(uint64(g), 1))
			for range 400 {
				i := rnd.IntN(n)
				h, err := c.Open(t.Context(), "me", fileOf(body(i)))
				if err != nil {
					t.Error(err)
					return
				}
				wantBody(t, h, i)
				if rnd.IntN(20) == 0 {
					c.DropIdle()
				}
				h.Close()
			}
		})
	}
	wg.Wait()
	if got := c.Stats(); got.Bytes > 8000 || got.Descriptors > 3 || len(onDisk(t, dir)) != got.Files {
		t.Errorf("%+v, files %v", got, onDisk(t, dir))
	}
	c.DropIdle()
	if got := c.Stats(); got.Bytes != 0 || got.Descriptors != 0 || len(onDisk(t, dir)) != 0 {
		t.Errorf("at last %+v, files %v", got, onDisk(t, dir))
	}
}

// BenchmarkOpen is what opening, reading 1 KB of and closing a cached file costs, beside the same of a file on the disk.
func BenchmarkOpen(b *testing.B) {
	buf := make([]byte, 1000)
	f := fileOf(body(0))
	for name, descriptors := range map[string]int{"cached": 16, "cached, no descriptor": 1} {
		b.Run(name, func(b *testing.B) {
			c, _ := newCache(b, newStore(2), 0, func(c *Config) { c.Descriptors = descriptors })
			files := []faas.File{f, fileOf(body(1))}
			i := 0
			for b.Loop() {
				h, err := c.Open(b.Context(), "me", files[i%2])
				if err != nil {
					b.Fatal(err)
				}
				if _, err := h.ReadAt(buf, 0); err != nil {
					b.Fatal(err)
				}
				h.Close()
				i++
			}
		})
	}
	b.Run("os", func(b *testing.B) {
		path := filepath.Join(b.TempDir(), "f")
		if err := os.WriteFile(path, body(0), 0o600); err != nil {
			b.Fatal(err)
		}
		for b.Loop() {
			h, err := os.Open(path)
			if err != nil {
				b.Fatal(err)
			}
			if _, err := h.ReadAt(buf, 0); err != nil {
				b.Fatal(err)
			}
			h.Close()
		}
	})
}

// Contents that were put a moment ago may be on their way to the replica that is asked.
func TestYoung(t *testing.T) {
	s := newStore(1)
	tries := 0
	s.gate = func(context.Context) error {
		if tries++; tries < 3 {
			return faas.Errorf(faas.NotFound, "not yet")
		}
		return nil
	}
	c, _ := newCache(t, s, 0)
	f := fileOf(body(0))
	if _, err := c.Open(t.Context(), "me", f); faas.CodeOf(err) != faas.NotFound || tries != 1 {
		t.Fatalf("an old one: %v after %d tries", err, tries)
	}
	f.Modified = time.Now()
	h, err := c.Open(t.Context(), "me", f)
	if err != nil || tries != 3 {
		t.Fatalf("a young one: %v after %d tries", err, tries)
	}
	h.Close()
}

// A tenant that has many files open leaves others some room, also by opening again what it had open before.
func TestTenantsShareTheRoom(t *testing.T) {
	s := newStore(10)
	s.objects["you/"+fileOf(body(0)).Digest] = body(0)
	c, _ := newCache(t, s, 10_000)
	for i := range 10 { // all of it is theirs, and nothing is open
		h, err := c.Open(t.Context(), "me", fileOf(body(i)))
		if err != nil {
			t.Fatal(err)
		}
		h.Close()
	}
	var open []vfs.Content
	for i := range 10 {
		h, err := c.Open(t.Context(), "me", fileOf(body(i)))
		if err == nil {
			open = append(open, h)
		} else if faas.CodeOf(err) != faas.NoCapacity {
			t.Error(err)
		}
	}
	if len(open) != 8 {
		t.Errorf("one tenant has %d of 10 open, want 8", len(open))
	}
	h, err := c.Open(t.Context(), "you", fileOf(body(0)))
	if err != nil {
		t.Fatalf("another tenant: %v", err)
	}
	for _, h := range append(open, h) {
		h.Close()
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.held) != 0 {
		t.Errorf("%v are held by nobody", c.held)
	}
}
