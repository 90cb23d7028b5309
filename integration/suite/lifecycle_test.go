package suite

import (
	"bytes"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/shoal-run/shoal/bus"
	"github.com/shoal-run/shoal/bus/faas"
	"github.com/shoal-run/shoal/integration/framework"
	"github.com/shoal-run/shoal/internal/leakcheck"
	"github.com/shoal-run/shoal/internal/testenv"
	"github.com/shoal-run/shoal/services/standalone"
)

// Guarantee 1, at the end: calls that run when everything stops are answered, by whichever door they came, and what comes
// later is turned away.
func TestCallsDuringDrain(t *testing.T) {
	s := start(t, standalone.Config{Slots: 4})
	s.Deploy(t, "t/sleep", wasm(t, watSleep))
	s.AwaitReady(t, "t/sleep")
	nc := s.Connect(t)
	input := millis(time.Second)
	const each = 2
	answers := make(chan error, 2*each)
	for range each {
		go func() {
			a, err := s.Do(t.Context(), framework.Request{Method: http.MethodPost, Path: "/v1/call/t/sleep", Body: input})
			if err == nil && (a.Err != nil || !bytes.Equal(a.Body, input)) {
				err = fmt.Errorf("over HTTP: %d %q", a.Status, a.Body)
			}
			answers <- err
		}()
		go func() {
			m, err := nc.Request("shoal.v1.call.t.sleep", input, enough)
			if err == nil {
				if r := bus.DecodeResult(m); r.Err != nil || !bytes.Equal(r.Output, input) {
					err = fmt.Errorf("over NATS: %q, %w", r.Output, r.Err)
				}
			}
			answers <- err
		}()
	}
	testenv.Eventually(t, enough, func() bool { return s.Running(t, "t/sleep") == 2*each }, "the calls do not run")
	s.BeginStop()
	for range 2 * each {
		if err := <-answers; err != nil {
			t.Error(err)
		}
	}
	s.Stop(t)
	if _, err := s.Do(t.Context(), framework.Request{Path: "/healthz"}); err == nil {
		t.Error("it answers after it has stopped")
	}
}

// Guarantee 6, at the end: a drain has a limit, and what still runs then is told so.
func TestDrainHasALimit(t *testing.T) {
	s := start(t, standalone.Config{DrainTimeout: faas.Duration(300 * time.Millisecond)})
	s.Deploy(t, "t/loop", wasm(t, watLoop), "timeout=10m")
	s.AwaitReady(t, "t/loop")
	nc := s.Connect(t)
	answers := make(chan error, 2)
	go func() {
		a, err := s.Do(t.Context(), framework.Request{Method: http.MethodPost, Path: "/v1/call/t/loop"})
		if err == nil && (a.Err == nil || a.Err.Code != faas.Unavailable) {
			err = fmt.Errorf("over HTTP: %d %s, want unavailable", a.Status, a.Body)
		}
		answers <- err
	}()
	go func() {
		m, err := nc.Request("shoal.v1.call.t.loop", nil, enough)
		if err == nil {
			if r := bus.DecodeResult(m); r.Err == nil || r.Err.Code != faas.Unavailable {
				err = fmt.Errorf("over NATS: %w, want unavailable", r.Err)
			}
		}
		answers <- err
	}()
	testenv.Eventually(t, enough, func() bool { return s.Running(t, "t/loop") == 2 }, "the calls do not run")
	began := time.Now()
	s.Stop(t)
	if took := time.Since(began); took > soon {
		t.Errorf("it took %v to stop", took)
	}
	for range 2 {
		if err := <-answers; err != nil {
			t.Error(err)
		}
	}
}

// Guarantee 4: what was deployed is there after a restart, compiled as it was.
func TestRestart(t *testing.T) {
	leakcheck.Check(t)
	data := filepath.Join(t.TempDir(), "data")
	s := framework.Start(t, standalone.Config{Data: data})
	var deployed []framework.Deployed
	for i := range 3 {
		deployed = append(deployed, s.Deploy(t, fmt.Sprintf("t/f%d", i), wasm(t, watSays(fmt.Sprint("function ", i))), "memory=1MiB", "env.A=b"))
	}
	s.Deploy(t, "t/logs", wasm(t, watLogs))
	s.Call(t, "t/logs", []byte("before the restart"))
	s.AwaitLog(t, "t/logs", "before the restart")
	s.Must(t, framework.Request{Method: http.MethodDelete, Path: "/v1/functions/t/f2"})
	s.Stop(t)

	s = framework.Start(t, standalone.Config{Data: data})
	nc := s.Connect(t)
	for i, d := range deployed[:2] {
		name, want := fmt.Sprintf("t/f%d", i), fmt.Sprint("function ", i)
		if a := s.Call(t, name, nil); string(a.Body) != want {
			t.Errorf("%s over HTTP: %q, %v", name, a.Body, a.Err)
		}
		if r := natsCall(t, nc, strings.ReplaceAll(name, "/", "."), nil); string(r.Output) != want {
			t.Errorf("%s over NATS: %q, %v", name, r.Output, r.Err)
		}
		f := s.Describe(t, name)
		if f.Version != d.Version || f.Settings.Memory != faas.MiB || f.Settings.Env["A"] != "b" || !f.Deployed.Equal(d.Deployed) {
			t.Errorf("%s after the restart: %+v, want %+v", name, f.Function, d.Function)
		}
		again := s.Deploy(t, name, wasm(t, watSays(want)))
		if !again.Unchanged || again.CompileMs != 0 {
			t.Errorf("the same bytes after the restart: %+v, want nothing done", again)
		}
	}
	wantError(t, s.Call(t, "t/f2", nil).Err, faas.NotFound, "t/f2")
	s.AwaitLog(t, "t/logs", "before the restart")
	for _, sign := range []string{"module compiled here", "no artefact to be used"} {
		if strings.Contains(s.Log(), sign) {
			t.Errorf("the worker says %q after the restart", sign)
		}
	}
	if _, err := os.Stat(filepath.Join(data, "compiled")); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the worker compiled for itself: %v", err)
	}
}

// Guarantee 5: an artefact that somebody changed is not run. The worker compiles the module anew.
func TestChangedArtefacts(t *testing.T) {
	leakcheck.Check(t)
	data := filepath.Join(t.TempDir(), "data")
	s := framework.Start(t, standalone.Config{Data: data})
	s.Deploy(t, "t/echo", wasm(t, watEcho))
	stillAnswers(t, s)
	s.Stop(t)
	if err := os.Remove(filepath.Join(data, "signing.key")); err != nil { // what is stored is now signed by a stranger
		t.Fatal(err)
	}
	s = framework.Start(t, standalone.Config{Data: data})
	stillAnswers(t, s)
	if !strings.Contains(s.Log(), "module compiled here") {
		t.Error("the artefact of another key was used")
	}
	if d := s.Deploy(t, "t/echo", wasm(t, watEcho)); d.CompileMs == 0 {
		t.Error("the upload service kept the artefact of another key")
	}
}

// Guarantee 6, before anything runs: what a user can get wrong is said, with what to change.
func TestCantStart(t *testing.T) {
	leakcheck.Check(t)
	s := framework.Start(t, standalone.Config{})
	s.Deploy(t, "t/echo", wasm(t, watEcho))
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	open := filepath.Join(t.TempDir(), "open")
	if err := os.MkdirAll(open, 0o700); err != nil {
		t.Fatal(err)
	}
	key, err := os.ReadFile(filepath.Join(s.Data, "signing.key"))
	if err == nil {
		err = os.WriteFile(filepath.Join(open, "signing.key"), key, 0o600)
	}
	if err == nil {
		err = os.Chmod(filepath.Join(open, "signing.key"), 0o644)
	}
	if err != nil {
		t.Fatal(err)
	}
	address := strings.TrimPrefix
	for _, c := range []struct {
		name  string
		cfg   standalone.Config
		words []string
	}{
		{"the same data directory", standalone.Config{Data: s.Data}, []string{"another process uses", s.Data, "--data"}},
		{"HTTP address taken", standalone.Config{HTTP: address(s.HTTP, "http://")}, []string{address(s.HTTP, "http://"), "taken", "--http"}},
		{"NATS address taken", standalone.Config{NATS: address(s.NATS, "nats://")}, []string{address(s.NATS, "nats://"), "taken", "--nats"}},
		{"HTTP address wrong", standalone.Config{HTTP: "nowhere"}, []string{"nowhere", "--http"}},
		{"NATS address wrong", standalone.Config{NATS: "nowhere"}, []string{"nowhere", "HOST:PORT", "--nats"}},
		{"data is a file", standalone.Config{Data: file}, []string{file, "--data"}},
		{"key open to others", standalone.Config{Data: open}, []string{"signing.key", "0644", "chmod 600"}},
		{"nobody at the NATS URL", standalone.Config{NATSURL: "nats://127.0.0.1:1"}, []string{"nats://127.0.0.1:1"}},
		{"slots", standalone.Config{Slots: -1}, []string{"slots", "-1", "from 1 to"}},
		{"output", standalone.Config{MaxOutput: 2 * faas.GiB}, []string{"output", "2GiB", "1GiB"}},
		{"input", standalone.Config{MaxInput: 2 * faas.GiB}, []string{"input", "2GiB", "1GiB"}},
		{"module", standalone.Config{MaxModule: faas.GiB}, []string{"module", "1GiB", "256MiB"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			err := framework.StartError(t, c.cfg)
			for _, w := range c.words {
				if err == nil || !strings.Contains(err.Error(), w) {
					t.Errorf("%v does not name %q", err, w)
				}
			}
			stillAnswers(t, s)
		})
	}
}
