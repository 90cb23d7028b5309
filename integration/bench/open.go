//go:build linux && cgo

package main

import (
	"bytes"
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"
)

// The open loop's cluster. A call sleeps in its slot for sleep, so what the workers can do is known and takes little of the
// machine: the curve is that of slots, queues and refusals, not that of processors shared with the load.
const (
	clusterWorkers = 4
	clusterSlots   = 4
	sleep          = 20 * time.Millisecond // as testdata/sleep.wat says
	possible       = float64(clusterWorkers*clusterSlots) * float64(time.Second) / float64(sleep)
)

// opened is what an open loop saw.
type opened struct {
	window                time.Duration
	done, refused, failed int64                   // calls that ended so within the window
	latency               *hdrhistogram.Histogram // of answers, µs, from when they were due
	refusal               *hdrhistogram.Histogram // of refusals, µs, from when they were sent
}

func (o *opened) perSecond(n int64) float64 { return float64(n) / o.window.Seconds() }

// step is one point of the curve: several figures read the same runs, each reader those of its own rounds.
type step struct {
	run  func(context.Context, time.Duration) (*opened, error)
	runs []*opened
}

func (s *step) read(value func(*opened) float64) probe {
	next := 0
	return func(ctx context.Context, d time.Duration) (float64, error) {
		if next == len(s.runs) {
			o, err := s.run(ctx, d)
			if err != nil {
				return 0, err
			}
			s.runs = append(s.runs, o)
		}
		next++
		return value(s.runs[next-1]), nil
	}
}

// openFigures are the curve: calls that arrive at a rate, whatever became of those before, from a quarter of what the
// workers' slots can do to three times as much.
func (b *bench) openFigures() []*figure {
	constant := func(v float64) probe { return func(context.Context, time.Duration) (float64, error) { return v, nil } }
	var all []*figure
	for _, factor := range []float64{0.25, 0.5, 0.75, 0.9, 1, 1.5, 2, 3} {
		rate := factor * possible
		s := &step{run: func(ctx context.Context, d time.Duration) (*opened, error) {
			p, err := b.open(ctx, shoalCluster)
			if err != nil {
				return nil, err
			}
			return openLoop(ctx, p.Gateways, callPath(sleepy), rate, d)
		}}
		add := func(name, unit, what string, read func(*opened) float64, baseline probe, baselineName string) {
			all = append(all, &figure{
				key: fmt.Sprintf("call.open.x%g.%s", factor, name), unit: unit,
				what:  fmt.Sprintf("%s, when %.0f calls/s arrive, %g× what %d slots can do", what, rate, factor, clusterWorkers*clusterSlots),
				value: s.read(read), baseline: baseline, baselineName: baselineName,
			})
		}
		add("done", "calls/s", "calls answered", func(o *opened) float64 { return o.perSecond(o.done) },
			constant(min(rate, possible)), "what arrives, or what the slots can do")
		millis := func(h func(*opened) *hdrhistogram.Histogram, q float64) func(*opened) float64 {
			return func(o *opened) float64 { return float64(h(o).ValueAtQuantile(q)) / 1000 }
		}
		answers := func(o *opened) *hdrhistogram.Histogram { return o.latency }
		refusals := func(o *opened) *hdrhistogram.Histogram { return o.refusal }
		add("p50", "ms", "p50 of answers", millis(answers, 50), constant(float64(sleep.Milliseconds())), "the function's sleep")
		add("p99", "ms", "p99 of answers", millis(answers, 99), constant(float64(sleep.Milliseconds())), "the function's sleep")
		if factor > 1 {
			add("refused", "calls/s", "calls refused with no_capacity and Retry-After", func(o *opened) float64 { return o.perSecond(o.refused) },
				constant(rate-possible), "what is too much")
			add("refused.p99", "ms", "p99 of refusals", millis(refusals, 99), nil, "")
		}
		add("failed", "calls/s", "calls that ended in anything else", func(o *opened) float64 { return o.perSecond(o.failed) }, nil, "")
	}
	return all
}

// openLoop sends calls at a rate to all gateways in turn for d, after a quarter of d that does not count, and waits for all
// answers. Latency counts from when a call was due, so that a sender that falls behind hides nothing.
func openLoop(ctx context.Context, gateways []string, path string, rate float64, d time.Duration) (*opened, error) {
	var wg sync.WaitGroup
	l := &openLoad{lead: d / 4, opened: opened{window: d, latency: hdrhistogram.New(1, 60e6, 3), refusal: hdrhistogram.New(1, 60e6, 3)}}
	for _, g := range gateways {
		l.doors = append(l.doors, &door{address: g, path: path})
	}
	l.began = time.Now()
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	n := 0
	for now := time.Duration(0); now < l.lead+d && ctx.Err() == nil; now = time.Since(l.began) {
		for ; float64(n) < rate*now.Seconds(); n++ { // now stands still: the window ends whatever is due
			due := time.Duration(float64(n) / rate * float64(time.Second))
			to := l.doors[n%len(l.doors)]
			wg.Go(func() { l.call(to, due) })
		}
		<-tick.C
	}
	wg.Wait()
	for _, d := range l.doors {
		for _, c := range d.idle {
			c.close()
		}
	}
	return &l.opened, context.Cause(ctx)
}

// openLoad is an open loop that runs.
type openLoad struct {
	began time.Time
	lead  time.Duration
	doors []*door
	mu    sync.Mutex // guards opened
	opened
}

func (l *openLoad) call(to *door, due time.Duration) {
	sending := time.Now()
	var a answer
	c, err := to.take()
	if err == nil {
		a, err = c.exchange()
	}
	now := time.Now()
	right := err == nil && a.right()
	refused := err == nil && a.retryAfter && bytes.Contains(a.body, []byte(`"no_capacity"`))
	if err == nil {
		to.give(c)
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	switch at := now.Sub(l.began); {
	case at < l.lead || at >= l.lead+l.window:
	case right:
		l.done++
		_ = l.latency.RecordValue(max(1, (at - due).Microseconds())) // beyond a minute it has failed
	case refused:
		l.refused++
		_ = l.refusal.RecordValue(max(1, now.Sub(sending).Microseconds()))
	default:
		l.failed++
	}
}

// door is a gateway and the connections to it that nobody uses, the last used on top.
type door struct {
	address, path string
	mu            sync.Mutex
	idle          []*httpCaller
}

func (d *door) take() (*httpCaller, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if n := len(d.idle); n > 0 {
		c := d.idle[n-1]
		d.idle = d.idle[:n-1]
		return c, nil
	}
	return newHTTPCaller(d.address, d.path)
}

func (d *door) give(c *httpCaller) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.idle = append(d.idle, c)
}
