package planner

import (
	"math"
	"slices"
	"time"

	"github.com/shoal-run/shoal/bus"
	"github.com/shoal-run/shoal/bus/faas"
)

// Request is a call to place, as far as placing cares.
type Request struct {
	Name    faas.Name
	Version faas.Version
	Refused []faas.WorkerID // workers that refused it: they are not asked again
	Now     time.Time       // by the clock of faas.Worker.Seen
	Tie     uint64          // chooses among equals; any number, different from call to call
}

// Place returns the worker that a call should go to, and false when none takes calls. It changes nothing.
//
//  1. A worker with a free slot that has the version ready: the one with most ready, of those the least loaded.
//  2. A worker with a free slot that has the version at all, whose module is loaded: the least loaded.
//  3. Any worker with a free slot: the least loaded.
//  4. A worker whose queue has room: the one with least to do for its slots.
//
// A worker that is late with its beats is only asked when no other takes the call.
func Place(v *View, req Request) (faas.WorkerID, bool) {
	if len(v.nodes) == 0 {
		return "", false
	}
	p := placing{View: v, tie: int(req.Tie % uint64(len(v.nodes))), since: req.Now.Add(-bus.PingAfter).UnixNano()}
	for _, id := range req.Refused {
		if n := v.byID[id]; n != nil {
			p.refused = append(p.refused, n.at)
		}
	}
	at := p.choose(v.byKey[key{req.Name, req.Version}])
	if at < 0 {
		p.since = math.MinInt64
		at = p.choose(v.byKey[key{req.Name, req.Version}])
	}
	if at < 0 {
		return "", false
	}
	return v.nodes[at].id, true
}

// placing is one run of Place.
type placing struct {
	*View
	tie     int
	since   int64 // who has not told anything since is left out
	refused []int // indices of workers that are left out
}

// choose returns the index of the best worker for f, which may be nil, or -1.
func (p *placing) choose(f *function) int {
	if f != nil {
		if at := p.among(f.held); at >= 0 {
			return at
		}
	}
	return p.amongAll()
}

// among chooses by rules 1 and 2.
func (p *placing) among(held []*holding) int {
	best, bestReady := -1, int32(0)
	if len(held) == 0 {
		return best
	}
	start := p.tie % len(held)
	for i := range held {
		h := held[(start+i)%len(held)]
		at := h.node.at
		l := &p.loads[at]
		if !l.open() || l.used() >= l.total || l.seen < p.since {
			continue
		}
		ready := max(h.ready-h.placed, 0)
		better := best < 0 || ready > bestReady || ready == bestReady && l.less(&p.loads[best])
		if better && !slices.Contains(p.refused, at) {
			best, bestReady = at, ready
		}
	}
	return best
}

// amongAll chooses by rules 3 and 4: the least loaded has a free slot when any has.
func (p *placing) amongAll() int {
	best := p.scan(p.tie, len(p.loads), -1)
	return p.scan(0, p.tie, best)
}

// scan returns the least loaded of the workers from index to index and best.
func (p *placing) scan(from, to, best int) int {
	for at := from; at < to; at++ {
		l := &p.loads[at]
		if !l.open() || l.seen < p.since || best >= 0 && !l.less(&p.loads[best]) || slices.Contains(p.refused, at) {
			continue
		}
		best = at
	}
	return best
}
