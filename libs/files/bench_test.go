package files_test

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"strings"
	"testing"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/shoal-run/shoal/libs/files"
	"github.com/shoal-run/shoal/libs/files/cache"
	"github.com/shoal-run/shoal/libs/natsd"
	"github.com/shoal-run/shoal/libs/objectstore"
)

// bench returns a store over a server of its own, a view of it and what lies below.
func bench(b *testing.B) (*files.Store, *files.View, *files.Bucket, jetstream.JetStream) {
	b.Helper()
	srv, err := natsd.Start(natsd.Config{StoreDir: b.TempDir(), MaxPayload: 8 << 20})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(srv.Close)
	nc, err := nats.Connect("", srv.InProcess())
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(nc.Close)
	js, err := jetstream.New(nc)
	if err != nil {
		b.Fatal(err)
	}
	bucket, err := files.Open(b.Context(), js, bucket)
	if err != nil {
		b.Fatal(err)
	}
	v := files.NewView(files.ViewConfig{Bucket: bucket})
	ctx, stop := context.WithCancel(context.WithoutCancel(b.Context()))
	ended := make(chan error, 1)
	go func() { ended <- v.Run(ctx) }()
	b.Cleanup(func() { stop(); <-ended })
	return files.New(bucket, v, files.Limits{Files: 20_000}), v, bucket, js
}

func mustPut(b *testing.B, s *files.Store, path string, body []byte) {
	b.Helper()
	if _, _, err := s.Put(b.Context(), files.Upload{Tenant: "me", Path: path, Body: bytes.NewReader(body), Size: int64(len(body))}); err != nil {
		b.Fatal(err)
	}
}

// BenchmarkPut is a put of 1 KB beside others of its tenant, with the same bytes in the bare object store for a baseline.
func BenchmarkPut(b *testing.B) {
	s, _, _, js := bench(b)
	body := []byte(strings.Repeat("x", 1000))
	at := 0
	for _, n := range []int{10, 10_000} {
		for ; at < n; at++ {
			mustPut(b, s, fmt.Sprintf("d/f%06d", at), nil)
		}
		b.Run(fmt.Sprintf("beside %d", n), func(b *testing.B) {
			i := 0
			for b.Loop() {
				body[0], body[1] = byte(i), byte(i>>8)
				mustPut(b, s, fmt.Sprint("f", i%16), body)
				i++
			}
		})
	}
	bare, err := objectstore.Open(b.Context(), js, "bare", objectstore.Options{})
	if err != nil {
		b.Fatal(err)
	}
	b.Run("object store", func(b *testing.B) {
		i := 0
		for b.Loop() {
			body[0], body[1] = byte(i), byte(i>>8)
			if _, err := bare.Put(b.Context(), fmt.Sprint("f", i%16), bytes.NewReader(body)); err != nil {
				b.Fatal(err)
			}
			i++
		}
	})
}

// BenchmarkFor is what a call pays: the snapshot of a tenant with files, and of one without.
func BenchmarkFor(b *testing.B) {
	s, v, bucket, _ := bench(b)
	c := cache.New(cache.Config{Dir: b.TempDir(), Store: bucket})
	b.Cleanup(c.Close)
	r := files.NewReader(v, c)
	mustPut(b, s, "f", []byte("x"))
	for _, tenant := range []string{"me", "nobody"} {
		b.Run(tenant, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if _, err := r.For(b.Context(), tenant, s.Revision(tenant)); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// BenchmarkFetch is the first open of a file of 16 MiB, its check included, beside reading it from the object store.
func BenchmarkFetch(b *testing.B) {
	s, v, bucket, _ := bench(b)
	body := bytes.Repeat([]byte("0123456789abcdef"), 1<<20)
	mustPut(b, s, "f", body)
	c := cache.New(cache.Config{Dir: b.TempDir(), Store: bucket})
	b.Cleanup(c.Close)
	shared, err := files.NewReader(v, c).For(b.Context(), "me", s.Revision("me"))
	if err != nil {
		b.Fatal(err)
	}
	b.Run("open", func(b *testing.B) {
		b.SetBytes(int64(len(body)))
		for b.Loop() {
			f, err := shared.Open(b.Context(), "f")
			if err != nil {
				b.Fatal(err)
			}
			f.Close()
			c.DropIdle()
		}
	})
	b.Run("object store", func(b *testing.B) {
		b.SetBytes(int64(len(body)))
		for b.Loop() {
			_, r, err := s.Open(b.Context(), "me", "f")
			if err != nil {
				b.Fatal(err)
			}
			if _, err := io.Copy(io.Discard, r); err != nil {
				b.Fatal(err)
			}
			r.Close()
		}
	})
}
