// Package framework runs the processes of Shoal for integration tests: a type for each kind of process, which a test
// starts, speaks to and stops. What a process logs is shown only when its test fails.
package framework

import (
	"context"
	"log/slog"
	"net/http"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/shoal-run/shoal/services/standalone"
)

// patience bounds what a test waits for and does not measure: starting, stopping, becoming idle.
const patience = 30 * time.Second

// Standalone is all of Shoal in the test's own process.
type Standalone struct {
	HTTP string // URL of the gateway
	NATS string // URL of the NATS server
	Data string // its data directory

	http  *http.Client
	log   *logBook
	stop  context.CancelFunc
	ended chan struct{} // closed when Run has returned
	err   error         // of Run; read after ended
	once  sync.Once
}

// Start runs everything, on free ports of the loopback and, unless cfg names one, in a data directory of its own, and
// returns when it answers. It is stopped when t ends. t fails when it can't start or stop, or logs an error.
func Start(t testing.TB, cfg standalone.Config) *Standalone {
	t.Helper()
	if cfg.Data == "" {
		cfg.Data = filepath.Join(t.TempDir(), "data")
	}
	s, up := launch(cfg)
	t.Cleanup(func() { s.Stop(t) })
	select {
	case at := <-up:
		s.HTTP, s.NATS = at.HTTP, at.NATS
	case <-s.ended:
		t.Fatalf("standalone did not start: %v", s.err)
	case <-time.After(patience):
		t.Fatalf("standalone was not up after %v", patience)
	}
	return s
}

// StartError runs everything as Start does, for a cfg that can't work, and returns why not. t fails when it starts.
func StartError(t testing.TB, cfg standalone.Config) error {
	t.Helper()
	if cfg.Data == "" {
		cfg.Data = filepath.Join(t.TempDir(), "data")
	}
	s, up := launch(cfg)
	defer s.stop()
	select {
	case <-up:
		t.Fatal("standalone started")
	case <-s.ended:
	case <-time.After(patience):
		t.Fatalf("standalone neither started nor gave up within %v", patience)
	}
	return s.err
}

func launch(cfg standalone.Config) (*Standalone, <-chan standalone.Addresses) {
	if cfg.HTTP == "" {
		cfg.HTTP = "127.0.0.1:0"
	}
	if cfg.NATS == "" {
		cfg.NATS = "127.0.0.1:0"
	}
	ctx, stop := context.WithCancel(context.Background())
	s := &Standalone{
		Data: cfg.Data, log: &logBook{}, stop: stop, ended: make(chan struct{}),
		http: &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 256, DisableCompression: true}},
	}
	cfg.Log = slog.New(slog.NewTextHandler(s.log, &slog.HandlerOptions{Level: slog.LevelDebug}))
	up := make(chan standalone.Addresses, 1)
	go func() { // ends with ctx; waited for by Stop
		defer close(s.ended)
		s.err = standalone.New(cfg).Run(ctx, func(a standalone.Addresses) { up <- a })
	}()
	return s, up
}

// Stop drains, as an interrupt does, and returns when everything has ended. It may be called again.
func (s *Standalone) Stop(t testing.TB) {
	t.Helper()
	s.once.Do(func() {
		t.Helper()
		s.BeginStop()
		s.http.CloseIdleConnections()
		select {
		case <-s.ended:
			if s.err != nil {
				t.Errorf("standalone: %v", s.err)
			}
		case <-time.After(patience):
			t.Errorf("standalone did not stop within %v", patience)
		}
		s.http.CloseIdleConnections()
		for line := range strings.Lines(s.log.String()) {
			if strings.Contains(line, " level=ERROR ") {
				t.Errorf("standalone logged an error: %s", line)
			}
		}
		if t.Failed() {
			t.Logf("log of standalone:\n%s", s.log)
		}
	})
}

// BeginStop has it begin to drain, and returns at once. Stop waits for the end.
func (s *Standalone) BeginStop() { s.stop() }

// Ended is closed when it has stopped.
func (s *Standalone) Ended() <-chan struct{} { return s.ended }

// Log returns what it has logged so far, from level debug up.
func (s *Standalone) Log() string { return s.log.String() }

// Connect returns a connection of a NATS client, as any third party has one, that is closed when t ends.
func (s *Standalone) Connect(t testing.TB) *nats.Conn {
	t.Helper()
	closed := make(chan struct{})
	nc, err := nats.Connect(s.NATS, nats.Name(t.Name()), nats.NoReconnect(), nats.ClosedHandler(func(*nats.Conn) { close(closed) }))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		nc.Close()
		<-closed
	})
	return nc
}

// maxLog bounds what is kept of a process's log.
const maxLog = 1 << 20

// logBook keeps the first part of a log.
type logBook struct {
	mu   sync.Mutex
	text strings.Builder
}

func (b *logBook) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.text.Len() < maxLog {
		b.text.Write(p)
	}
	return len(p), nil
}

func (b *logBook) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.text.String()
}
