package cache

import (
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/shoal-run/shoal/internal/testenv"
)

// A tenant whose files take long to come leaves the others turns.
func TestTurns(t *testing.T) {
	s := newStore(fetches)
	s.objects["you/"+fileOf(body(0)).Digest] = body(0)
	var running atomic.Int64
	let := make(chan struct{})
	s.gateOf = func(tenant string) {
		if tenant == "me" {
			running.Add(1)
			<-let
		}
	}
	c, _ := newCache(t, s, 0)
	var wg sync.WaitGroup
	for n := range fetches {
		wg.Go(func() {
			h, err := c.Open(t.Context(), "me", fileOf(body(n)))
			if err != nil {
				t.Error(err)
				return
			}
			h.Close()
		})
	}
	testenv.Eventually(t, 10*time.Second, func() bool { return running.Load() == fetches/2 }, "half of the turns are taken")
	h, err := c.Open(t.Context(), "you", fileOf(body(0)))
	if err != nil {
		t.Fatal(err)
	}
	h.Close()
	if n := running.Load(); n != fetches/2 {
		t.Errorf("%d fetches of one tenant run", n)
	}
	close(let)
	wg.Wait()
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.turns) != 0 || c.pending != 0 {
		t.Errorf("%d tenants are left, %d fetches", len(c.turns), c.pending)
	}
}
