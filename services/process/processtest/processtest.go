// Package processtest runs Programs in the process of a test, as their mains would, and reads what they log.
package processtest

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/shoal-run/shoal/bus"
	"github.com/shoal-run/shoal/internal/testenv"
	"github.com/shoal-run/shoal/libs/natsd"
	"github.com/shoal-run/shoal/services/process"
)

// patience bounds what a test waits for.
const patience = 20 * time.Second

// Instance is a Program that runs.
type Instance struct {
	stdout, stderr book
	signal         context.CancelFunc
	ended          chan struct{}
	code           int // read after ended
}

// Start runs p with the arguments, in an environment with nothing in it, and returns at once. It is stopped when t ends.
// Its log, which is JSON, is shown when t fails.
func Start(t testing.TB, p *process.Program, args ...string) *Instance {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	i := &Instance{signal: cancel, ended: make(chan struct{})}
	args = append([]string{"-log-format", "json"}, args...)
	go func() { // ends with ctx; waited for by Stop
		defer close(i.ended)
		i.code = p.Run(ctx, process.Env{Args: args, Stdout: &i.stdout, Stderr: &i.stderr})
	}()
	t.Cleanup(func() {
		i.Stop(t)
		if t.Failed() {
			t.Logf("%s said:\n%s", p.Name, i.Log())
		}
	})
	return i
}

// Stop has it drain as a signal does, and returns its exit code. It may be called again.
func (i *Instance) Stop(t testing.TB) int {
	t.Helper()
	i.signal()
	return i.Wait(t)
}

// Wait waits until it has ended, and returns its exit code.
func (i *Instance) Wait(t testing.TB) int {
	t.Helper()
	select {
	case <-i.ended:
	case <-time.After(patience):
		t.Fatalf("still running after %v:\n%s", patience, i.Log())
	}
	return i.code
}

// Log returns what it has said on stderr so far.
func (i *Instance) Log() string { return i.stderr.String() }

// Stdout returns what it has said on stdout so far.
func (i *Instance) Stdout() string { return i.stdout.String() }

// Await waits until it has logged a message and returns the first such line's attributes.
func (i *Instance) Await(t testing.TB, message string) map[string]any {
	t.Helper()
	var found map[string]any
	testenv.Eventually(t, patience, func() bool {
		for line := range strings.Lines(i.Log()) {
			var attrs map[string]any
			if json.Unmarshal([]byte(line), &attrs) == nil && strings.Contains(attrs["msg"].(string), message) {
				found = attrs
				return true
			}
		}
		return false
	}, "%q was not logged", message)
	return found
}

// Health waits for the probes and returns their URL.
func (i *Instance) Health(t testing.TB) string {
	t.Helper()
	return "http://" + i.Await(t, "probes answer")["health"].(string)
}

// Get returns status and body of a page; status 0 when nobody answers.
func Get(t testing.TB, url string) (status int, body string) {
	t.Helper()
	c := http.Client{Timeout: patience, Transport: &http.Transport{DisableKeepAlives: true}}
	resp, err := c.Get(url)
	if err != nil {
		return 0, err.Error()
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, string(b)
}

// AwaitStatus waits until a page answers with a status and a text in its body.
func AwaitStatus(t testing.TB, url string, want int, text string) {
	t.Helper()
	var status int
	var body string
	testenv.Eventually(t, patience, func() bool {
		status, body = Get(t, url)
		return status == want && strings.Contains(body, text)
	}, "%s: want %d with %q, last: %v", url, want, text, later(func() string { return fmt.Sprintf("%d %q", status, body) }))
}

// later is a text that is made when it is printed.
type later func() string

func (l later) String() string { return l() }

// Server is a NATS server that can be started late, stopped and started again at the same address.
type Server struct {
	URL  string
	addr string
	dir  string
	srv  *natsd.Server
}

// NewServer returns a Server that is not started.
func NewServer(t testing.TB) *Server {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := &Server{addr: l.Addr().String(), dir: filepath.Join(t.TempDir(), "nats")}
	s.URL = "nats://" + s.addr
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Stop)
	return s
}

// Start starts it.
func (s *Server) Start(t testing.TB) {
	t.Helper()
	var err error
	s.srv, err = natsd.Start(natsd.Config{Listen: s.addr, StoreDir: s.dir, MaxPayload: bus.MaxPayload})
	if err != nil {
		t.Fatal(err)
	}
}

// Stop stops it; what it stored stays until the test ends.
func (s *Server) Stop() {
	if s.srv != nil {
		s.srv.Close()
	}
}

// book is a text that several goroutines write.
type book struct {
	mu   sync.Mutex
	text strings.Builder
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
