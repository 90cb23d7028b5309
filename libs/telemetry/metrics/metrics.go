// Package metrics is what the metrics of all services have in common: counters, gauges and histograms that cost a call a few
// nanoseconds, and their exposition for Prometheus.
//
// A recording is an addition to an atomic number and nothing else: it takes no lock, looks nothing up and allocates nothing.
// The numbers are read when somebody scrapes: counters and gauges through observable instruments of OpenTelemetry, whose API
// has none for histograms: these come from a producer beside them. What the instruments of the SDK cost instead is in the
// package's benchmark.
//
// Each process has one Metrics, which its owner hands to the parts; each part names its own in one file, metrics.go. Names are
// OpenTelemetry's (shoal.worker.starts); Prometheus sees shoal_worker_starts_total.
package metrics

import (
	"context"
	"net/http"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"
	otelprom "go.opentelemetry.io/otel/exporters/prometheus"
	sdk "go.opentelemetry.io/otel/sdk/metric"
)

// Metrics are those of a process. They are safe for concurrent use. A nil *Metrics exports nothing, and everything can be
// recorded all the same.
type Metrics struct {
	provider *sdk.MeterProvider
	handler  http.Handler
	started  time.Time

	mu         sync.Mutex
	histograms []*Histogram // of groups that are not closed
}

// New returns the Metrics of this process, with what Go and the kernel say of it. The caller closes it.
func New() (*Metrics, error) {
	m := &Metrics{started: time.Now()}
	reg := prometheus.NewRegistry()
	for _, c := range []prometheus.Collector{collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{})} {
		if err := reg.Register(c); err != nil {
			return nil, err
		}
	}
	exporter, err := otelprom.New(otelprom.WithRegisterer(reg), otelprom.WithProducer(m), otelprom.WithoutScopeInfo(), otelprom.WithoutTargetInfo())
	if err != nil {
		return nil, err
	}
	m.provider = sdk.NewMeterProvider(sdk.WithReader(exporter))
	m.handler = promhttp.HandlerFor(reg, promhttp.HandlerOpts{MaxRequestsInFlight: 4})
	return m, nil
}

// Handler answers with all metrics in the text format of Prometheus. m may be nil: then it answers 404.
func (m *Metrics) Handler() http.Handler {
	if m == nil {
		return http.NotFoundHandler()
	}
	return m.handler
}

// Close ends the exposition. It is idempotent, and m may be nil.
func (m *Metrics) Close() {
	if m != nil {
		_ = m.provider.Shutdown(context.Background()) // fails only when it was shut down before
	}
}
