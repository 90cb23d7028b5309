package worker

import (
	"bytes"
	"io"
	"log/slog"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/shoal-run/shoal/bus"
	"github.com/shoal-run/shoal/bus/faas"
	"github.com/shoal-run/shoal/libs/telemetry/metrics"
)

// buffer is a log that a test reads.
type buffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (b *buffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.Write(p)
}

func (b *buffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.String()
}

func newMetrics(t testing.TB) *metrics.Metrics {
	t.Helper()
	m, err := metrics.New()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(m.Close)
	return m
}

// scrape returns what a scrape of m says of shoal.
func scrape(t testing.TB, m *metrics.Metrics) string {
	t.Helper()
	w := httptest.NewRecorder()
	m.Handler().ServeHTTP(w, httptest.NewRequest("GET", "/metrics", nil))
	body, err := io.ReadAll(w.Body)
	if err != nil || w.Code != 200 {
		t.Fatalf("%d %s %v", w.Code, body, err)
	}
	return "\n" + string(body)
}

// untilScraped waits until a scrape has every line.
func untilScraped(t *testing.T, m *metrics.Metrics, lines ...string) {
	t.Helper()
	var text string
	for _, l := range lines {
		until(t, l, func() bool {
			text = scrape(t, m)
			return strings.Contains(text, "\n"+l+"\n")
		})
	}
}

// evictAll drops what is ready of a function.
func (f *fixture) evictAll(t *testing.T, n faas.Name, v faas.Version) {
	t.Helper()
	f.control(t, bus.Control{Kind: bus.Evict, Name: n})
	until(t, "nothing is ready", func() bool { return f.counts(n, v).Ready == 0 })
}

// idle waits until a Faaslet of a function is ready and none runs.
func (f *fixture) idle(t *testing.T, n faas.Name, v faas.Version) faas.WarmCounts {
	t.Helper()
	until(t, "one is ready", func() bool { c := f.counts(n, v); return c.Ready >= 1 && c.Running == 0 })
	return f.counts(n, v)
}

// A start is cold when the call's Faaslet was built, restored when there was an image already, and warm when it was ready.
// What each took is told, where it happened.
func TestStartKinds(t *testing.T) {
	m := newMetrics(t)
	f := start(t, func(c *Config) { c.Metrics = m })
	v := f.artefacts.Add(watCount)
	call := func() *faas.Result {
		t.Helper()
		r := result(t, f.send(t, f.call(echo, v, 5*time.Second)))
		if r.Err != nil || string(r.Output) != "11" {
			t.Fatalf("%+v", r)
		}
		f.idle(t, echo, v)
		return r
	}
	if r := call(); r.Start != faas.Cold || r.Init <= 0 || r.Restore != 0 || r.Reset != 0 {
		t.Errorf("the first: %+v", r)
	}
	for range 3 {
		if r := call(); r.Start != faas.Warm || r.Init != 0 || r.Restore != 0 || r.Reset <= 0 {
			t.Errorf("one after it: %+v", r)
		}
	}
	f.evictAll(t, echo, v)
	if r := call(); r.Start != faas.Restored || r.Init != 0 || r.Restore <= 0 || r.Reset != 0 {
		t.Errorf("one with an image and nothing ready: %+v", r)
	}
	until(t, "all are counted", func() bool {
		return f.counts(echo, v).Starts == faas.Starts{Cold: 1, Restored: 1, Warm: 3}
	})
	if us := f.counts(echo, v).MedianUs; us.Init <= 0 || us.Restore <= 0 || us.Run <= 0 || us.Reset <= 0 {
		t.Errorf("%+v", us)
	}
	untilScraped(
		t, m,
		`shoal_worker_starts_total{kind="cold",worker="w"} 1`,
		`shoal_worker_starts_total{kind="restored",worker="w"} 1`,
		`shoal_worker_starts_total{kind="warm",worker="w"} 3`,
		`shoal_worker_calls_total{code="ok",worker="w"} 5`,
		`shoal_worker_init_duration_seconds_count{worker="w"} 1`,
		`shoal_worker_restore_duration_seconds_count{worker="w"} 1`,
		`shoal_worker_run_duration_seconds_count{worker="w"} 5`,
		`shoal_worker_reset_duration_seconds_count{worker="w"} 5`,
		`shoal_worker_slots{worker="w"} 2`,
		`shoal_worker_slots_used{worker="w"} 0`,
		`shoal_worker_queue{worker="w"} 0`,
		`shoal_worker_faaslets_ready{worker="w"} 1`,
		`shoal_worker_draining{worker="w"} 0`,
		`shoal_engine_faaslets 1`,
		`shoal_engine_modules 1`,
		`shoal_engine_images 1`,
	)
	f.evictAll(t, echo, v)
	f.control(t, bus.Control{Kind: bus.Prewarm, Name: echo, Version: v, Count: 1})
	f.idle(t, echo, v)
	if r := call(); r.Start != faas.Warm || r.Init != 0 || r.Restore != 0 || r.Reset != 0 {
		t.Errorf("in one that was made ahead: %+v", r)
	}
	f.stop()
	if err := f.wait(); err != nil {
		t.Fatal(err)
	}
	if text := scrape(t, m); strings.Contains(text, "shoal_") {
		t.Errorf("a worker that has left tells:\n%s", text)
	}
}

// Faaslets of a module that has no image are cold however many there were.
func TestWithoutImageIsCold(t *testing.T) {
	f := start(t)
	v := f.artefacts.Add(watTables)
	for range 2 {
		if r := result(t, f.send(t, f.call(echo, v, 5*time.Second))); r.Err != nil || r.Start != faas.Cold || r.Init <= 0 {
			t.Errorf("%+v", r)
		}
		f.idle(t, echo, v)
		f.evictAll(t, echo, v)
	}
}

// How calls end, and why Faaslets are not put back, is counted.
func TestEndsAreCounted(t *testing.T) {
	m, log := newMetrics(t), &buffer{}
	f := start(t, func(c *Config) {
		c.Metrics = m
		c.Log = slog.New(slog.NewTextHandler(log, &slog.HandlerOptions{Level: slog.LevelDebug}))
	})
	grows := f.artefacts.Add(`(module (memory (export "memory") 1) (func (export "handle") (drop (memory.grow (i32.const 1)))))`)
	// Its function after a restore traps once the clock is past what the first call wrote down, which no reset puts back in time.
	hook := f.artefacts.Add(`(module
	  (import "wasi_snapshot_preview1" "clock_time_get" (func $clock (param i32 i64 i32) (result i32)))
	  (memory (export "memory") 1) (global $n (mut i32) (i32.const 0))
	  (func (export "_initialize") (drop (call $clock (i32.const 1) (i64.const 0) (i32.const 8))))
	  (func (export "shoal_restored")
	    (drop (call $clock (i32.const 1) (i64.const 0) (i32.const 16)))
	    (if (i64.gt_u (i64.sub (i64.load (i32.const 16)) (i64.load (i32.const 8))) (i64.const 1500000000)) (then unreachable)))
	  (func (export "handle")))`)
	trap := f.artefacts.Add(`(module (memory (export "memory") 1) (func (export "handle") unreachable))`)
	tables := f.artefacts.Add(watTables)
	for _, v := range []faas.Version{grows, trap, tables} {
		result(t, f.send(t, f.call(echo, v, 5*time.Second)))
	}
	if r := result(t, f.send(t, f.call(echo, hook, 5*time.Second))); r.Err != nil {
		t.Fatalf("%+v", r)
	}
	untilScraped(
		t, m,
		`shoal_worker_calls_total{code="guest_trapped",worker="w"} 1`,
		`shoal_worker_calls_total{code="ok",worker="w"} 3`,
		`shoal_worker_resets_failed_total{reason="grew",worker="w"} 1`,
		`shoal_worker_resets_failed_total{reason="no_image",worker="w"} 1`,
	)
	f.idle(t, echo, hook)
	until(t, "a reset whose function after a restore fails", func() bool { // of one Faaslet or of two
		result(t, f.send(t, f.call(echo, hook, 5*time.Second)))
		return !strings.Contains(scrape(t, m), `shoal_worker_resets_failed_total{reason="not_renewed",worker="w"} 0`)
	})
	if text := log.String(); !strings.Contains(text, "Faaslet not reset") || !strings.Contains(text, "not_renewed") || !strings.Contains(text, "in shoal_restored") {
		t.Errorf("the log has\n%s", text)
	}
	if _, err := f.nc.Request(bus.WorkerCallSubject(f.ID()), []byte("no headers"), time.Second); err != nil {
		t.Fatal(err)
	}
	untilScraped(t, m, `shoal_worker_refusals_total{code="bad_request",worker="w"} 1`)
}

const watTally = `(module
  (import "env" "__faasm_read_input" (func $read (param i32 i32) (result i32)))
  (import "env" "__faasm_write_output" (func $write (param i32 i32)))
  (memory (export "memory") 2)
  (global $calls (mut i32) (i32.const 48))
  (func (export "handle") (result i32) (local $do i32)
    (drop (call $read (i32.const 0) (i32.const 1)))
    (local.set $do (i32.load8_u (i32.const 0)))
    (global.set $calls (i32.add (global.get $calls) (i32.const 1)))
    (i32.store8 (i32.const 100000) (i32.add (i32.load8_u (i32.const 100000)) (i32.const 1)))
    (i32.store8 (i32.const 16) (global.get $calls))
    (i32.store8 (i32.const 17) (i32.add (i32.const 48) (i32.load8_u (i32.const 100000))))
    (call $write (i32.const 16) (i32.const 2))
    (if (i32.eq (local.get $do) (i32.const 116)) (then unreachable))
    (if (i32.eq (local.get $do) (i32.const 115)) (then (loop $l (br $l))))
    (if (i32.eq (local.get $do) (i32.const 109)) (then
      (if (i32.eq (memory.grow (i32.const 60000)) (i32.const -1)) (then unreachable))))
    (i32.eq (local.get $do) (i32.const 102))))`

// With reset: never a call finds what the one before left; one that failed leaves nothing, and neither do other settings.
func TestResetNever(t *testing.T) {
	f := start(t)
	v := f.artefacts.Add(watTally)
	settings := func(revision uint64, r faas.Reset) {
		f.functions.set(faas.Function{Name: echo, Version: v, Revision: revision, Settings: faas.Settings{Reset: r}})
	}
	call := func(do string) *faas.Result {
		t.Helper()
		c := f.call(echo, v, 200*time.Millisecond)
		c.Input = []byte(do)
		r := result(t, f.send(t, c))
		f.idle(t, echo, v)
		return r
	}
	want := func(output string) {
		t.Helper()
		if r := call("-"); r.Err != nil || string(r.Output) != output {
			t.Errorf("%q %v, want %q", r.Output, r.Err, output)
		}
	}
	settings(1, faas.ResetNever)
	for _, output := range []string{"11", "22", "33"} {
		want(output)
	}
	for do, code := range map[string]faas.Code{
		"t": faas.GuestTrapped, "s": faas.DeadlineExceeded, "m": faas.OutOfMemory, "f": faas.GuestFailed,
	} {
		if r := call(do); faas.CodeOf(r.Err) != code {
			t.Errorf("%s: %+v", do, r)
		}
		want("11")
		want("22")
	}
	settings(2, faas.ResetAlways)
	want("11")
	want("11")
	settings(3, faas.ResetNever)
	want("11")
	want("22")
}

// Settings that a command can't have are ignored: its module may have been another's when they were made.
func TestResetNeverOfACommand(t *testing.T) {
	f := start(t)
	v := f.artefacts.Add(strings.NewReplacer(`"handle"`, `"_start"`, "(result i32) (local", "(local", "(i32.eq (local.get $do) (i32.const 102))))", "))").Replace(watTally))
	f.functions.set(faas.Function{Name: echo, Version: v, Revision: 1, Settings: faas.Settings{Reset: faas.ResetNever}})
	for range 3 {
		if r := result(t, f.send(t, f.call(echo, v, time.Second))); r.Err != nil || string(r.Output) != "11" {
			t.Errorf("%q %v", r.Output, r.Err)
		}
		f.idle(t, echo, v)
	}
}

// Of several Faaslets with a state of their own the last one that served comes first, and one built ahead comes last.
func TestKeptComesFirst(t *testing.T) {
	f := start(t)
	v := f.artefacts.Add(watTally)
	f.functions.set(faas.Function{Name: echo, Version: v, Revision: 1, Settings: faas.Settings{Reset: faas.ResetNever}})
	for _, output := range []string{"11", "22", "33"} {
		if r := result(t, f.send(t, f.call(echo, v, time.Second))); r.Err != nil || string(r.Output) != output {
			t.Errorf("%q %v, want %s", r.Output, r.Err, output)
		}
		until(t, "nothing runs", func() bool { c := f.counts(echo, v); return c.Ready > 0 && c.Running == 0 })
		f.control(t, bus.Control{Kind: bus.Prewarm, Name: echo, Version: v, Count: 3})
		until(t, "three are ready", func() bool { return f.counts(echo, v).Ready >= 3 })
	}
	// When fewer are wanted, it is the others that go.
	for range 12 {
		f.expire(time.Now())
	}
	if r := result(t, f.send(t, f.call(echo, v, time.Second))); r.Err != nil || string(r.Output) != "44" {
		t.Errorf("%q %v", r.Output, r.Err)
	}
	until(t, "nothing runs", func() bool { return f.counts(echo, v).Running == 0 })
	if r := result(t, f.send(t, f.call(echo, v, time.Second))); r.Err != nil || string(r.Output) != "55" {
		t.Errorf("%q %v", r.Output, r.Err)
	}
}

func TestRecent(t *testing.T) {
	var r recent
	if us := r.us(); us != 0 {
		t.Errorf("%d of nothing", us)
	}
	r.took(0)
	if us := r.us(); us != 1 {
		t.Errorf("%d of something", us)
	}
	for _, d := range []time.Duration{5, 5000, 7} { // one is far off
		r.took(d * time.Microsecond)
	}
	if us := r.us(); us != 7 {
		t.Errorf("median %d", us)
	}
	for range 2 * len(r.ns) {
		r.took(time.Millisecond)
	}
	if us := r.us(); us != 1000 {
		t.Errorf("median %d after what was before is forgotten", us)
	}
}
