package cache_test

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"testing/iotest"

	"github.com/shoal-run/shoal/bus/faas"
	"github.com/shoal-run/shoal/internal/leakcheck"
	"github.com/shoal-run/shoal/libs/artefact"
	"github.com/shoal-run/shoal/libs/artefact/cache"
)

func TestMain(m *testing.M) { leakcheck.Main(m) }

// store is an object store in memory that counts what is fetched.
type store struct {
	mu      sync.Mutex
	objects map[string][]byte
	fetched atomic.Int64
	gate    func(context.Context) error // before an answer, when not nil
}

func (s *store) Get(ctx context.Context, name string) (io.ReadCloser, error) {
	if s.gate != nil {
		if err := s.gate(ctx); err != nil {
			return nil, err
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	b, ok := s.objects[name]
	if !ok {
		return nil, faas.Errorf(faas.NotFound, "no object %s", name)
	}
	s.fetched.Add(1)
	return io.NopCloser(iotest.HalfReader(bytes.NewReader(b))), nil
}

var signer = ed25519.NewKeyFromSeed(bytes.Repeat([]byte{1}, 32))

func keyOf(n int) artefact.Key {
	return artefact.Key{Version: faas.VersionOf(fmt.Append(nil, n)), Engine: "e1", CPU: "cpu"}
}

func payload(n int) []byte { return bytes.Repeat([]byte{byte(n)}, 1000) }

func (s *store) put(t *testing.T, n int, key ed25519.PrivateKey) {
	t.Helper()
	head, err := artefact.Sign(key, keyOf(n), payload(n))
	if err != nil {
		t.Fatal(err)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.objects == nil {
		s.objects = map[string][]byte{}
	}
	s.objects[keyOf(n).Object()] = append(head, payload(n)...)
}

func newCache(t *testing.T, s *store, max int64) (*cache.Cache, string) {
	dir := filepath.Join(t.TempDir(), "artefacts")
	return cache.New(dir, s, signer.Public().(ed25519.PublicKey), max), dir
}

func open(t *testing.T, c *cache.Cache, n int) *cache.File {
	t.Helper()
	f, err := c.Open(t.Context(), keyOf(n))
	if err != nil {
		t.Fatal(err)
	}
	if got, err := os.ReadFile(f.Path()); err != nil || !bytes.Equal(got, payload(n)) {
		t.Fatalf("file has %d bytes, %v", len(got), err)
	}
	return f
}

func files(t *testing.T, dir string) int {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	return len(entries)
}

func TestOpen(t *testing.T) {
	s := new(store)
	s.put(t, 1, signer)
	c, dir := newCache(t, s, 0)
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() { open(t, c, 1).Release() })
	}
	wg.Wait()
	if n := s.fetched.Load(); n != 1 {
		t.Errorf("fetched %d times", n)
	}
	if info, err := os.Stat(dir); err != nil || info.Mode().Perm() != 0o700 {
		t.Errorf("directory: %v, %v", info.Mode(), err)
	}
	_, err := c.Open(t.Context(), keyOf(2))
	if faas.CodeOf(err) != faas.NotFound {
		t.Errorf("missing artefact: %v", err)
	}
	s.put(t, 2, signer)
	open(t, c, 2).Release() // a failure is not remembered
	if _, err := c.Open(t.Context(), artefact.Key{}); err == nil {
		t.Error("a key of nothing was taken")
	}
}

func TestRefuses(t *testing.T) {
	foreign := ed25519.NewKeyFromSeed(bytes.Repeat([]byte{2}, 32))
	for name, c := range map[string]struct {
		spoil func(t *testing.T, s *store)
		want  error
	}{
		"foreign signature": {func(t *testing.T, s *store) { s.put(t, 1, foreign) }, artefact.ErrSignature},
		"changed payload": {func(t *testing.T, s *store) {
			b := s.objects[keyOf(1).Object()]
			b[len(b)-1] ^= 1
		}, artefact.ErrCorrupt},
		"changed header": {func(t *testing.T, s *store) { s.objects[keyOf(1).Object()][20] ^= 1 }, artefact.ErrSignature},
		"cut off": {func(t *testing.T, s *store) {
			b := s.objects[keyOf(1).Object()]
			s.objects[keyOf(1).Object()] = b[:len(b)-1]
		}, artefact.ErrCorrupt},
		"of another function": {func(t *testing.T, s *store) {
			s.put(t, 2, signer)
			s.objects[keyOf(1).Object()] = s.objects[keyOf(2).Object()]
		}, artefact.ErrMismatch},
		"no artefact": {func(t *testing.T, s *store) { s.objects[keyOf(1).Object()] = []byte("hello") }, artefact.ErrFormat},
	} {
		t.Run(name, func(t *testing.T) {
			s := new(store)
			s.put(t, 1, signer)
			c.spoil(t, s)
			cc, dir := newCache(t, s, 0)
			if _, err := cc.Open(t.Context(), keyOf(1)); !errors.Is(err, c.want) {
				t.Errorf("error %v, want %v", err, c.want)
			}
			if n := files(t, dir); n != 0 {
				t.Errorf("%d files are left", n)
			}
			s.put(t, 1, signer)
			open(t, cc, 1)
		})
	}
}

func TestEviction(t *testing.T) {
	s := new(store)
	for n := range 5 {
		s.put(t, n, signer)
	}
	c, dir := newCache(t, s, 2500)
	held := open(t, c, 0)
	for n := 1; n < 5; n++ {
		f := open(t, c, n)
		f.Release()
		f.Release() // counts once
	}
	if n := files(t, dir); n != 2 {
		t.Errorf("%d files, want the held and the last", n)
	}
	open(t, c, 0).Release()
	open(t, c, 4).Release()
	if n := s.fetched.Load(); n != 5 {
		t.Errorf("fetched %d times", n)
	}
	all := []*cache.File{open(t, c, 1), open(t, c, 2), open(t, c, 3)} // more than it may keep, all held
	if n := files(t, dir); n != 4 {
		t.Errorf("%d files", n)
	}
	for _, f := range append(all, held) {
		f.Release()
	}
	if n := files(t, dir); n != 2 {
		t.Errorf("%d files after release", n)
	}
}

// TestFullDisk has a disk with room for two files.
// Only what is held counts as what a cache is full of: the rest makes way.
func TestFull(t *testing.T) {
	var s store
	c, _ := newCache(t, &s, 4000)
	var held []*cache.File
	for n := range 3 {
		s.put(t, n, signer)
		f, err := c.Open(t.Context(), keyOf(n))
		if err != nil {
			t.Fatal(err)
		}
		held = append(held, f)
	}
	if !c.Full(50) || c.Full(75) {
		t.Error("3000 of 4000 bytes are held")
	}
	held[0].Release()
	held[1].Release()
	if c.Full(25) || !c.Full(20) {
		t.Error("1000 of 4000 bytes are held")
	}
	c.Drop(keyOf(0).Version)
	again, err := c.Open(t.Context(), keyOf(1))
	if err != nil {
		t.Fatal(err)
	}
	if c.Full(50) || !c.Full(45) {
		t.Error("2000 of 4000 bytes are held")
	}
	again.Release()
	held[2].Release()
	if c.Full(0) {
		t.Error("nothing is held")
	}
}

func TestFullDisk(t *testing.T) {
	s := new(store)
	for n := range 4 {
		s.put(t, n, signer)
	}
	c, dir := newCache(t, s, 0)
	s.gate = func(context.Context) error {
		if there, _ := os.ReadDir(dir); len(there) >= 2 {
			return &os.PathError{Op: "write", Path: dir, Err: syscall.ENOSPC}
		}
		return nil
	}
	held := open(t, c, 0)
	open(t, c, 1).Release()
	second := open(t, c, 2) // for which the first that is idle went
	if _, err := c.Open(t.Context(), keyOf(3)); !cache.NoSpace(err) {
		t.Errorf("with all of the disk held: %v", err)
	}
	second.Release()
	open(t, c, 3).Release()
	held.Release()
	if n := files(t, dir); n != 2 {
		t.Errorf("%d files", n)
	}
}

// What others can spare on a full disk makes room too.
func TestFullDiskOfOthers(t *testing.T) {
	s := new(store)
	s.put(t, 1, signer)
	full := true
	s.gate = func(context.Context) error {
		if full {
			return &os.PathError{Op: "write", Path: "x", Err: syscall.ENOSPC}
		}
		return nil
	}
	for _, spared := range []int{0, 2} {
		c, _ := newCache(t, s, 0)
		asked := 0
		c.Spare(func() int {
			asked++
			full = spared == 0
			return spared
		})
		_, err := c.Open(t.Context(), keyOf(1))
		if cache.NoSpace(err) != (spared == 0) || err != nil && spared > 0 || asked != 1 {
			t.Errorf("%d files were spared, asked for %d times: %v", spared, asked, err)
		}
	}
}

// TestDeleted defends that what somebody has deleted is fetched again.
func TestDeleted(t *testing.T) {
	s := new(store)
	s.put(t, 1, signer)
	c, dir := newCache(t, s, 1500)
	f := open(t, c, 1)
	for i, gone := range []string{f.Path(), f.Path(), dir} {
		if i > 0 {
			f.Release() // else it is held, as by another worker of the process
		}
		if err := os.RemoveAll(gone); err != nil {
			t.Fatal(err)
		}
		again := open(t, c, 1)
		if i == 0 {
			f.Release()
		}
		f = again
	}
	f.Release()
	open(t, c, 1).Release() // within the limit: what was lost does not count
	if n := s.fetched.Load(); n != 4 {
		t.Errorf("fetched %d times", n)
	}
}

func TestDrop(t *testing.T) {
	s := new(store)
	for n := range 3 {
		s.put(t, n, signer)
	}
	c, dir := newCache(t, s, 0)
	held, kept := open(t, c, 0), open(t, c, 1)
	open(t, c, 2).Release()
	for n := range 3 {
		c.Drop(keyOf(n).Version)
	}
	if n := files(t, dir); n != 2 {
		t.Errorf("%d files, want the two that are held", n)
	}
	open(t, c, 1).Release() // wanted again
	held.Release()
	kept.Release()
	if n := files(t, dir); n != 1 {
		t.Errorf("%d files, want the one that was opened again", n)
	}
}

func TestClearsAtStart(t *testing.T) {
	s := new(store)
	s.put(t, 1, signer)
	dir := t.TempDir()
	planted := filepath.Join(dir, keyOf(1).Object()+".cwasm")
	for _, name := range []string{planted, filepath.Join(dir, "x.part"), filepath.Join(dir, "notes.txt")} {
		if err := os.WriteFile(name, []byte("planted"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	c := cache.New(dir, s, signer.Public().(ed25519.PublicKey), 0)
	open(t, c, 1)
	if n := files(t, dir); n != 2 {
		t.Errorf("%d files, want the artefact and what is not the cache's", n)
	}
}

// TestGivingUp defends that one caller that leaves does not take the others along.
func TestGivingUp(t *testing.T) {
	s := new(store)
	s.put(t, 1, signer)
	fetching, first := make(chan struct{}), true
	s.gate = func(ctx context.Context) error {
		if first { // only one fetches at a time
			first = false
			close(fetching)
			<-ctx.Done()
			return ctx.Err()
		}
		return nil
	}
	c, _ := newCache(t, s, 0)
	ctx, leave := context.WithCancel(t.Context())
	var wg sync.WaitGroup
	wg.Go(func() {
		if _, err := c.Open(ctx, keyOf(1)); !errors.Is(err, context.Canceled) {
			t.Errorf("who left got %v", err)
		}
	})
	<-fetching
	gone, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := c.Open(gone, keyOf(1)); !errors.Is(err, context.Canceled) {
		t.Errorf("who did not wait got %v", err)
	}
	for range 4 {
		wg.Go(func() { open(t, c, 1).Release() })
	}
	leave()
	wg.Wait()
}

func TestHammer(t *testing.T) {
	s := new(store)
	for n := range 6 {
		s.put(t, n, signer)
	}
	c, dir := newCache(t, s, 2000)
	var wg sync.WaitGroup
	for g := range 6 {
		wg.Go(func() {
			for i := range 60 {
				open(t, c, (g*i+i)%6).Release()
			}
		})
	}
	wg.Wait()
	if n := files(t, dir); n > 2 {
		t.Errorf("%d files", n)
	}
}
