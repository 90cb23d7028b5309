package shoal

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
	"testing"
)

// fakeHost is a worker that holds one call.
type fakeHost struct {
	input  []byte
	output []byte
	wrote  bool
	log    strings.Builder
}

func (f *fakeHost) inputSize() int           { return len(f.input) }
func (f *fakeHost) readInput(buf []byte) int { return copy(buf, f.input) }
func (f *fakeHost) writeOutput(out []byte)   { f.output, f.wrote = bytes.Clone(out), true }
func (f *fakeHost) logLine(line string)      { f.log.WriteString(line + "\n") }

// register makes h the handler for the length of the test.
func register(t *testing.T, h Handler) {
	t.Helper()
	t.Cleanup(func() { handler = nil })
	Handle(h)
}

func echo(in []byte) ([]byte, error) { return in, nil }

func TestServe(t *testing.T) {
	big := bytes.Repeat([]byte{0, 1, 2, 0xff}, 8<<20)
	for _, tc := range []struct {
		name    string
		handler Handler
		input   []byte
		exit    int32
		output  []byte
		wrote   bool
		log     string
	}{
		{name: "echo", handler: echo, input: []byte("hello"), output: []byte("hello"), wrote: true},
		{name: "no input", handler: echo, wrote: true},
		{name: "32 MiB with every kind of byte", handler: echo, input: big, output: big, wrote: true},
		{name: "nil output", handler: func([]byte) ([]byte, error) { return nil, nil }, input: []byte("x"), wrote: true},
		{
			name:    "error",
			handler: func(in []byte) ([]byte, error) { return in, fmt.Errorf("no such word: %s", in) },
			input:   []byte("moose"), exit: 1, log: "no such word: moose\n",
		},
	} {
		t.Run(tc.name, func(t *testing.T) {
			register(t, tc.handler)
			h := &fakeHost{input: tc.input}
			if exit := serve(h); exit != tc.exit {
				t.Errorf("exit code %d, want %d", exit, tc.exit)
			}
			if !bytes.Equal(h.output, tc.output) || h.wrote != tc.wrote {
				t.Errorf("output of %d bytes (written: %v), want %d (%v)", len(h.output), h.wrote, len(tc.output), tc.wrote)
			}
			if h.log.String() != tc.log {
				t.Errorf("log %q, want %q", h.log.String(), tc.log)
			}
		})
	}
}

func TestInputIsNeverNil(t *testing.T) {
	register(t, func(in []byte) ([]byte, error) {
		if in == nil {
			t.Error("the handler got a nil input")
		}
		return nil, nil
	})
	serve(&fakeHost{})
	if _, err := Run(nil); err != nil {
		t.Error(err)
	}
}

func TestInputIsOneAllocation(t *testing.T) {
	register(t, echo)
	h := &discard{size: 1 << 20}
	if n := testing.AllocsPerRun(10, func() { serve(h) }); n > 1 {
		t.Errorf("%v allocations for an echo, want 1: the input", n)
	}
}

// discard is a worker with an input of zeros that forgets the output.
type discard struct{ size int }

func (d *discard) inputSize() int           { return d.size }
func (d *discard) readInput(buf []byte) int { return len(buf) }
func (d *discard) writeOutput([]byte)       {}
func (d *discard) logLine(string)           {}

func TestNoHandler(t *testing.T) {
	h := &fakeHost{input: []byte("x")}
	if exit := serve(h); exit != exitFailed {
		t.Errorf("exit code %d, want %d", exit, exitFailed)
	}
	if h.wrote {
		t.Error("an output was written")
	}
	if !strings.Contains(h.log.String(), "call shoal.Handle in func init()") {
		t.Errorf("log %q does not say what to do", h.log.String())
	}
	if _, err := Run(nil); !errors.Is(err, ErrNoHandler) {
		t.Errorf("Run: %v, want ErrNoHandler", err)
	}
}

func TestPanicIsNotCaught(t *testing.T) {
	register(t, func([]byte) ([]byte, error) { panic("out of fish") })
	defer func() {
		if r := recover(); r != "out of fish" {
			t.Errorf("recovered %v", r)
		}
	}()
	serve(&fakeHost{})
	t.Error("serve returned")
}

func TestRunCopiesTheInput(t *testing.T) {
	register(t, func(in []byte) ([]byte, error) {
		in[0] = 'J'
		return in, nil
	})
	in := []byte("hello")
	out, err := Run(in)
	if err != nil || string(out) != "Jello" || string(in) != "hello" {
		t.Errorf("Run = %q, %v with its input now %q", out, err, in)
	}
}

func TestHandleRefuses(t *testing.T) {
	mustPanic := func(want string, f func()) {
		t.Helper()
		defer func() {
			if r := fmt.Sprint(recover()); !strings.Contains(r, want) {
				t.Errorf("panic %q does not contain %q", r, want)
			}
		}()
		f()
	}
	mustPanic("is nil", func() { Handle(nil) })
	register(t, echo)
	mustPanic("twice", func() { Handle(echo) })
}
