package main

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/shoal-run/shoal/bus/faas"
	"github.com/shoal-run/shoal/internal/leakcheck"
)

// shoal runs one command line in this process.
func shoal(ctx context.Context, url string, stdin io.Reader, args ...string) (code exitCode, stdout, stderr string) {
	var out, errs bytes.Buffer
	code = run(ctx, args, process{
		stdin: stdin, stdout: &out, stderr: &errs,
		getenv: func(k string) string { return map[string]string{envURL: url}[k] },
	})
	return code, out.String(), errs.String()
}

// Every code has exactly one exit code, and the process exits with it.
func TestExitCodes(t *testing.T) {
	leakcheck.Check(t)
	want := map[faas.Code]exitCode{
		faas.BadRequest: 3, faas.Unauthorized: 3, faas.Forbidden: 3, faas.NotFound: 4, faas.Conflict: 3, faas.TooLarge: 3,
		faas.InvalidModule: 3, faas.RateLimited: 5, faas.Cancelled: 130, faas.GuestFailed: 10, faas.GuestTrapped: 11,
		faas.OutOfMemory: 12, faas.Internal: 7, faas.NoCapacity: 5, faas.Unavailable: 5, faas.DeadlineExceeded: 6,
	}
	seen := map[exitCode]bool{}
	for _, x := range exitCodes {
		if seen[x.exit] {
			t.Errorf("exit code %d has two rows", x.exit)
		}
		seen[x.exit] = true
	}
	for _, code := range faas.Codes() {
		url := refuse(t, faas.Errorf(code, "some words"))
		got, stdout, stderr := shoal(t.Context(), url, strings.NewReader(""), "call", "me/wc")
		if got != want[code] || stdout != "" || stderr != "shoal: "+string(code)+": some words\n" {
			t.Errorf("%s: exits with %d, want %d; stdout %q, stderr %q", code, got, want[code], stdout, stderr)
		}
	}
}

// A code of a newer gateway is an internal error for a program that does not know it, and is shown as it came.
func TestUnknownCode(t *testing.T) {
	url := refuse(t, &faas.Error{Code: "moon_phase", Message: "not tonight"})
	code, _, stderr := shoal(t.Context(), url, strings.NewReader(""), "ls")
	if code != exitInternal || stderr != "shoal: moon_phase: not tonight\n" {
		t.Errorf("exits with %d, stderr %q", code, stderr)
	}
}

func TestNotAGateway(t *testing.T) {
	for name, h := range map[string]http.HandlerFunc{
		"a 404 page": http.NotFound,
		"a page":     func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "<html>hello</html>") },
		"other JSON": func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "application/json")
			_, _ = io.WriteString(w, `["a list"]`)
		},
	} {
		server := httptest.NewServer(h)
		for _, args := range [][]string{{"ls"}, {"call", "me/wc"}, {"logs", "me/wc"}, {"describe", "me/wc"}} {
			code, stdout, stderr := shoal(t.Context(), server.URL, strings.NewReader(""), args...)
			if code != exitGateway || stdout != "" || !strings.Contains(stderr, "no Shoal gateway") {
				t.Errorf("%s to %v: exits with %d, stdout %q, stderr %q", name, args, code, stdout, stderr)
			}
		}
		server.Close()
	}
}

// An output that breaks off is an error, not a short output.
func TestOutputBreaksOff(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		w.Header().Set("Shoal-Call", faas.NewCallID().String())
		w.Header().Set("Content-Length", "1000")
		_, _ = io.WriteString(w, "the beginning")
		_ = http.NewResponseController(w).Flush()
		panic(http.ErrAbortHandler)
	}))
	defer server.Close()
	code, stdout, stderr := shoal(t.Context(), server.URL, strings.NewReader(""), "call", "me/wc")
	if code != exitGateway || stdout != "the beginning" || !strings.Contains(stderr, "before its answer was complete") {
		t.Errorf("exits with %d, stdout %q, stderr %q", code, stdout, stderr)
	}
}

// An interrupt ends a call, which the gateway sees, and says nothing.
func TestInterrupt(t *testing.T) {
	leakcheck.Check(t)
	ctx, interrupt := context.WithCancelCause(t.Context())
	gone := make(chan struct{})
	server := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body) // net/http watches the connection only after the body
		interrupt(errors.New("interrupted"))
		<-r.Context().Done()
		close(gone)
	}))
	defer server.Close()
	code, stdout, stderr := shoal(ctx, server.URL, strings.NewReader("x"), "call", "me/wc")
	<-gone
	if code != exitInterrupted || stdout != "" || stderr != "" {
		t.Errorf("exits with %d, stdout %q, stderr %q", code, stdout, stderr)
	}
}

func TestFullDisk(t *testing.T) {
	_, url := newFakeGateway(t)
	var errs bytes.Buffer
	for _, args := range [][]string{{"workers"}, {"workers", "-o", "json"}, {"version"}} {
		errs.Reset()
		code := run(t.Context(), args, process{
			stdin: strings.NewReader(""), stdout: fullDisk{}, stderr: &errs, getenv: func(string) string { return url },
		})
		if code != exitLocal || !strings.Contains(errs.String(), "disk full") {
			t.Errorf("%v: exits with %d, stderr %q", args, code, errs.String())
		}
	}
}

// The timeout of a call travels in whole milliseconds.
func TestCallTimeout(t *testing.T) {
	g, url := newFakeGateway(t)
	g.functions[faas.Name{Tenant: "me", Function: "echo"}] = &faas.Function{Name: faas.Name{Tenant: "me", Function: "echo"}}
	for given, want := range map[string]string{"2m": "120000", "1500us": "1", "": ""} {
		args := []string{"call", "me/echo", "-d", "x"}
		if given != "" {
			args = append(args, "--timeout", given)
		}
		if code, _, stderr := shoal(t.Context(), url, strings.NewReader(""), args...); code != exitOK {
			t.Fatalf("exits with %d: %s", code, stderr)
		}
		if g.timeout != want {
			t.Errorf("--timeout %q sends %q, want %q", given, g.timeout, want)
		}
	}
}

// A terminal is no input: the call goes out at once, with an empty one.
// A gateway whose worker sends no trace leaves a word in its place, and nothing when none was asked for.
func TestCallWithoutTrace(t *testing.T) {
	g, url := newFakeGateway(t)
	g.functions[faas.Name{Tenant: "me", Function: "echo"}] = &faas.Function{Name: faas.Name{Tenant: "me", Function: "echo"}}
	for flag, want := range map[string]string{"--trace": "no trace came", "--include=false": ""} {
		code, _, stderr := shoal(t.Context(), url, strings.NewReader(""), "call", "me/echo", "-d", "x", flag)
		if code != exitOK || !strings.Contains(stderr, want) || want == "" && stderr != "" {
			t.Errorf("%s: exits with %d, stderr %q", flag, code, stderr)
		}
	}
}

func TestCallFromTerminal(t *testing.T) {
	g, url := newFakeGateway(t)
	g.functions[faas.Name{Tenant: "me", Function: "echo"}] = &faas.Function{Name: faas.Name{Tenant: "me", Function: "echo"}}
	var out, errs bytes.Buffer
	code := run(t.Context(), []string{"call", "me/echo"}, process{
		stdin: neverRead{t}, stdout: &out, stderr: &errs, stdinTerminal: true, getenv: func(string) string { return url },
	})
	if code != exitOK || out.Len() != 0 || errs.Len() != 0 {
		t.Errorf("exits with %d, stdout %q, stderr %q", code, out.String(), errs.String())
	}
}

type neverRead struct{ t *testing.T }

func (r neverRead) Read([]byte) (int, error) {
	r.t.Error("stdin was read")
	return 0, io.EOF
}

// Names of functions are completed from the gateway.
func TestCompletion(t *testing.T) {
	g, url := newFakeGateway(t)
	g.functions[faas.Name{Tenant: "me", Function: "wc"}] = &faas.Function{Name: faas.Name{Tenant: "me", Function: "wc"}}
	code, stdout, _ := shoal(t.Context(), url, strings.NewReader(""), "__complete", "call", "")
	if code != exitOK || !strings.HasPrefix(stdout, "me/wc\n") {
		t.Errorf("exits with %d, stdout %q", code, stdout)
	}
}

// Progress is silent for a second, then shows what goes on, and leaves an empty line.
func TestProgress(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		errs := &lockedBuffer{}
		a := &app{process: process{stderr: errs, stderrTerminal: true}, output: text}
		p := a.progress("uploading", "compiling", 4096)
		body := p.reader(strings.NewReader(strings.Repeat("x", 4096)))
		if _, err := io.ReadFull(body, make([]byte, 1024)); err != nil {
			t.Fatal(err)
		}
		wait := func(d time.Duration) string {
			errs.take()
			<-time.After(d)
			synctest.Wait()
			return errs.take()
		}
		if got := wait(900 * time.Millisecond); got != "" {
			t.Errorf("after 0.9 s: %q", got)
		}
		if got := wait(200 * time.Millisecond); got != wipe+"uploading … 1.0 KiB of 4.0 KiB (25 %)" {
			t.Errorf("after 1.1 s: %q", got)
		}
		if _, err := io.ReadAll(body); err != nil {
			t.Fatal(err)
		}
		if got := wait(1000 * time.Millisecond); !strings.HasSuffix(got, wipe+"compiling … 2 s") {
			t.Errorf("after 2.1 s: %q", got)
		}
		errs.take()
		p.stop()
		if got := errs.take(); got != wipe {
			t.Errorf("at the end: %q", got)
		}
	})
}

// lockedBuffer is a buffer that a test and what it tests use at the same time.
type lockedBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *lockedBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

// take returns what was written since the last take.
func (l *lockedBuffer) take() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	defer l.b.Reset()
	return l.b.String()
}
