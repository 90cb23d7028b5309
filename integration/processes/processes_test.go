//go:build linux && cgo

package processes

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/shoal-run/shoal/bus"
	"github.com/shoal-run/shoal/internal/leakcheck"
	"github.com/shoal-run/shoal/internal/testenv"
	"github.com/shoal-run/shoal/libs/faaslet/faaslettest"
	"github.com/shoal-run/shoal/libs/natsd"
)

// natsEnv makes the test binary a NATS server: "ADDRESS DIRECTORY".
const natsEnv = "SHOAL_TEST_NATSD"

const patience = 30 * time.Second

func TestMain(m *testing.M) {
	if at := os.Getenv(natsEnv); at != "" {
		os.Exit(serveNATS(at))
	}
	leakcheck.Main(m)
}

// serveNATS is a NATS server until it is told to stop.
func serveNATS(at string) int {
	address, dir, _ := strings.Cut(at, " ")
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	defer stop()
	s, err := natsd.Start(natsd.Config{Listen: address, StoreDir: dir, MaxPayload: bus.MaxPayload, Log: slog.New(slog.NewTextHandler(os.Stderr, nil))})
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	<-ctx.Done()
	s.Close()
	return 0
}

var services = []string{"gateway", "planner", "worker", "upload"}

// build builds the services and returns their directory.
func build(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	args := []string{"build", "-buildvcs=false", "-o", dir + "/"}
	for _, s := range services {
		args = append(args, fmt.Sprintf("github.com/shoal-run/shoal/services/%s/cmd/%s", s, s))
	}
	if out, err := exec.Command("go", args...).CombinedOutput(); err != nil {
		t.Fatalf("build: %v\n%s", err, out)
	}
	return dir
}

// running is a process.
type running struct {
	name  string
	cmd   *exec.Cmd
	said  book
	ended chan struct{}
}

// start starts a process, which is killed when t ends; what it said is shown when t fails.
func start(t *testing.T, name, path string, env []string, args ...string) *running {
	t.Helper()
	r := &running{name: name, cmd: exec.Command(path, args...), ended: make(chan struct{})}
	r.cmd.Stdout, r.cmd.Stderr, r.cmd.Env = &r.said, &r.said, env
	r.cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := r.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go func() { // ends with the process, which the cleanup kills
		defer close(r.ended)
		_ = r.cmd.Wait() // ProcessState says how it ended
	}()
	t.Cleanup(func() {
		_ = r.cmd.Process.Kill() // fails when it has ended
		<-r.ended
		if t.Failed() {
			t.Logf("%s said:\n%s", name, r.said.String())
		}
	})
	return r
}

// wait waits for the end of the process and returns how it ended, as "exit status 0".
func (r *running) wait(t *testing.T) string {
	t.Helper()
	select {
	case <-r.ended:
	case <-time.After(patience):
		t.Fatalf("%s still runs after %v", r.name, patience)
	}
	return r.cmd.ProcessState.String()
}

func (r *running) signal(t *testing.T, s os.Signal) {
	t.Helper()
	if err := r.cmd.Process.Signal(s); err != nil {
		t.Fatalf("%s: %v", r.name, err)
	}
}

// platform is all of Shoal, as processes that are not started.
type platform struct {
	bin, dir   string
	nats, http string            // addresses
	healthOf   map[string]string // addresses of probes
	started    map[string]*running
}

func newPlatform(t *testing.T, bin string) *platform {
	t.Helper()
	p := &platform{bin: bin, dir: t.TempDir(), started: map[string]*running{}}
	free := freeAddresses(t, 5)
	p.nats, p.http = free[0], free[1]
	p.healthOf = map[string]string{"gateway": p.http, "planner": free[2], "worker": free[3], "upload": free[4]}
	return p
}

// start starts one part. The settings of each come another way: flags, a file, the environment.
func (p *platform) start(t *testing.T, part string) {
	t.Helper()
	url := "nats://" + p.nats
	path := filepath.Join(p.bin, part)
	env := []string{"PATH=" + os.Getenv("PATH"), "TMPDIR=" + os.TempDir()}
	switch part {
	case "nats":
		self, err := os.Executable()
		if err != nil {
			t.Fatal(err)
		}
		p.started[part] = start(t, part, self, []string{natsEnv + "=" + p.nats + " " + filepath.Join(p.dir, "nats")})
	case "gateway":
		p.started[part] = start(t, part, path, append(env, "SHOAL_NATS_URL="+url, "SHOAL_HTTP="+p.http))
	case "planner":
		p.started[part] = start(t, part, path, env, "-nats-url", url, "-health", p.healthOf[part])
	case "worker":
		file := filepath.Join(p.dir, "worker.yaml")
		text := fmt.Sprintf("name: w1\nslots: 2\nnats-url: [%s]\nhealth: %s\ndata: %s\npublic-key: %s\n",
			url, p.healthOf[part], filepath.Join(p.dir, "w1"), filepath.Join(p.dir, "upload", "signing.pub"))
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		p.started[part] = start(t, part, path, env, "-config", file)
	case "upload":
		p.started[part] = start(t, part, path, append(env, "SHOAL_NATS_URL="+url), "-health", p.healthOf[part], "-data", filepath.Join(p.dir, "upload"))
	}
}

// awaitReady waits until every service says that it is ready, and the gateway knows the worker.
func (p *platform) awaitReady(t *testing.T) {
	t.Helper()
	for _, s := range services {
		testenv.Eventually(t, patience, func() bool {
			status, body := request(t, http.MethodGet, "http://"+p.healthOf[s]+"/readyz", "")
			return status == http.StatusOK && (s != "gateway" || strings.Contains(body, `"workers":1`))
		}, "%s is not ready", s)
	}
}

// request sends a request and returns status and body; status 0 when nobody answers.
func request(t *testing.T, method, url, body string) (int, string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, url, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	c := http.Client{Timeout: patience, Transport: &http.Transport{DisableKeepAlives: true}}
	resp, err := c.Do(req)
	if err != nil {
		return 0, err.Error()
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		return 0, err.Error()
	}
	return resp.StatusCode, string(b)
}

// freeAddresses returns addresses of the loopback that nobody listened on a moment ago.
func freeAddresses(t *testing.T, n int) []string {
	t.Helper()
	var out []string
	for range n {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		defer l.Close() // after all are taken, so that they differ
		out = append(out, l.Addr().String())
	}
	return out
}

const (
	watEcho = `(module
	  (import "env" "__faasm_read_input" (func $read (param i32 i32) (result i32)))
	  (import "env" "__faasm_write_output" (func $write (param i32 i32)))
	  (memory (export "memory") 1)
	  (func (export "handle")
	    (call $write (i32.const 1024) (call $read (i32.const 1024) (i32.const 60000)))))`
	watSpin = `(module (memory (export "memory") 1) (func (export "handle") (loop $l (br $l))))`
)

func TestProcesses(t *testing.T) {
	testenv.Long(t, "programs are built and started")
	bin := build(t)
	t.Run("any order", func(t *testing.T) { testAnyOrder(t, bin) })
	t.Run("signals", func(t *testing.T) { testSignals(t, bin) })
	t.Run("check-config", func(t *testing.T) { testCheckConfig(t, bin) })
}

// testAnyOrder starts everything in shuffled orders; each time it comes together, takes a deploy and answers calls, and
// stops without complaint.
func testAnyOrder(t *testing.T, bin string) {
	echo := string(faaslettest.MustAssemble(t, watEcho))
	orders := [][]string{{"gateway", "worker", "planner", "upload", "nats"}, {"nats", "upload", "planner", "worker", "gateway"}, nil}
	orders[2] = append(orders[2], orders[0]...)
	rand.Shuffle(len(orders[2]), func(i, j int) { orders[2][i], orders[2][j] = orders[2][j], orders[2][i] })
	for _, order := range orders {
		t.Run(strings.Join(order, ","), func(t *testing.T) {
			p := newPlatform(t, bin)
			for _, part := range order {
				p.start(t, part)
			}
			p.awaitReady(t)
			if status, body := request(t, http.MethodPut, "http://"+p.http+"/v1/functions/demo/echo", echo); status != http.StatusCreated {
				t.Fatalf("deploy: %d %s", status, body)
			}
			if status, body := request(t, http.MethodPost, "http://"+p.http+"/v1/call/demo/echo", "hello"); status != http.StatusOK || body != "hello" {
				t.Errorf("call: %d %q", status, body)
			}
			nc, err := nats.Connect("nats://" + p.nats)
			if err != nil {
				t.Fatal(err)
			}
			defer nc.Close()
			if m, err := nc.Request("shoal.v1.call.demo.echo", []byte("hello"), patience); err != nil || string(m.Data) != "hello" {
				t.Errorf("call over NATS: %v %v", m, err)
			}
			p.stop(t, order)
		})
	}
}

// stop ends all parts but NATS, which goes last, in the order in which they came.
func (p *platform) stop(t *testing.T, order []string) {
	t.Helper()
	for _, part := range append(without(order, "nats"), "nats") {
		r := p.started[part]
		r.signal(t, syscall.SIGTERM)
		if how := r.wait(t); how != "exit status 0" {
			t.Errorf("%s ended with %s", part, how)
		}
	}
	for part, r := range p.started {
		if said := r.said.String(); strings.Contains(said, "level=ERROR") {
			t.Errorf("%s logged an error", part)
		}
	}
}

func without(list []string, item string) []string {
	var out []string
	for _, s := range list {
		if s != item {
			out = append(out, s)
		}
	}
	return out
}

// testSignals has a worker with a call that does not end: the first signal drains, the second ends the process at once.
func testSignals(t *testing.T, bin string) {
	p := newPlatform(t, bin)
	for _, part := range []string{"nats", "upload", "planner", "worker", "gateway"} {
		p.start(t, part)
	}
	p.awaitReady(t)
	spin := faaslettest.MustAssemble(t, watSpin)
	if status, body := request(t, http.MethodPut, "http://"+p.http+"/v1/functions/demo/spin", string(spin)); status != http.StatusCreated {
		t.Fatalf("deploy: %d %s", status, body)
	}
	answered := make(chan int, 1)
	go func() { // ends with the worker
		status, _ := request(t, http.MethodPost, "http://"+p.http+"/v1/call/demo/spin", "")
		answered <- status
	}()
	testenv.Eventually(t, patience, func() bool {
		_, body := request(t, http.MethodGet, "http://"+p.http+"/v1/workers", "")
		return strings.Contains(body, `"free":1`)
	}, "the call does not run")
	w := p.started["worker"]
	w.signal(t, syscall.SIGTERM)
	testenv.Eventually(t, patience, func() bool {
		status, body := request(t, http.MethodGet, "http://"+p.healthOf["worker"]+"/readyz", "")
		return status == http.StatusServiceUnavailable && strings.Contains(body, "stopping")
	}, "the worker does not say that it stops")
	select {
	case <-w.ended:
		t.Fatal("the worker ended while its call ran")
	default:
	}
	began := time.Now()
	w.signal(t, syscall.SIGTERM)
	if how := w.wait(t); how != "signal: terminated" || time.Since(began) > 5*time.Second {
		t.Errorf("ended with %s after %v", how, time.Since(began))
	}
	select {
	case status := <-answered:
		if status != http.StatusServiceUnavailable {
			t.Errorf("the call was answered with %d", status)
		}
	case <-time.After(patience):
		t.Error("the call was not answered")
	}
}

// testCheckConfig runs each program with the files that an operator would give it.
func testCheckConfig(t *testing.T, bin string) {
	for _, s := range services {
		r := start(t, s, filepath.Join(bin, s), nil, "-check-config", "-config", "../../deploy/config/"+s+".yaml", "-nats-url", "nats://me:hunter2@h:4222")
		if how := r.wait(t); how != "exit status 0" {
			t.Errorf("%s: %s", s, how)
		}
		if said := r.said.String(); !strings.Contains(said, "nats://***@h:4222") || strings.Contains(said, "hunter2") {
			t.Errorf("%s said %s", s, said)
		}
		r = start(t, s, filepath.Join(bin, s), []string{"SHOAL_NATS_URI=x"}, "-check-config")
		if how := r.wait(t); how != "exit status 2" || !strings.Contains(r.said.String(), "SHOAL_NATS_URI: no setting of "+s+" has this variable (did you mean nats-url?)") {
			t.Errorf("%s: %s, said %s", s, how, r.said.String())
		}
	}
}

// book is a text that several goroutines write.
type book struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (b *book) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.text.Write(p)
}

func (b *book) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.text.String()
}
