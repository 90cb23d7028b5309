package upload

import (
	"github.com/shoal-run/shoal/bus"
	"github.com/shoal-run/shoal/bus/faas"
	"github.com/shoal-run/shoal/libs/telemetry/metrics"
)

// meters are the service's metrics.
type meters struct {
	group            *metrics.Group
	deploys, changes metrics.Counters[faas.Code]
	compile          *metrics.Histogram

	sweeps, sweepsFailed, objects *metrics.Counter
}

const codeOK faas.Code = "ok" // the code of what was done

func newMeters(s *Service) *meters {
	g := s.cfg.Metrics.Group("shoal/upload")
	codes := append(faas.Codes(), codeOK)
	m := &meters{
		group:   g,
		deploys: metrics.CountersOf(g, "shoal.upload.deploys", "deploys by how they were answered", "code", codes),
		changes: metrics.CountersOf(g, "shoal.upload.changes", "changes of settings and removals by how they were answered", "code", codes),
		compile: g.Histogram("shoal.upload.compile.duration", "compiling a module, also when that failed"),
	}
	const sweeps, sweepsAre = "shoal.upload.sweeps", "searches for what is not used any more, by what came of them"
	m.sweeps, m.sweepsFailed = g.Counter(sweeps, sweepsAre, "result", "ok"), g.Counter(sweeps, sweepsAre, "result", "failed")
	m.objects = g.Counter("shoal.upload.swept", "objects that they removed")
	g.Gauge("shoal.upload.deploys.waiting", "", "deploys that wait for their turn", func() int64 { n, _ := s.deploys.counts(); return int64(n) })
	g.Gauge("shoal.upload.deploys.running", "", "deploys that are being done", func() int64 { _, n := s.deploys.counts(); return int64(n) })
	return m
}

// ended counts an answer to a request of that kind; err is nil when it was done.
func (m *meters) ended(kind bus.UploadKind, err error) {
	code := codeOK
	if err != nil {
		code = faas.CodeOf(err)
	}
	if kind == bus.Deploy {
		m.deploys.Of(code).Add()
		return
	}
	m.changes.Of(code).Add()
}

// swept counts a sweep that removed n objects; err is nil when it came to its end.
func (m *meters) swept(n int, err error) {
	m.objects.AddN(int64(n))
	if err != nil {
		m.sweepsFailed.Add()
		return
	}
	m.sweeps.Add()
}
