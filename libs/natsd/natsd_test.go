package natsd_test

import (
	"bytes"
	"context"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/shoal-run/shoal/internal/leakcheck"
	"github.com/shoal-run/shoal/libs/natsd"
)

func TestMain(m *testing.M) { leakcheck.Main(m) }

func start(t *testing.T, cfg natsd.Config) *natsd.Server {
	t.Helper()
	if cfg.StoreDir == "" {
		cfg.StoreDir = t.TempDir()
	}
	s, err := natsd.Start(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Close)
	return s
}

func connect(t *testing.T, url string, opts ...nats.Option) jetstream.JetStream {
	t.Helper()
	nc, err := nats.Connect(url, opts...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(nc.Close)
	js, err := jetstream.New(nc)
	if err != nil {
		t.Fatal(err)
	}
	return js
}

func TestStoreSurvivesRestart(t *testing.T) {
	for _, always := range []bool{false, true} {
		dir := t.TempDir()
		s := start(t, natsd.Config{StoreDir: dir, SyncAlways: always})
		if url := s.ClientURL(); url != "" {
			t.Errorf("ClientURL without a port = %q", url)
		}
		kv, err := connect(t, "", s.InProcess()).CreateKeyValue(t.Context(), jetstream.KeyValueConfig{Bucket: "b"})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := kv.Put(t.Context(), "k", []byte("v")); err != nil {
			t.Fatal(err)
		}
		s.Close()
		s.Close() // again is fine

		s = start(t, natsd.Config{StoreDir: dir})
		kv, err = connect(t, "", s.InProcess()).KeyValue(t.Context(), "b")
		if err != nil {
			t.Fatal(err)
		}
		if e, err := kv.Get(t.Context(), "k"); err != nil || string(e.Value()) != "v" {
			t.Fatalf("after the restart: %v, %v", e, err)
		}
	}
}

func TestListens(t *testing.T) {
	s := start(t, natsd.Config{Listen: "127.0.0.1:0", MaxPayload: 8 << 20, ServerName: "one"})
	js := connect(t, s.ClientURL())
	if got := js.Conn().MaxPayload(); got != 8<<20 {
		t.Errorf("MaxPayload = %d", got)
	}
	if got := js.Conn().ConnectedServerName(); got != "one" {
		t.Errorf("server name = %q", got)
	}
	if _, err := js.AccountInfo(t.Context()); err != nil {
		t.Errorf("JetStream: %v", err)
	}
}

func TestStartErrors(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	taken := l.Addr().String()
	used := t.TempDir()
	start(t, natsd.Config{StoreDir: used})
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name string
		cfg  natsd.Config
		want []string
	}{
		{"port taken", natsd.Config{Listen: taken, StoreDir: t.TempDir()}, []string{taken, "--nats"}},
		{"no port", natsd.Config{Listen: "localhost", StoreDir: t.TempDir()}, []string{`"localhost"`, "--nats"}},
		{"bad port", natsd.Config{Listen: "localhost:66000", StoreDir: t.TempDir()}, []string{"66000", "65535", "--nats"}},
		{"foreign address", natsd.Config{Listen: "192.0.2.1:4222", StoreDir: t.TempDir()}, []string{"192.0.2.1:4222", "--nats"}},
		{"no store", natsd.Config{}, []string{"--data"}},
		{"store in use", natsd.Config{StoreDir: used}, []string{used, "--data"}},
		{"store is a file", natsd.Config{StoreDir: file}, []string{file, "--data"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			s, err := natsd.Start(c.cfg)
			if err == nil {
				s.Close()
				t.Fatal("started")
			}
			for _, w := range c.want {
				if !strings.Contains(err.Error(), w) {
					t.Errorf("error %q lacks %q", err, w)
				}
			}
		})
	}
}

func TestFailedStartFreesTheStore(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "jetstream"), nil, 0o600); err != nil { // where JetStream wants a directory
		t.Fatal(err)
	}
	s, err := natsd.Start(natsd.Config{StoreDir: dir})
	if err == nil {
		s.Close()
		t.Fatal("started on a store that can't be")
	}
	if err := os.Remove(filepath.Join(dir, "jetstream")); err != nil {
		t.Fatal(err)
	}
	start(t, natsd.Config{StoreDir: dir})
}

// syncBuffer is a buffer that goroutines of the server may write to.
type syncBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (s *syncBuffer) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.Write(p)
}

func (s *syncBuffer) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.String()
}

func TestLogBridge(t *testing.T) {
	var out syncBuffer
	s := start(t, natsd.Config{MaxPayload: 1 << 25, Log: slog.New(slog.NewTextHandler(&out, nil))}) // the server warns of such a payload
	connect(t, "", s.InProcess())
	s.Close()
	if got := out.String(); !strings.Contains(got, "level=WARN") || strings.Contains(got, "level=INFO") {
		t.Errorf("log:\n%s", got)
	}
}

func TestCloseEndsConnections(t *testing.T) {
	s := start(t, natsd.Config{})
	closed := make(chan struct{})
	nc, err := nats.Connect("", s.InProcess(), nats.NoReconnect(), nats.ClosedHandler(func(*nats.Conn) { close(closed) }))
	if err != nil {
		t.Fatal(err)
	}
	defer nc.Close()
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	s.Close()
	select {
	case <-closed:
	case <-ctx.Done():
		t.Fatal("the connection outlived the server")
	}
}
