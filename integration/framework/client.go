package framework

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/shoal-run/shoal/bus/faas"
	"github.com/shoal-run/shoal/internal/testenv"
)

// Answer is what the gateway said.
type Answer struct {
	Status int
	Header http.Header
	Body   []byte
	Err    *faas.Error // of a problem document; nil for any other body
	Took   time.Duration
}

// Request is one request to the gateway. The zero value of a field sends nothing.
type Request struct {
	Method string // "" = GET
	Path   string // "/v1/…"
	Query  string // as "memory=1MiB&env.A=b"
	Body   []byte
	Stream io.Reader   // instead of Body, without a Content-Length
	Header http.Header // is not changed
}

// Do sends a request and reads its answer. It is safe for concurrent use.
func (s *Standalone) Do(ctx context.Context, r Request) (Answer, error) {
	target := s.HTTP + r.Path
	if r.Query != "" {
		target += "?" + r.Query
	}
	var body io.Reader = bytes.NewReader(r.Body)
	if r.Stream != nil {
		body = r.Stream
	}
	req, err := http.NewRequestWithContext(ctx, r.Method, target, body)
	if err != nil {
		return Answer{}, err
	}
	for k, v := range r.Header {
		req.Header[k] = slices.Clone(v)
	}
	began := time.Now()
	resp, err := s.http.Do(req)
	if err != nil {
		return Answer{}, err
	}
	defer resp.Body.Close()
	a := Answer{Status: resp.StatusCode, Header: resp.Header}
	if a.Body, err = io.ReadAll(resp.Body); err != nil {
		return a, err
	}
	a.Took = time.Since(began)
	if resp.Header.Get("Content-Type") != "application/problem+json" {
		return a, nil
	}
	a.Err = &faas.Error{}
	if err := json.Unmarshal(a.Body, a.Err); err != nil {
		return a, fmt.Errorf("problem document %q: %w", a.Body, err)
	}
	unmet := a.Status == http.StatusPreconditionFailed && a.Err.Code == faas.Conflict // HTTP's own word for it
	if a.Err.Code.Status() != a.Status && !unmet || a.Header.Get("Shoal-Code") != string(a.Err.Code) {
		return a, fmt.Errorf("status %d, Shoal-Code %q, but code %s", a.Status, a.Header.Get("Shoal-Code"), a.Err.Code)
	}
	return a, nil
}

// Must is Do with a deadline, for a request that is answered, whatever the answer.
func (s *Standalone) Must(t testing.TB, r Request) Answer {
	t.Helper()
	wait := patience
	if r.Method == http.MethodPut { // a large module takes its time to compile on a busy machine
		wait = 4 * patience
	}
	ctx, cancel := context.WithTimeout(t.Context(), wait)
	defer cancel()
	a, err := s.Do(ctx, r)
	if err != nil {
		t.Fatal(err)
	}
	return a
}

// Put deploys a module as "tenant/function", with settings as a query has them ("memory=1MiB").
func (s *Standalone) Put(t testing.TB, function string, module []byte, settings ...string) Answer {
	t.Helper()
	return s.Must(t, Request{Method: http.MethodPut, Path: "/v1/functions/" + function, Body: module, Query: query(settings)})
}

// Deployed is the answer to a deploy.
type Deployed struct {
	faas.Function
	Unchanged bool  `json:"unchanged"`
	CompileMs int64 `json:"compile_ms"`
}

// Deploy is Put for a module that can be deployed.
func (s *Standalone) Deploy(t testing.TB, function string, module []byte, settings ...string) Deployed {
	t.Helper()
	a := s.Put(t, function, module, settings...)
	if a.Err != nil {
		t.Fatalf("deploy %s: %v", function, a.Err)
	}
	return decode[Deployed](t, a.Body)
}

func query(settings []string) string {
	q := url.Values{}
	for _, s := range settings {
		k, v, _ := strings.Cut(s, "=")
		q.Set(k, v)
	}
	return q.Encode()
}

// Call calls a function over HTTP. Headers are "Name: value".
func (s *Standalone) Call(t testing.TB, function string, input []byte, headers ...string) Answer {
	t.Helper()
	h := http.Header{}
	for _, line := range headers {
		k, v, _ := strings.Cut(line, ": ")
		h.Add(k, v)
	}
	return s.Must(t, Request{Method: http.MethodPost, Path: "/v1/call/" + function, Body: input, Header: h})
}

// Function describes a deployed function.
type Function struct {
	faas.Function
	Workers []struct {
		ID       faas.WorkerID `json:"id"`
		Ready    int           `json:"ready"`
		Running  int           `json:"running"`
		Starts   faas.Starts   `json:"starts"`
		MedianUs faas.Times    `json:"median_us"`
	} `json:"workers"`
}

// Describe returns what the gateway has of a function.
func (s *Standalone) Describe(t testing.TB, function string) Function {
	t.Helper()
	a := s.Must(t, Request{Path: "/v1/functions/" + function})
	if a.Err != nil {
		t.Fatalf("describe %s: %v", function, a.Err)
	}
	return decode[Function](t, a.Body)
}

// Running returns how many calls of a function run, as its worker last told.
func (s *Standalone) Running(t testing.TB, function string) int {
	t.Helper()
	n := 0
	for _, w := range s.Describe(t, function).Workers {
		n += w.Running
	}
	return n
}

// AwaitReady waits until a Faaslet of a function is ready and none runs: what a worker does after a deploy is over.
func (s *Standalone) AwaitReady(t testing.TB, function string) {
	t.Helper()
	testenv.Eventually(t, patience, func() bool {
		ready := 0
		for _, w := range s.Describe(t, function).Workers {
			ready += w.Ready
		}
		return ready > 0 && s.Running(t, function) == 0
	}, "no Faaslet of %s is ready", function)
}

// LogLine is one line of a function's log.
type LogLine struct {
	Call   faas.CallID `json:"call"`
	Stream string      `json:"stream"`
	Line   string      `json:"line"`
}

// Logs returns the last lines that a function's guests wrote, 1000 at most.
func (s *Standalone) Logs(t testing.TB, function string) []LogLine {
	t.Helper()
	a := s.Must(t, Request{Path: "/v1/functions/" + function + "/logs", Query: fmt.Sprintf("lines=%d", faas.LogLines)})
	if a.Err != nil {
		t.Fatalf("logs of %s: %v", function, a.Err)
	}
	var lines []LogLine
	sc := bufio.NewScanner(bytes.NewReader(a.Body))
	sc.Buffer(nil, 1<<20)
	for sc.Scan() {
		lines = append(lines, decode[LogLine](t, sc.Bytes()))
	}
	return lines
}

// AwaitLog waits until a line of a function's log contains text, and returns the lines: they come a moment after the
// call's answer.
func (s *Standalone) AwaitLog(t testing.TB, function, text string) []LogLine {
	t.Helper()
	var lines []LogLine
	testenv.Eventually(t, patience, func() bool {
		lines = s.Logs(t, function)
		return slices.ContainsFunc(lines, func(l LogLine) bool { return strings.Contains(l.Line, text) })
	}, "no line of the log of %s contains %q", function, text)
	return lines
}

// Workers returns the workers, as the gateway knows them.
func (s *Standalone) Workers(t testing.TB) []faas.Worker {
	t.Helper()
	a := s.Must(t, Request{Path: "/v1/workers"})
	if a.Err != nil {
		t.Fatalf("workers: %v", a.Err)
	}
	return decode[struct {
		Workers []faas.Worker `json:"workers"`
	}](t, a.Body).Workers
}

// AwaitIdle waits until every worker has all its slots free and nothing queued: no call was lost on the way.
func (s *Standalone) AwaitIdle(t testing.TB) {
	t.Helper()
	testenv.Eventually(t, patience, func() bool {
		ws := s.Workers(t)
		return len(ws) > 0 && !slices.ContainsFunc(ws, func(w faas.Worker) bool {
			return w.Slots.Free != w.Slots.Total || w.Slots.Queued != 0
		})
	}, "a worker has not got all its slots back")
}

func decode[T any](t testing.TB, b []byte) T {
	t.Helper()
	var v T
	if err := json.Unmarshal(b, &v); err != nil {
		t.Fatalf("%q: %v", b, err)
	}
	return v
}
