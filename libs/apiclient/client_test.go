package apiclient

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/shoal-run/shoal/bus/faas"
	"github.com/shoal-run/shoal/internal/leakcheck"
)

func TestMain(m *testing.M) { leakcheck.Main(m) }

var wc = faas.Name{Tenant: "me", Function: "wc"}

// serve starts a gateway that answers every request with h, and a client of it.
func serve(t *testing.T, h http.HandlerFunc) *Client {
	t.Helper()
	server := httptest.NewServer(h)
	t.Cleanup(server.Close)
	return client(t, Config{URL: server.URL})
}

func client(t *testing.T, cfg Config) *Client {
	t.Helper()
	c, err := New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c
}

func reply(w http.ResponseWriter, status int, doc string) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_, _ = io.WriteString(w, doc)
}

func TestURL(t *testing.T) {
	for given, want := range map[string]string{
		"": DefaultURL, "localhost:8080": "http://localhost:8080", "https://h/shoal/": "https://h/shoal/",
		"h": "http://h", "http://u:secret@h": "http://u:xxxxx@h", "http://[::1]:1?q#f": "http://[::1]:1",
	} {
		c, err := New(Config{URL: given})
		if err != nil || c.URL() != want {
			t.Errorf("%q is %v, %v, want %q", given, c, err, want)
		}
	}
	for _, given := range []string{"ftp://h", "http://", "http://:80", "http://h h", "://", "unix:///run/x"} {
		if _, err := New(Config{URL: given}); faas.CodeOf(err) != faas.BadRequest {
			t.Errorf("%q: %v, want bad_request", given, err)
		}
	}
}

// What each method sends: method, path with query, content type, body.
func TestRequests(t *testing.T) {
	memory, timeout, n := 256*faas.MiB, faas.Duration(10*time.Second), 3
	all := Settings{Memory: &memory, Timeout: &timeout, Concurrency: &n, MinWarm: &n, KeepAlive: &timeout, Env: map[string]string{"A": "b c&d=é"}}
	unset := Settings{Unset: []string{"memory", "env.A"}, Env: map[string]string{"B": ""}}
	for _, c := range []struct {
		do                       func(context.Context, *Client) error
		line, contentType, input string
	}{
		{func(ctx context.Context, c *Client) error {
			_, err := c.Deploy(ctx, wc, Module{strings.NewReader("wasm"), 4}, all)
			return err
		}, "PUT /p/v1/functions/me/wc?concurrency=3&env.A=b+c%26d%3D%C3%A9&keep_alive=10s&memory=256MiB&min_warm=3&timeout=10s", "application/wasm", "wasm"},
		{
			func(ctx context.Context, c *Client) error { _, err := c.Change(ctx, wc, all); return err },
			"PATCH /p/v1/functions/me/wc", "application/merge-patch+json",
			`{"concurrency":3,"env":{"A":"b c\u0026d=é"},"keep_alive":"10s","memory":"256MiB","min_warm":3,"timeout":"10s"}`,
		},
		{
			func(ctx context.Context, c *Client) error { _, err := c.Change(ctx, wc, unset); return err },
			"PATCH /p/v1/functions/me/wc", "application/merge-patch+json", `{"env":{"A":null,"B":""},"memory":null}`,
		},
		{func(ctx context.Context, c *Client) error {
			_, err := c.Change(ctx, wc, Settings{Unset: []string{"env"}})
			return err
		}, "PATCH /p/v1/functions/me/wc", "application/merge-patch+json", `{"env":null}`},
		{func(ctx context.Context, c *Client) error { _, err := c.Functions(ctx, ""); return err }, "GET /p/v1/functions", "", ""},
		{func(ctx context.Context, c *Client) error { _, err := c.Functions(ctx, "me"); return err }, "GET /p/v1/functions/me", "", ""},
		{func(ctx context.Context, c *Client) error { _, err := c.Function(ctx, wc); return err }, "GET /p/v1/functions/me/wc", "", ""},
		{func(ctx context.Context, c *Client) error { return c.Remove(ctx, wc) }, "DELETE /p/v1/functions/me/wc", "", ""},
		{func(ctx context.Context, c *Client) error { _, err := c.Workers(ctx); return err }, "GET /p/v1/workers", "", ""},
		{func(ctx context.Context, c *Client) error {
			return c.Logs(ctx, wc, LogQuery{Lines: 7}, func(LogLine) error { return nil })
		}, "GET /p/v1/functions/me/wc/logs?lines=7", "", ""},
	} {
		server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			body, _ := io.ReadAll(r.Body)
			if line := r.Method + " " + r.URL.RequestURI(); line != c.line {
				t.Errorf("sent %s, want %s", line, c.line)
			}
			if kind := r.Header.Get("Content-Type"); kind != c.contentType || string(body) != c.input {
				t.Errorf("%s: sent %q: %s, want %q: %s", c.line, kind, body, c.contentType, c.input)
			}
			reply(w, 200, "{}")
		}))
		if err := c.do(t.Context(), client(t, Config{URL: server.URL + "/p"})); err != nil {
			t.Errorf("%s: %v", c.line, err)
		}
		server.Close()
	}
}

// What can't be is refused without a request.
func TestRefusedHere(t *testing.T) {
	c := client(t, Config{URL: "http://127.0.0.1:1"})
	bad := faas.Name{Tenant: "..", Function: "x"}
	for what, err := range map[string]error{
		"name":            c.Remove(t.Context(), bad),
		"tenant":          second(c.Functions(t.Context(), "a/b")),
		"call":            second(c.Call(t.Context(), bad, Input{})),
		"tiny timeout":    second(c.Call(t.Context(), wc, Input{Timeout: time.Microsecond})),
		"setting":         second(c.Change(t.Context(), wc, Settings{Unset: []string{"memroy"}})),
		"env twice":       second(c.Change(t.Context(), wc, Settings{Unset: []string{"env", "env.A"}})),
		"unset by deploy": second(c.Deploy(t.Context(), wc, Module{}, Settings{Unset: []string{"memory"}})),
	} {
		if faas.CodeOf(err) != faas.BadRequest {
			t.Errorf("%s: %v, want bad_request", what, err)
		}
	}
}

func second[T any](_ T, err error) error { return err }

func TestProblem(t *testing.T) {
	want := faas.Error{
		Code: faas.GuestTrapped, Message: "unreachable", Call: faas.NewCallID(), ExitCode: 1, Trap: "unreachable",
		Backtrace: []faas.Frame{{Function: "boom", Offset: 7}}, Stderr: "oh\n",
	}
	c := serve(t, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/problem+json")
		w.WriteHeader(500)
		_ = json.NewEncoder(w).Encode(want)
	})
	_, err := c.Call(t.Context(), wc, Input{})
	var got *faas.Error
	if !errors.As(err, &got) || got.Message != want.Message || got.Call != want.Call || got.Trap != want.Trap ||
		got.Stderr != want.Stderr || len(got.Backtrace) != 1 || got.Backtrace[0] != want.Backtrace[0] {
		t.Errorf("got %#v, want %#v", err, want)
	}
}

func TestCall(t *testing.T) {
	id := faas.NewCallID()
	c := serve(t, func(w http.ResponseWriter, r *http.Request) {
		if got := r.Header.Get(headerTimeout); got != "1500" {
			t.Errorf("%s is %q", headerTimeout, got)
		}
		w.Header().Set(headerCall, id.String())
		w.Header().Set(headerWorker, "alpha-1")
		w.Header().Set(headerStart, "warm")
		w.Header().Set(headerDuration, "42")
		_, _ = io.Copy(w, r.Body)
	})
	out, err := c.Call(t.Context(), wc, Input{Body: strings.NewReader("in"), Size: 2, Timeout: 1500 * time.Millisecond})
	if err != nil {
		t.Fatal(err)
	}
	defer out.Body.Close()
	body, err := io.ReadAll(out.Body)
	if err != nil || string(body) != "in" || out.Call != id || out.Worker != "alpha-1" || out.Start != faas.Warm || out.Duration != 42*time.Microsecond {
		t.Errorf("got %+v with %q, %v", out, body, err)
	}
}

// A body that the gateway does not want is not sent.
func TestLargeBodyRefused(t *testing.T) {
	c := serve(t, func(w http.ResponseWriter, _ *http.Request) { reply(w, 413, `{"code":"too_large","detail":"no"}`) })
	var read atomic.Int64
	body := io.TeeReader(strings.NewReader(strings.Repeat("x", 8<<20)), writerFunc(func(p []byte) { read.Add(int64(len(p))) }))
	_, err := c.Deploy(t.Context(), wc, Module{body, 8 << 20}, Settings{})
	if faas.CodeOf(err) != faas.TooLarge || read.Load() != 0 {
		t.Errorf("after %d bytes: %v", read.Load(), err)
	}
}

type writerFunc func([]byte)

func (f writerFunc) Write(p []byte) (int, error) { f(p); return len(p), nil }

func TestNoGateway(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	url := "http://" + l.Addr().String()
	_ = l.Close() // so that nobody listens there
	_, err = client(t, Config{URL: url}).Workers(t.Context())
	if !errors.Is(err, ErrNoGateway) || err.Error() != "no gateway answers at "+url {
		t.Errorf("got %v", err)
	}
}

func TestSlowGateway(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() }))
	defer server.Close()
	_, err := client(t, Config{URL: server.URL, AnswerTimeout: 20 * time.Millisecond}).Workers(t.Context())
	if !errors.Is(err, ErrBroken) || !strings.HasSuffix(err.Error(), "gave no answer within 20ms") {
		t.Errorf("got %v", err)
	}
}

func TestBrokenConnection(t *testing.T) {
	c := serve(t, func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) })
	if _, err := c.Call(t.Context(), wc, Input{}); !errors.Is(err, ErrBroken) {
		t.Errorf("got %v", err)
	}
}

// A context that ends gives its cause, whatever the call was doing.
func TestCancel(t *testing.T) {
	cause := errors.New("enough")
	ctx, cancel := context.WithCancelCause(t.Context())
	c := serve(t, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set(headerCall, faas.NewCallID().String())
		_, _ = io.WriteString(w, "x")
		_ = http.NewResponseController(w).Flush()
		<-r.Context().Done()
	})
	out, err := c.Call(ctx, wc, Input{})
	if err != nil {
		t.Fatal(err)
	}
	defer out.Body.Close()
	cancel(cause)
	if _, err := io.ReadAll(out.Body); !errors.Is(err, cause) {
		t.Errorf("reading: %v", err)
	}
	if _, err := c.Workers(ctx); !errors.Is(err, cause) {
		t.Errorf("asking: %v", err)
	}
}

func TestLogs(t *testing.T) {
	c := serve(t, func(w http.ResponseWriter, _ *http.Request) {
		_, _ = io.WriteString(w, `{"worker":"a","stream":"stderr","line":"one"}`+"\n\n"+`{"worker":"a","stream":"stderr","line":"two"}`+"\n")
	})
	var got []string
	collect := func(l LogLine) error { got = append(got, l.Line); return nil }
	if err := c.Logs(t.Context(), wc, LogQuery{}, collect); err != nil || strings.Join(got, " ") != "one two" {
		t.Errorf("got %q, %v", got, err)
	}
	if err := c.Logs(t.Context(), wc, LogQuery{Follow: true}, collect); !errors.Is(err, ErrBroken) {
		t.Errorf("a followed log that ends: %v", err)
	}
	stop := errors.New("stop")
	if err := c.Logs(t.Context(), wc, LogQuery{}, func(LogLine) error { return stop }); !errors.Is(err, stop) {
		t.Errorf("got %v", err)
	}
}
