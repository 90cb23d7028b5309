package suite

import (
	"bytes"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/shoal-run/shoal/bus/faas"
	"github.com/shoal-run/shoal/integration/framework"
	"github.com/shoal-run/shoal/services/standalone"
)

// Guarantee 6: what can't be served is refused with a code, and with words that say what to change.
func TestRefusedModules(t *testing.T) {
	s := start(t, standalone.Config{MaxModule: 64 * faas.KiB})
	echo := wasm(t, watEcho)
	for _, c := range []struct {
		name   string
		module []byte
		code   faas.Code
		words  []string
	}{
		{"text", []byte("This is text, and no module."), faas.InvalidModule, []string{"not a WebAssembly module"}},
		{"nothing", nil, faas.InvalidModule, []string{"the body is empty", "WebAssembly module"}},
		{"one byte", []byte{0}, faas.InvalidModule, []string{"truncated"}},
		{"truncated", echo[:len(echo)/2], faas.InvalidModule, []string{"truncated", "in section ", "at byte "}},
		{"only a header", echo[:8], faas.InvalidModule, []string{"no entry", "handle", "_start"}},
		{"a component", append([]byte("\x00asm\x0d\x00\x01\x00"), make([]byte, 64)...), faas.InvalidModule, []string{"component"}},
		{
			"an unknown import", wasm(t, `(module (import "env" "__faasm_read_inptu" (func (param i32 i32) (result i32)))
				(memory (export "memory") 1) (func (export "handle")))`),
			faas.InvalidModule,
			[]string{"unknown import env.__faasm_read_inptu", "did you mean env.__faasm_read_input?"},
		},
		{
			"an import of nobody", wasm(t, `(module (import "moon" "phase" (func)) (memory (export "memory") 1) (func (export "handle")))`),
			faas.InvalidModule,
			[]string{"unknown import moon.phase"},
		},
		{
			"an import of another type", wasm(t, `(module (import "env" "__faasm_read_input" (func (param i64) (result i32)))
				(memory (export "memory") 1) (func (export "handle")))`),
			faas.InvalidModule,
			[]string{"import env.__faasm_read_input", "(i64) -> i32", "(i32, i32) -> i32"},
		},
		{
			"no entry", wasm(t, `(module (memory (export "memory") 1) (func (export "run")))`),
			faas.InvalidModule,
			[]string{"no entry", `"handle"`, `"_start"`, "run"},
		},
		{
			"an entry of another type", wasm(t, `(module (memory (export "memory") 1) (func (export "handle") (param i32)))`),
			faas.InvalidModule,
			[]string{"no entry", `"handle"`, "(i32) -> ()", "it must be () -> i32"},
		},
		{
			"a huge table", wasm(t, `(module (memory (export "memory") 1) (table 9000000 funcref) (func (export "handle")))`),
			faas.InvalidModule,
			[]string{"its tables start with", "9000000", "1048576"},
		},
		{
			"many tables", wasm(t, `(module (memory (export "memory") 1)`+strings.Repeat("(table 1 funcref)", 17)+` (func (export "handle")))`),
			faas.InvalidModule,
			[]string{"17 tables", "16"},
		},
		{
			"a hidden memory", wasm(t, `(module (memory 1) (func (export "handle")))`),
			faas.InvalidModule,
			[]string{`no export "memory"`},
		},
		{
			"what the next case breaks", wasm(t, `(module (memory (export "memory") 1) (func (export "handle") (result i32) (i32.const 1)))`),
			"", nil,
		},
		{
			"code that does not validate", bytes.Replace(
				wasm(t, `(module (memory (export "memory") 1) (func (export "handle") (result i32) (i32.const 1)))`),
				[]byte{0x41, 0x01, 0x0b}, []byte{0x01, 0x01, 0x0b}, 1), // nop nop end, where an i32 is owed
			faas.InvalidModule, []string{"type mismatch"},
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			a := s.Put(t, "t/refused", c.module)
			if c.code == "" {
				if a.Err != nil {
					t.Fatal(a.Err)
				}
				s.Must(t, framework.Request{Method: http.MethodDelete, Path: "/v1/functions/t/refused"})
				return
			}
			wantError(t, a.Err, c.code, c.words...)
			if a := s.Call(t, "t/refused", nil); a.Err == nil || a.Err.Code != faas.NotFound {
				t.Errorf("a call afterwards: %d, %v; want not_found", a.Status, a.Err)
			}
			stillAnswers(t, s)
		})
	}

	big := append(bytes.Clone(echo), customSection(64<<10)...)
	put := framework.Request{Method: http.MethodPut, Path: "/v1/functions/t/refused"}
	t.Run("too large, with its length", func(t *testing.T) {
		r := put
		r.Body = big
		wantError(t, s.Must(t, r).Err, faas.TooLarge, "64KiB", "module")
		stillAnswers(t, s)
	})
	t.Run("too large, streamed", func(t *testing.T) {
		r := put
		r.Stream = bytes.NewReader(big)
		wantError(t, s.Must(t, r).Err, faas.TooLarge, "64KiB", "module")
		stillAnswers(t, s)
	})
	t.Run("streamed", func(t *testing.T) {
		r := put
		r.Stream = bytes.NewReader(append(bytes.Clone(echo), customSection(32<<10)...))
		if a := s.Must(t, r); a.Err != nil {
			t.Fatal(a.Err)
		}
	})
	s.AwaitIdle(t)
}

// customSection is a custom section with n bytes of data.
func customSection(n int) []byte {
	var size []byte
	for v := n + 2; ; v >>= 7 {
		if v < 0x80 {
			size = append(size, byte(v))
			break
		}
		size = append(size, byte(v&0x7f|0x80))
	}
	return append(append(append([]byte{0}, size...), 1, 'x'), make([]byte, n)...)
}

// Guarantee 6.
func TestBadNames(t *testing.T) {
	s := start(t, standalone.Config{})
	echo := wasm(t, watEcho)
	long := strings.Repeat("n", 64)
	for _, c := range []struct {
		path  string // below /v1/functions/ and /v1/call/
		words []string
	}{
		{"T/echo", []string{"tenant name \"T\"", "character 1 must be a-z or 0-9"}},
		{"t/Echo", []string{"function name \"Echo\""}},
		{"t/e.cho", []string{"function name \"e.cho\"", "character 2 must be a-z, 0-9, _ or -"}},
		{"t/" + long, []string{"function name has 64 characters, more than 63"}},
		{"-t/echo", []string{"tenant name \"-t\""}},
		{"t/%2A", []string{"function name \"*\""}},
		{"t/e%20cho", []string{"function name \"e cho\""}},
		{"t/%2e%2e%2fx", []string{"function name \"../x\""}},
		{"t/%00", []string{"function name \"\\x00\""}},
		{"t/%ff%fe", []string{"function name"}},
	} {
		t.Run(c.path, func(t *testing.T) {
			a := s.Must(t, framework.Request{Method: http.MethodPut, Path: "/v1/functions/" + c.path, Body: echo})
			wantError(t, a.Err, faas.BadRequest, c.words...)
			a = s.Must(t, framework.Request{Method: http.MethodPost, Path: "/v1/call/" + c.path})
			wantError(t, a.Err, faas.BadRequest, c.words...)
		})
	}
	for _, path := range []string{"/v1/call/t", "/v1/call/t/echo/more", "/v1/call//echo", "/v2/call/t/echo"} {
		a := s.Must(t, framework.Request{Method: http.MethodPost, Path: path})
		if a.Err == nil || a.Err.Code != faas.NotFound {
			t.Errorf("POST %s: %d %s, want not_found", path, a.Status, a.Body)
		}
	}
	stillAnswers(t, s)
}

// Guarantee 4: what a PUT has answered is deployed.
func TestDeployAgain(t *testing.T) {
	s := start(t, standalone.Config{})
	first := s.Deploy(t, "t/again", wasm(t, watSays("one")))
	if first.Unchanged || first.CompileMs == 0 || first.Kind != faas.Reactor || first.Entry != "handle" {
		t.Errorf("the first deploy: %+v", first)
	}
	again := s.Deploy(t, "t/again", wasm(t, watSays("one")))
	if !again.Unchanged || again.CompileMs != 0 || again.Version != first.Version || again.Revision != first.Revision {
		t.Errorf("the same bytes again: %+v, want unchanged and nothing compiled", again)
	}
	elsewhere := s.Deploy(t, "t/other", wasm(t, watSays("one")))
	if elsewhere.Unchanged || elsewhere.CompileMs != 0 || elsewhere.Version != first.Version {
		t.Errorf("the same bytes elsewhere: %+v, want a new function and nothing compiled", elsewhere)
	}

	nc := s.Connect(t)
	for i := range 8 { // the next call of either door runs what was answered
		word := fmt.Sprintf("version %d", i)
		s.Deploy(t, "t/again", wasm(t, watSays(word)))
		if a := s.Call(t, "t/again", nil); string(a.Body) != word {
			t.Fatalf("over HTTP: %q, %v; want %q", a.Body, a.Err, word)
		}
		if r := natsCall(t, nc, "t.again", nil); string(r.Output) != word {
			t.Fatalf("over NATS: %q, %v; want %q", r.Output, r.Err, word)
		}
	}
	if a := s.Call(t, "t/other", nil); string(a.Body) != "one" {
		t.Errorf("another function with an old version of the module: %q, %v", a.Body, a.Err)
	}

	remove := framework.Request{Method: http.MethodDelete, Path: "/v1/functions/t/again"}
	if a := s.Must(t, remove); a.Status != http.StatusNoContent {
		t.Fatalf("delete: %d %s", a.Status, a.Body)
	}
	wantError(t, s.Call(t, "t/again", nil).Err, faas.NotFound, "t/again", "deploy")
	wantError(t, natsCall(t, nc, "t.again", nil).Err, faas.NotFound, "t/again")
	wantError(t, s.Must(t, remove).Err, faas.NotFound, "t/again")
	s.Deploy(t, "t/again", wasm(t, watSays("back")))
	if a := s.Call(t, "t/again", nil); string(a.Body) != "back" {
		t.Errorf("deployed after its removal: %q, %v", a.Body, a.Err)
	}
}

// watSays is a guest that answers with a word.
func watSays(word string) string {
	return fmt.Sprintf(`(module
	  (import "env" "__faasm_write_output" (func $write (param i32 i32)))
	  (memory (export "memory") 1)
	  (data (i32.const 64) %q)
	  (func (export "handle") (call $write (i32.const 64) (i32.const %d))))`, word, len(word))
}

// Guarantee 6: settings out of their range are refused by key, value and range.
func TestSettings(t *testing.T) {
	s := start(t, standalone.Config{})
	d := s.Deploy(t, "t/set", wasm(t, watEcho), "memory=1MiB", "timeout=2s", "concurrency=3", "min_warm=2", "keep_alive=1m", "reset=never", "allow_unknown_imports=true", "env.LEVEL=a=b & c")
	if got := fmt.Sprintf("%+v", d.Settings); got != "{Memory:1MiB Timeout:2s Concurrency:3 MinWarm:2 KeepAlive:1m Reset:never AllowUnknownImports:true Env:map[LEVEL:a=b & c]}" {
		t.Errorf("settings of the query: %s", got)
	}
	for _, c := range []struct {
		patch string
		words []string
	}{
		{`{"memory":"5GiB"}`, []string{"memory", "5GiB", "from 256KiB to 4GiB"}},
		{`{"memory":"64KiB"}`, []string{"memory", "64KiB", "from 256KiB to 4GiB"}},
		{`{"memory":"lots"}`, []string{"memory", "lots", "128MiB"}},
		{`{"memory":"-1"}`, []string{"memory", "-1"}},
		{`{"timeout":"16m"}`, []string{"timeout", "16m", "from 1ms to 15m"}},
		{`{"timeout":"1us"}`, []string{"timeout", "from 1ms to 15m"}},
		{`{"timeout":5}`, []string{"timeout", "5"}},
		{`{"concurrency":-1}`, []string{"concurrency", "-1", "from 0 to 100000"}},
		{`{"min_warm":1000000}`, []string{"min_warm", "1000000", "from 0 to 100000"}},
		{`{"keep_alive":"25h"}`, []string{"keep_alive", "25h", "24h"}},
		{`{"reset":"sometimes"}`, []string{"reset", "sometimes", `"always" or "never"`}},
		{`{"env":{"1A":"x"}}`, []string{"env", "1A", "digit"}},
		{`{"env":{"A":"x\u0000y"}}`, []string{"env", "A", "zero byte"}},
		{`{"env":{"A":"` + strings.Repeat("x", 65<<10) + `"}}`, []string{"larger than 64KiB"}},
		{`{"env":"A=b"}`, []string{"env", "object"}},
		{`{"memroy":"1MiB"}`, []string{`"memroy"`, "memory, timeout"}},
		{`[]`, []string{"object"}},
		{`{`, []string{"not JSON"}},
		{``, []string{"not JSON"}},
	} {
		t.Run(fmt.Sprintf("%.40s", c.patch), func(t *testing.T) {
			a := s.Must(t, framework.Request{
				Method: http.MethodPatch, Path: "/v1/functions/t/set", Body: []byte(c.patch),
				Header: http.Header{"Content-Type": {"application/merge-patch+json"}},
			})
			if a.Err != nil && a.Err.Code == faas.TooLarge {
				wantError(t, a.Err, faas.TooLarge, c.words...)
				return
			}
			wantError(t, a.Err, faas.BadRequest, c.words...)
		})
	}
	for _, c := range []struct {
		query string
		words []string
	}{
		{"memory=5GiB", []string{"memory", "5GiB", "from 256KiB to 4GiB"}},
		{"concurrency=many", []string{"concurrency", `"many"`, "whole number"}},
		{"reset=sometimes", []string{"reset", "sometimes", `"always" or "never"`}},
		{"speed=11", []string{`"speed"`, "memory, timeout"}},
	} {
		a := s.Must(t, framework.Request{Method: http.MethodPut, Path: "/v1/functions/t/set", Query: c.query, Body: wasm(t, watEcho)})
		wantError(t, a.Err, faas.BadRequest, c.words...)
	}
	if f := s.Describe(t, "t/set"); f.Revision != d.Revision {
		t.Errorf("refused settings made revision %d of %d", f.Revision, d.Revision)
	}
	stillAnswers(t, s)
}
