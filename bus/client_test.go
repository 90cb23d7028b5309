package bus_test

import (
	"context"
	"errors"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/shoal-run/shoal/bus"
	"github.com/shoal-run/shoal/bus/bustest"
	"github.com/shoal-run/shoal/bus/faas"
	"github.com/shoal-run/shoal/internal/leakcheck"
)

func TestMain(m *testing.M) { leakcheck.Main(m) }

var echo = faas.Name{Tenant: "demo", Function: "echo"}

// gateway answers client calls with what f makes of them.
func gateway(t *testing.T, s *bustest.Server, f func(*nats.Msg) *nats.Msg) {
	t.Helper()
	nc := s.Connect(t)
	if _, err := nc.QueueSubscribe(bus.CallWildcard(), bus.GatewayQueue, func(m *nats.Msg) {
		out := f(m)
		if out == nil {
			return
		}
		out.Subject = m.Reply
		if err := nc.PublishMsg(out); err != nil {
			t.Errorf("answer: %v", err)
		}
	}); err != nil {
		t.Fatal(err)
	}
	bustest.Flush(t, nc)
}

func TestClientCall(t *testing.T) {
	s := bustest.Start(t)
	id := faas.NewCallID()
	gateway(t, s, func(m *nats.Msg) *nats.Msg {
		if name, err := bus.ParseCallSubject(m.Subject); err != nil || name != echo {
			t.Errorf("%s is %v, %v", m.Subject, name, err)
		}
		if _, has := m.Header[bus.HeaderTimeout]; has {
			t.Error("a timeout, though the caller set none")
		}
		return bus.EncodeResult(&faas.Result{Call: id, Worker: "a-000000000001", Start: faas.Warm, Duration: time.Millisecond, Output: m.Data}, "")
	})
	r, err := bus.NewClient(s.Connect(t)).Call(context.Background(), echo, []byte("hello"))
	if err != nil || string(r.Output) != "hello" || r.Call != id || r.Start != faas.Warm || r.Duration != time.Millisecond {
		t.Errorf("%+v, %v", r, err)
	}
}

func TestClientPassesItsDeadline(t *testing.T) {
	s := bustest.Start(t)
	gateway(t, s, func(m *nats.Msg) *nats.Msg {
		left, err := bus.ParseTimeout(m.Header[bus.HeaderTimeout][0])
		if err != nil || left > 10*time.Second || left < 5*time.Second {
			t.Errorf("timeout %v, %v", left, err)
		}
		return bus.EncodeResult(&faas.Result{}, "")
	})
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	if _, err := bus.NewClient(s.Connect(t)).Call(ctx, echo, nil); err != nil {
		t.Error(err)
	}
}

func TestClientErrors(t *testing.T) {
	s := bustest.Start(t)
	c := bus.NewClient(s.Connect(t))
	call := func(ctx context.Context, name faas.Name, input []byte) faas.Code {
		r, err := c.Call(ctx, name, input)
		if err == nil {
			t.Errorf("no error, result %+v", r)
		}
		return faas.CodeOf(err)
	}
	ctx := context.Background()
	if got := call(ctx, echo, nil); got != faas.Unavailable {
		t.Errorf("without a gateway: %s", got)
	}
	if got := call(ctx, faas.Name{Tenant: "Demo", Function: "echo"}, nil); got != faas.BadRequest {
		t.Errorf("with a bad name: %s", got)
	}
	if got := call(ctx, echo, make([]byte, bus.MaxPayload+1)); got != faas.TooLarge {
		t.Errorf("with a large input: %s", got)
	}
	var mu sync.Mutex
	heard := make(chan struct{}, 8)
	answer := func(*nats.Msg) *nats.Msg { return nil }
	gateway(t, s, func(m *nats.Msg) *nats.Msg {
		heard <- struct{}{}
		mu.Lock()
		defer mu.Unlock()
		return answer(m)
	})
	short, cancel := context.WithTimeout(ctx, 30*time.Millisecond)
	defer cancel()
	if got := call(short, echo, nil); got != faas.DeadlineExceeded {
		t.Errorf("without an answer: %s", got)
	}
	if got := call(short, echo, nil); got != faas.DeadlineExceeded {
		t.Errorf("past the deadline: %s", got)
	}
	<-heard
	left, leave := context.WithCancel(ctx)
	go func() { <-heard; leave() }()
	if got := call(left, echo, nil); got != faas.Cancelled {
		t.Errorf("when the caller leaves: %s", got)
	}
	mu.Lock()
	answer = func(*nats.Msg) *nats.Msg {
		return bus.EncodeError(&faas.Error{Code: faas.GuestFailed, ExitCode: 3, Message: "exit 3"}, "")
	}
	mu.Unlock()
	r, err := c.Call(ctx, echo, nil)
	if !errors.Is(err, &faas.Error{Code: faas.GuestFailed}) || r == nil || r.Err.ExitCode != 3 {
		t.Errorf("a guest's failure: %+v, %v", r, err)
	}
}

func TestClientOnAClosedConnection(t *testing.T) {
	nc := bustest.Start(t).Connect(t)
	nc.Close()
	if _, err := bus.NewClient(nc).Call(t.Context(), echo, nil); faas.CodeOf(err) != faas.Unavailable {
		t.Errorf("error %v", err)
	}
}

// TestOverTheWire: headers survive the server, whatever a client has put into a trace context.
func TestOverTheWire(t *testing.T) {
	s := bustest.Start(t)
	nc := s.Connect(t)
	ch := bustest.Subscribe(t, nc, bus.PlanSubject())
	call := &faas.Call{
		ID: faas.NewCallID(), Name: echo, Version: faas.VersionOf(nil), Timeout: time.Second, Input: []byte("\x00\r\n\xff"),
		Refused: []faas.WorkerID{"a-000000000001", "b-000000000002"}, TraceParent: "00-x\r\nShoal-Hops: 9\r\n\r\nbody",
	}
	call.Root = call.ID
	if err := nc.PublishMsg(bus.EncodeCall(call, bus.PlanSubject(), "_INBOX.1")); err != nil {
		t.Fatal(err)
	}
	got, err := bus.DecodeCall(bustest.Receive(t, ch, 5*time.Second, "call"))
	if err != nil || got.Hops != 0 || string(got.Input) != string(call.Input) || len(got.Refused) != 2 || strings.ContainsAny(got.TraceParent, "\r\n") {
		t.Errorf("%+v, %v", got, err)
	}
}

// TestConnectDoesNotBuffer: what was published while the server was away must not arrive later.
func TestConnectDoesNotBuffer(t *testing.T) {
	s := bustest.Start(t)
	nc := s.Connect(t)
	if nc.Opts.ReconnectBufSize != -1 || nc.Opts.MaxReconnect != -1 {
		t.Errorf("buffer %d, reconnects %d", nc.Opts.ReconnectBufSize, nc.Opts.MaxReconnect)
	}
	s.Stop()
	for range 1000 {
		if err := nc.Publish("x", nil); err != nil {
			return // refused, as it must be
		}
		_ = nc.FlushTimeout(5 * time.Millisecond)
	}
	t.Error("1000 messages were taken without a server")
}
