package suite

import (
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/shoal-run/shoal/bus/faas"
	"github.com/shoal-run/shoal/integration/framework"
	"github.com/shoal-run/shoal/internal/testenv"
	"github.com/shoal-run/shoal/services/standalone"
)

// watReads answers with what is in data/greeting: as its initialiser finds it when INIT is $load, as its call does when CALL
// is; "?" where there is nothing.
const watReads = `(module
  (import "wasi_snapshot_preview1" "path_open" (func $open (param i32 i32 i32 i32 i32 i64 i64 i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "fd_read" (func $read (param i32 i32 i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "fd_close" (func $close (param i32) (result i32)))
  (import "env" "__faasm_write_output" (func $write (param i32 i32)))
  (memory (export "memory") 1)
  (data (i32.const 16) "data/greeting")
  (data (i32.const 64) "\80\00\00\00\40\00\00\00") ;; a buffer of 64 bytes at 128
  (data (i32.const 80) "\01\00\00\00")
  (data (i32.const 128) "?")
  (func $load
    (i32.store (i32.const 80) (i32.const 1))
    (i32.store8 (i32.const 128) (i32.const 63))
    (if (i32.eqz (call $open (i32.const 3) (i32.const 0) (i32.const 16) (i32.const 13) (i32.const 0) (i64.const 2) (i64.const 0) (i32.const 0) (i32.const 72)))
      (then
        (drop (call $read (i32.load (i32.const 72)) (i32.const 64) (i32.const 1) (i32.const 80)))
        (drop (call $close (i32.load (i32.const 72)))))))
  (func (export "_initialize") %s)
  (func (export "handle") %s
    (call $write (i32.const 128) (i32.load (i32.const 80)))))`

// A function sees the shared files of its tenant as they are when its call begins, in its initialiser too, and nobody else's.
func TestFunctionsReadSharedFiles(t *testing.T) {
	s := start(t, standalone.Config{})
	for _, c := range []struct{ name, init, call string }{{"late", "", "(call $load)"}, {"early", "(call $load)", ""}} {
		t.Run(c.name, func(t *testing.T) {
			function := "t/" + c.name
			put := func(text string) {
				t.Helper()
				file(t, s, http.MethodPut, "t/data/greeting", []byte(text))
			}
			says := func(want string) framework.Answer {
				t.Helper()
				a := s.Call(t, function, nil)
				if a.Err != nil || string(a.Body) != want {
					t.Fatalf("%q, %v, want %q", a.Body, a.Err, want)
				}
				return a
			}
			s.Deploy(t, function, wasm(t, fmt.Sprintf(watReads, c.init, c.call)))
			s.Deploy(t, "other/"+c.name, wasm(t, fmt.Sprintf(watReads, c.init, c.call)))
			says("?")
			for i := range 10 {
				text := fmt.Sprintf("hello %d", i)
				put(text)
				for range 3 {
					says(text)
				}
			}
			testenv.Eventually(t, enough, func() bool {
				return says("hello 9").Header.Get("Shoal-Start") == string(faas.Warm)
			}, "no call is warm, though the files stay what they are")
			if a := s.Call(t, "other/"+c.name, nil); a.Err != nil || string(a.Body) != "?" {
				t.Errorf("another tenant's function reads %q, %v", a.Body, a.Err)
			}
			file(t, s, http.MethodDelete, "t/data/greeting", nil)
			says("?")
		})
	}
}

// An initialiser that fails for want of a shared file does not fail the deploy, which has none; the call says so.
func TestInitialisersNeedSharedFiles(t *testing.T) {
	s := start(t, standalone.Config{})
	d := s.Deploy(t, "t/needs", wasm(t, fmt.Sprintf(watReads, "(call $load) (if (i32.eq (i32.load8_u (i32.const 128)) (i32.const 63)) (then (unreachable)))", "")))
	if d.Proto == nil || d.Proto.None == "" {
		t.Errorf("captured without its files: %+v", d.Proto)
	}
	if a := s.Call(t, "t/needs", nil); faas.CodeOf(a.Err) != faas.GuestTrapped {
		t.Errorf("without its file: %v", a.Err)
	}
	file(t, s, http.MethodPut, "t/data/greeting", []byte("here"))
	if a := s.Call(t, "t/needs", nil); a.Err != nil || string(a.Body) != "here" {
		t.Errorf("with its file: %q, %v", a.Body, a.Err)
	}
}

// Files that are put while an initialiser reads the old ones are what later calls find in their initialisers, and nothing is
// kept of the old ones for them.
func TestFilesPutDuringInitialiser(t *testing.T) {
	s := start(t, standalone.Config{})
	file(t, s, http.MethodPut, "t/data/greeting", []byte("old"))
	const spin = `(local $n i64) (call $load) (local.set $n (i64.const 1500000000))
	  (loop $l (local.set $n (i64.sub (local.get $n) (i64.const 1))) (br_if $l (i64.ne (local.get $n) (i64.const 0))))`
	s.Deploy(t, "t/slow", wasm(t, fmt.Sprintf(watReads, spin, "")))
	first := make(chan framework.Answer, 1)
	go func() { first <- s.Call(t, "t/slow", nil) }()
	testenv.Eventually(t, enough, func() bool {
		a := s.Must(t, framework.Request{Method: http.MethodGet, Path: "/metrics"})
		return strings.Contains(string(a.Body), "\nshoal_files_fetches_total{result=\"ok\"} 1\n")
	}, "the first call does not read the file")
	file(t, s, http.MethodPut, "t/data/greeting", []byte("new"))
	for range 3 {
		if a := s.Call(t, "t/slow", nil); a.Err != nil || string(a.Body) != "new" {
			t.Errorf("a call after the put: %q, %v", a.Body, a.Err)
		}
	}
	if a := <-first; a.Err != nil || string(a.Body) != "old" {
		t.Errorf("the first call: %q, %v", a.Body, a.Err)
	}
}
