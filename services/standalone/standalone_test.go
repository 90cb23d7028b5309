package standalone_test

import (
	"bytes"
	"context"
	"crypto/rand"
	"io"
	"log/slog"
	"net/http"
	"os"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/shoal-run/shoal/bus"
	"github.com/shoal-run/shoal/bus/faas"
	"github.com/shoal-run/shoal/internal/leakcheck"
	"github.com/shoal-run/shoal/internal/testenv"
	"github.com/shoal-run/shoal/libs/faaslet/compile"
	"github.com/shoal-run/shoal/libs/faaslet/faaslettest"
	"github.com/shoal-run/shoal/services/standalone"
)

func TestMain(m *testing.M) {
	compile.MaybeChild()
	leakcheck.Main(m)
}

// watEcho grows its memory to what its input needs.
const watEcho = `(module
  (import "env" "__faasm_read_input" (func $read (param i32 i32) (result i32)))
  (import "env" "__faasm_write_output" (func $write (param i32 i32)))
  (memory (export "memory") 1)
  (func (export "handle") (local $n i32)
    (local.set $n (call $read (i32.const 0) (i32.const 0)))
    (drop (memory.grow (i32.add (i32.shr_u (local.get $n) (i32.const 16)) (i32.const 1))))
    (drop (call $read (i32.const 0) (local.get $n)))
    (call $write (i32.const 0) (local.get $n))))`

// up runs everything until the test ends.
func up(t *testing.T, cfg standalone.Config) (standalone.Addresses, func()) {
	t.Helper()
	cfg.HTTP, cfg.NATS = "127.0.0.1:0", "127.0.0.1:0"
	if cfg.Data == "" {
		cfg.Data = t.TempDir()
	}
	cfg.DrainTimeout = faas.Duration(2 * time.Second)
	cfg.Log = slog.New(slog.NewTextHandler(t.Output(), &slog.HandlerOptions{Level: slog.LevelWarn}))
	ctx, stop := context.WithCancel(context.WithoutCancel(t.Context()))
	at := make(chan standalone.Addresses, 1)
	ended := make(chan error, 1)
	go func() { ended <- standalone.New(cfg).Run(ctx, func(a standalone.Addresses) { at <- a }) }()
	var once bool
	down := func() {
		if once {
			return
		}
		once = true
		http.DefaultClient.CloseIdleConnections()
		stop()
		if err := <-ended; err != nil {
			t.Errorf("ended with %v", err)
		}
	}
	t.Cleanup(down)
	select {
	case a := <-at:
		return a, down
	case err := <-ended:
		t.Fatalf("did not come up: %v", err)
		return standalone.Addresses{}, nil
	}
}

func do(t *testing.T, method, url string, body io.Reader) (*http.Response, []byte) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, url, body)
	if err != nil {
		t.Fatal(err)
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
	return resp, b
}

func deploy(t *testing.T, at standalone.Addresses, name, wat string) {
	t.Helper()
	if resp, body := do(t, "PUT", at.HTTP+"/v1/functions/"+name, bytes.NewReader(faaslettest.MustAssemble(t, wat))); resp.StatusCode/100 != 2 {
		t.Fatalf("deploy: %s %s", resp.Status, body)
	}
}

// Bodies that no message can carry go through the object store, and nothing of them stays.
func TestLargeBodies(t *testing.T) {
	at, _ := up(t, standalone.Config{})
	deploy(t, at, "me/echo", watEcho)
	nc, err := nats.Connect(at.NATS)
	if err != nil {
		t.Fatal(err)
	}
	defer nc.Close()
	js, err := jetstream.New(nc)
	if err != nil {
		t.Fatal(err)
	}
	largest := bus.LargestBody(nc.MaxPayload())
	for _, size := range []int{0, 1, largest, largest + 1, bus.MaxPayload, 20 << 20} {
		in := make([]byte, size)
		_, _ = rand.Read(in)
		for name, body := range map[string]io.Reader{"known length": bytes.NewReader(in), "chunked": io.MultiReader(bytes.NewReader(in))} {
			resp, out := do(t, "POST", at.HTTP+"/v1/call/me/echo", body)
			if resp.StatusCode != 200 || !bytes.Equal(out, in) {
				t.Fatalf("%d bytes, %s: %s, %d bytes back: %.200s", size, name, resp.Status, len(out), out)
			}
		}
	}
	if resp, out := do(t, "POST", at.HTTP+"/v1/call/me/echo", io.MultiReader(bytes.NewReader(make([]byte, faas.DefaultBody+1)))); resp.StatusCode != 413 {
		t.Errorf("an input over the limit: %s %.200s", resp.Status, out)
	}
	objects := func() int {
		store, err := js.ObjectStore(t.Context(), bus.PayloadsBucket)
		if err != nil {
			t.Fatal(err)
		}
		list, err := store.List(t.Context())
		if err != nil {
			return 0 // none
		}
		return len(list)
	}
	testenv.Eventually(t, 10*time.Second, func() bool { return objects() == 0 }, "no body is left")

	// An output that only HTTP can carry is kept for a NATS client, which is told where.
	fill := strings.Replace(watEcho, "(call $write (i32.const 0) (local.get $n))",
		"(drop (memory.grow (i32.const 160))) (call $write (i32.const 0) (i32.const 10000000))", 1)
	deploy(t, at, "me/fill", fill)
	_, err = bus.NewClient(nc).Call(t.Context(), faas.Name{Tenant: "me", Function: "fill"}, []byte("x"))
	e := faas.AsError(err)
	if e == nil || e.Code != faas.TooLarge || !strings.Contains(e.Message, "/v1/calls/"+e.Call.String()+"/output") {
		t.Fatalf("a large output over NATS: %v", err)
	}
	if resp, out := do(t, "GET", at.HTTP+"/v1/calls/"+e.Call.String()+"/output", nil); resp.StatusCode != 200 || len(out) != 10_000_000 || out[0] != 'x' {
		t.Errorf("the kept output: %s, %d bytes", resp.Status, len(out))
	}
	if resp, _ := do(t, "GET", at.HTTP+"/v1/calls/"+faas.NewCallID().String()+"/output", nil); resp.StatusCode != 404 {
		t.Errorf("the output of another call: %s", resp.Status)
	}
}

// What was deployed is there after a restart, without being compiled again.
func TestRestart(t *testing.T) {
	data := t.TempDir()
	at, down := up(t, standalone.Config{Data: data})
	deploy(t, at, "me/echo", watEcho)
	down()
	at, _ = up(t, standalone.Config{Data: data})
	if resp, out := do(t, "POST", at.HTTP+"/v1/call/me/echo", strings.NewReader("again")); resp.StatusCode != 200 || string(out) != "again" {
		t.Fatalf("after a restart: %s %s", resp.Status, out)
	}
	compiled, err := os.ReadDir(data + "/compiled")
	if err == nil && len(compiled) > 0 {
		t.Errorf("the worker compiled %d modules itself", len(compiled))
	}
}

// One address tells of every service, for both doors, and of each worker by its name.
func TestMetrics(t *testing.T) {
	at, _ := up(t, standalone.Config{Workers: 2, Slots: 4})
	deploy(t, at, "me/echo", watEcho)
	if resp, out := do(t, "POST", at.HTTP+"/v1/call/me/echo", strings.NewReader("x")); resp.StatusCode != 200 {
		t.Fatalf("%s %s", resp.Status, out)
	}
	nc, err := nats.Connect(at.NATS)
	if err != nil {
		t.Fatal(err)
	}
	defer nc.Close()
	if _, err := bus.NewClient(nc).Call(t.Context(), faas.Name{Tenant: "me", Function: "echo"}, []byte("x")); err != nil {
		t.Fatal(err)
	}
	do(t, "POST", at.HTTP+"/v1/call/me/nobody", nil)
	_, body := do(t, "PUT", at.HTTP+"/v1/functions/me/broken", strings.NewReader("no module"))
	if !bytes.Contains(body, []byte("invalid_module")) {
		t.Fatalf("%s", body)
	}
	resp, text := do(t, "GET", at.HTTP+"/metrics", nil)
	if resp.StatusCode != 200 || !strings.HasPrefix(resp.Header.Get("Content-Type"), "text/plain") {
		t.Fatalf("%s %s", resp.Status, resp.Header)
	}
	for _, line := range []string{
		`shoal_gateway_calls_total{code="ok",door="http"} 1`,
		`shoal_gateway_calls_total{code="ok",door="nats"} 1`,
		`shoal_gateway_calls_total{code="not_found",door="http"} 1`,
		`shoal_gateway_call_duration_seconds_count{door="http"} 1`,
		`shoal_gateway_calls_held 0`,
		`shoal_gateway_workers 2`,
		`shoal_planner_workers 2`,
		`shoal_upload_deploys_total{code="ok"} 1`,
		`shoal_upload_deploys_total{code="invalid_module"} 1`,
		`shoal_upload_deploys_running 0`,
		`shoal_upload_compile_duration_seconds_count 1`,
		`shoal_worker_slots{worker="worker1"} 4`,
		`shoal_worker_slots{worker="worker2"} 4`,
	} {
		if !bytes.Contains(text, []byte("\n"+line+"\n")) {
			t.Errorf("no line %q", line)
		}
	}
	for _, name := range []string{"shoal_planner_placements_total", "shoal_engine_faaslets_max", "shoal_engine_modules", "go_goroutines", "process_open_fds"} {
		if !bytes.Contains(text, []byte("\n"+name)) {
			t.Errorf("nothing of %s", name)
		}
	}
	if t.Failed() {
		t.Logf("%s", text)
	}
	// docs/metrics.md has each of them, and no other.
	doc, err := os.ReadFile("../../docs/metrics.md")
	if err != nil {
		t.Fatal(err)
	}
	told := map[string]bool{}
	for _, m := range regexp.MustCompile(`(?m)^# TYPE (shoal_\w+) `).FindAllSubmatch(text, -1) {
		told[string(m[1])] = true
		if !bytes.Contains(doc, []byte("`"+string(m[1])+"`")) {
			t.Errorf("docs/metrics.md does not have %s", m[1])
		}
	}
	for _, m := range regexp.MustCompile("(?m)`(shoal_(?:worker|engine|files|gateway|planner|upload)_\\w*[a-z])`").FindAllSubmatch(doc, -1) {
		if !told[string(m[1])] {
			t.Errorf("docs/metrics.md has %s, which nobody tells", m[1])
		}
	}
}

func TestTwoWorkers(t *testing.T) {
	at, _ := up(t, standalone.Config{Workers: 2, Slots: 1, Queue: -1})
	deploy(t, at, "me/spin", `(module (memory (export "memory") 1) (func (export "handle") (loop $l (br $l))))`)
	seen := make(chan string, 2)
	for range 2 {
		go func() {
			req, _ := http.NewRequestWithContext(t.Context(), "POST", at.HTTP+"/v1/call/me/spin", nil)
			req.Header.Set("Shoal-Timeout-Ms", "700")
			resp, err := http.DefaultClient.Do(req)
			if err != nil {
				seen <- err.Error()
				return
			}
			resp.Body.Close()
			seen <- resp.Header.Get("Shoal-Worker") + " " + resp.Header.Get("Shoal-Code")
		}()
	}
	a, b := <-seen, <-seen
	for _, s := range []string{a, b} {
		if !strings.HasSuffix(s, " deadline_exceeded") {
			t.Errorf("answer %q", s)
		}
	}
	if a == b {
		t.Errorf("both ran on %q", a)
	}
}
