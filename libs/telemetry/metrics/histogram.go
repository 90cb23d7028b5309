package metrics

import (
	"context"
	"math/bits"
	"sync/atomic"
	"time"

	"go.opentelemetry.io/otel/attribute"
	sdk "go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"
)

// buckets is how many a Histogram has: up to 1 µs, 2 µs, 4 µs … 67 s, and beyond.
const buckets = 28

// Histogram is durations, counted in buckets that double from 1 µs to a minute: it has a restore of 8 µs and a compilation of
// 8 s, each to within a factor of two.
type Histogram struct {
	group      *Group
	name, what string
	labels     attribute.Set

	count [buckets]atomic.Uint64
	ns    atomic.Int64 // of all together
}

// Histogram makes a histogram of durations of what its name and words say, in seconds.
func (g *Group) Histogram(name, what string, labels ...string) *Histogram {
	h := &Histogram{group: g, name: name, what: what, labels: g.set(labels)}
	if g.m == nil {
		return h
	}
	g.mu.Lock()
	g.histograms = append(g.histograms, h)
	g.mu.Unlock()
	g.m.mu.Lock()
	g.m.histograms = append(g.m.histograms, h)
	g.m.mu.Unlock()
	return h
}

// Record counts a duration.
func (h *Histogram) Record(d time.Duration) {
	h.count[bucketOf(d)].Add(1)
	h.ns.Add(int64(d))
}

// Count returns how many durations were recorded.
func (h *Histogram) Count() (n uint64) {
	for i := range h.count {
		n += h.count[i].Load()
	}
	return n
}

// bucketOf returns the first bucket whose bound is no less than d.
func bucketOf(d time.Duration) int {
	if d <= time.Microsecond {
		return 0
	}
	return min(bits.Len64(uint64(d-1)/uint64(time.Microsecond)), buckets-1)
}

// bounds are the upper bounds of the buckets but the last, in seconds. It is not changed.
var bounds = func() []float64 {
	b := make([]float64, buckets-1)
	for i := range b {
		b[i] = float64(int64(1)<<i) / 1e6
	}
	return b
}()

var _ sdk.Producer = (*Metrics)(nil)

// Produce implements sdk.Producer: it returns all histograms. Parts of one kind in one process, as two workers, have their
// series in one metric.
func (m *Metrics) Produce(context.Context) ([]metricdata.ScopeMetrics, error) {
	m.mu.Lock()
	hs := append([]*Histogram(nil), m.histograms...)
	m.mu.Unlock()
	now := time.Now()
	type key struct{ scope, name string }
	data := map[key][]metricdata.HistogramDataPoint[float64]{}
	var order []*Histogram // the first of each key
	for _, h := range hs {
		k := key{h.group.scope.Name, h.name}
		if data[k] == nil {
			order = append(order, h)
		}
		data[k] = merge(data[k], h.point(m.started, now))
	}
	out := make([]metricdata.ScopeMetrics, 0, len(order))
	for _, h := range order {
		d := metricdata.Histogram[float64]{Temporality: metricdata.CumulativeTemporality, DataPoints: data[key{h.group.scope.Name, h.name}]}
		out = append(out, metricdata.ScopeMetrics{
			Scope: h.group.scope, Metrics: []metricdata.Metrics{{Name: h.name, Description: h.what, Unit: "s", Data: d}},
		})
	}
	return out, nil
}

// merge adds p to the point that has its labels, or puts it beside those that there are.
func merge(points []metricdata.HistogramDataPoint[float64], p metricdata.HistogramDataPoint[float64]) []metricdata.HistogramDataPoint[float64] {
	for i := range points {
		q := &points[i]
		if !q.Attributes.Equals(&p.Attributes) {
			continue
		}
		q.Count += p.Count
		q.Sum += p.Sum
		for j, n := range p.BucketCounts {
			q.BucketCounts[j] += n
		}
		return points
	}
	return append(points, p)
}

// point returns what h has counted. Durations that are recorded at the same time may be in the sum and not yet in the count.
func (h *Histogram) point(since, now time.Time) metricdata.HistogramDataPoint[float64] {
	p := metricdata.HistogramDataPoint[float64]{
		Attributes: h.labels, StartTime: since, Time: now, Bounds: bounds, BucketCounts: make([]uint64, buckets),
		Sum: time.Duration(h.ns.Load()).Seconds(),
	}
	for i := range h.count {
		p.BucketCounts[i] = h.count[i].Load()
		p.Count += p.BucketCounts[i]
	}
	return p
}
