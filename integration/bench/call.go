//go:build linux && cgo

package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/shoal-run/shoal/bus"
	"github.com/shoal-run/shoal/bus/faas"
)

// figures are all there are, in the order in which they are taken.
func (b *bench) figures() []*figure {
	return slices.Concat(b.engineFigures(), b.lifeFigures(), b.densityFigures(), b.natsFigures(), b.httpFigures(), b.processFigures(), b.firstFigures(), b.openFigures())
}

// What a loop's result is read for.
func latency(l *loaded) float64    { return l.p50() }
func throughput(l *loaded) float64 { return l.perSecond() }

func (b *bench) natsFigures() []*figure {
	const relay, relayN = "bare relay over the same two hops", "bare relay, as many clients"
	subject := bus.CallSubject(tiny)
	return []*figure{
		{
			key: "call.nats.request", unit: "µs", what: "p50 of a bare NATS request, answered in the callback, for information",
			value: b.nats(servePlain, plainEcho, 1, latency),
		},
		{
			key: "call.nats.warm", unit: "µs", what: "p50 of a call by a NATS client",
			value: b.nats(serveShoal, subject, 1, latency), baseline: b.nats(servePlain, plainRelay, 1, latency), baselineName: relay,
		},
		{
			key: "call.nats.warm.c32", unit: "calls/s", what: "calls by 32 NATS clients",
			value: b.nats(serveShoal, subject, 32, throughput), baseline: b.nats(servePlain, plainRelay, 32, throughput), baselineName: relayN,
		},
	}
}

func (b *bench) httpFigures() []*figure {
	const proxy = "HTTP→NATS echo proxy"
	path, goPath := callPath(tiny), callPath(goEcho)
	return []*figure{
		{
			key: "call.http.bare", unit: "µs", what: "p50 of a bare net/http handler, for information",
			value: b.http(servePlain, bareHTTP, 1, latency),
		},
		{
			key: "call.http.warm", unit: "µs", what: "p50 of a call over HTTP",
			value: b.http(serveShoal, path, 1, latency), baseline: b.http(servePlain, proxyHTTP, 1, latency), baselineName: proxy,
		},
		{
			key: "call.http.warm.c32", unit: "µs", what: "p50 of a call at 32 clients",
			value: b.http(serveShoal, path, 32, latency), baseline: b.http(servePlain, proxyHTTP, 32, latency), baselineName: proxy,
		},
		{
			key: "call.http.throughput", unit: "calls/s", what: "calls by 64 clients",
			value: b.http(serveShoal, path, 64, throughput), baseline: b.http(servePlain, proxyHTTP, 64, throughput), baselineName: proxy,
		},
		{
			key: "call.http.cpu", unit: "µs", what: "processor time of the server's process per call at 64 clients; other load on the machine hardly moves it",
			value: b.cpu(serveShoal, path, 64), baseline: b.cpu(servePlain, proxyHTTP, 64), baselineName: proxy,
		},
		{
			key: "call.http.throughput.wrk", unit: "calls/s", what: "the same, made by wrk -t1 -c64",
			value: b.wrk(serveShoal, path), baseline: b.wrk(servePlain, proxyHTTP), baselineName: proxy,
		},
		{
			key: "call.http.go", unit: "µs", what: "p50 of a call of a Go function (examples/echo)",
			value: b.http(serveShoal, goPath, 1, latency), baseline: b.http(servePlain, proxyHTTP, 1, latency), baselineName: proxy,
		},
		{
			key: "call.http.go.c64", unit: "calls/s", what: "calls of a Go function by 64 clients",
			value: b.http(serveShoal, goPath, 64, throughput), baseline: b.http(servePlain, proxyHTTP, 64, throughput), baselineName: proxy,
		},
	}
}

func callPath(n faas.Name) string { return "/v1/call/" + n.String() }

// processFigures are calls through services that are processes of their own, over a NATS server that is one too. The
// baselines are split in the same way.
func (b *bench) processFigures() []*figure {
	const relay, proxy = "bare relay, as processes", "HTTP→NATS echo proxy, as processes"
	var all []*figure
	for _, clients := range []int{1, 8, 64, 256} {
		unit, read, what := "calls/s", throughput, "calls"
		if clients == 1 {
			unit, read, what = "µs", latency, "p50 of a call"
		}
		for _, door := range []struct {
			name, baseline    string
			value, plainValue probe
		}{
			{"nats", relay, b.nats(shoalProcesses, bus.CallSubject(tiny), clients, read), b.nats(plainProcesses, plainRelay, clients, read)},
			{"http", proxy, b.http(shoalProcesses, callPath(tiny), clients, read), b.http(plainProcesses, proxyHTTP, clients, read)},
		} {
			all = append(all, &figure{
				key: fmt.Sprintf("call.processes.%s.c%d", door.name, clients), unit: unit,
				what:  fmt.Sprintf("%s through services as processes, by %s, %d at a time", what, strings.ToUpper(door.name), clients),
				value: door.value, baseline: door.plainValue, baselineName: door.baseline,
			})
		}
	}
	return all
}

func (b *bench) nats(what, subject string, clients int, read func(*loaded) float64) probe {
	return b.loop(what, clients, read, func(a addresses) func() (caller, error) { return dialNATS(a.NATS, subject) })
}

func (b *bench) http(what, path string, clients int, read func(*loaded) float64) probe {
	if path == callPath(goEcho) {
		if _, err := os.Stat(goEchoFile); err != nil {
			return lacking("examples/echo is not built: make examples")
		}
	}
	return b.loop(what, clients, read, func(a addresses) func() (caller, error) { return dialHTTP(a.HTTP, path) })
}

func lacking(what string) probe {
	return func(context.Context, time.Duration) (float64, error) { return 0, fmt.Errorf("%w: %s", errLacks, what) }
}

func (b *bench) loop(what string, clients int, read func(*loaded) float64, dial func(addresses) func() (caller, error)) probe {
	return func(ctx context.Context, d time.Duration) (float64, error) {
		p, err := b.open(ctx, what)
		if err != nil {
			return 0, err
		}
		l, err := closedLoop(ctx, d, clients, dial(p.addresses))
		if err != nil {
			return 0, err
		}
		return read(l), nil
	}
}

// cpu gives the processor time that a part's process takes per call, in microseconds.
func (b *bench) cpu(what, path string, clients int) probe {
	if b.inside {
		return lacking("the load runs in the same process")
	}
	return func(ctx context.Context, d time.Duration) (float64, error) {
		p, err := b.open(ctx, what)
		if err != nil {
			return 0, err
		}
		before, err := processorTime(p.pid)
		if err != nil {
			return 0, err
		}
		calls := 0
		_, err = closedLoop(ctx, d, clients, counted(dialHTTP(p.HTTP, path), &calls))
		if err != nil {
			return 0, err
		}
		after, err := processorTime(p.pid)
		if err != nil || calls == 0 {
			return 0, fmt.Errorf("%d calls counted: %w", calls, err)
		}
		return float64((after - before).Microseconds()) / float64(calls), nil
	}
}

// processorTime returns what all threads of a process have run so far. Threads that have ended are not in it.
func processorTime(pid int) (time.Duration, error) {
	files, err := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/schedstat", pid))
	if err != nil {
		return 0, err
	}
	var sum time.Duration
	for _, f := range files {
		b, err := os.ReadFile(f) // nanoseconds run, nanoseconds waited, slices
		if err != nil {
			continue // it has ended
		}
		ran, _, _ := strings.Cut(string(b), " ")
		ns, err := strconv.ParseInt(ran, 10, 64)
		if err != nil {
			return 0, fmt.Errorf("%s: %w", f, err)
		}
		sum += time.Duration(ns)
	}
	return sum, nil
}

// wrk makes load with wrk, when it is installed. wrk counts whole seconds.
func (b *bench) wrk(what, path string) probe {
	if _, err := exec.LookPath("wrk"); err != nil {
		return lacking("wrk is not installed")
	}
	return func(ctx context.Context, d time.Duration) (float64, error) {
		p, err := b.open(ctx, what)
		if err != nil {
			return 0, err
		}
		dir, err := os.MkdirTemp("", "shoal-bench-")
		if err != nil {
			return 0, err
		}
		defer os.RemoveAll(dir)
		script := filepath.Join(dir, "post.lua")
		if err := os.WriteFile(script, fmt.Appendf(nil, "wrk.method = \"POST\"\nwrk.body = %q\n", input), 0o600); err != nil {
			return 0, err
		}
		seconds := max(1, int(d.Round(time.Second).Seconds()))
		out, err := exec.CommandContext(ctx, "wrk", "-t1", "-c64", fmt.Sprintf("-d%ds", seconds), "-s", script, "http://"+p.HTTP+path).CombinedOutput()
		if err != nil {
			return 0, fmt.Errorf("wrk: %w: %s", err, out)
		}
		return readWrk(string(out))
	}
}

// readWrk returns the calls per second of wrk's report, which must tell of no failures.
func readWrk(out string) (float64, error) {
	for line := range strings.Lines(out) {
		switch name, value, _ := strings.Cut(strings.TrimSpace(line), ":"); name {
		case "Non-2xx or 3xx responses", "Socket errors":
			return 0, fmt.Errorf("wrk: %s:%s", name, value)
		case "Requests/sec":
			return strconv.ParseFloat(strings.TrimSpace(value), 64)
		}
	}
	return 0, fmt.Errorf("wrk: no figure in %q", out)
}
