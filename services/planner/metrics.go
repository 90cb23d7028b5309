package planner

import (
	"github.com/shoal-run/shoal/bus/faas"
	"github.com/shoal-run/shoal/libs/telemetry/metrics"
)

// meters are the planner's metrics.
type meters struct {
	group   *metrics.Group
	placed  *metrics.Counter
	refused metrics.Counters[faas.Code]
}

func newMeters(p *Planner) *meters {
	const placements, are = "shoal.planner.placements", "calls to place, by what came of it: placed, or the code that they were answered"
	g := p.cfg.Metrics.Group("shoal/planner")
	m := &meters{
		group:   g,
		placed:  g.Counter(placements, are, "result", "placed"),
		refused: metrics.CountersOf(g, placements, are, "result", faas.Codes()),
	}
	g.Gauge("shoal.planner.workers", "", "workers that the planner knows", func() int64 {
		p.mu.Lock()
		defer p.mu.Unlock()
		return int64(p.view.Len())
	})
	g.Gauge("shoal.planner.workers.unheard", "", "those of them that were not heard since the connection was lost: they get no calls", func() int64 {
		p.mu.Lock()
		defer p.mu.Unlock()
		return int64(p.view.Unheard())
	})
	return m
}
