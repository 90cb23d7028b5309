package suite

import (
	"bytes"
	"fmt"
	"strings"
	"sync"
	"testing"

	"github.com/shoal-run/shoal/services/standalone"
)

// watRemembers looks for what an earlier call left, in its output: the size of memory in pages, a global, a word of memory
// that has data at the start and one that has none, an element of its table, how far stdin was read, and 8 random bytes.
// Then it changes them all.
const watRemembers = `(module
  (import "env" "__faasm_write_output" (func $write (param i32 i32)))
  (import "wasi_snapshot_preview1" "fd_read" (func $read (param i32 i32 i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "random_get" (func $random (param i32 i32) (result i32)))
  (memory (export "memory") 2)
  (data (i32.const 2048) "DATA")
  (table 1 funcref)
  (elem declare func $secret)
  (func $secret)
  (global $g (mut i32) (i32.const 0))
  (func (export "handle")
    (i32.store (i32.const 0) (memory.size))
    (i32.store (i32.const 4) (global.get $g))
    (i32.store (i32.const 8) (i32.load (i32.const 2048)))
    (i32.store (i32.const 12) (i32.load (i32.const 100000)))
    (i32.store (i32.const 16) (ref.is_null (table.get (i32.const 0))))
    (i32.store (i32.const 512) (i32.const 1024)) (i32.store (i32.const 516) (i32.const 5))
    (drop (call $read (i32.const 0) (i32.const 512) (i32.const 1) (i32.const 20)))
    (i32.store (i32.const 24) (i32.load (i32.const 1024)))
    (drop (call $random (i32.const 28) (i32.const 8)))
    (call $write (i32.const 0) (i32.const 36))
    (drop (memory.grow (i32.const 3)))
    (global.set $g (i32.const 0x5ec7e7))
    (i32.store (i32.const 2048) (i32.const 0x5ec7e7))
    (memory.fill (i32.const 100000) (i32.const 0x5e) (i32.const 31072))
    (table.set (i32.const 0) (ref.func $secret))))`

// Guarantee 2: nothing of one call is visible to the next.
func TestNothingStays(t *testing.T) {
	s := start(t, standalone.Config{})
	s.Deploy(t, "t/remembers", wasm(t, watRemembers))
	var mu sync.Mutex
	var outputs [][]byte
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			for range 25 {
				a := s.Call(t, "t/remembers", []byte("input"))
				mu.Lock()
				outputs = append(outputs, a.Body)
				mu.Unlock()
			}
		})
	}
	wg.Wait()
	const random = 28
	first := outputs[0]
	want := []byte{2, 0, 0, 0, 0, 0, 0, 0, 'D', 'A', 'T', 'A', 0, 0, 0, 0, 1, 0, 0, 0, 5, 0, 0, 0, 'i', 'n', 'p', 'u'}
	if !bytes.Equal(first[:random], want) {
		t.Fatalf("the first call sees %x, want %x", first[:random], want)
	}
	seen := map[string]bool{}
	for i, out := range outputs {
		if !bytes.Equal(out[:random], want) {
			t.Errorf("call %d sees %x, want %x as the first", i, out[:random], want)
		}
		if r := string(out[random:]); seen[r] || r == strings.Repeat("\x00", 8) {
			t.Errorf("call %d has the random bytes %x of another", i, r)
		} else {
			seen[r] = true
		}
	}
}

// Guarantee 2, of two functions with the same module: each has its own settings.
func TestSameModuleOtherSettings(t *testing.T) {
	s := start(t, standalone.Config{})
	module := wasm(t, watEnviron)
	s.Deploy(t, "t/a", module, "env.WHO=a", "env.ONLY_A=1")
	s.Deploy(t, "t/b", module, "env.WHO=b")
	for range 10 {
		for function, want := range map[string]string{"t/a": "a|ONLY_A=1|WHO=a", "t/b": "b|WHO=b"} {
			a := s.Call(t, function, nil)
			if got := sorted(a.Body); got != want {
				t.Fatalf("%s sees %q, %v; want %q", function, got, a.Err, want)
			}
		}
	}
	s.Deploy(t, "t/a", module, "env.WHO=again")
	if got := sorted(s.Call(t, "t/a", nil).Body); got != "a|ONLY_A=1|WHO=again" {
		t.Errorf("after the change: %q", got)
	}
}

// watEnviron answers with its arguments and its environment, each string with its NUL.
const watEnviron = `(module
  (import "env" "__faasm_write_output" (func $write (param i32 i32)))
  (import "wasi_snapshot_preview1" "args_sizes_get" (func $args_sizes (param i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "args_get" (func $args (param i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "environ_sizes_get" (func $env_sizes (param i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "environ_get" (func $env (param i32 i32) (result i32)))
  (memory (export "memory") 1)
  (func (export "handle") (local $args i32)
    (drop (call $args_sizes (i32.const 0) (i32.const 4)))
    (local.set $args (i32.load (i32.const 4)))
    (drop (call $args (i32.const 512) (i32.const 4096)))
    (drop (call $env_sizes (i32.const 0) (i32.const 4)))
    (drop (call $env (i32.const 512) (i32.add (i32.const 4096) (local.get $args))))
    (call $write (i32.const 4096) (i32.add (local.get $args) (i32.load (i32.const 4))))))`

// sorted is watEnviron's output with the variables, after the one argument, in order.
func sorted(output []byte) string {
	parts := strings.Split(strings.TrimSuffix(string(output), "\x00"), "\x00")
	if len(parts) == 3 && parts[1] > parts[2] {
		parts[1], parts[2] = parts[2], parts[1]
	}
	return strings.Join(parts, "|")
}

// Guarantee 1: the output of a call is what the guest wrote, by the one rule that says what of it is output and what log.
func TestOutputAndLog(t *testing.T) {
	s := start(t, standalone.Config{})
	for i, c := range []struct {
		name, entry, body string
		output            string
		log               []string // "stream: line"
	}{
		{"a command's stdout", "_start", `(call $echo (i32.const 1))`, "input\n", nil},
		{"a command's stderr", "_start", `(call $echo (i32.const 2))`, "", []string{"stderr: input"}},
		{
			"a command's stdout and write_output", "_start", `(call $echo (i32.const 1)) (call $output (i32.const 64) (i32.const 4))`,
			"data",
			[]string{"stdout: input"},
		},
		{
			"the last of two outputs", "_start", `(call $output (i32.const 64) (i32.const 4)) (call $output (i32.const 64) (i32.const 2))`,
			"da", nil,
		},
		{"an empty output", "_start", `(call $echo (i32.const 1)) (call $output (i32.const 0) (i32.const 0))`, "", []string{"stdout: input"}},
		{"a reactor's stdout", "handle", `(call $echo (i32.const 1))`, "", []string{"stdout: input"}},
		{
			"a reactor's output", "handle", `(call $echo (i32.const 1)) (call $echo (i32.const 2)) (call $output (i32.const 64) (i32.const 4))`,
			"data",
			[]string{"stdout: input", "stderr: input"},
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			function := fmt.Sprintf("t/writes%d", i)
			s.Deploy(t, function, wasm(t, fmt.Sprintf(watWrites, c.entry, c.body)))
			a := s.Call(t, function, []byte("input\n"))
			if a.Err != nil || string(a.Body) != c.output {
				t.Errorf("the output is %q, %v; want %q", a.Body, a.Err, c.output)
			}
			if len(c.log) > 0 {
				_, last, _ := strings.Cut(c.log[len(c.log)-1], ": ")
				s.AwaitLog(t, function, last)
			}
			var log []string
			for _, l := range s.Logs(t, function) {
				log = append(log, l.Stream+": "+l.Line)
				if l.Call.String() != a.Header.Get("Shoal-Call") {
					t.Errorf("the line %q is of call %s, want %s", l.Line, l.Call, a.Header.Get("Shoal-Call"))
				}
			}
			if strings.Join(log, "\n") != strings.Join(c.log, "\n") {
				t.Errorf("the log is %q, want %q", log, c.log)
			}
		})
	}
}

// watWrites is a guest with a function that copies its stdin to a descriptor; the verbs are its entry and its body.
const watWrites = `(module
  (import "env" "__faasm_write_output" (func $output (param i32 i32)))
  (import "wasi_snapshot_preview1" "fd_read" (func $read (param i32 i32 i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "fd_write" (func $write (param i32 i32 i32 i32) (result i32)))
  (memory (export "memory") 1)
  (data (i32.const 64) "data")
  (global $n (mut i32) (i32.const 0))
  (func $echo (param $fd i32)
    (i32.store (i32.const 0) (i32.const 1024)) (i32.store (i32.const 4) (i32.const 100))
    (drop (call $read (i32.const 0) (i32.const 0) (i32.const 1) (i32.const 8)))
    (global.set $n (i32.add (global.get $n) (i32.load (i32.const 8))))
    (i32.store (i32.const 4) (global.get $n))
    (drop (call $write (local.get $fd) (i32.const 0) (i32.const 1) (i32.const 8))))
  (func (export %q) %s))`
