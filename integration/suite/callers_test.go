package suite

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/shoal-run/shoal/bus"
	"github.com/shoal-run/shoal/bus/faas"
	"github.com/shoal-run/shoal/integration/framework"
	"github.com/shoal-run/shoal/internal/testenv"
	"github.com/shoal-run/shoal/services/standalone"
)

// enough is how long a test waits for what takes milliseconds.
const enough = 20 * time.Second

// Guarantee 1, for both doors: an answer is the call's own, and says who ran it and how.
func TestCall(t *testing.T) {
	s := start(t, standalone.Config{})
	nc := s.Connect(t)
	for _, input := range [][]byte{nil, []byte("hello"), bytes.Repeat([]byte{0, 0xff, '\n'}, 50_000)} {
		a := s.Call(t, "t/echo", input)
		if a.Err != nil || !bytes.Equal(a.Body, input) {
			t.Fatalf("over HTTP, %d bytes: %d bytes, %v", len(input), len(a.Body), a.Err)
		}
		for _, h := range []string{"Shoal-Call", "Shoal-Worker", "Shoal-Start", "Shoal-Duration-Us"} {
			if a.Header.Get(h) == "" {
				t.Errorf("no header %s over HTTP: %v", h, a.Header)
			}
		}
		m, err := nc.Request("shoal.v1.call.t.echo", input, enough)
		if err != nil || !bytes.Equal(m.Data, input) {
			t.Fatalf("over NATS, %d bytes: %v", len(input), err)
		}
		for _, h := range []string{"Shoal-Call", "Shoal-Worker", "Shoal-Start", "Shoal-Duration-Us"} {
			if m.Header.Get(h) == "" {
				t.Errorf("no header %s over NATS: %v", h, m.Header)
			}
		}
	}
}

// Guarantee 6, for NATS clients: a refusal is an answer with a code, not silence.
func TestNATSCallers(t *testing.T) {
	s := start(t, standalone.Config{})
	s.Deploy(t, "t/loop", wasm(t, watLoop))
	s.Deploy(t, "t/fails", wasm(t, `(module (memory (export "memory") 1) (func (export "handle") (result i32) (i32.const 3)))`))
	nc := s.Connect(t)
	for _, c := range []struct {
		subject string
		code    faas.Code
		words   []string
	}{
		{"T.echo", faas.BadRequest, []string{`tenant name "T"`}},
		{"t.Echo", faas.BadRequest, []string{`function name "Echo"`}},
		{"t." + strings.Repeat("n", 64), faas.BadRequest, []string{"64 characters, more than 63"}},
		{"t.nobody", faas.NotFound, []string{"t/nobody", "deploy"}},
		{"t.fails", faas.GuestFailed, []string{"3"}},
	} {
		wantError(t, natsCall(t, nc, c.subject, nil).Err, c.code, c.words...)
	}
	for _, subject := range []string{"t", "t.echo.more"} { // no call at all: whoever asks is told so, or that nobody is there
		m, err := nc.Request("shoal.v1.call."+subject, nil, enough)
		if errors.Is(err, nats.ErrNoResponders) {
			continue
		}
		if err != nil {
			t.Fatalf("%s: %v", subject, err)
		}
		wantError(t, bus.DecodeResult(m).Err, faas.BadRequest)
	}

	for _, c := range []struct {
		timeout string
		code    faas.Code
		words   []string
	}{
		{"100", faas.DeadlineExceeded, []string{"t/loop", "100ms"}},
		{"soon", faas.BadRequest, []string{"Shoal-Timeout-Ms", `"soon"`}},
		{"0", faas.BadRequest, []string{"Shoal-Timeout-Ms", `"0"`, "from 1 to 900000"}},
		{"900001", faas.BadRequest, []string{"Shoal-Timeout-Ms", "900001"}},
	} {
		m, err := nc.RequestMsg(&nats.Msg{Subject: "shoal.v1.call.t.loop", Header: nats.Header{"Shoal-Timeout-Ms": {c.timeout}}}, enough)
		if err != nil {
			t.Fatal(err)
		}
		wantError(t, bus.DecodeResult(m).Err, c.code, c.words...)
		wantError(t, s.Call(t, "t/loop", nil, "Shoal-Timeout-Ms: "+c.timeout).Err, c.code, c.words...)
	}
	stillAnswers(t, s)
	s.AwaitIdle(t)
}

// Guarantee 1: a call without a reply subject runs. Nobody has its answer; its log tells.
func TestNATSWithoutReply(t *testing.T) {
	s := start(t, standalone.Config{})
	s.Deploy(t, "t/logs", wasm(t, watLogs))
	nc := s.Connect(t)
	if err := nc.Publish("shoal.v1.call.t.logs", []byte("nobody waits for this")); err != nil {
		t.Fatal(err)
	}
	if lines := s.AwaitLog(t, "t/logs", "nobody waits for this"); len(lines) != 1 || lines[0].Stream != "stderr" {
		t.Errorf("the log is %+v", lines)
	}
	// Refusals have nobody to go to either.
	for _, subject := range []string{"t.nobody", "T.echo", "t", "t.logs.more"} {
		if err := nc.Publish("shoal.v1.call."+subject, nil); err != nil {
			t.Fatal(err)
		}
	}
	stillAnswers(t, s)
	s.AwaitIdle(t)
}

// A removed function's log does not show up under the next function of its name.
func TestRemovedLog(t *testing.T) {
	s := start(t, standalone.Config{})
	for _, name := range []string{"t/logs", "t/other"} {
		s.Deploy(t, name, wasm(t, watLogs))
		s.Call(t, name, []byte("a secret of "+name))
		s.AwaitLog(t, name, "a secret of "+name)
	}
	s.Must(t, framework.Request{Method: http.MethodDelete, Path: "/v1/functions/t/logs"})
	s.Deploy(t, "t/logs", wasm(t, watLogs))
	if lines := s.Logs(t, "t/logs"); len(lines) != 0 {
		t.Errorf("the log of the new function is %+v", lines)
	}
	if lines := s.Logs(t, "t/other"); len(lines) != 1 {
		t.Errorf("the log of another function is %+v", lines)
	}
}

// watLogs is a reactor that writes its input, up to 1024 bytes, to stderr.
const watLogs = `(module
  (import "env" "__faasm_read_input" (func $read (param i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "fd_write" (func $write (param i32 i32 i32 i32) (result i32)))
  (memory (export "memory") 1)
  (func (export "handle")
    (i32.store (i32.const 0) (i32.const 1024))
    (i32.store (i32.const 4) (call $read (i32.const 1024) (i32.const 1024)))
    (drop (call $write (i32.const 2) (i32.const 0) (i32.const 1) (i32.const 8)))))`

// Guarantee 6: bodies over a message's size go another way. A NATS client, which has none, is told where its output is.
func TestLargeBodies(t *testing.T) {
	s := start(t, standalone.Config{})
	const size = 9 << 20
	s.Deploy(t, "t/echo", wasm(t, strings.Replace(watEcho, `"memory") 4`, `"memory") 200`, 1)))
	input := bytes.Repeat([]byte("nine MiB "), size/9)
	for _, r := range []framework.Request{{Body: input}, {Stream: bytes.NewReader(input)}} {
		r.Method, r.Path = http.MethodPost, "/v1/call/t/echo"
		if a := s.Must(t, r); a.Err != nil || !bytes.Equal(a.Body, input) {
			t.Errorf("%d bytes back, %v", len(a.Body), a.Err)
		}
	}
	s.Deploy(t, "t/large", wasm(t, watOutput(size)))
	nc := s.Connect(t)
	m, err := nc.Request("shoal.v1.call.t.large", nil, enough)
	if err != nil {
		t.Fatal(err)
	}
	r := bus.DecodeResult(m)
	path := "/v1/calls/" + r.Call.String() + "/output"
	wantError(t, r.Err, faas.TooLarge, fmt.Sprint(size), path)
	if a := s.Must(t, framework.Request{Path: path}); a.Err != nil || len(a.Body) != size {
		t.Errorf("%s: %d bytes, %v", path, len(a.Body), a.Err)
	}
	if _, err := nc.Request("shoal.v1.call.t.echo", input, enough); !errors.Is(err, nats.ErrMaxPayload) {
		t.Errorf("an input of 9 MiB over NATS: %v", err)
	}
	stillAnswers(t, s)
	s.AwaitIdle(t)
}

// Guarantee 3: a client that leaves takes its call along, long before the guest's deadline.
func TestClientLeaves(t *testing.T) {
	s := start(t, standalone.Config{Slots: 1, Queue: -1})
	for _, c := range []struct {
		name, wat string
		input     []byte
	}{{"looping", watLoop, nil}, {"sleeping", watSleep, millis(time.Hour)}} {
		t.Run(c.name, func(t *testing.T) {
			function := "t/" + c.name
			s.Deploy(t, function, wasm(t, c.wat), "timeout=10m")
			s.AwaitReady(t, function)
			ctx, leave := context.WithCancel(t.Context())
			left := make(chan error, 1)
			go func() {
				_, err := s.Do(ctx, framework.Request{Method: http.MethodPost, Path: "/v1/call/" + function, Body: c.input})
				left <- err
			}()
			testenv.Eventually(t, enough, func() bool { return s.Running(t, function) == 1 }, "the call does not run")
			leave()
			if err := <-left; !errors.Is(err, context.Canceled) {
				t.Fatalf("the client that left: %v", err)
			}
			testenv.Eventually(t, enough, func() bool { return s.Running(t, function) == 0 }, "the call still runs")
			testenv.Eventually(t, enough, func() bool { return s.Call(t, "t/echo", nil).Err == nil }, "the only slot is still taken")
			s.AwaitIdle(t)
		})
	}
}

// Guarantee 6: a client that sends slowly costs a connection, and no slot.
func TestSlowClient(t *testing.T) {
	s := start(t, standalone.Config{Slots: 1, Queue: -1})
	conn, answers := dial(t, s)
	fmt.Fprintf(conn, "POST /v1/call/t/echo HTTP/1.1\r\nHost: shoal\r\nContent-Length: 10\r\n\r\n01234")
	for range 3 {
		stillAnswers(t, s)
	}
	gone, _ := dial(t, s) // this one never sends the rest
	fmt.Fprintf(gone, "POST /v1/call/t/echo HTTP/1.1\r\nHost: shoal\r\nContent-Length: 10\r\n\r\n01234")
	gone.Close()
	half, said := dial(t, s) // this one says that there is no rest
	fmt.Fprintf(half, "POST /v1/call/t/echo HTTP/1.1\r\nHost: shoal\r\nContent-Length: 10\r\n\r\n01234")
	if err := half.(*net.TCPConn).CloseWrite(); err != nil {
		t.Fatal(err)
	}
	if resp, err := http.ReadResponse(said, nil); err == nil {
		body, _ := io.ReadAll(resp.Body)
		if resp.StatusCode != http.StatusBadRequest || !bytes.Contains(body, []byte("ended early")) {
			t.Errorf("half a body: %d %s", resp.StatusCode, body)
		}
	} else {
		t.Errorf("half a body: %v", err)
	}
	stillAnswers(t, s)
	fmt.Fprint(conn, "56789")
	if got := readAnswer(t, answers); got != "0123456789" {
		t.Errorf("the slow client got %q", got)
	}
	s.AwaitIdle(t)
}

// Guarantee 1: answers on one connection come in the order of its requests.
func TestPipelinedRequests(t *testing.T) {
	s := start(t, standalone.Config{})
	s.Deploy(t, "t/sleep", wasm(t, watSleep))
	conn, answers := dial(t, s)
	var all bytes.Buffer
	for i := range 50 {
		fmt.Fprintf(&all, "POST /v1/call/t/echo HTTP/1.1\r\nHost: shoal\r\nContent-Length: 8\r\n\r\ncall %03d", i)
		if i%10 == 0 {
			fmt.Fprintf(&all, "POST /v1/call/t/sleep HTTP/1.1\r\nHost: shoal\r\nContent-Length: 8\r\n\r\n%s", millis(5*time.Millisecond))
		}
	}
	if _, err := conn.Write(all.Bytes()); err != nil {
		t.Fatal(err)
	}
	for i := range 50 {
		if got, want := readAnswer(t, answers), fmt.Sprintf("call %03d", i); got != want {
			t.Fatalf("answer %d is %q", i, got)
		}
		if i%10 == 0 {
			if got := readAnswer(t, answers); got != string(millis(5*time.Millisecond)) {
				t.Fatalf("the sleeper's answer is %q", got)
			}
		}
	}
}

func dial(t *testing.T, s *framework.Standalone) (net.Conn, *bufio.Reader) {
	t.Helper()
	conn, err := net.Dial("tcp", strings.TrimPrefix(s.HTTP, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	if err := conn.SetDeadline(time.Now().Add(enough)); err != nil {
		t.Fatal(err)
	}
	return conn, bufio.NewReader(conn)
}

func readAnswer(t *testing.T, r *bufio.Reader) string {
	t.Helper()
	resp, err := http.ReadResponse(r, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil || resp.StatusCode != http.StatusOK {
		t.Fatalf("%d %s, %v", resp.StatusCode, body, err)
	}
	return string(body)
}

// Guarantee 6: a problem document has what RFC 9457 asks for, and the call's id.
func TestProblems(t *testing.T) {
	s := start(t, standalone.Config{})
	s.Deploy(t, "t/loop", wasm(t, watLoop))
	a := s.Call(t, "t/loop", nil, "Shoal-Timeout-Ms: 50", "Traceparent: 00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01")
	wantError(t, a.Err, faas.DeadlineExceeded)
	var doc map[string]any
	if err := json.Unmarshal(a.Body, &doc); err != nil {
		t.Fatal(err)
	}
	for key, want := range map[string]any{
		"type": "about:blank", "status": float64(504), "code": "deadline_exceeded", "call": a.Header.Get("Shoal-Call"),
		"trace": "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
	} {
		if doc[key] != want {
			t.Errorf("%s is %v, want %v", key, doc[key], want)
		}
	}
	if doc["title"] == "" || doc["detail"] == "" {
		t.Errorf("no words in %s", a.Body)
	}
}
