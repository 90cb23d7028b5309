package planner

import (
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/shoal-run/shoal/bus"
	"github.com/shoal-run/shoal/bus/faas"
)

var (
	now  = time.Date(2026, 7, 1, 12, 0, 0, 0, time.UTC)
	echo = faas.Name{Tenant: "demo", Function: "echo"}
	v1   = faas.VersionOf([]byte("one"))
	v2   = faas.VersionOf([]byte("two"))
)

// wid returns the id of a worker whose name is one letter or more.
func wid(name string) faas.WorkerID { return faas.WorkerID(name + "-0191e7c20000") }

// at makes a worker with 4 slots and a queue of 8.
func at(name string, free, queued int, warm ...faas.WarmCounts) faas.Worker {
	return faas.Worker{
		ID: wid(name), Name: name, State: faas.WorkerJoined, Seen: now,
		Slots: faas.Slots{Total: 4, Free: free, Queued: queued}, Warm: warm,
	}
}

func has(ready, running int) faas.WarmCounts {
	return faas.WarmCounts{Name: echo, Version: v1, Ready: ready, Running: running}
}

func draining(w faas.Worker) faas.Worker {
	w.State = faas.WorkerDraining
	return w
}

func late(w faas.Worker) faas.Worker {
	w.Seen = now.Add(-bus.PingAfter - time.Millisecond)
	return w
}

func sized(w faas.Worker, total, queue int) faas.Worker {
	w.Slots.Total, w.Slots.Queue = total, queue
	return w
}

func TestPlace(t *testing.T) {
	other := faas.WarmCounts{Name: echo, Version: v2, Ready: 4}
	for _, c := range []struct {
		name    string
		workers []faas.Worker
		placed  []string // calls of echo, version 1, placed since
		refused []string
		want    string // "" for none
	}{
		{name: "no workers"},
		{name: "one worker", workers: []faas.Worker{at("a", 4, 0)}, want: "a"},
		{name: "warm before idle", workers: []faas.Worker{at("a", 4, 0), at("b", 1, 0, has(1, 3))}, want: "b"},
		{name: "most ready", workers: []faas.Worker{at("a", 4, 0, has(1, 0)), at("b", 1, 0, has(2, 0))}, want: "b"},
		{name: "as ready, less loaded", workers: []faas.Worker{at("a", 1, 0, has(2, 0)), at("b", 3, 0, has(2, 0))}, want: "b"},
		{name: "warm without a slot", workers: []faas.Worker{at("a", 0, 0, has(4, 0)), at("b", 1, 0)}, want: "b"},
		{name: "another version is not warm", workers: []faas.Worker{at("a", 1, 0, other), at("b", 2, 0)}, want: "b"},
		{name: "ran it before", workers: []faas.Worker{at("a", 4, 0), at("b", 1, 0, has(0, 0))}, want: "b"},
		{name: "ready before ran it", workers: []faas.Worker{at("a", 4, 0, has(0, 1)), at("b", 1, 0, has(1, 0))}, want: "b"},
		{name: "least loaded", workers: []faas.Worker{at("a", 1, 0), at("b", 3, 0), at("c", 2, 0)}, want: "b"},
		{name: "load is relative to size", workers: []faas.Worker{at("a", 3, 0), sized(at("b", 13, 0), 16, 0)}, want: "b"},
		{name: "shortest queue", workers: []faas.Worker{at("a", 0, 3), at("b", 0, 2), at("c", 0, 8)}, want: "b"},
		{name: "a slot before a queue", workers: []faas.Worker{at("a", 0, 0, has(0, 4)), at("b", 1, 0)}, want: "b"},
		{name: "all queues full", workers: []faas.Worker{at("a", 0, 8), at("b", 0, 9)}},
		{name: "a worker without a queue", workers: []faas.Worker{sized(at("a", 0, 0), 4, -1)}},
		{name: "a queue of its own size", workers: []faas.Worker{sized(at("a", 0, 8), 4, 9)}, want: "a"},
		{name: "draining takes nothing", workers: []faas.Worker{draining(at("a", 4, 0, has(4, 0))), at("b", 0, 7)}, want: "b"},
		{name: "all draining", workers: []faas.Worker{draining(at("a", 4, 0))}},
		{name: "refused is not asked again", workers: []faas.Worker{at("a", 4, 0, has(4, 0)), at("b", 0, 1)}, refused: []string{"a"}, want: "b"},
		{name: "all refused", workers: []faas.Worker{at("a", 4, 0, has(4, 0)), at("b", 4, 0)}, refused: []string{"a", "b"}},
		{name: "refused by one that has gone", workers: []faas.Worker{at("a", 4, 0)}, refused: []string{"z"}, want: "a"},
		{name: "late with its beats", workers: []faas.Worker{late(at("a", 4, 0, has(4, 0))), at("b", 0, 1)}, want: "b"},
		{name: "all are late", workers: []faas.Worker{late(at("a", 4, 0)), late(at("b", 1, 0))}, want: "a"},
		{name: "a burst goes on to the next warm", workers: []faas.Worker{at("a", 4, 0, has(2, 0)), at("b", 4, 0, has(1, 0))}, placed: []string{"a", "a"}, want: "b"},
		{name: "a burst fills slots", workers: []faas.Worker{at("a", 2, 0, has(9, 0)), at("b", 1, 0)}, placed: []string{"a", "a"}, want: "b"},
		{name: "what was placed may be done", workers: []faas.Worker{at("a", 1, 0)}, placed: slices.Repeat([]string{"a"}, 50), want: "a"},
	} {
		t.Run(c.name, func(t *testing.T) {
			for tie := range uint64(5) {
				v := NewView()
				for _, w := range c.workers {
					v.Set(w)
				}
				for _, p := range c.placed {
					v.Placed(wid(p), echo, v1)
				}
				req := Request{Name: echo, Version: v1, Now: now, Tie: tie}
				for _, r := range c.refused {
					req.Refused = append(req.Refused, wid(r))
				}
				id, ok := Place(v, req)
				if ok != (c.want != "") || ok && id != wid(c.want) {
					t.Errorf("tie %d: placed on %q (%v), want %q", tie, id, ok, c.want)
				}
			}
		})
	}
}

func TestPlaceSpreadsEquals(t *testing.T) {
	v := NewView()
	for i := range 8 {
		v.Set(at(fmt.Sprintf("w%d", i), 4, 0))
	}
	count := map[faas.WorkerID]int{}
	for tie := range uint64(800) {
		id, _ := Place(v, Request{Name: echo, Version: v1, Now: now, Tie: tie})
		count[id]++
	}
	for id, n := range count {
		if n < 50 || n > 150 {
			t.Errorf("%s got %d of 800 calls, eight equals were there", id, n)
		}
	}
	if len(count) != 8 {
		t.Errorf("%d workers of 8 got calls", len(count))
	}
}

func TestPlaceBurstStaysWithinSlots(t *testing.T) {
	v := NewView()
	for i := range 8 {
		v.Set(at(fmt.Sprintf("w%d", i), 4, 0))
	}
	count := map[faas.WorkerID]int{}
	for range 32 {
		id, ok := Place(v, Request{Name: echo, Version: v1, Now: now, Tie: rand.Uint64()})
		if !ok {
			t.Fatal("refused though slots are free")
		}
		v.Placed(id, echo, v1)
		count[id]++
	}
	for id, n := range count {
		if n != 4 {
			t.Errorf("%s got %d calls for its 4 slots while others had room", id, n)
		}
	}
}

// FuzzView holds a View against a plain model of it: what Place chooses is always allowed, and it refuses only when
// nothing is.
func FuzzView(f *testing.F) {
	f.Add([]byte{0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11})
	f.Add([]byte("\x00\x10\x41\x02\x01\x20\x44\x03\x02\x00\x00\x00\x00\x10\x41\x02"))
	f.Fuzz(func(t *testing.T, ops []byte) {
		v := NewView()
		model := map[faas.WorkerID]faas.Worker{}
		names := []faas.Name{echo, {Tenant: "demo", Function: "hello"}, {Tenant: "me", Function: "wc"}}
		for ; len(ops) >= 4; ops = ops[4:] {
			name := string(rune('a' + ops[1]%6))
			req := Request{Name: names[ops[3]%3], Version: v1, Now: now, Tie: uint64(ops[2])}
			switch ops[0] % 4 {
			case 0:
				w := at(name, int(ops[2]%5), int(ops[2]/5%10))
				for i, n := range names {
					if ops[3]>>i&1 == 1 {
						w.Warm = append(w.Warm, faas.WarmCounts{Name: n, Version: v1, Ready: int(ops[3] >> 4 & 3), Running: int(ops[3] >> 6)})
					}
				}
				if ops[1]&0x80 != 0 {
					w.State = faas.WorkerDraining
				}
				v.Set(w)
				model[w.ID] = w
			case 1:
				v.Remove(wid(name))
				delete(model, wid(name))
			case 2:
				v.Routes(now.Add(time.Duration(ops[2])*time.Second), 4)
			case 3:
				if ops[1]&0x40 != 0 {
					req.Refused = []faas.WorkerID{wid(name)}
				}
				id, ok := Place(v, req)
				takes := func(w faas.Worker) bool {
					return w.State == faas.WorkerJoined && (w.Slots.Free > 0 || w.Slots.Queued < 8) && !slices.Contains(req.Refused, w.ID)
				}
				if ok && !takes(model[id]) {
					t.Fatalf("placed on %s, which takes nothing: %+v", id, model[id])
				}
				for _, w := range model {
					if !ok && takes(w) {
						t.Fatalf("refused, but %s takes calls: %+v", w.ID, w)
					}
				}
				v.Placed(id, req.Name, v1)
			}
			check(t, v, len(model))
		}
	})
}

// check fails t when the indices of v disagree with one another.
func check(t *testing.T, v *View, workers int) {
	t.Helper()
	if len(v.nodes) != workers || len(v.loads) != workers || len(v.byID) != workers {
		t.Fatalf("%d nodes, %d loads, %d ids of %d workers", len(v.nodes), len(v.loads), len(v.byID), workers)
	}
	for i, n := range v.nodes {
		if n.at != i || v.byID[n.id] != n {
			t.Fatalf("node %s is at %d, not %d", n.id, i, n.at)
		}
		for f, h := range n.holds {
			if h.node != n || f.held[h.at] != h || v.byKey[f.key] != f {
				t.Fatalf("%s holds %v wrongly", n.id, f.key)
			}
		}
	}
	for k, f := range v.byKey {
		if len(f.held) == 0 && len(f.route) == 0 {
			t.Fatalf("%v is kept though nobody has it", k)
		}
		for i, h := range f.held {
			if h.at != i || h.node.holds[f] != h || v.byID[h.node.id] != h.node {
				t.Fatalf("%v is held wrongly by %s", k, h.node.id)
			}
		}
	}
}

// cluster makes a view of 1 000 workers and 10 000 functions, each warm on some of them, most slots taken.
func cluster() (*View, []key) {
	const workers, functions, each = 1000, 10000, 100
	r := rand.New(rand.NewPCG(1, 2))
	keys := make([]key, functions)
	for i := range keys {
		name := faas.Name{Tenant: fmt.Sprintf("tenant%d", i%100), Function: fmt.Sprintf("function%d", i)}
		keys[i] = key{name, faas.VersionOf(binary.BigEndian.AppendUint32(nil, uint32(i)))}
	}
	v := NewView()
	for i := range workers {
		w := faas.Worker{
			ID: wid(fmt.Sprintf("w%d", i)), State: faas.WorkerJoined, Seen: now,
			Slots: faas.Slots{Total: 64, Free: r.IntN(8), Queued: r.IntN(4)},
		}
		for range each {
			k := keys[r.IntN(functions*9/10)] // a tenth is nowhere
			w.Warm = append(w.Warm, faas.WarmCounts{Name: k.name, Version: k.version, Ready: r.IntN(2), Running: r.IntN(2)})
		}
		v.Set(w)
	}
	return v, keys
}

// BenchmarkPlace is the key plan.place: 1 000 workers × 10 000 functions. cold is the worst case, a function that nobody
// has: every worker is looked at. random is the baseline: any worker, whatever it has.
func BenchmarkPlace(b *testing.B) {
	v, keys := cluster()
	b.Run("mixed", func(b *testing.B) {
		i := uint64(0)
		for b.Loop() {
			i += 0x9e3779b97f4a7c15
			k := keys[i%uint64(len(keys))]
			if _, ok := Place(v, Request{Name: k.name, Version: k.version, Now: now, Tie: i}); !ok {
				b.Fatal("not placed")
			}
		}
	})
	b.Run("cold", func(b *testing.B) {
		k, i := keys[len(keys)-1], uint64(0)
		for b.Loop() {
			i += 0x9e3779b97f4a7c15
			if _, ok := Place(v, Request{Name: k.name, Version: k.version, Now: now, Tie: i}); !ok {
				b.Fatal("not placed")
			}
		}
	})
	b.Run("random", func(b *testing.B) {
		i, sum := uint64(0), 0
		for b.Loop() {
			i += 0x9e3779b97f4a7c15
			sum += len(v.nodes[rand.IntN(len(v.nodes))].id)
		}
		_ = sum
	})
}

// BenchmarkSet is what one beat of a worker with 100 warm versions costs, in that cluster.
func BenchmarkSet(b *testing.B) {
	v, keys := cluster()
	w := at("w1", 3, 0)
	for _, k := range keys[:100] {
		w.Warm = append(w.Warm, faas.WarmCounts{Name: k.name, Version: k.version, Ready: 1})
	}
	for b.Loop() {
		v.Set(w)
	}
}
