package files_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math/rand/v2"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/shoal-run/shoal/bus/faas"
	"github.com/shoal-run/shoal/internal/testenv"
	"github.com/shoal-run/shoal/libs/files"
	"github.com/shoal-run/shoal/libs/files/cache"
	"github.com/shoal-run/shoal/libs/natsd"
	"github.com/shoal-run/shoal/libs/vfs"
)

// reader is a worker's side: a view of its own, over a connection of its own, and a cache.
func reader(t *testing.T, b *files.Bucket, change ...func(*files.ViewConfig)) *files.Reader {
	t.Helper()
	c := cache.New(cache.Config{Dir: t.TempDir(), Store: b})
	t.Cleanup(c.Close)
	return files.NewReader(view(t, b, change...), c)
}

func read(ctx context.Context, s vfs.Shared, path string) (string, error) {
	c, err := s.Open(ctx, path)
	if err != nil {
		return "", err
	}
	defer c.Close()
	info, _ := s.Lookup(path)
	b, err := io.ReadAll(io.NewSectionReader(c, 0, info.Size+1))
	return string(b), err
}

// A call sees what was put before it began, and keeps that.
func TestReader(t *testing.T) {
	srv := serve(t, natsd.Config{})
	b := open(t, "", srv.InProcess())
	s := files.New(b, view(t, b), files.Limits{})
	workers := []*files.Reader{reader(t, open(t, "", srv.InProcess())), reader(t, open(t, "", srv.InProcess()))}
	for _, r := range workers {
		if shared, err := r.For(t.Context(), "me", 0); shared != nil || err != nil {
			t.Fatalf("a tenant without files has %v, %v", shared, err)
		}
	}
	for i := range 50 {
		want := fmt.Sprint("version ", i)
		put(t, s, "dir/f", want)
		for n, r := range workers {
			shared, err := r.For(t.Context(), "me", s.Revision("me"))
			if err != nil {
				t.Fatal(err)
			}
			if got, err := read(t.Context(), shared, "dir/f"); err != nil || got != want {
				t.Fatalf("worker %d reads %q, %v, want %q", n, got, err, want)
			}
		}
	}
	shared, err := workers[0].For(t.Context(), "me", s.Revision("me"))
	if err != nil {
		t.Fatal(err)
	}
	uncached, _ := workers[1].For(t.Context(), "me", s.Revision("me"))
	put(t, s, "new", "uncached")
	late, err := workers[1].For(t.Context(), "me", s.Revision("me"))
	if err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{"dir/f", "new"} {
		if err := s.Delete(t.Context(), "me", path, nil); err != nil {
			t.Fatal(err)
		}
	}
	if after, err := workers[0].For(t.Context(), "me", s.Revision("me")); after != nil || err != nil {
		t.Errorf("after the deletions: %v, %v", after, err)
	}
	if _, ok := shared.Lookup("dir/f"); !ok || len(shared.List("")) != 1 {
		t.Error("the snapshot of a call has changed")
	}
	if got, err := read(t.Context(), shared, "dir/f"); err != nil || got != "version 49" {
		t.Errorf("a file that was deleted reads %q, %v", got, err)
	}
	if _, err := b.Sweep(t.Context(), time.Minute); err != nil {
		t.Fatal(err)
	}
	if got, err := read(t.Context(), late, "new"); err != nil || got != "uncached" {
		t.Errorf("within the grace: %q, %v", got, err)
	}
	if n, err := b.Sweep(t.Context(), 0); err != nil || n == 0 {
		t.Fatalf("swept %d, %v", n, err)
	}
	if got, err := read(t.Context(), uncached, "dir/f"); err != nil || got != "version 49" { // it has it in its cache
		t.Errorf("after the grace, cached: %q, %v", got, err)
	}
}

// Errors of an open say what they are.
func TestReaderErrors(t *testing.T) {
	s, b := store(t, files.Limits{})
	f := put(t, s, "dir/f", "x")
	shared, err := reader(t, b).For(t.Context(), "me", s.Revision("me"))
	if err != nil {
		t.Fatal(err)
	}
	for path, want := range map[string]error{"nothing": fs.ErrNotExist, "dir/f/x": fs.ErrNotExist, "dir": fs.ErrInvalid, "": fs.ErrInvalid} {
		if _, err := shared.Open(t.Context(), path); !errors.Is(err, want) {
			t.Errorf("open %q: %v", path, err)
		}
	}
	if err := s.Delete(t.Context(), "me", "dir/f", nil); err != nil {
		t.Fatal(err)
	}
	if _, err := b.Sweep(t.Context(), 0); err != nil {
		t.Fatal(err)
	}
	_, err = shared.Open(t.Context(), f.Path)
	wantCode(t, err, faas.NotFound) // nobody has it any more, and the guest is told
}

// While the bus is away a view goes on with what it knew, files that are cached can be read, others end with the call;
// then it catches up.
func TestReaderWithoutBus(t *testing.T) {
	dir := t.TempDir()
	srv := serve(t, natsd.Config{StoreDir: dir, Listen: "127.0.0.1:0"})
	url := srv.ClientURL()
	b := open(t, url)
	r := reader(t, b, func(c *files.ViewConfig) { c.Patience = 100 * time.Millisecond })
	s := files.New(b, view(t, b), files.Limits{})
	put(t, s, "cached", "here")
	put(t, s, "other", "there")
	get := func() vfs.Shared {
		shared, err := r.For(t.Context(), "me", 0)
		if err != nil {
			t.Fatal(err)
		}
		return shared
	}
	if _, err := r.For(t.Context(), "me", s.Revision("me")); err != nil {
		t.Fatal(err)
	}
	if _, err := read(t.Context(), get(), "cached"); err != nil {
		t.Fatal(err)
	}
	srv.Close()
	if got, err := read(t.Context(), get(), "cached"); got != "here" || err != nil {
		t.Errorf("cached: %q, %v", got, err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
	defer cancel()
	began := time.Now()
	if _, err := read(ctx, get(), "other"); err == nil || time.Since(began) > 3*time.Second {
		t.Errorf("not cached: %v after %s", err, time.Since(began))
	}
	_, err := r.For(t.Context(), "stranger", 0)
	wantCode(t, err, faas.Unavailable, "shared files of tenant stranger are not known")
	_, err = r.For(t.Context(), "me", 1<<40)
	wantCode(t, err, faas.Unavailable)

	srv = serve(t, natsd.Config{StoreDir: dir, Listen: strings.TrimPrefix(url, "nats://")})
	other := open(t, "", srv.InProcess())
	put(t, files.New(other, view(t, other), files.Limits{}), "late", "news")
	testenv.Eventually(t, 10*time.Second, func() bool { _, ok := get().Lookup("late"); return ok }, "the view did not catch up")
	testenv.Eventually(t, 20*time.Second, func() bool {
		got, err := read(t.Context(), get(), "other")
		return got == "there" && err == nil
	}, "what is not cached can't be read when the bus is back")
}

// An index that is another one than before is taken for what it is.
func TestViewOfAnotherIndex(t *testing.T) {
	srv := serve(t, natsd.Config{Listen: "127.0.0.1:0"})
	url := srv.ClientURL()
	b := open(t, url)
	v := view(t, b)
	s := files.New(b, v, files.Limits{})
	for i := range 5 {
		put(t, s, fmt.Sprint("f", i), "x")
	}
	srv.Close()
	srv = serve(t, natsd.Config{Listen: strings.TrimPrefix(url, "nats://")})
	other := open(t, "", srv.InProcess())
	put(t, files.New(other, view(t, other), files.Limits{}), "new", "y")
	testenv.Eventually(t, 10*time.Second, func() bool {
		tree, err := v.At(t.Context(), "me", 0)
		n, _ := tree.Len()
		return err == nil && n == 1
	}, "the view kept the old index")
}

// A tenant that nobody asks for is let go, and found again.
func TestViewIdle(t *testing.T) {
	srv := serve(t, natsd.Config{})
	b := open(t, "", srv.InProcess())
	put(t, files.New(b, view(t, b), files.Limits{}), "a", "x")
	nc, err := nats.Connect("", srv.InProcess())
	if err != nil {
		t.Fatal(err)
	}
	defer nc.Close()
	js, err := jetstream.New(nc)
	if err != nil {
		t.Fatal(err)
	}
	v := view(t, b, func(c *files.ViewConfig) { c.Idle, c.Tenants = 20*time.Millisecond, 2 })
	consumers := func() int {
		stream, err := js.Stream(t.Context(), "KV_"+bucket)
		if err != nil {
			t.Fatal(err)
		}
		return stream.CachedInfo().State.Consumers
	}
	before := consumers()
	for _, tenant := range []string{"me", "t1", "t2", "t3", "me"} {
		tree, err := v.At(t.Context(), tenant, 0)
		if err != nil {
			t.Fatal(err)
		}
		if n, _ := tree.Len(); (n == 1) != (tenant == "me") {
			t.Errorf("%s has %d files", tenant, n)
		}
	}
	testenv.Eventually(t, 10*time.Second, func() bool { return consumers() == before }, "consumers are left")
	v.Want("me")
	testenv.Eventually(t, 10*time.Second, func() bool { return consumers() > before }, "it is not followed again")
}

// Two gateways write to the same tenant: every write counts once, limits hold, and all views agree in the end.
func TestTwoWriters(t *testing.T) {
	srv := serve(t, natsd.Config{})
	var stores []*files.Store
	for range 2 {
		b := open(t, "", srv.InProcess())
		stores = append(stores, files.New(b, view(t, b), files.Limits{Files: 10}))
	}
	var wg sync.WaitGroup
	var mu sync.Mutex
	stored := 0
	for w := range 4 {
		wg.Go(func() {
			for i := range 10 {
				path := fmt.Sprintf("w%d/f%d", w, i)
				_, created, err := stores[w%2].Put(t.Context(), files.Upload{Tenant: "me", Path: path, Body: strings.NewReader(path), Size: -1})
				switch {
				case err == nil && created:
					mu.Lock()
					stored++
					mu.Unlock()
				case faas.CodeOf(err) != faas.TooLarge:
					t.Errorf("%s: created %v, %v", path, created, err)
				}
			}
		})
	}
	wg.Wait()
	if stored != 10 {
		t.Errorf("%d files were stored, of 10 that may be", stored)
	}
	testenv.Eventually(t, 10*time.Second, func() bool {
		return paths(t, stores[0], "me") == paths(t, stores[1], "me") && strings.Count(paths(t, stores[0], "me"), " ") == 9
	}, "the views do not agree")
}

// A file and a directory are never at the same path, whoever puts them at the same time.
func TestRaceForPath(t *testing.T) {
	srv := serve(t, natsd.Config{})
	var stores []*files.Store
	for range 2 {
		b := open(t, "", srv.InProcess())
		stores = append(stores, files.New(b, view(t, b), files.Limits{}))
	}
	for round := range 20 {
		errs := make([]error, 2)
		var wg sync.WaitGroup
		for i, path := range []string{fmt.Sprint("r", round), fmt.Sprint("r", round, "/x")} {
			wg.Go(func() {
				_, _, errs[i] = stores[i].Put(t.Context(), files.Upload{Tenant: "me", Path: path, Body: strings.NewReader("x"), Size: 1})
			})
		}
		wg.Wait()
		if (errs[0] == nil) == (errs[1] == nil) {
			t.Fatalf("round %d: %v", round, errs)
		}
		wantCode(t, errors.Join(errs...), faas.Conflict)
	}
}

// TestRaceForContents puts and deletes the same few contents at several paths from two processes, while others sweep
// without any grace but a moment: what the index names can always be read whole.
func TestRaceForContents(t *testing.T) {
	srv := serve(t, natsd.Config{})
	bodies := [][]byte{bytes.Repeat([]byte("a"), 300_000), []byte("b")}
	ctx, stop := context.WithTimeout(t.Context(), 2*time.Second)
	defer stop()
	var work sync.WaitGroup
	var stores []*files.Store
	for n := range 2 {
		b := open(t, "", srv.InProcess())
		s := files.New(b, view(t, b), files.Limits{})
		stores = append(stores, s)
		for w := range 2 {
			work.Go(func() {
				rnd := rand.New(rand.NewPCG(uint64(n), uint64(w)))
				for ctx.Err() == nil {
					path := fmt.Sprint("p", rnd.IntN(3))
					var err error
					if rnd.IntN(2) == 0 {
						_, _, err = s.Put(t.Context(), files.Upload{Tenant: "me", Path: path, Body: bytes.NewReader(bodies[rnd.IntN(2)]), Size: -1})
					} else if err = s.Delete(t.Context(), "me", path, nil); faas.CodeOf(err) == faas.NotFound {
						err = nil
					}
					if err != nil {
						t.Error(err)
					}
				}
			})
		}
		work.Go(func() {
			for ctx.Err() == nil {
				if _, err := b.Sweep(t.Context(), 500*time.Millisecond); err != nil {
					t.Error(err)
				}
			}
		})
	}
	work.Go(func() {
		for ctx.Err() == nil {
			for i := range 3 {
				_, r, err := stores[0].Open(t.Context(), "me", fmt.Sprint("p", i))
				if faas.CodeOf(err) == faas.NotFound {
					continue
				}
				if err != nil {
					t.Error(err)
					continue
				}
				got, err := io.ReadAll(r)
				r.Close()
				if err != nil || !bytes.Equal(got, bodies[0]) && !bytes.Equal(got, bodies[1]) {
					t.Errorf("read %d bytes, %v", len(got), err)
				}
			}
		}
	})
	work.Wait()
}

// The index forgets deletions in the end: then the last that a tenant has in it is older than what its writers know.
func TestForgottenDeletion(t *testing.T) {
	srv := serve(t, natsd.Config{})
	b := open(t, "", srv.InProcess())
	s := files.New(b, view(t, b), files.Limits{})
	put(t, s, "a", "x")
	put(t, s, "b", "y")
	if err := s.Delete(t.Context(), "me", "b", nil); err != nil {
		t.Fatal(err)
	}
	nc, err := nats.Connect("", srv.InProcess())
	if err != nil {
		t.Fatal(err)
	}
	defer nc.Close()
	js, err := jetstream.New(nc)
	if err != nil {
		t.Fatal(err)
	}
	stream, err := js.Stream(t.Context(), "KV_"+bucket)
	if err != nil {
		t.Fatal(err)
	}
	if err := stream.Purge(t.Context(), jetstream.WithPurgeSubject("$KV."+bucket+".me.Yg")); err != nil { // of b
		t.Fatal(err)
	}
	put(t, s, "c", "z")
	fresh := files.New(b, view(t, b), files.Limits{})
	put(t, fresh, "d", "w")
	for _, s := range []*files.Store{s, fresh} {
		testenv.Eventually(t, 10*time.Second, func() bool { return paths(t, s, "me") == "a c d" }, "the files are others")
	}
}
