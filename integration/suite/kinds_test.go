package suite

import (
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"testing"

	"github.com/shoal-run/shoal/bus"
	"github.com/shoal-run/shoal/bus/faas"
	"github.com/shoal-run/shoal/integration/framework"
	"github.com/shoal-run/shoal/internal/testenv"
	"github.com/shoal-run/shoal/services/standalone"
)

// watTally answers how many calls it remembers, this one included; with the input "t" it traps then.
func watTally(entry string) string {
	return `(module
  (import "env" "__faasm_read_input" (func $read (param i32 i32) (result i32)))
  (import "env" "__faasm_write_output" (func $write (param i32 i32)))
  (memory (export "memory") 1)
  (global $calls (mut i32) (i32.const 48))
  (func (export "` + entry + `")
    (drop (call $read (i32.const 0) (i32.const 1)))
    (global.set $calls (i32.add (global.get $calls) (i32.const 1)))
    (i32.store8 (i32.const 16) (global.get $calls))
    (call $write (i32.const 16) (i32.const 1))
    (if (i32.eq (i32.load8_u (i32.const 0)) (i32.const 116)) (then unreachable))))`
}

// startTime returns the name of the one header that says what was done for a start, "" for none.
func startTime(t *testing.T, h http.Header) (header string) {
	t.Helper()
	for _, name := range []string{"Shoal-Init-Us", "Shoal-Restore-Us", "Shoal-Reset-Us"} {
		if h.Get(name) == "" {
			continue
		}
		n, err := strconv.Atoi(h.Get(name))
		if err != nil || n < 1 || header != "" {
			t.Errorf("%s is %q, beside %s", name, h.Get(name), header)
		}
		header = name
	}
	return header
}

// How a call's Faaslet came to be is told with the answer, with how long that took; `describe` and the metrics have the sum.
func TestStartKinds(t *testing.T) {
	s := start(t, standalone.Config{Slots: 1})
	s.Deploy(t, "t/tally", wasm(t, watTally("handle")))
	s.AwaitReady(t, "t/tally")
	var calls uint64
	testenv.Eventually(t, enough, func() bool { // those that were built ahead come first
		a := s.Call(t, "t/tally", nil)
		calls++
		if a.Err != nil || string(a.Body) != "1" || a.Header.Get("Shoal-Start") != string(faas.Warm) {
			t.Fatalf("call %d: %v %q %s", calls, a.Err, a.Body, a.Header)
		}
		header := startTime(t, a.Header)
		if header != "" && header != "Shoal-Reset-Us" {
			t.Errorf("a warm start with %s", header)
		}
		return header != ""
	}, "no call in a Faaslet that served one before")
	nc := s.Connect(t)
	m, err := nc.Request("shoal.v1.call.t.tally", nil, enough)
	if err != nil {
		t.Fatal(err)
	}
	calls++
	if r := bus.DecodeResult(m); r.Err != nil || r.Start != faas.Warm || r.Init+r.Restore != 0 {
		t.Errorf("over NATS: %+v", r)
	}
	testenv.Eventually(t, enough, func() bool {
		ws := s.Describe(t, "t/tally").Workers
		return len(ws) == 1 && ws[0].Starts == faas.Starts{Warm: calls} && ws[0].MedianUs.Run > 0 && ws[0].MedianUs.Reset > 0 && ws[0].MedianUs.Init > 0
	}, "describe does not tell of all warm starts")
	text := "\n" + string(s.Must(t, framework.Request{Path: "/metrics"}).Body)
	for _, line := range []string{fmt.Sprintf(`shoal_worker_starts_total{kind="warm",worker="worker1"} %d`, calls), `shoal_gateway_calls_total{code="ok",door="http"} `} {
		if !strings.Contains(text, "\n"+line) {
			t.Errorf("the metrics have no %s", line)
		}
	}
}

// A function may keep what its calls leave; a call that fails leaves nothing all the same.
func TestResetNever(t *testing.T) {
	s := start(t, standalone.Config{Slots: 1}) // one Faaslet, then, and the slot is free when it is back
	if d := s.Deploy(t, "t/tally", wasm(t, watTally("handle")), "reset=never"); d.Settings.Reset != faas.ResetNever {
		t.Errorf("%+v", d.Settings)
	}
	says := func(want ...string) {
		t.Helper()
		for _, w := range want {
			if a := s.Call(t, "t/tally", nil); a.Err != nil || string(a.Body) != w {
				t.Errorf("%q, %v; want %s", a.Body, a.Err, w)
			}
		}
	}
	says("1", "2", "3")
	wantError(t, s.Call(t, "t/tally", []byte("t")).Err, faas.GuestTrapped)
	says("1", "2")
	change := func(reset string) framework.Answer {
		return s.Must(t, framework.Request{
			Method: http.MethodPatch, Path: "/v1/functions/t/tally", Body: []byte(`{"reset":` + reset + `}`),
			Header: http.Header{"Content-Type": {"application/merge-patch+json"}},
		})
	}
	for _, reset := range []string{`"always"`, `null`} {
		if a := change(reset); a.Err != nil {
			t.Fatal(a.Err)
		}
		says("1", "1")
		if a := change(`"never"`); a.Err != nil {
			t.Fatal(a.Err)
		}
		says("1", "2")
	}
	// A command's _start would run again in memory that was used.
	wantError(t, s.Put(t, "t/tally", wasm(t, watTally("_start"))).Err, faas.BadRequest, "reset", "command", "_start")
	wantError(t, s.Put(t, "t/other", wasm(t, watTally("_start")), "reset=never").Err, faas.BadRequest, "reset", "command", "_start")
	says("3")
}
