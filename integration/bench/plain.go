//go:build linux && cgo

package main

import (
	"context"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/shoal-run/shoal/bus"
	"github.com/shoal-run/shoal/bus/faas"
	"github.com/shoal-run/shoal/libs/natsd"
)

// Subjects and paths of the baselines.
const (
	plainEcho  = "bench.echo"  // answered where it arrives
	plainRelay = "bench.relay" // passed on by the front to the back, the answer passed back
	plainBack  = "bench.back"
	bareHTTP   = "/bare"  // answered by the handler
	proxyHTTP  = "/proxy" // HTTP to NATS, to the back and back
)

// runPlain serves the baselines: what a gateway and a worker would be that did nothing but pass bytes. One process, an
// embedded server, and a connection for each side, as standalone has them.
func runPlain(ctx context.Context, dir string, up func(addresses)) error {
	srv, err := startServer(dir)
	if err != nil {
		return err
	}
	defer srv.Close()
	connect := func(name string) (*nats.Conn, error) { return plainConnect(srv, name) }
	back, err := connect("back")
	if err != nil {
		return err
	}
	defer back.Close()
	stop, err := serveBack(back)
	if err != nil {
		return err
	}
	defer stop()
	conn, err := connect("front")
	if err != nil {
		return err
	}
	defer conn.Close()
	return serveFront(ctx, conn, func(http string) { up(addresses{HTTP: http, NATS: srv.ClientURL()}) })
}

// serveFront is the front until ctx ends. up gets its HTTP address.
func serveFront(ctx context.Context, nc *nats.Conn, up func(http string)) error {
	f := &front{nc: nc, inbox: nats.NewInbox() + ".", waits: map[uint64]func([]byte){}}
	if err := f.listen(); err != nil {
		return err
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	mux := http.NewServeMux()
	mux.HandleFunc("POST "+bareHTTP, bare)
	mux.HandleFunc("POST "+proxyHTTP, f.proxy)
	server := &http.Server{Handler: mux, ReadHeaderTimeout: 10 * time.Second}
	done := make(chan error, 1)
	go func() { done <- server.Serve(l) }()
	up(l.Addr().String())
	<-ctx.Done()
	_ = server.Close() // the load has ended
	<-done
	return nil
}

func plainConnect(srv *natsd.Server, name string) (*nats.Conn, error) {
	url, opts := "", []nats.Option{srv.InProcess()}
	if os.Getenv(transportVariable) == "tcp" {
		url, opts = srv.ClientURL(), nil
	}
	return bus.Connect(url, name, slog.New(slog.DiscardHandler), opts...)
}

// serveBack answers on two subjects: plainEcho in the callback, plainBack too, and plainBack+".work" on as many
// goroutines as a worker has slots.
func serveBack(nc *nats.Conn) (stop func(), err error) {
	answer := func(m *nats.Msg) { _ = nc.Publish(m.Reply, m.Data) } // a connection that is gone ends the run
	for _, subject := range []string{plainEcho, plainBack} {
		if _, err := nc.Subscribe(subject, answer); err != nil {
			return nil, err
		}
	}
	work := make(chan *nats.Msg, queue)
	sub, err := nc.Subscribe(plainBack+".work", func(m *nats.Msg) { work <- m })
	if err != nil {
		return nil, err
	}
	var wg sync.WaitGroup
	quit := make(chan struct{})
	for range faas.SlotsPerCore * runtime.NumCPU() {
		wg.Go(func() {
			for {
				select {
				case m := <-work:
					answer(m)
				case <-quit:
					return
				}
			}
		})
	}
	return func() {
		_ = sub.Unsubscribe() // the connection may be gone
		close(quit)
		wg.Wait()
	}, nc.Flush()
}

// front passes on what comes in, under an inbox of its own.
type front struct {
	nc    *nats.Conn
	inbox string

	mu    sync.Mutex
	next  uint64
	waits map[uint64]func([]byte)
}

func (f *front) listen() error {
	if _, err := f.nc.Subscribe(f.inbox+"*", f.answer); err != nil {
		return err
	}
	_, err := f.nc.QueueSubscribe(plainRelay, "front", func(m *nats.Msg) {
		reply := m.Reply
		_ = f.send(plainBack, m.Data, func(b []byte) { _ = f.nc.Publish(reply, b) })
	})
	if err != nil {
		return err
	}
	return f.nc.Flush()
}

// send publishes body; done gets the answer, on the connection's goroutine.
func (f *front) send(subject string, body []byte, done func([]byte)) error {
	f.mu.Lock()
	f.next++
	token := f.next
	f.waits[token] = done
	f.mu.Unlock()
	return f.nc.PublishRequest(subject, f.inbox+strconv.FormatUint(token, 36), body)
}

func (f *front) answer(m *nats.Msg) {
	token, err := strconv.ParseUint(m.Subject[strings.LastIndexByte(m.Subject, '.')+1:], 36, 64)
	if err != nil {
		return
	}
	f.mu.Lock()
	done := f.waits[token]
	delete(f.waits, token)
	f.mu.Unlock()
	if done != nil {
		done(m.Data)
	}
}

func (f *front) proxy(w http.ResponseWriter, r *http.Request) {
	body := make([]byte, r.ContentLength)
	if _, err := io.ReadFull(r.Body, body); err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	answered := make(chan []byte, 1)
	if err := f.send(plainBack+".work", body, func(b []byte) { answered <- b }); err != nil {
		http.Error(w, err.Error(), http.StatusServiceUnavailable)
		return
	}
	write(w, <-answered)
}

func bare(w http.ResponseWriter, r *http.Request) {
	body := make([]byte, r.ContentLength)
	if _, err := io.ReadFull(r.Body, body); err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	write(w, body)
}

func write(w http.ResponseWriter, body []byte) {
	h := w.Header()
	h["Content-Type"] = octetStream
	h["Content-Length"] = []string{strconv.Itoa(len(body))}
	_, _ = w.Write(body) // a client that is gone ends the run
}

var octetStream = []string{"application/octet-stream"}
