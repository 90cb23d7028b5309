// Package bustest is for tests of what speaks on the bus: a server to speak over, and workers that keep the contract of a
// worker without running anything, and that can be killed, frozen and brought back.
package bustest

import (
	"log/slog"
	"testing"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/shoal-run/shoal/bus"
	"github.com/shoal-run/shoal/libs/natsd"
)

// Server is a NATS server of one test, in this process, reached without a socket. It ends with the test.
type Server struct {
	srv *natsd.Server
}

// Start starts a server.
func Start(t testing.TB) *Server {
	t.Helper()
	srv, err := natsd.Start(natsd.Config{StoreDir: t.TempDir(), MaxPayload: bus.MaxPayload})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(srv.Close)
	return &Server{srv}
}

// Stop ends the server before the test does. It is idempotent.
func (s *Server) Stop() { s.srv.Close() }

// Connect returns a connection as services have it, which ends with the test or when it is closed.
func (s *Server) Connect(t testing.TB) *nats.Conn {
	t.Helper()
	nc, err := bus.Connect("", t.Name(), slog.New(slog.DiscardHandler), s.srv.InProcess())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { closeConn(nc) })
	return nc
}

// ConnectClient returns a connection as any NATS client has it, which ends with the test or when it is closed.
func (s *Server) ConnectClient(t testing.TB) *nats.Conn {
	t.Helper()
	nc, err := nats.Connect("", s.srv.InProcess())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { closeConn(nc) })
	return nc
}

// closeConn closes nc and waits until its goroutines have had their word.
func closeConn(nc *nats.Conn) {
	if nc.IsClosed() {
		return
	}
	closed := make(chan struct{})
	nc.SetClosedHandler(func(*nats.Conn) { close(closed) })
	nc.Close()
	select {
	case <-closed:
	case <-time.After(5 * time.Second):
	}
}

// Subscribe returns a channel of the messages to subject; when it returns, the server knows.
func Subscribe(t testing.TB, nc *nats.Conn, subject string) <-chan *nats.Msg {
	t.Helper()
	ch := make(chan *nats.Msg, 1024)
	if _, err := nc.ChanSubscribe(subject, ch); err != nil {
		t.Fatal(err)
	}
	Flush(t, nc)
	return ch
}

// Flush waits until the server has taken what was sent over nc.
func Flush(t testing.TB, nc *nats.Conn) {
	t.Helper()
	if err := nc.FlushTimeout(5 * time.Second); err != nil {
		t.Fatal(err)
	}
}

// Receive returns the next message of ch, and fails t when none comes within the time.
func Receive(t testing.TB, ch <-chan *nats.Msg, within time.Duration, what string) *nats.Msg {
	t.Helper()
	select {
	case m := <-ch:
		return m
	case <-time.After(within):
		t.Fatalf("no %s within %v", what, within)
		return nil
	}
}
