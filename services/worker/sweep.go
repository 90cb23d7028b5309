package worker

import (
	"context"
	"maps"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/shoal-run/shoal/bus/faas"
)

// sweepEvery is how often idle Faaslets are looked at.
const sweepEvery = time.Second

// sweep ends what has been idle for too long, and evicts when memory is short, until ctx ends.
func (w *Worker) sweep(ctx context.Context) error {
	tick := time.NewTicker(sweepEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case now := <-tick.C:
			w.expire(now)
			w.logs.forget(now)
			w.forgetCancelled(now)
			w.relieve()
		}
	}
}

// expire drops idle Faaslets past their keep-alive, and then pools, with their modules, that nobody uses.
func (w *Worker) expire(now time.Time) {
	for _, p := range w.allPools() {
		if p.expire(now) {
			w.unload(p)
		}
	}
}

func (w *Worker) allPools() []*pool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return slices.Collect(maps.Values(w.pools))
}

// poolsOf returns the pools of a function, one per version.
func (w *Worker) poolsOf(n faas.Name) []*pool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return slices.Clone(w.named[n])
}

// relieve evicts idle Faaslets of the least recently used functions while resident memory is past the mark: half of them
// at each sweep, since memory that is given back takes a moment to be measured.
func (w *Worker) relieve() {
	rss := residentMemory()
	w.rss.Store(int64(rss))
	over := rss > w.cfg.MemoryMark
	w.overMark.Store(over)
	if !over {
		return
	}
	pools := w.allPools()
	slices.SortFunc(pools, func(a, b *pool) int { return a.lastUsed().Compare(b.lastUsed()) })
	idle := 0
	for _, p := range pools {
		idle += p.counts().Ready
	}
	if idle == 0 { // what is left are images and modules
		w.evictPools()
	}
	left := (idle + 1) / 2
	for _, p := range pools {
		if left -= p.evict(left); left <= 0 {
			break
		}
	}
	w.log.Warn("memory past the mark: idle Faaslets evicted", "resident", rss, "mark", w.cfg.MemoryMark, "evicted", (idle+1)/2-left)
}

// residentMemory returns this process's resident memory, 0 where it can't be read.
func residentMemory() faas.Size {
	b, err := os.ReadFile("/proc/self/statm") // pages: size resident shared …
	if err != nil {
		return 0
	}
	f := strings.Fields(string(b))
	if len(f) < 2 {
		return 0
	}
	pages, err := strconv.ParseInt(f[1], 10, 64)
	if err != nil {
		return 0
	}
	return faas.Size(pages * int64(os.Getpagesize()))
}
