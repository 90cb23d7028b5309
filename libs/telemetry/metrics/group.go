package metrics

import (
	"context"
	"slices"
	"sync"
	"sync/atomic"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"
	"go.opentelemetry.io/otel/sdk/instrumentation"
)

// Group is the metrics of one part, such as a worker, for as long as it lives. Labels are pairs of a name and a value; those
// of the group are on each of its metrics. Their values are few and known beforehand: a label that a client can choose, as a
// function's name, would make as many series as there are clients with ideas.
//
// Its methods panic when a name is none or labels are no pairs: names are constants, and such a one is a bug.
type Group struct {
	m      *Metrics
	scope  instrumentation.Scope
	meter  metric.Meter
	labels []string

	mu            sync.Mutex
	registrations []metric.Registration
	histograms    []*Histogram
}

// Group begins a group. The scope is the part's name, as "shoal/worker". m may be nil.
func (m *Metrics) Group(scope string, labels ...string) *Group {
	g := &Group{m: m, scope: instrumentation.Scope{Name: scope}, labels: labels}
	if m != nil {
		g.meter = m.provider.Meter(scope)
	}
	return g
}

// Close ends the exposition of the group's metrics. It is idempotent.
func (g *Group) Close() {
	g.mu.Lock()
	defer g.mu.Unlock()
	for _, r := range g.registrations {
		_ = r.Unregister() // never fails: it is ours
	}
	if g.m != nil {
		g.m.mu.Lock()
		g.m.histograms = slices.DeleteFunc(g.m.histograms, func(h *Histogram) bool { return slices.Contains(g.histograms, h) })
		g.m.mu.Unlock()
	}
	g.registrations, g.histograms = nil, nil
}

// Counter is a number that only grows.
type Counter struct{ n atomic.Int64 }

// Add adds 1.
func (c *Counter) Add() { c.n.Add(1) }

// AddN adds n, which is not negative.
func (c *Counter) AddN(n int64) { c.n.Add(n) }

// Value returns the number.
func (c *Counter) Value() int64 { return c.n.Load() }

// Counter makes a counter of what its name and words say.
func (g *Group) Counter(name, what string, labels ...string) *Counter {
	c := new(Counter)
	set := g.set(labels)
	if g.m != nil {
		i, err := g.meter.Int64ObservableCounter(name, metric.WithDescription(what))
		must(err)
		g.observe(i, set, c.Value)
	}
	return c
}

// Counters are counters of one name with different values of one label.
type Counters[V ~string] struct {
	of    map[V]*Counter
	other *Counter
}

// Of returns the counter of a value. Values that were not named have one together, "other".
func (c Counters[V]) Of(value V) *Counter {
	if n := c.of[value]; n != nil {
		return n
	}
	return c.other
}

// CountersOf makes a counter for each value of a label, and one for any other.
func CountersOf[V ~string](g *Group, name, what, label string, values []V, labels ...string) Counters[V] {
	c := Counters[V]{of: make(map[V]*Counter, len(values))}
	for _, v := range values {
		c.of[v] = g.Counter(name, what, append(slices.Clone(labels), label, string(v))...)
	}
	c.other = g.Counter(name, what, append(slices.Clone(labels), label, "other")...)
	return c
}

// Gauge has f asked for a number at each scrape, until the group is closed. f looks and does not wait. The unit is one of
// UCUM: "By" for bytes, "" for a count.
func (g *Group) Gauge(name, unit, what string, f func() int64, labels ...string) {
	set := g.set(labels)
	if g.m == nil {
		return
	}
	i, err := g.meter.Int64ObservableGauge(name, metric.WithDescription(what), metric.WithUnit(unit))
	must(err)
	g.observe(i, set, f)
}

// observe has value read at each scrape.
func (g *Group) observe(i metric.Int64Observable, set attribute.Set, value func() int64) {
	with := metric.WithAttributeSet(set)
	r, err := g.meter.RegisterCallback(func(_ context.Context, o metric.Observer) error {
		o.ObserveInt64(i, value(), with)
		return nil
	}, i)
	must(err)
	g.mu.Lock()
	defer g.mu.Unlock()
	g.registrations = append(g.registrations, r)
}

// set returns the group's labels and more.
func (g *Group) set(more []string) attribute.Set {
	all := append(slices.Clone(g.labels), more...)
	if len(all)%2 != 0 {
		panic("metrics: labels are pairs of a name and a value")
	}
	kvs := make([]attribute.KeyValue, 0, len(all)/2)
	for i := 0; i < len(all); i += 2 {
		kvs = append(kvs, attribute.String(all[i], all[i+1]))
	}
	return attribute.NewSet(kvs...)
}

func must(err error) {
	if err != nil {
		panic("metrics: " + err.Error())
	}
}
