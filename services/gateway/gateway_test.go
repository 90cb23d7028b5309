package gateway_test

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"io"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/shoal-run/shoal/bus"
	"github.com/shoal-run/shoal/bus/bustest"
	"github.com/shoal-run/shoal/bus/faas"
	"github.com/shoal-run/shoal/bus/members"
	"github.com/shoal-run/shoal/internal/leakcheck"
	"github.com/shoal-run/shoal/internal/testenv"
	"github.com/shoal-run/shoal/libs/objectstore"
	"github.com/shoal-run/shoal/libs/registry"
	"github.com/shoal-run/shoal/services/gateway"
)

func TestMain(m *testing.M) { leakcheck.Main(m) }

var echo = faas.Name{Tenant: "demo", Function: "echo"}

// fixture is a gateway over an embedded server, with one function in its registry and a worker that a test plays.
type fixture struct {
	url string
	nc  *nats.Conn // the test's own
	reg *registry.Registry
	srv *bustest.Server
	fn  faas.Function
}

func start(t *testing.T, change ...func(*gateway.Config)) *fixture {
	t.Helper()
	srv := bustest.Start(t)
	control := srv.Connect(t)
	js, err := jetstream.New(control)
	if err != nil {
		t.Fatal(err)
	}
	reg, err := registry.Open(t.Context(), js, bus.FunctionsBucket)
	if err != nil {
		t.Fatal(err)
	}
	fn, err := reg.Put(t.Context(), faas.Function{Name: echo, Version: faas.VersionOf([]byte("module")), Kind: faas.Reactor, Entry: "handle"}, 0)
	if err != nil {
		t.Fatal(err)
	}
	store, err := objectstore.Open(t.Context(), js, bus.ModulesBucket, objectstore.Options{})
	if err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	log := slog.New(slog.DiscardHandler)
	view := registry.NewView(reg, log)
	known := members.New(members.Config{NC: control, Log: log})
	cfg := gateway.Config{
		Listener: l, Calls: srv.Connect(t), Control: control, JetStream: js, Functions: view, Modules: store, Members: known,
		DrainTimeout: time.Second, Log: log,
	}
	for _, f := range change {
		f(&cfg)
	}
	g, err := gateway.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.WithoutCancel(t.Context()))
	ended := make(chan error, 3)
	for _, run := range []func(context.Context) error{view.Run, known.Run, g.Run} {
		go func() { ended <- run(ctx) }()
	}
	t.Cleanup(func() {
		stop()
		for range 3 {
			if err := <-ended; err != nil {
				t.Errorf("ended with %v", err)
			}
		}
		http.DefaultClient.CloseIdleConnections()
	})
	select {
	case <-g.Ready():
	case err := <-ended:
		t.Fatalf("not ready: %v", err)
	}
	return &fixture{"http://" + l.Addr().String(), srv.Connect(t), reg, srv, fn}
}

// plan answers every call that reaches a planner.
func (f *fixture) plan(t *testing.T, answer func(*faas.Call) *faas.Result) {
	t.Helper()
	_, err := f.nc.Subscribe(bus.PlanSubject(), func(m *nats.Msg) {
		c, err := bus.DecodeCall(m)
		if err != nil {
			t.Error(err)
			return
		}
		if r := answer(c); r != nil {
			if err := f.nc.PublishMsg(bus.EncodeResult(r, m.Reply)); err != nil {
				t.Error(err)
			}
		}
	})
	if err != nil {
		t.Fatal(err)
	}
	bustest.Flush(t, f.nc)
}

func (f *fixture) do(t *testing.T, method, path, body string, header ...string) (*http.Response, string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, f.url+path, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	for i := 0; i+1 < len(header); i += 2 {
		req.Header.Set(header[i], header[i+1])
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp, string(b)
}

func TestCall(t *testing.T) {
	f := start(t)
	worker := faas.NewWorkerID("w", time.Now())
	f.plan(t, func(c *faas.Call) *faas.Result {
		if c.Version != f.fn.Version || c.Name != echo || c.Root != c.ID || !c.Parent.IsZero() || c.Hops != 0 {
			t.Errorf("call %+v", c)
		}
		if c.Timeout > 2*time.Second {
			t.Errorf("timeout %v, the client said 2 s", c.Timeout)
		}
		if c.TraceParent != "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01" {
			t.Errorf("traceparent %q", c.TraceParent)
		}
		return &faas.Result{Call: c.ID, Worker: worker, Start: faas.Warm, Duration: 7 * time.Microsecond, Output: append(c.Input, 0, '!')}
	})
	resp, body := f.do(t, "POST", "/v1/call/demo/echo", "hi", "Shoal-Timeout-Ms", "2000", "Shoal-Version", "mine", "Shoal-Hops", "9",
		"traceparent", "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01")
	if resp.StatusCode != 200 || body != "hi\x00!" {
		t.Fatalf("%s %q", resp.Status, body)
	}
	h := resp.Header
	if h.Get("Shoal-Worker") != string(worker) || h.Get("Shoal-Start") != "warm" || h.Get("Shoal-Duration-Us") != "7" || h.Get("Shoal-Call") == "" {
		t.Errorf("headers %v", h)
	}
	if _, body = f.do(t, "POST", "/v1/call/demo/echo", "", "Shoal-Timeout-Ms", "2000", "traceparent", "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"); body != "\x00!" {
		t.Errorf("empty body: %q", body)
	}
}

func TestProblems(t *testing.T) {
	f := start(t, func(c *gateway.Config) { c.MaxInput = 64 })
	f.plan(t, func(c *faas.Call) *faas.Result {
		r := &faas.Result{Call: c.ID, Worker: faas.NewWorkerID("w", time.Now()), Start: faas.Cold}
		switch string(c.Input) {
		case "exit":
			r.Err = &faas.Error{Code: faas.GuestFailed, Message: "the guest returned 3", ExitCode: 3, Stderr: "oh\n"}
		case "trap":
			r.Err = &faas.Error{Code: faas.GuestTrapped, Message: "unreachable", Trap: "unreachable", Backtrace: []faas.Frame{{Function: "boom"}}}
		case "full":
			r.Err = faas.Errorf(faas.NoCapacity, "full")
		}
		return r
	})
	for _, c := range []struct {
		name, method, path, body string
		header                   []string
		status                   int
		code                     faas.Code
		says                     string
	}{
		{"no such route", "GET", "/v2/x", "", nil, 404, faas.NotFound, "/openapi.yaml"},
		{"unknown function", "POST", "/v1/call/demo/nope", "", nil, 404, faas.NotFound, "demo/nope"},
		{"bad tenant", "POST", "/v1/call/De/echo", "", nil, 400, faas.BadRequest, "tenant name"},
		{"bad function", "POST", "/v1/call/demo/e%2Fcho", "", nil, 400, faas.BadRequest, "function name"},
		{"long name", "POST", "/v1/call/demo/" + strings.Repeat("a", 64), "", nil, 400, faas.BadRequest, "64 characters"},
		{"large input", "POST", "/v1/call/demo/echo", strings.Repeat("x", 65), nil, 413, faas.TooLarge, "64B"},
		{"bad timeout", "POST", "/v1/call/demo/echo", "", []string{"Shoal-Timeout-Ms", "soon"}, 400, faas.BadRequest, "Shoal-Timeout-Ms"},
		{"guest failed", "POST", "/v1/call/demo/echo", "exit", nil, 500, faas.GuestFailed, `"exit_code":3`},
		{"guest trapped", "POST", "/v1/call/demo/echo", "trap", nil, 500, faas.GuestTrapped, `"backtrace":[{"function":"boom"}]`},
		{"no capacity", "POST", "/v1/call/demo/echo", "full", nil, 503, faas.NoCapacity, "full"},
		{"unknown setting", "PUT", "/v1/functions/demo/x?memroy=1MiB", "", nil, 400, faas.BadRequest, "memroy"},
		{"no upload service", "PUT", "/v1/functions/demo/x", "wasm", nil, 503, faas.Unavailable, "upload service"},
		{"patch of another type", "PATCH", "/v1/functions/demo/echo", "{}", []string{"Content-Type", "text/plain"}, 400, faas.BadRequest, "merge-patch"},
		{"broken patch", "PATCH", "/v1/functions/demo/echo", "{", []string{"Content-Type", "application/json"}, 400, faas.BadRequest, "not JSON"},
		{"description of nothing", "GET", "/v1/functions/demo/nope", "", nil, 404, faas.NotFound, "demo/nope"},
		{"log of nothing", "GET", "/v1/functions/demo/nope/logs", "", nil, 404, faas.NotFound, "demo/nope"},
		{"log, bad lines", "GET", "/v1/functions/demo/echo/logs?lines=x", "", nil, 400, faas.BadRequest, "lines"},
	} {
		t.Run(c.name, func(t *testing.T) {
			resp, body := f.do(t, c.method, c.path, c.body, c.header...)
			var p struct {
				Type, Title, Detail string
				Status              int
				Code                faas.Code
			}
			if err := json.Unmarshal([]byte(body), &p); err != nil {
				t.Fatalf("%s %q: %v", resp.Status, body, err)
			}
			if resp.StatusCode != c.status || p.Status != c.status || p.Code != c.code || p.Title == "" || !strings.Contains(body, c.says) {
				t.Errorf("%s %s; want %d %s with %q", resp.Status, body, c.status, c.code, c.says)
			}
			if got := resp.Header.Get("Content-Type"); got != "application/problem+json" {
				t.Errorf("content type %q", got)
			}
			if (c.code == faas.NoCapacity) != (resp.Header.Get("Retry-After") != "") {
				t.Errorf("Retry-After %q", resp.Header.Get("Retry-After"))
			}
		})
	}
}

// A body that is announced short, or longer than allowed without saying so, is refused and not run.
func TestLyingBodies(t *testing.T) {
	f := start(t, func(c *gateway.Config) { c.MaxInput = 64 })
	f.plan(t, func(*faas.Call) *faas.Result { t.Error("ran"); return nil })
	addr := strings.TrimPrefix(f.url, "http://")
	for name, raw := range map[string]string{
		"chunked, too long": "Transfer-Encoding: chunked\r\n\r\n80\r\n" + strings.Repeat("x", 0x80) + "\r\n0\r\n\r\n",
		"huge length":       "Content-Length: 99999999999\r\n\r\n",
	} {
		t.Run(name, func(t *testing.T) {
			c, err := net.Dial("tcp", addr)
			if err != nil {
				t.Fatal(err)
			}
			defer c.Close()
			if _, err := io.WriteString(c, "POST /v1/call/demo/echo HTTP/1.1\r\nHost: x\r\n"+raw); err != nil {
				t.Fatal(err)
			}
			resp, err := http.ReadResponse(bufio.NewReader(c), nil)
			if err != nil {
				t.Fatal(err)
			}
			defer resp.Body.Close()
			if resp.StatusCode != 413 {
				t.Errorf("%s", resp.Status)
			}
		})
	}
}

// A client that leaves cancels its call on the worker.
func TestClientLeaves(t *testing.T) {
	f := start(t)
	w := bustest.NewWorker(t, f.srv, "w", 4)
	taken := make(chan faas.CallID, 1)
	cancels := bustest.Subscribe(t, f.nc, bus.WorkerControlSubject(w.ID))
	if _, err := f.nc.Subscribe(bus.PlanSubject(), func(m *nats.Msg) {
		c, err := bus.DecodeCall(m)
		if err != nil {
			t.Error(err)
			return
		}
		if err := f.nc.PublishMsg(bus.EncodeMoved(c.ID, w.ID, m.Reply)); err != nil {
			t.Error(err)
		}
		bustest.Flush(t, f.nc)
		taken <- c.ID
	}); err != nil {
		t.Fatal(err)
	}
	bustest.Flush(t, f.nc)
	ctx, leave := context.WithCancel(t.Context())
	go func() {
		req, _ := http.NewRequestWithContext(ctx, "POST", f.url+"/v1/call/demo/echo", strings.NewReader("x"))
		if resp, err := http.DefaultClient.Do(req); err == nil {
			resp.Body.Close()
		}
	}()
	id := <-taken
	leave()
	for {
		m := bustest.Receive(t, cancels, 5*time.Second, "the cancellation")
		c, err := bus.Unmarshal[bus.Control](m.Data)
		if err != nil {
			t.Fatal(err)
		}
		if c.Kind != bus.Cancel { // a ping
			continue
		}
		if c.Call != id {
			t.Errorf("cancelled %s, want %s", c.Call, id)
		}
		return
	}
}

func TestNATSFrontDoor(t *testing.T) {
	f := start(t)
	ran := make(chan string, 8)
	f.plan(t, func(c *faas.Call) *faas.Result {
		ran <- string(c.Input)
		return &faas.Result{Call: c.ID, Worker: faas.NewWorkerID("w", time.Now()), Start: faas.Cold, Output: bytes.ToUpper(c.Input)}
	})
	nc := f.srv.ConnectClient(t)
	client := bus.NewClient(nc)
	r, err := client.Call(t.Context(), echo, []byte("hello"))
	if err != nil || string(r.Output) != "HELLO" {
		t.Fatalf("%+v, %v", r, err)
	}
	<-ran
	if _, err := client.Call(t.Context(), faas.Name{Tenant: "demo", Function: "nope"}, nil); faas.CodeOf(err) != faas.NotFound {
		t.Errorf("unknown function: %v", err)
	}
	m, err := nc.Request("shoal.v1.call.DEMO.echo", nil, time.Second)
	if err != nil || faas.CodeOf(bus.DecodeResult(m).Err) != faas.BadRequest || m.Header.Get("Nats-Service-Error-Code") != "400" {
		t.Errorf("bad name: %v %v", m, err)
	}
	// Without a reply subject a call runs, and its answer goes nowhere.
	if err := f.nc.Publish(bus.CallSubject(echo), []byte("silent")); err != nil {
		t.Fatal(err)
	}
	if got := <-ran; got != "silent" {
		t.Errorf("ran %q", got)
	}

	// The gateway publishes to inboxes alone: a server lets a client name any reply subject.
	victim := bustest.Subscribe(t, f.nc, bus.UploadSubject())
	if err := nc.PublishRequest(bus.CallSubject(echo), bus.UploadSubject(), []byte("forged")); err != nil {
		t.Fatal(err)
	}
	if _, err := client.Call(t.Context(), echo, []byte("after")); err != nil {
		t.Fatal(err)
	}
	if got := <-ran; got != "after" {
		t.Errorf("ran %q", got)
	}
	if len(victim) != 0 {
		t.Errorf("a client had the gateway publish %q to %s", (<-victim).Data, bus.UploadSubject())
	}
}

// A client that sends its body a byte a minute, or many that send large ones, don't fill the gateway's memory.
func TestBodiesAreBounded(t *testing.T) {
	f := start(t, func(c *gateway.Config) { c.MaxBodies = bus.MaxPayload })
	f.plan(t, func(c *faas.Call) *faas.Result { return &faas.Result{Call: c.ID, Output: []byte("ok")} })
	var slow []net.Conn
	leave := func() {
		for _, c := range slow {
			c.Close()
		}
	}
	defer leave()
	for range bus.MaxPayload >> 20 {
		c, err := net.Dial("tcp", strings.TrimPrefix(f.url, "http://"))
		if err != nil {
			t.Fatal(err)
		}
		slow = append(slow, c)
		if _, err := io.WriteString(c, "POST /v1/call/demo/echo HTTP/1.1\r\nHost: x\r\nContent-Length: 1048576\r\n\r\nx"); err != nil {
			t.Fatal(err)
		}
	}
	large := strings.Repeat("x", 100<<10)
	testenv.Eventually(t, 10*time.Second, func() bool {
		resp, _ := f.do(t, "POST", "/v1/call/demo/echo", large)
		return resp.StatusCode == 503 && resp.Header.Get("Retry-After") != ""
	}, "large bodies are refused while one is being read")
	if resp, body := f.do(t, "POST", "/v1/call/demo/echo", "small"); resp.StatusCode != 200 {
		t.Errorf("a small body meanwhile: %s %s", resp.Status, body)
	}
	leave()
	testenv.Eventually(t, 10*time.Second, func() bool {
		resp, _ := f.do(t, "POST", "/v1/call/demo/echo", large)
		return resp.StatusCode == 200
	}, "large bodies are taken again")
}

func TestDescriptions(t *testing.T) {
	f := start(t)
	w := bustest.NewWorker(t, f.srv, "w", 4)
	w.Update(func(d *faas.Worker) {
		d.Warm = []faas.WarmCounts{{Name: echo, Version: f.fn.Version, Ready: 2, Running: 1}}
	})
	var workers struct{ Workers []faas.Worker }
	deadline := time.Now().Add(5 * time.Second)
	for len(workers.Workers) == 0 || len(workers.Workers[0].Warm) == 0 {
		if time.Now().After(deadline) {
			t.Fatalf("the worker is not known: %+v", workers)
		}
		_, body := f.do(t, "GET", "/v1/workers", "")
		if err := json.Unmarshal([]byte(body), &workers); err != nil {
			t.Fatal(err)
		}
	}
	var doc struct {
		Name    string
		Version faas.Version
		Workers []struct {
			ID             faas.WorkerID
			Ready, Running int
		}
	}
	_, body := f.do(t, "GET", "/v1/functions/demo/echo", "")
	if err := json.Unmarshal([]byte(body), &doc); err != nil {
		t.Fatal(err)
	}
	if doc.Name != "demo/echo" || doc.Version != f.fn.Version || len(doc.Workers) != 1 || doc.Workers[0].Ready != 2 || doc.Workers[0].Running != 1 {
		t.Errorf("description %s", body)
	}
	for _, path := range []string{"/v1/functions", "/v1/functions/demo"} {
		if _, body := f.do(t, "GET", path, ""); !strings.Contains(body, `"name":"demo/echo"`) {
			t.Errorf("%s: %s", path, body)
		}
	}
	if _, body := f.do(t, "GET", "/v1/functions/other", ""); strings.TrimSpace(body) != `{"functions":[]}` {
		t.Errorf("another tenant: %s", body)
	}
	if resp, _ := f.do(t, "GET", "/readyz", ""); resp.StatusCode != 200 {
		t.Errorf("readyz %s", resp.Status)
	}
}

func TestLogs(t *testing.T) {
	f := start(t)
	tell := func(line string) {
		m := bus.LogLine{Call: faas.NewCallID(), Worker: faas.NewWorkerID("w", time.Now()), Stream: bus.Stderr, Time: time.Now(), Line: line}
		if err := f.nc.Publish(bus.LogSubject(echo), bus.Marshal(m)); err != nil {
			t.Fatal(err)
		}
		bustest.Flush(t, f.nc)
	}
	lines := func(path string) []string {
		_, body := f.do(t, "GET", path, "")
		var out []string
		for l := range strings.Lines(body) {
			var d struct{ Line string }
			if err := json.Unmarshal([]byte(l), &d); err != nil {
				t.Fatal(err)
			}
			out = append(out, d.Line)
		}
		return out
	}
	if got := lines("/v1/functions/demo/echo/logs"); len(got) != 0 {
		t.Errorf("before anything was written: %q", got)
	}
	for _, l := range []string{"one", "two", "three"} {
		tell(l)
	}
	deadline := time.Now().Add(5 * time.Second)
	for len(lines("/v1/functions/demo/echo/logs")) < 3 && time.Now().Before(deadline) {
		continue
	}
	if got := strings.Join(lines("/v1/functions/demo/echo/logs?lines=2"), " "); got != "two three" {
		t.Errorf("last two lines: %q", got)
	}
	if got := lines("/v1/functions/demo/echo/logs?lines=0"); len(got) != 0 {
		t.Errorf("no lines: %q", got)
	}

	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	req, err := http.NewRequestWithContext(ctx, "GET", f.url+"/v1/functions/demo/echo/logs?follow=true&lines=1", nil)
	if err != nil {
		t.Fatal(err)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	in := bufio.NewScanner(resp.Body)
	if !in.Scan() || !strings.Contains(in.Text(), `"three"`) {
		t.Fatalf("followed %q, %v", in.Text(), in.Err())
	}
	tell("four")
	if !in.Scan() || !strings.Contains(in.Text(), `"four"`) {
		t.Fatalf("followed %q, %v", in.Text(), in.Err())
	}
}
