package worker

import (
	"github.com/shoal-run/shoal/bus/faas"
	"github.com/shoal-run/shoal/libs/faaslet"
	"github.com/shoal-run/shoal/libs/telemetry"
	"github.com/shoal-run/shoal/libs/telemetry/metrics"
)

// meters are the worker's metrics. None has a function or a tenant for a label: `shoal describe` tells of one function, and
// the log of one call. What a process has once, its engine and its memory, has no worker's name either.
type meters struct {
	worker, process *metrics.Group

	cold, restored, warm *metrics.Counter // calls by start kind
	init, restore        *metrics.Histogram
	run, reset           *metrics.Histogram
	ok                   *metrics.Counter
	evictions            *metrics.Counter
	prefetchesDropped    *metrics.Counter
	protosFilled         *metrics.Counter
	protosFailed         *metrics.Counter
	calls, refusals      metrics.Counters[faas.Code]
	unreset              metrics.Counters[faaslet.NotReset]
}

const (
	codeOK = "ok" // the code of a call that succeeded
	// notKept is why a Faaslet of a function with reset: never was replaced.
	notKept faaslet.NotReset = "not_kept"
)

func newMeters(w *Worker) *meters {
	g, p := w.cfg.Metrics.Group("shoal/worker", "worker", w.cfg.Name), w.cfg.Metrics.Group("shoal/worker")
	const starts, calls = "shoal.worker.starts", "shoal.worker.calls"
	const startsAre, callsAre = "calls that got a Faaslet, by how it came to be", "calls that were admitted, by how they ended"
	m := &meters{
		worker: g, process: p,
		cold:     g.Counter(starts, startsAre, "kind", string(faas.Cold)),
		restored: g.Counter(starts, startsAre, "kind", string(faas.Restored)),
		warm:     g.Counter(starts, startsAre, "kind", string(faas.Warm)),
		ok:       g.Counter(calls, callsAre, "code", codeOK),
		calls:    metrics.CountersOf(g, calls, callsAre, "code", faas.Codes()),
		refusals: metrics.CountersOf(g, "shoal.worker.refusals", "calls that were not admitted, by the code that they were answered", "code", faas.Codes()),
		init:     g.Histogram("shoal.worker.init.duration", "building a Faaslet from its module, the initialiser included; for a call or ahead of one"),
		restore:  g.Histogram("shoal.worker.restore.duration", "restoring a Faaslet from an image; for a call or ahead of one"),
		run:      g.Histogram("shoal.worker.run.duration", "the run of a call's guest"),
		reset:    g.Histogram("shoal.worker.reset.duration", "putting a Faaslet back after a call"),
		unreset: metrics.CountersOf(g, "shoal.worker.resets.failed", "Faaslets that were replaced after a call since they could not be put back, by the reason",
			"reason", append(faaslet.NotResets(), notKept)),
	}
	m.evictions = g.Counter("shoal.worker.evictions", "times that idle functions were given up to make room for a call")
	const protos, protosAre = "shoal.worker.protos", "Proto-Faaslets that were asked for to restore from, by what came of it"
	m.protosFilled = g.Counter(protos, protosAre, "result", "filled")
	m.protosFailed = g.Counter(protos, protosAre, "result", "failed")
	m.prefetchesDropped = g.Counter("shoal.worker.prefetches.dropped", "announced functions that were left to their first call, for want of room or time")
	g.Gauge("shoal.worker.slots", "", "calls that may run at once", func() int64 { return int64(w.cfg.Slots) })
	g.Gauge("shoal.worker.slots.used", "", "calls that run", w.running.Load)
	g.Gauge("shoal.worker.queue", "", "calls that wait for a slot", func() int64 { return max(w.admitted.Load()-w.running.Load(), 0) })
	g.Gauge("shoal.worker.faaslets.ready", "", "Faaslets that wait for a call", w.readyFaaslets)
	g.Gauge("shoal.worker.reserved", "By", "linear memory that running calls may take", func() int64 {
		w.mu.Lock()
		defer w.mu.Unlock()
		return int64(w.reserved)
	})
	g.Gauge("shoal.worker.draining", "", "1 while the worker takes no new calls", func() int64 {
		if w.draining.Load() {
			return 1
		}
		return 0
	})
	stats := w.cfg.Engine.Stats
	p.Gauge("shoal.engine.faaslets", "", "live Faaslets of the process, ready ones and those that run", func() int64 { return int64(stats().Faaslets) })
	p.Gauge("shoal.engine.faaslets.max", "", "live Faaslets that there may be", func() int64 { return int64(stats().MaxFaaslets) })
	p.Gauge("shoal.engine.modules", "", "loaded modules", func() int64 { return int64(stats().Modules) })
	p.Gauge("shoal.engine.used", "", "percent of the maps, address space, descriptors or Faaslets that there may be, whichever is the scarcest", func() int64 { return int64(w.cfg.Engine.Used()) })
	p.Gauge("shoal.engine.maps", "", "maps of the process that modules, images, Faaslets and slots take, as counted", func() int64 { return int64(stats().Maps) })
	p.Gauge("shoal.engine.maps.max", "", "maps that they may take", func() int64 { return int64(stats().MaxMaps) })
	p.Gauge("shoal.engine.descriptors", "", "descriptors that modules and images take, as counted", func() int64 { return int64(stats().Files) })
	p.Gauge("shoal.engine.descriptors.max", "", "descriptors that they may take", func() int64 { return int64(stats().MaxFiles) })
	p.Gauge("shoal.engine.memory", "By", "linear memory of all Faaslets, as far as they have grown it", func() int64 { return int64(stats().Memory) })
	p.Gauge("shoal.engine.images", "", "images that Faaslets are restored from", func() int64 { return int64(stats().Images) })
	p.Gauge("shoal.engine.images.memory", "By", "memory that images keep", func() int64 { return int64(stats().ImageMemory) })
	p.Gauge("shoal.engine.shells", "", "instances that closed Faaslets left to the next ones", func() int64 { return int64(stats().Shells) })
	p.Gauge("shoal.engine.memory.resident", "By", "resident memory of the process, as of the last second", w.rss.Load)
	return m
}

func (m *meters) close() {
	m.worker.Close()
	m.process.Close()
}

// ended counts a call that was admitted.
func (m *meters) ended(r *faas.Result) {
	if r.Err == nil {
		m.ok.Add()
		return
	}
	m.calls.Of(r.Err.Code).Add()
}

// readyFaaslets returns how many wait for a call.
func (w *Worker) readyFaaslets() (n int64) {
	for _, p := range w.allPools() {
		p.mu.Lock()
		n += int64(len(p.ready))
		p.mu.Unlock()
	}
	return n
}

// started counts a call that ran in one of the pool's Faaslets.
func (p *pool) started(r *faas.Result) {
	m, past := p.w.meters, &p.past
	switch r.Start {
	case faas.Warm:
		m.warm.Add()
		past.warm.Add(1)
	case faas.Restored:
		m.restored.Add()
		past.restored.Add(1)
	case faas.Cold:
		m.cold.Add()
		past.cold.Add(1)
	}
	m.run.Record(r.Duration)
	past.run.took(r.Duration)
}

// born notes how a Faaslet came to be.
func (p *pool) born(b faaslet.Birth) {
	if b.Kind == faas.Restored {
		p.w.meters.restore.Record(b.Took)
		p.past.restore.took(b.Took)
		return
	}
	p.w.meters.init.Record(b.Took)
	p.past.init.took(b.Took)
}

// putBack makes a Faaslet that served its call fit for the next one, and reports whether it is.
func (p *pool) putBack(l lent) bool {
	m := p.w.meters
	if l.keep {
		ok := l.f.Keep()
		if !ok {
			m.unreset.Of(notKept).Add()
		}
		return ok
	}
	ok := l.f.Reset()
	r := l.f.LastReset()
	if ok {
		m.reset.Record(r.Took)
		p.past.reset.took(r.Took)
		return true
	}
	m.unreset.Of(r.Why).Add()
	if r.Err != nil { // its log is the only place where a guest's author can see it
		p.w.log.Debug("Faaslet not reset", telemetry.KeyFunc, p.key.name, "reason", r.Why, telemetry.KeyErr, r.Err)
	}
	return false
}
