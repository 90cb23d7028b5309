package metrics

import (
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"

	"github.com/shoal-run/shoal/internal/leakcheck"
)

func TestMain(m *testing.M) { leakcheck.Main(m) }

func newMetrics(t testing.TB) *Metrics {
	t.Helper()
	m, err := New()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(m.Close)
	return m
}

// scrape returns the lines that say something of shoal.
func scrape(t testing.TB, m *Metrics) string {
	t.Helper()
	w := httptest.NewRecorder()
	m.Handler().ServeHTTP(w, httptest.NewRequest("GET", "/metrics", nil))
	if w.Code != 200 {
		t.Fatalf("status %d: %s", w.Code, w.Body)
	}
	var b strings.Builder
	for line := range strings.Lines(w.Body.String()) {
		if strings.Contains(line, "shoal_") {
			b.WriteString(line)
		}
	}
	return b.String()
}

func wantLines(t *testing.T, text string, lines ...string) {
	t.Helper()
	for _, l := range lines {
		if !strings.Contains("\n"+text, "\n"+l+"\n") {
			t.Errorf("no line %q in\n%s", l, text)
		}
	}
}

func TestExposition(t *testing.T) {
	m := newMetrics(t)
	a, b := m.Group("shoal/test", "worker", "a"), m.Group("shoal/test", "worker", "b")
	kinds := CountersOf(a, "shoal.test.starts", "calls by start kind", "kind", []string{"cold", "warm"})
	kinds.Of("warm").Add()
	kinds.Of("warm").Add()
	kinds.Of("what").Add()
	free := int64(3)
	a.Gauge("shoal.test.memory", "By", "resident memory", func() int64 { return free })
	b.Gauge("shoal.test.memory", "By", "resident memory", func() int64 { return 5 })
	// One that both have is one.
	a.Gauge("shoal.test.modules", "", "loaded modules", func() int64 { return 9 })
	for _, g := range []*Group{a, b} {
		h := g.Histogram("shoal.test.took", "how long it took")
		h.Record(time.Microsecond)
		h.Record(3 * time.Microsecond)
		h.Record(2 * time.Minute)
		if h.Count() != 3 {
			t.Errorf("%d recorded", h.Count())
		}
	}
	for range 2 {
		wantLines(
			t, scrape(t, m),
			`# HELP shoal_test_starts_total calls by start kind`,
			`# TYPE shoal_test_starts_total counter`,
			`shoal_test_starts_total{kind="cold",worker="a"} 0`,
			`shoal_test_starts_total{kind="warm",worker="a"} 2`,
			`shoal_test_starts_total{kind="other",worker="a"} 1`,
			`shoal_test_memory_bytes{worker="a"} 3`,
			`shoal_test_memory_bytes{worker="b"} 5`,
			`shoal_test_modules{worker="a"} 9`,
			`# TYPE shoal_test_took_seconds histogram`,
			`shoal_test_took_seconds_bucket{worker="a",le="1e-06"} 1`,
			`shoal_test_took_seconds_bucket{worker="a",le="2e-06"} 1`,
			`shoal_test_took_seconds_bucket{worker="a",le="4e-06"} 2`,
			`shoal_test_took_seconds_bucket{worker="a",le="67.108864"} 2`,
			`shoal_test_took_seconds_bucket{worker="b",le="+Inf"} 3`,
			`shoal_test_took_seconds_sum{worker="b"} 120.000004`,
			`shoal_test_took_seconds_count{worker="b"} 3`,
		)
	}
	// What has ended is not told any more.
	b.Close()
	b.Close()
	if text := scrape(t, m); strings.Contains(text, `worker="b"`) || !strings.Contains(text, `worker="a"`) {
		t.Errorf("after b has ended:\n%s", text)
	}
}

// Of parts with the same labels, gauges are told once, and what they count is told together.
func TestSameLabels(t *testing.T) {
	m := newMetrics(t)
	for range 2 {
		g := m.Group("shoal/test")
		g.Gauge("shoal.test.modules", "", "loaded modules", func() int64 { return 9 })
		g.Counter("shoal.test.n", "n").Add()
		g.Histogram("shoal.test.took", "how long it took").Record(time.Second)
	}
	wantLines(t, scrape(t, m), `shoal_test_modules 9`, `shoal_test_n_total 2`, `shoal_test_took_seconds_count 2`)
}

func TestNil(t *testing.T) {
	var m *Metrics
	g := m.Group("shoal/test")
	g.Counter("shoal.test.n", "n").Add()
	g.Gauge("shoal.test.g", "", "g", func() int64 { return 0 })
	h := g.Histogram("shoal.test.took", "how long it took")
	h.Record(time.Second)
	g.Close()
	m.Close()
	w := httptest.NewRecorder()
	m.Handler().ServeHTTP(w, httptest.NewRequest("GET", "/metrics", nil))
	if w.Code != 404 || h.Count() != 1 {
		t.Errorf("%d, %d", w.Code, h.Count())
	}
}

func TestBuckets(t *testing.T) {
	for d, want := range map[time.Duration]int{
		-1: 0, 0: 0, 1: 0, 1000: 0, 1001: 1, 2000: 1, 2001: 2, 4000: 2, 4001: 3, 67108864 * time.Microsecond: 26,
		67108864*time.Microsecond + 1: 27, time.Hour: 27,
	} {
		if got := bucketOf(d); got != want {
			t.Errorf("%v is in bucket %d, want %d", d, got, want)
		}
		if i := bucketOf(d); i < len(bounds) && d.Seconds() > bounds[i] || i > 0 && d.Seconds() <= bounds[i-1] {
			t.Errorf("%v is not within the bounds of bucket %d", d, i)
		}
	}
}

func TestRecordingDoesNotAllocate(t *testing.T) {
	g := newMetrics(t).Group("shoal/test")
	c, h := CountersOf(g, "shoal.test.n", "n", "kind", []string{"a"}), g.Histogram("shoal.test.took", "how long it took")
	if n := testing.AllocsPerRun(100, func() { c.Of("a").Add(); h.Record(5 * time.Microsecond) }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

// Recording, scraping and the coming and going of parts do not disturb each other.
func TestConcurrent(t *testing.T) {
	m := newMetrics(t)
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			for range 20 {
				g := m.Group("shoal/test", "worker", "w")
				h, c := g.Histogram("shoal.test.took", "how long it took"), g.Counter("shoal.test.n", "n")
				for range 100 {
					h.Record(time.Millisecond)
					c.Add()
				}
				g.Close()
			}
		})
		wg.Go(func() {
			for range 5 {
				scrape(t, m)
			}
		})
	}
	wg.Wait()
}

// BenchmarkRecord is what a recording costs, beside the instruments of the SDK with attribute sets made beforehand.
func BenchmarkRecord(b *testing.B) {
	m := newMetrics(b)
	g := m.Group("shoal/bench")
	meter := m.provider.Meter("shoal/bench/sdk")
	set := attribute.NewSet(attribute.String("kind", "warm"))
	b.Run("counter", func(b *testing.B) {
		c := g.Counter("shoal.bench.n", "n", "kind", "warm")
		b.ReportAllocs()
		for b.Loop() {
			c.Add()
		}
	})
	b.Run("counter-of", func(b *testing.B) {
		c := CountersOf(g, "shoal.bench.k", "k", "kind", []string{"cold", "restored", "warm"})
		b.ReportAllocs()
		for b.Loop() {
			c.Of("warm").Add()
		}
	})
	b.Run("counter/sdk", func(b *testing.B) {
		c, err := meter.Int64Counter("shoal.bench.sdk.n")
		if err != nil {
			b.Fatal(err)
		}
		opts := []metric.AddOption{metric.WithAttributeSet(set)}
		b.ReportAllocs()
		for b.Loop() {
			c.Add(b.Context(), 1, opts...)
		}
	})
	b.Run("histogram", func(b *testing.B) {
		h := g.Histogram("shoal.bench.took", "how long it took")
		b.ReportAllocs()
		for b.Loop() {
			h.Record(9 * time.Microsecond)
		}
	})
	b.Run("histogram/sdk", func(b *testing.B) {
		h, err := meter.Float64Histogram("shoal.bench.sdk.took", metric.WithExplicitBucketBoundaries(bounds...))
		if err != nil {
			b.Fatal(err)
		}
		opts := []metric.RecordOption{metric.WithAttributeSet(set)}
		b.ReportAllocs()
		for b.Loop() {
			h.Record(b.Context(), 9e-6, opts...)
		}
	})
}
