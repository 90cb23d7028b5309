package suite

import (
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/shoal-run/shoal/bus"
	"github.com/shoal-run/shoal/bus/faas"
	"github.com/shoal-run/shoal/services/standalone"
)

// A caller who asks for the host calls gets them, however the call ends and whatever way it came; nobody else does.
func TestHostTrace(t *testing.T) {
	s := start(t, standalone.Config{})
	s.Deploy(t, "t/traps", wasm(t, `(module
	  (import "wasi_snapshot_preview1" "fd_write" (func $write (param i32 i32 i32 i32) (result i32)))
	  (memory (export "memory") 1)
	  (func (export "handle") (drop (call $write (i32.const 77) (i32.const 0) (i32.const 1) (i32.const 8))) (unreachable)))`))
	const ask = bus.HeaderHostTrace + ": " + bus.HostTraceOn
	text := func(packed string) string {
		t.Helper()
		b, err := faas.UnpackHostTrace(packed)
		if err != nil {
			t.Fatal(err)
		}
		return string(b)
	}
	a := s.Call(t, "t/echo", []byte("hello"), ask)
	if got := text(a.Header.Get(bus.HeaderHostTrace)); a.Err != nil || string(a.Body) != "hello" ||
		!strings.Contains(got, "==> __faasm_read_input(buf=0, len=0)\n<== __faasm_read_input 5 ") || !strings.Contains(got, "==> __faasm_write_output(") {
		t.Errorf("%v, trace\n%s", a.Err, got)
	}
	a = s.Call(t, "t/traps", nil, ask)
	if got := text(a.Header.Get(bus.HeaderHostTrace)); faas.CodeOf(a.Err) != faas.GuestTrapped || !strings.Contains(got, "<== fd_write EBADF ") {
		t.Errorf("%v, trace\n%s", a.Err, got)
	}
	if a := s.Call(t, "t/echo", nil); a.Header.Get(bus.HeaderHostTrace) != "" {
		t.Error("a trace that nobody asked for")
	}
	nc := s.Connect(t)
	m, err := nc.RequestMsg(&nats.Msg{
		Subject: bus.CallSubject(faas.Name{Tenant: "t", Function: "echo"}), Data: []byte("hi"),
		Header: nats.Header{bus.HeaderHostTrace: {bus.HostTraceOn}},
	}, 20*time.Second)
	if err != nil {
		t.Fatal(err)
	}
	if got := text(m.Header.Get(bus.HeaderHostTrace)); string(m.Data) != "hi" || !strings.Contains(got, "<== __faasm_read_input 2 ") {
		t.Errorf("over NATS: %q, trace\n%s", m.Data, got)
	}
}
