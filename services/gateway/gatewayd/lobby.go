package gatewayd

import (
	"errors"
	"log/slog"
	"net"
	"net/http"
	"sync"
	"time"

	"github.com/shoal-run/shoal/bus/faas"
	"github.com/shoal-run/shoal/libs/telemetry"
	"github.com/shoal-run/shoal/services/process"
)

// lobby is the gateway's listener, with somebody at the door until the gateway is there: probes are answered, and
// everybody else is told to come back. The first Accept is the gateway's, and closes the door to the lobby before.
type lobby struct {
	net.Listener
	leave func()
}

// openLobby serves on a copy of the socket of l, so that no connection is refused when the gateway takes over.
func openLobby(p *process.Process, l net.Listener) *lobby {
	second, err := duplicate(l)
	if err != nil { // then clients wait, unanswered, until the gateway is there
		p.Log.Warn("nobody answers before the gateway is ready", telemetry.KeyErr, err)
		return &lobby{l, func() {}}
	}
	mux := http.NewServeMux()
	probes := p.Health.Handler()
	mux.Handle("/healthz", probes)
	mux.Handle("/readyz", probes)
	mux.Handle("/metrics", p.Metrics.Handler())
	mux.HandleFunc("/", comeBack)

	// Shutdown would drop connections that have come and not yet spoken: the listener is closed, and the server only when
	// everybody who is in has been answered.
	var inside sync.WaitGroup
	srv := &http.Server{
		Handler: mux, ReadTimeout: 5 * time.Second, MaxHeaderBytes: 16 << 10,
		ErrorLog: slog.NewLogLogger(p.Log.Handler(), slog.LevelDebug),
		ConnState: func(_ net.Conn, s http.ConnState) {
			switch s {
			case http.StateNew:
				inside.Add(1)
			case http.StateClosed, http.StateHijacked:
				inside.Done()
			}
		},
	}
	srv.SetKeepAlivesEnabled(false)
	closed := make(chan struct{})
	go func() { // ends with the listener, which leave closes on every way
		defer close(closed)
		if err := srv.Serve(second); !errors.Is(err, net.ErrClosed) {
			p.Log.Warn("nobody answers before the gateway is ready", telemetry.KeyErr, err)
		}
	}()
	b := &lobby{l, sync.OnceFunc(func() {
		_ = second.Close() // fails only when Serve has closed it
		<-closed
	})}
	p.OnClose(func() {
		b.leave()
		_ = srv.Close() // who is still inside was given time enough
		inside.Wait()
	})
	return b
}

// Accept implements net.Listener.
func (b *lobby) Accept() (net.Conn, error) {
	b.leave()
	return b.Listener.Accept()
}

// duplicate returns a listener on the same socket: closing the one leaves the other open.
func duplicate(l net.Listener) (net.Listener, error) {
	t, ok := l.(*net.TCPListener)
	if !ok {
		return nil, net.UnknownNetworkError(l.Addr().Network())
	}
	f, err := t.File()
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return net.FileListener(f)
}

const tooEarly = `{"type":"about:blank","title":"A part that the call needs is away","status":503,"code":"unavailable","detail":"the gateway is starting"}`

// comeBack answers a request that is too early as the gateway answers one that it can't serve now.
func comeBack(w http.ResponseWriter, _ *http.Request) {
	h := w.Header()
	h.Set("Content-Type", "application/problem+json")
	h.Set("Shoal-Code", string(faas.Unavailable))
	h.Set("Retry-After", "1")
	w.WriteHeader(http.StatusServiceUnavailable)
	_, _ = w.Write([]byte(tooEarly + "\n")) // the client may have left: there is nobody to tell
}
