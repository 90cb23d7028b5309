package files_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/shoal-run/shoal/bus/faas"
	"github.com/shoal-run/shoal/internal/testenv"
	"github.com/shoal-run/shoal/libs/files"
	"github.com/shoal-run/shoal/libs/natsd"
)

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
