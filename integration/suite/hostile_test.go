package suite

import (
	"context"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/shoal-run/shoal/bus/faas"
	"github.com/shoal-run/shoal/integration/framework"
	"github.com/shoal-run/shoal/internal/leakcheck"
	"github.com/shoal-run/shoal/internal/testenv"
	"github.com/shoal-run/shoal/services/standalone"
)

// hostile is a guest that means no good, and how a call of it must end.
type hostile struct {
	name     string
	wat      string
	settings []string
	timeout  int // of the call, in ms; 0 sends none
	input    []byte
	code     faas.Code // "" = success
	words    []string  // in the message
	check    func(t *testing.T, e ended)
}

// ended is a call of a hostile guest that was answered.
type ended struct {
	framework.Answer
	s        *framework.Standalone
	function string
}

// soon bounds a call with a timeout of 300 ms or less. The promise is 100 ms after the deadline; a machine that is busy
// with other tests may take longer to say so, but not to the guest's own end.
const soon = 3 * time.Second

// Guarantee 3: a guest cannot stop the worker, outlive its deadline, or exceed its memory.
func TestHostileGuests(t *testing.T) {
	s := start(t, standalone.Config{MaxOutput: 12 * faas.MiB})
	for i, h := range hostiles() {
		t.Run(h.name, func(t *testing.T) {
			function := fmt.Sprintf("t/hostile%d", i) // the log of a name outlives its function
			s.Deploy(t, function, wasm(t, h.wat), h.settings...)
			var headers []string
			if h.timeout != 0 {
				headers = append(headers, fmt.Sprintf("Shoal-Timeout-Ms: %d", h.timeout))
			}
			a := s.Call(t, function, h.input, headers...)
			if h.code == "" && a.Err != nil {
				t.Fatal(a.Err)
			}
			if h.code != "" {
				wantError(t, a.Err, h.code, h.words...)
			}
			if h.timeout != 0 && a.Took > soon {
				t.Errorf("it took %v with a timeout of %d ms", a.Took, h.timeout)
			}
			if h.check != nil {
				h.check(t, ended{a, s, function})
			}
			stillAnswers(t, s)
			s.Must(t, framework.Request{Method: http.MethodDelete, Path: "/v1/functions/" + function})
		})
	}
	s.AwaitIdle(t)
}

func hostiles() []hostile {
	return []hostile{
		{name: "loops", wat: watLoop, timeout: 200, code: faas.DeadlineExceeded, words: []string{"t/hostile0", "200ms"}, check: named("spin")},
		{name: "loops, by its setting", wat: watLoop, settings: []string{"timeout=200ms"}, code: faas.DeadlineExceeded, words: []string{"200ms"}},
		{
			name: "recurses", code: faas.GuestTrapped, words: []string{"stack"}, check: named("deeper"),
			wat: `(module (memory (export "memory") 1)
				(func $deeper (param i32) (result i32) (i32.add (i32.const 1) (call $deeper (i32.add (local.get 0) (i32.const 1)))))
				(func (export "handle") (result i32) (call $deeper (i32.const 0))))`,
		},
		{
			name: "grows and fails", settings: []string{"memory=2MiB"}, code: faas.OutOfMemory, words: []string{"2MiB", "memory.grow"},
			wat: `(module (memory (export "memory") 1)
				(func (export "handle") (result i32) (loop $l (br_if $l (i32.ne (memory.grow (i32.const 4)) (i32.const -1)))) (i32.const 7)))`,
		},
		{
			name: "grows and traps", settings: []string{"memory=2MiB"}, code: faas.OutOfMemory, words: []string{"2MiB"}, check: named("give_up"),
			wat: `(module (memory (export "memory") 1) (func $give_up unreachable)
				(func (export "_start") (if (i32.eq (memory.grow (i32.const 60000)) (i32.const -1)) (then (call $give_up)))))`,
		},
		{
			name: "is refused memory and goes on",
			wat: `(module (memory (export "memory") 1)
				(func (export "handle") (result i32) (i32.ne (memory.grow (i32.const 60000)) (i32.const -1))))`,
		},
		{
			name: "exits with 1", code: faas.GuestFailed, words: []string{"1"}, check: exitCode(1),
			wat: `(module (import "wasi_snapshot_preview1" "proc_exit" (func $exit (param i32))) (memory (export "memory") 1)
				(func (export "_start") (call $exit (i32.const 1)) unreachable))`,
		},
		{
			name: "handle returns 3", code: faas.GuestFailed, words: []string{"3"}, check: exitCode(3),
			wat: `(module (memory (export "memory") 1) (func (export "handle") (result i32) (i32.const 3)))`,
		},
		{
			name: "traps", code: faas.GuestTrapped, words: []string{"unreachable"},
			wat: `(module (memory (export "memory") 1) (func $inner unreachable) (func $outer (call $inner))
				(func $main (export "handle") (call $outer)))`,
			check: func(t *testing.T, e ended) {
				var names []string
				for _, f := range e.Err.Backtrace {
					names = append(names, f.Function)
				}
				if got := strings.Join(names, " "); got != "inner outer main" || e.Err.Trap != "unreachable" {
					t.Errorf("trap %q, backtrace %q", e.Err.Trap, got)
				}
			},
		},
		{
			name: "writes outside its memory", code: faas.GuestTrapped, words: []string{"out of bounds"}, check: named("wild"),
			wat: `(module (memory (export "memory") 1)
				(func $wild (i64.store offset=0xffffffff (i32.const 0xffffffff) (i64.const 1))) (func (export "handle") (call $wild)))`,
		},
		{name: "sleeps past its deadline", wat: watSleep, input: millis(time.Hour), timeout: 200, code: faas.DeadlineExceeded, words: []string{"200ms"}},
		{
			name: "calls the host in a tight loop", timeout: 300, code: faas.DeadlineExceeded, words: []string{"300ms"}, check: named("busy"),
			wat: `(module (import "wasi_snapshot_preview1" "sched_yield" (func $yield (result i32)))
				(import "env" "__faasm_read_input" (func $read (param i32 i32) (result i32)))
				(memory (export "memory") 1)
				(func $busy (loop $l (drop (call $yield)) (drop (call $read (i32.const 0) (i32.const 16))) (br $l)))
				(func (export "handle") (call $busy)))`,
		},
		{
			name: "has 4 GiB of memory", settings: []string{"memory=4GiB"},
			wat: `(module (memory (export "memory") 65536)
				(func (export "handle") (i32.store8 (i32.const 0xffffffff) (i32.const 1)) (i64.store (i32.const 0x80000000) (i64.const 1))))`,
		},
		flood("floods stdout, as a command", "_start", 1, "", func(h *hostile) {
			h.code, h.words = faas.TooLarge, []string{"stdout", "12582912 bytes"}
		}),
		flood("floods stdout, as a reactor", "handle", 1, "", func(h *hostile) { h.check = logCut("stdout") }),
		flood("floods stderr, as a command", "_start", 2, "", func(h *hostile) { h.check = logCut("stderr") }),
		flood("floods stderr and fails", "handle", 2, "unreachable", func(h *hostile) {
			h.code = faas.GuestTrapped
			h.check = func(t *testing.T, e ended) {
				if n := len(e.Err.Stderr); n != faas.MaxErrorStderr {
					t.Errorf("%d bytes of stderr travel with the problem, want %d", n, faas.MaxErrorStderr)
				}
				logCut("stderr")(t, e)
			}
		}),
		{
			name: "floods the log with lines", settings: []string{"memory=1MiB"}, check: logLines(faas.LogLines),
			wat: `(module (import "wasi_snapshot_preview1" "fd_write" (func $write (param i32 i32 i32 i32) (result i32)))
				(memory (export "memory") 2)
				(func (export "handle")
				  (memory.fill (i32.const 1024) (i32.const 10) (i32.const 65536))
				  (i32.store (i32.const 0) (i32.const 1024)) (i32.store (i32.const 4) (i32.const 65536))
				  (drop (call $write (i32.const 2) (i32.const 0) (i32.const 1) (i32.const 8)))))`,
		},
		{
			name: "opens whatever it can", // nothing of the host is there, by any path: three descriptors and its own root are all it has
			wat: `(module
				(import "wasi_snapshot_preview1" "path_open" (func $open (param i32 i32 i32 i32 i32 i64 i64 i32 i32) (result i32)))
				(import "wasi_snapshot_preview1" "fd_fdstat_get" (func $stat (param i32 i32) (result i32)))
				(memory (export "memory") 1) (data (i32.const 0) "../../../../etc/passwd")
				(func (export "handle") (result i32) (local $fd i32)
				  (loop $l ;; "etc/passwd", "/etc/passwd", "./../…", "../…", and further up
				    (if (i32.eqz (call $open (i32.rem_u (local.get $fd) (i32.const 8)) (i32.const 1)
				          (i32.rem_u (local.get $fd) (i32.const 13)) (i32.sub (i32.const 22) (i32.rem_u (local.get $fd) (i32.const 13)))
				          (i32.const 0) (i64.const 2) (i64.const -1) (i32.const 0) (i32.const 64)))
				      (then (return (i32.const 1))))
				    (if (i32.and (i32.gt_u (local.get $fd) (i32.const 3)) (i32.eqz (call $stat (local.get $fd) (i32.const 64))))
				      (then (return (i32.const 2))))
				    (br_if $l (i32.lt_u (local.tee $fd (i32.add (local.get $fd) (i32.const 1))) (i32.const 100000))))
				  (i32.const 0)))`,
		},
		{name: "an output over the limit", wat: watOutput(12<<20 + 1), code: faas.TooLarge, words: []string{"12582913", "12582912"}},
		{name: "an input over the limit", wat: watEcho, input: make([]byte, 32<<20+1), code: faas.TooLarge, words: []string{"32MiB"}},
	}
}

// Guarantee 3, ahead of any call: what an initialiser does wrong is told to who deploys it.
func TestHostileInitialisers(t *testing.T) {
	s := start(t, standalone.Config{})
	for _, h := range []hostile{
		{
			name: "loops as it starts", settings: []string{"timeout=200ms"}, words: []string{"200ms", "in the initialiser start"},
			wat: `(module (memory (export "memory") 1) (func $spin (loop $l (br $l))) (func (export "handle")) (start $spin))`,
		},
		{
			name: "loops in its initialiser", settings: []string{"timeout=200ms"}, words: []string{"200ms", "in the initialiser _initialize"}, check: named("_initialize"),
			wat: `(module (memory (export "memory") 1) (func $_initialize (export "_initialize") (loop $l (br $l))) (func (export "handle")))`,
		},
		{
			name: "traps in its initialiser", words: []string{"in the initialiser _initialize", "unreachable"}, check: named("bad_luck"),
			wat: `(module (memory (export "memory") 1) (func $bad_luck unreachable)
				(func (export "_initialize") (call $bad_luck)) (func (export "handle")))`,
		},
		{
			name: "fills all memory in its initialiser", words: []string{"in the initialiser _initialize", "128MiB"},
			wat: `(module (memory (export "memory") 1) (func (export "handle"))
				(func (export "_initialize")
				  (loop $l
				    (if (i32.eq (memory.grow (i32.const 16)) (i32.const -1)) (then unreachable))
				    (memory.fill (i32.mul (i32.sub (memory.size) (i32.const 16)) (i32.const 65536)) (i32.const 7) (i32.const 0x100000))
				    (br $l))))`,
		},
		{
			name: "exits in its zygote", words: []string{"in the initialiser _faasm_zygote", "exited with code 9"}, check: exitCode(9),
			wat: `(module (memory (export "memory") 1) (func $__wasm_call_ctors) (func (export "_start") (call $__wasm_call_ctors))
				(func (export "_faasm_zygote") (result i32) (i32.const 9)))`,
		},
	} {
		t.Run(h.name, func(t *testing.T) {
			a := s.Put(t, "t/initialiser", wasm(t, h.wat), h.settings...)
			wantError(t, a.Err, faas.InvalidModule, h.words...)
			if h.check != nil {
				h.check(t, ended{a, s, "t/initialiser"})
			}
		})
	}
	stillAnswers(t, s)
}

// firstChild returns the process id of a child of this process, "" when it has none.
func firstChild(t *testing.T) string {
	t.Helper()
	lists, err := filepath.Glob("/proc/self/task/*/children")
	if err != nil {
		t.Fatal(err)
	}
	for _, list := range lists {
		b, err := os.ReadFile(list)
		if pids := strings.Fields(string(b)); err == nil && len(pids) > 0 { // err: the thread has ended
			return pids[0]
		}
	}
	return ""
}

// watOutput is a guest whose output has n bytes.
func watOutput(n int) string {
	return fmt.Sprintf(`(module
	  (import "env" "__faasm_write_output" (func $write (param i32 i32)))
	  (memory (export "memory") %d)
	  (func (export "handle") (call $write (i32.const 0) (i32.const %d))))`, n/65536+1, n)
}

// flood is a guest that writes 64 KiB to fd 1000 times, or until it is refused, and goes on with then.
func flood(name, entry string, fd int, then string, more func(*hostile)) hostile {
	h := hostile{name: name, wat: fmt.Sprintf(`(module
	  (import "wasi_snapshot_preview1" "fd_write" (func $write (param i32 i32 i32 i32) (result i32)))
	  (memory (export "memory") 2)
	  (func (export %q)
	    (local $i i32)
	    (memory.fill (i32.const 1024) (i32.const 0x78) (i32.const 65536))
	    (i32.store (i32.const 0) (i32.const 1024)) (i32.store (i32.const 4) (i32.const 65536))
	    (block $refused (loop $l
	      (br_if $refused (call $write (i32.const %d) (i32.const 0) (i32.const 1) (i32.const 8)))
	      (local.set $i (i32.add (local.get $i) (i32.const 1)))
	      (br_if $l (i32.lt_u (local.get $i) (i32.const 1000)))))
	    %s))`, entry, fd, then)}
	more(&h)
	return h
}

// named checks that the backtrace has a function.
func named(function string) func(*testing.T, ended) {
	return func(t *testing.T, e ended) {
		for _, f := range e.Err.Backtrace {
			if f.Function == function {
				return
			}
		}
		t.Errorf("the backtrace does not name %q: %+v", function, e.Err.Backtrace)
	}
}

func exitCode(want int) func(*testing.T, ended) {
	return func(t *testing.T, e ended) {
		if e.Err.ExitCode != want {
			t.Errorf("exit code %d, want %d", e.Err.ExitCode, want)
		}
	}
}

// logCut checks that the log has what is kept of a stream, and says how much is not.
func logCut(stream string) func(*testing.T, ended) {
	return func(t *testing.T, e ended) {
		lines := e.s.AwaitLog(t, e.function, "bytes dropped")
		last := lines[len(lines)-1]
		want := fmt.Sprintf("… %d bytes dropped", 1000*64<<10-int(faas.DefaultLog))
		if last.Line != want || last.Stream != stream {
			t.Errorf("the log ends with %q on %s, want %q on %s", last.Line, last.Stream, want, stream)
		}
	}
}

// logLines checks that so many lines are kept of the log.
func logLines(want int) func(*testing.T, ended) {
	return func(t *testing.T, e ended) {
		testenv.Eventually(t, enough, func() bool { return len(e.s.Logs(t, e.function)) == want }, "there are not %d lines in the log", want)
	}
}

// Guarantee 3, for a module that can't even start within the default memory.
func TestMoreMemoryThanAllowed(t *testing.T) {
	s := start(t, standalone.Config{})
	huge := wasm(t, `(module (memory (export "memory") 65536) (func (export "handle")))`)
	wantError(t, s.Put(t, "t/huge", huge).Err, faas.BadRequest, "memory", "128MiB", "4GiB")
	wantError(t, s.Put(t, "t/huge", huge, "memory=1GiB").Err, faas.BadRequest, "memory", "1GiB", "4GiB")
	stillAnswers(t, s)
}

// Guarantee 3, at the end: what loops ahead of any call does not keep the platform from stopping, beyond what a deploy that is
// held may take to end.
func TestStopWithLoopingInitialiser(t *testing.T) {
	leakcheck.Check(t)
	s := framework.Start(t, standalone.Config{DrainTimeout: faas.Duration(time.Second)})
	endless := wasm(t, `(module (memory (export "memory") 1) (func $spin (loop $l (br $l))) (func (export "handle")) (start $spin))`)
	answered := make(chan struct{})
	go func() { // ends when the platform has stopped
		defer close(answered)
		_, _ = s.Do(context.Background(), framework.Request{Method: http.MethodPut, Path: "/v1/functions/t/stuck", Body: endless}) // answered or cut off
	}()
	var child string
	var since time.Time
	testenv.Eventually(t, enough, func() bool { // a compiler's child is gone in no time
		if now := firstChild(t); now != child {
			child, since = now, time.Now()
		}
		return child != "" && time.Since(since) > 300*time.Millisecond
	}, "nothing is initialised")
	began := time.Now()
	s.Stop(t)
	<-answered
	if took := time.Since(began); took > soon {
		t.Errorf("it took %v to stop", took)
	}
}
