package bustest

import (
	"io"
	"log/slog"
	"net"
	"strings"
	"sync"
	"testing"

	"github.com/nats-io/nats.go"

	"github.com/shoal-run/shoal/bus"
	"github.com/shoal-run/shoal/libs/natsd"
)

// Link is a connection as services have it, over a line that can stand still without breaking, as TCP does when packets
// are lost: both ends count as connected, and what they send arrives later. It needs a server that Listen started.
type Link struct {
	NC *nats.Conn

	line sync.RWMutex // held for writing while the line stands still
}

// Listen starts a server as Start does, which also listens on a socket, for Links.
func Listen(t testing.TB) *Server {
	t.Helper()
	srv, err := natsd.Start(natsd.Config{StoreDir: t.TempDir(), Listen: "127.0.0.1:0", MaxPayload: bus.MaxPayload})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(srv.Close)
	return &Server{srv}
}

// Link connects over a line that flows until Stall. It ends with the test.
func (s *Server) Link(t testing.TB) *Link {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	l := &Link{}
	var pumps sync.WaitGroup
	pumps.Go(func() {
		for {
			near, err := listener.Accept()
			if err != nil {
				return
			}
			far, err := net.Dial("tcp", strings.TrimPrefix(s.srv.ClientURL(), "nats://"))
			if err != nil {
				near.Close()
				continue
			}
			pumps.Go(func() { l.pump(near, far) })
			pumps.Go(func() { l.pump(far, near) })
		}
	})
	t.Cleanup(pumps.Wait)
	t.Cleanup(func() { listener.Close() })
	l.NC, err = bus.Connect("nats://"+listener.Addr().String(), t.Name(), slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { closeConn(l.NC) })
	return l
}

// Stall makes the line stand still until resume is called, at the latest when the test ends. Then it may stall again.
func (l *Link) Stall(t testing.TB) (resume func()) {
	l.line.Lock()
	resume = sync.OnceFunc(l.line.Unlock)
	t.Cleanup(resume)
	return resume
}

// pump carries what comes from one end to the other until either is closed.
func (l *Link) pump(to, from net.Conn) {
	defer to.Close()
	defer from.Close()
	_, _ = io.Copy(gate{l, to}, struct{ io.Reader }{from}) // ends with either
}

// gate writes while the line flows.
type gate struct {
	*Link
	to io.Writer
}

func (g gate) Write(b []byte) (int, error) {
	g.line.RLock()
	defer g.line.RUnlock()
	return g.to.Write(b)
}
