package objectstore_test

import (
	"bytes"
	"io"
	"runtime"
	"strings"
	"testing"

	"github.com/shoal-run/shoal/bus/faas"
	"github.com/shoal-run/shoal/libs/objectstore"
)

func TestFullStore(t *testing.T) {
	s := open(t, server(t), objectstore.Options{MaxBytes: 1 << 20})
	put(t, s, "small", random(700<<10))
	_, err := s.Put(t.Context(), "large", bytes.NewReader(random(900<<10)))
	wantCode(t, err, faas.Unavailable)
	if err == nil || !strings.Contains(err.Error(), "full") || !strings.Contains(err.Error(), "put object large") {
		t.Errorf("error %v", err)
	}
	if err := s.Delete(t.Context(), "small"); err != nil { // also in a full bucket
		t.Fatal(err)
	}
	put(t, s, "large", random(900<<10))
}

func TestDeleteWhenFullToTheBrim(t *testing.T) {
	js := server(t)
	s := open(t, js, objectstore.Options{MaxBytes: 64 << 10})
	put(t, s, "a", random(32<<10))
	for i := 0; ; i++ { // until not even a meta message fits
		if _, err := js.Publish(t.Context(), "$O.things.C.filler", random(100)); err != nil {
			break
		}
	}
	if err := s.Delete(t.Context(), "a"); err != nil {
		t.Fatal(err)
	}
}

// TestConstantMemory moves 96 MiB through the store. The server is in this process, so the bound leaves it room.
func TestConstantMemory(t *testing.T) {
	if testing.Short() {
		t.Log("short: 24 MiB only")
	}
	size := 96 << 20
	if testing.Short() {
		size = 24 << 20
	}
	s := open(t, server(t), objectstore.Options{})
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	block := random(1 << 20)
	var most uint64
	sample := func() {
		runtime.GC()
		runtime.ReadMemStats(&after)
		if after.HeapAlloc > before.HeapAlloc {
			most = max(most, after.HeapAlloc-before.HeapAlloc)
		}
	}
	left := size
	_, err := s.Put(t.Context(), "big", readerFunc(func(p []byte) (int, error) {
		if left == 0 {
			return 0, io.EOF
		}
		n := copy(p, block[:min(len(block), left)])
		if left -= n; left%(8<<20) == 0 {
			sample()
		}
		return n, nil
	}))
	if err != nil {
		t.Fatal(err)
	}
	r, err := s.Get(t.Context(), "big")
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	n, err := io.Copy(io.Discard, r)
	if err != nil || n != int64(size) {
		t.Fatalf("read %d, %v", n, err)
	}
	sample()
	if most > 40<<20 {
		t.Errorf("the heap grew by %d MiB", most>>20)
	}
}
