package gateway

import (
	"time"

	"github.com/shoal-run/shoal/bus/faas"
	"github.com/shoal-run/shoal/libs/telemetry/metrics"
)

// meters are the gateway's metrics.
type meters struct {
	group      *metrics.Group
	http, nats door
	filesOK    *metrics.Counter
	files      metrics.Counters[faas.Code]
}

// door is one way in.
type door struct {
	ok    *metrics.Counter
	calls metrics.Counters[faas.Code]
	took  *metrics.Histogram
}

func newMeters(g *Gateway) *meters {
	m := &meters{group: g.cfg.Metrics.Group("shoal/gateway")}
	m.http, m.nats = m.door("http"), m.door("nats")
	const files, filesAre = "shoal.gateway.files", "requests for shared files, by how they were answered"
	m.filesOK = m.group.Counter(files, filesAre, "code", "ok")
	m.files = metrics.CountersOf(m.group, files, filesAre, "code", faas.Codes())
	m.group.Gauge("shoal.gateway.calls.held", "", "calls that wait for their answer", func() int64 { return int64(g.holder.Held()) })
	m.group.Gauge("shoal.gateway.calls.max", "", "calls that may be held", func() int64 { return int64(g.cfg.MaxCalls) })
	m.group.Gauge("shoal.gateway.workers", "", "workers that the gateway knows", func() int64 { return int64(g.cfg.Members.Len()) })
	return m
}

func (m *meters) door(name string) door {
	const calls, callsAre = "shoal.gateway.calls", "calls by where they came in and how they were answered"
	return door{
		ok:    m.group.Counter(calls, callsAre, "door", name, "code", "ok"),
		calls: metrics.CountersOf(m.group, calls, callsAre, "code", faas.Codes(), "door", name),
		took:  m.group.Histogram("shoal.gateway.call.duration", "from when a call was taken to when its answer was there; those that were refused at the door are not in it", "door", name),
	}
}

// ended counts the answer of a call that was taken at began.
func (d *door) ended(began time.Time, r *faas.Result) {
	d.took.Record(time.Since(began))
	if r.Err == nil {
		d.ok.Add()
		return
	}
	d.calls.Of(r.Err.Code).Add()
}

// refused counts a call that was not taken.
func (d *door) refused(err error) { d.calls.Of(faas.CodeOf(err)).Add() }
