package files_test

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/shoal-run/shoal/bus/faas"
	"github.com/shoal-run/shoal/internal/leakcheck"
	"github.com/shoal-run/shoal/internal/testenv"
	"github.com/shoal-run/shoal/libs/files"
	"github.com/shoal-run/shoal/libs/natsd"
)

func TestMain(m *testing.M) { leakcheck.Main(m) }

const bucket = "shoal_files"

func serve(t *testing.T, cfg natsd.Config) *natsd.Server {
	t.Helper()
	if cfg.StoreDir == "" {
		cfg.StoreDir = t.TempDir()
	}
	s, err := natsd.Start(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Close)
	return s
}

func open(t *testing.T, url string, opts ...nats.Option) *files.Bucket {
	t.Helper()
	opts = append(opts, nats.MaxReconnects(-1), nats.ReconnectWait(10*time.Millisecond), nats.ReconnectBufSize(-1))
	nc, err := nats.Connect(url, opts...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(nc.Close)
	js, err := jetstream.New(nc)
	if err != nil {
		t.Fatal(err)
	}
	b, err := files.Open(t.Context(), js, bucket)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// view runs a view until the test ends.
func view(t *testing.T, b *files.Bucket, change ...func(*files.ViewConfig)) *files.View {
	t.Helper()
	cfg := files.ViewConfig{Bucket: b}
	for _, f := range change {
		f(&cfg)
	}
	v := files.NewView(cfg)
	ctx, stop := context.WithCancel(context.WithoutCancel(t.Context()))
	ended := make(chan error, 1)
	go func() { ended <- v.Run(ctx) }()
	t.Cleanup(func() {
		stop()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
	return v
}

// store is a store over a server of its own.
func store(t *testing.T, limits files.Limits) (*files.Store, *files.Bucket) {
	t.Helper()
	b := open(t, "", serve(t, natsd.Config{}).InProcess())
	return files.New(b, view(t, b), limits), b
}

func put(t *testing.T, s *files.Store, path, body string) faas.File {
	t.Helper()
	f, _, err := s.Put(t.Context(), files.Upload{Tenant: "me", Path: path, Body: strings.NewReader(body), Size: -1})
	if err != nil {
		t.Fatalf("put %s: %v", path, err)
	}
	return f
}

// wantBody fails t unless the file at path has the contents; "" with want absent is no file.
func wantBody(t *testing.T, s *files.Store, path, want string) {
	t.Helper()
	f, r, err := s.Open(t.Context(), "me", path)
	if want == absent {
		wantCode(t, err, faas.NotFound)
		return
	}
	if err != nil {
		t.Fatalf("open %s: %v", path, err)
	}
	defer r.Close()
	got, err := io.ReadAll(r)
	if err != nil || string(got) != want || f.Size != int64(len(want)) || f.Digest != fmt.Sprintf("%x", sha256.Sum256(got)) {
		t.Errorf("%s: %+v has %q, %v, want %q", path, f, got, err, want)
	}
}

const absent = "\x00absent"

func wantCode(t *testing.T, err error, code faas.Code, words ...string) {
	t.Helper()
	if faas.CodeOf(err) != code {
		t.Fatalf("%v, want %s", err, code)
	}
	for _, w := range words {
		if !strings.Contains(err.Error(), w) {
			t.Errorf("%q does not say %q", err, w)
		}
	}
}

func paths(t *testing.T, s *files.Store, tenant string) string {
	t.Helper()
	list, more, err := s.List(t.Context(), tenant, "", "", 1<<20)
	if err != nil || more {
		t.Fatalf("list: %v, more %v", err, more)
	}
	var out []string
	for _, f := range list {
		out = append(out, f.Path)
	}
	return strings.Join(out, " ")
}

func TestPutGetDelete(t *testing.T) {
	s, _ := store(t, files.Limits{})
	if got := paths(t, s, "me"); got != "" {
		t.Errorf("at first: %q", got)
	}
	f, created, err := s.Put(t.Context(), files.Upload{Tenant: "me", Path: "a/b", Body: strings.NewReader("one"), Size: 3})
	if err != nil || !created || f.Path != "a/b" || f.Size != 3 || time.Since(f.Modified) > time.Minute {
		t.Fatalf("%+v, %v, %v", f, created, err)
	}
	wantBody(t, s, "a/b", "one")
	if _, created, err = s.Put(t.Context(), files.Upload{Tenant: "me", Path: "a/b", Body: strings.NewReader("two"), Size: -1}); err != nil || created {
		t.Fatalf("again: created %v, %v", created, err)
	}
	wantBody(t, s, "a/b", "two")
	put(t, s, "empty", "")
	wantBody(t, s, "empty", "")
	put(t, s, "a-b", "x")
	if got := paths(t, s, "me"); got != "a/b a-b empty" {
		t.Errorf("list: %q", got)
	}
	if got := paths(t, s, "other"); got != "" {
		t.Errorf("another tenant's list: %q", got)
	}
	if s.Revision("me") == 0 || s.Revision("other") != 0 {
		t.Errorf("revisions %d, %d", s.Revision("me"), s.Revision("other"))
	}
	before := s.Revision("me")
	if err := s.Delete(t.Context(), "me", "a/b", nil); err != nil {
		t.Fatal(err)
	}
	if s.Revision("me") <= before {
		t.Error("a deletion has no revision")
	}
	wantBody(t, s, "a/b", absent)
	wantCode(t, s.Delete(t.Context(), "me", "a/b", nil), faas.NotFound, "no file a/b")
	put(t, s, "a", "a directory before")
	wantBody(t, s, "a", "a directory before")
}

func TestConflicts(t *testing.T) {
	s, _ := store(t, files.Limits{})
	put(t, s, "dir/file", "x")
	for path, words := range map[string]string{
		"dir":            "dir is a directory: it has file",
		"dir/file/below": "dir/file is a file",
	} {
		_, _, err := s.Put(t.Context(), files.Upload{Tenant: "me", Path: path, Body: strings.NewReader("y"), Size: 1})
		wantCode(t, err, faas.Conflict, words)
	}
	_, _, err := s.Put(t.Context(), files.Upload{Tenant: "you", Path: "dir", Body: strings.NewReader("y"), Size: 1})
	wantCode(t, err, "") // another tenant's
	_, _, err = s.Put(t.Context(), files.Upload{Tenant: "me", Path: "../you/dir", Body: strings.NewReader("y"), Size: 1})
	wantCode(t, err, faas.BadRequest)
	_, _, err = s.Put(t.Context(), files.Upload{Tenant: "m.e", Path: "dir", Body: strings.NewReader("y"), Size: 1})
	wantCode(t, err, faas.BadRequest)
}

func TestLimits(t *testing.T) {
	s, b := store(t, files.Limits{File: 100, Files: 3, Bytes: 150})
	try := func(path string, size int, said bool) error {
		u := files.Upload{Tenant: "me", Path: path, Body: strings.NewReader(strings.Repeat("x", size)), Size: -1}
		if said {
			u.Size = int64(size)
		}
		_, _, err := s.Put(t.Context(), u)
		return err
	}
	wantCode(t, try("a", 100, true), "")
	for _, said := range []bool{true, false} {
		wantCode(t, try("b", 101, said), faas.TooLarge, "larger than 100B", "max-file")
		wantCode(t, try("b", 51, said), faas.TooLarge, "more than 150B together", "100B are taken", "max-files-size")
		wantCode(t, try("b", 50, said), "")
		wantCode(t, try("b", 50, said), "")
	}
	wantCode(t, try("c", 0, true), "")
	wantCode(t, try("d", 0, true), faas.TooLarge, "has 3 files", "max-files")
	wantCode(t, try("a", 99, true), "") // in the place of another
	if n, err := b.Sweep(t.Context(), 0); err != nil || n != 1 {
		t.Errorf("swept %d, %v: want the first contents of a, and nothing of what was refused", n, err)
	}
}

func TestConditions(t *testing.T) {
	s, _ := store(t, files.Limits{})
	put(t, s, "a", "x")
	refusal := errors.New("not so")
	var told []*faas.File
	no := func(f *faas.File) error { told = append(told, f); return refusal }
	for _, path := range []string{"a", "b"} {
		_, _, err := s.Put(t.Context(), files.Upload{Tenant: "me", Path: path, Body: strings.NewReader("y"), Size: 1, If: no})
		if !errors.Is(err, refusal) {
			t.Errorf("put %s: %v", path, err)
		}
	}
	if err := s.Delete(t.Context(), "me", "a", no); !errors.Is(err, refusal) {
		t.Errorf("delete: %v", err)
	}
	if len(told) != 3 || told[0] == nil || told[0].Size != 1 || told[1] != nil || told[2] == nil {
		t.Errorf("told %v", told)
	}
	wantBody(t, s, "a", "x")
}

// broken is a body that ends early.
type broken struct{ r io.Reader }

var errBroken = errors.New("the line was cut")

func (b broken) Read(p []byte) (int, error) {
	n, err := b.r.Read(p)
	if err == io.EOF {
		err = errBroken
	}
	return n, err
}

// Half an upload leaves nothing that anybody sees, and in the end nothing at all.
func TestHalfAnUpload(t *testing.T) {
	s, b := store(t, files.Limits{})
	put(t, s, "a", "whole")
	for _, path := range []string{"a", "b"} {
		_, _, err := s.Put(t.Context(), files.Upload{Tenant: "me", Path: path, Body: broken{strings.NewReader(strings.Repeat("half", 1<<18))}, Size: -1})
		if !errors.Is(err, errBroken) {
			t.Errorf("put %s: %v", path, err)
		}
	}
	wantBody(t, s, "a", "whole")
	wantBody(t, s, "b", absent)
	if n, err := b.Sweep(t.Context(), 0); n != 0 || err != nil {
		t.Errorf("swept %d, %v", n, err)
	}
	wantBody(t, s, "a", "whole")
}

// Contents stay as long as a file has them, and for the grace after the last one that had.
func TestSweep(t *testing.T) {
	s, b := store(t, files.Limits{})
	put(t, s, "a", "same")
	put(t, s, "b", "same")
	old := put(t, s, "c", "old")
	put(t, s, "c", "new")
	sweep := func(grace time.Duration, want int) {
		t.Helper()
		if n, err := b.Sweep(t.Context(), grace); n != want || err != nil {
			t.Fatalf("swept %d, %v, want %d", n, err, want)
		}
	}
	sweep(time.Minute, 0)
	r, err := b.Get(t.Context(), "me", old.Digest) // a call that began before still opens it
	if err != nil {
		t.Fatal(err)
	}
	r.Close()
	sweep(0, 1)
	_, err = b.Get(t.Context(), "me", old.Digest)
	wantCode(t, err, faas.NotFound)
	if err := s.Delete(t.Context(), "me", "a", nil); err != nil {
		t.Fatal(err)
	}
	sweep(0, 0)
	wantBody(t, s, "b", "same")
	if err := s.Delete(t.Context(), "me", "b", nil); err != nil {
		t.Fatal(err)
	}
	sweep(time.Minute, 0)
	sweep(0, 1)
	wantBody(t, s, "c", "new")
}

// A server that is away is told, and what was there is there when it is back.
func TestServerAway(t *testing.T) {
	dir := t.TempDir()
	srv := serve(t, natsd.Config{StoreDir: dir, Listen: "127.0.0.1:0"})
	url := srv.ClientURL()
	b := open(t, url)
	s := files.New(b, view(t, b), files.Limits{})
	put(t, s, "a", "x")
	srv.Close()
	_, _, err := s.Put(t.Context(), files.Upload{Tenant: "me", Path: "b", Body: strings.NewReader("y"), Size: 1})
	wantCode(t, err, faas.Unavailable)
	wantCode(t, s.Delete(t.Context(), "me", "a", nil), faas.Unavailable)
	serve(t, natsd.Config{StoreDir: dir, Listen: strings.TrimPrefix(url, "nats://")})
	testenv.Eventually(t, 10*time.Second, func() bool {
		_, _, err := s.Put(t.Context(), files.Upload{Tenant: "me", Path: "b", Body: strings.NewReader("y"), Size: 1})
		return err == nil
	}, "a put after the server is back")
	wantBody(t, s, "a", "x")
	wantBody(t, s, "b", "y")
}

// A tenant that only replaces can't fill the store, and one that uploads much at once neither.
func TestWaste(t *testing.T) {
	s, _ := store(t, files.Limits{Bytes: 1000})
	for i := range 3 {
		put(t, s, "a", strings.Repeat(fmt.Sprint(i), 1000))
	}
	_, _, err := s.Put(t.Context(), files.Upload{Tenant: "me", Path: "a", Body: strings.NewReader("x"), Size: 1})
	wantCode(t, err, faas.RateLimited, "replaced or deleted 2 files")
	if err := s.Delete(t.Context(), "me", "a", nil); err != nil {
		t.Fatal(err)
	}
	slow, write := io.Pipe()
	first := make(chan error, 1)
	go func() {
		_, _, err := s.Put(t.Context(), files.Upload{Tenant: "you", Path: "a", Body: slow, Size: 601})
		first <- err
	}()
	if _, err := write.Write(make([]byte, 600)); err != nil {
		t.Fatal(err)
	}
	second := files.Upload{Tenant: "you", Path: "b", Body: strings.NewReader(strings.Repeat("x", 600)), Size: -1}
	_, _, err = s.Put(t.Context(), second)
	wantCode(t, err, faas.RateLimited, "under way")
	if _, err := write.Write(make([]byte, 1)); err != nil { // the first is not disturbed
		t.Fatal(err)
	}
	write.Close()
	if err := <-first; err != nil {
		t.Error(err)
	}
	second.Body = strings.NewReader("x")
	if _, _, err = s.Put(t.Context(), second); err != nil {
		t.Error(err)
	}
}
