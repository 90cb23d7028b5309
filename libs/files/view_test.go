package files_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
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
	if s.Revision("me") == 0 {
		t.Error("the last write is not remembered")
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
	// No worker comes to the revisions of the old one any more: calls must not wait for them.
	if rev := s.Revision("me"); rev != 0 {
		t.Errorf("calls must see revision %d of an index that is gone", rev)
	}
	put(t, s, "newer", "z")
	if s.Revision("me") == 0 {
		t.Error("a write to the new index is not remembered")
	}
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

// More files than a watch holds at once are all there, and stay so in a view that is stopped while it reads them.
func TestViewManyFiles(t *testing.T) {
	s, b := store(t, files.Limits{})
	const n = 600
	for i := range n {
		put(t, s, fmt.Sprintf("d%d/f%d", i%7, i), "")
	}
	for range 5 {
		v := view(t, b)
		v.Want("me")
		tree, err := v.At(t.Context(), "me", 0)
		if err != nil {
			t.Fatal(err)
		}
		if got, _ := tree.Len(); got != n || tree.Revision() != s.Revision("me") {
			t.Errorf("%d files at revision %d", got, tree.Revision())
		}
	}
	for range 5 {
		ctx, cancel := context.WithCancel(t.Context())
		v := files.NewView(files.ViewConfig{Bucket: b})
		v.Want("me")
		cancel()
		if err := v.Run(ctx); err != nil {
			t.Error(err)
		}
		if _, err := v.At(t.Context(), "me", 1<<40); faas.CodeOf(err) != faas.Unavailable {
			t.Errorf("of a view that has ended: %v", err)
		}
	}
}

// What ails the index ails all tenants that are followed: the log has a line of it in a second, not one for each of
// thousands.
func TestViewLogsLittle(t *testing.T) {
	srv := serve(t, natsd.Config{})
	b := open(t, "", srv.InProcess())
	nc, err := nats.Connect("", srv.InProcess())
	if err != nil {
		t.Fatal(err)
	}
	defer nc.Close()
	js, err := jetstream.New(nc)
	if err != nil {
		t.Fatal(err)
	}
	if err := js.DeleteKeyValue(t.Context(), bucket); err != nil {
		t.Fatal(err)
	}
	var mu sync.Mutex
	var lines []time.Time
	v := view(t, b, func(c *files.ViewConfig) {
		c.Patience = 300 * time.Millisecond
		c.Log = slog.New(slog.NewTextHandler(writer(func(p []byte) (int, error) {
			mu.Lock()
			defer mu.Unlock()
			lines = append(lines, time.Now())
			return len(p), nil
		}), nil))
	})
	began := time.Now()
	for i := range 50 {
		v.Want(fmt.Sprint("tenant", i))
	}
	for range 2 { // meanwhile each has tried several times
		if _, err := v.At(t.Context(), "tenant1", 0); faas.CodeOf(err) != faas.Unavailable {
			t.Errorf("At: %v", err)
		}
	}
	mu.Lock()
	defer mu.Unlock()
	if most := 2 + int(time.Since(began)/time.Second); len(lines) == 0 || len(lines) > most {
		t.Errorf("%d lines, want 1 to %d", len(lines), most)
	}
}

type writer func(p []byte) (int, error)

func (w writer) Write(p []byte) (int, error) { return w(p) }
