package upload_test

import (
	"bytes"
	"context"
	"encoding/json"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/shoal-run/shoal/bus"
	"github.com/shoal-run/shoal/bus/faas"
	"github.com/shoal-run/shoal/libs/telemetry/metrics"
	"github.com/shoal-run/shoal/services/upload"
)

var demoA = faas.Name{Tenant: "demo", Function: "a"}

func (b *bench) change(patch string) (bus.UploadReply, error) {
	return b.ask(bus.UploadRequest{Kind: bus.Change, Name: demoA, Settings: json.RawMessage(patch)})
}

func TestChange(t *testing.T) {
	b := newBench(t)
	first := b.mustDeploy("a", command("1"), `{"memory": "2MiB", "env": {"A": "1", "B": "2"}}`).Function
	b.event()
	r, err := b.change(`{"memory": "3MiB", "timeout": "5s", "min_warm": 2, "env": {"A": null, "C": "3"}}`)
	if err != nil {
		t.Fatal(err)
	}
	s := r.Function.Settings
	if s.Memory != 3*faas.MiB || time.Duration(s.Timeout) != 5*time.Second || s.MinWarm != 2 || len(s.Env) != 2 || s.Env["B"] != "2" || s.Env["C"] != "3" {
		t.Errorf("settings %+v", s)
	}
	if r.Unchanged || r.Function.Version != first.Version || !r.Function.Deployed.Equal(first.Deployed) || r.Function.Revision <= first.Revision {
		t.Errorf("reply %+v", r)
	}
	if ev := b.event(); ev.Kind != bus.FunctionChanged || ev.Function.Revision != r.Function.Revision {
		t.Errorf("event %+v", ev)
	}
	for _, same := range []string{"", "{}", `{"timeout": "5000ms"}`, `{"memory": 3145728}`, `{"env": {"X": null}}`} {
		if again, err := b.change(same); err != nil || !again.Unchanged || again.Function.Revision != r.Function.Revision {
			t.Errorf("%s: %+v, %v", same, again, err)
		}
	}
	b.noEvent()
	if r, err = b.change(`{"memory": null, "timeout": null, "min_warm": null, "env": null}`); err != nil || r.Function.Settings.Env != nil || r.Function.Settings.Memory != 0 {
		t.Errorf("defaults: %+v, %v", r, err)
	}
	if n := b.compiles.Load(); n != 1 {
		t.Errorf("compiled %d times", n)
	}
}

// What keeps its state between calls is a reactor.
func TestReset(t *testing.T) {
	b := newBench(t)
	reactor := guest{entry: "handle", pages: 1}.bytes()
	if r := b.mustDeploy("a", reactor, `{"reset": "never"}`); r.Function.Settings.Reset != faas.ResetNever {
		t.Errorf("%+v", r.Function.Settings)
	}
	_, err := b.deploy("a", command("1"), "")
	wantError(t, err, faas.BadRequest, "reset", "command", "_start")
	for _, patch := range []string{`{"reset": "always"}`, `{"reset": null}`} {
		if r, err := b.change(`{"reset": "never"}`); err != nil || r.Function.Settings.Reset != faas.ResetNever {
			t.Errorf("%+v, %v", r, err)
		}
		if r, err := b.change(patch); err != nil || r.Unchanged || r.Function.Settings.Reset != "" {
			t.Errorf("%s: %+v, %v", patch, r, err)
		}
	}
	if r, err := b.change(`{"reset": "always"}`); err != nil || !r.Unchanged {
		t.Errorf("always is the default: %+v, %v", r, err)
	}
	b.mustDeploy("a", command("1"), "")
}

func TestBadSettings(t *testing.T) {
	b := newBench(t)
	b.mustDeploy("a", guest{entry: "_start", pages: 32}.bytes(), "") // 2 MiB
	b.event()
	for patch, words := range map[string][]string{
		`[1]`:                                {"object"},
		`null`:                               {"object"},
		`{"memroy": "1MiB"}`:                 {`"memroy"`, "memory"},
		`{"memory": "1MiB"}`:                 {"memory", "1MiB", "2MiB", "4GiB", "module"},
		`{"memory": "5GiB"}`:                 {"memory", "5GiB", "4GiB"},
		`{"memory": "lots"}`:                 {"memory", "lots", "MiB"},
		`{"memory": true}`:                   {"memory", "true"},
		`{"memory": -1}`:                     {"memory"},
		`{"timeout": "16m"}`:                 {"timeout", "16m", "15m"},
		`{"timeout": "1us"}`:                 {"timeout", "1µs", "1ms"},
		`{"timeout": "-1s"}`:                 {"timeout", "-1s"},
		`{"timeout": 5}`:                     {"timeout", "5"},
		`{"concurrency": -1}`:                {"concurrency", "-1", "0"},
		`{"concurrency": "2"}`:               {"concurrency"},
		`{"min_warm": 1000000000}`:           {"min_warm", "1000000000"},
		`{"keep_alive": "9999h"}`:            {"keep_alive", "9999h", "24h"},
		`{"reset": "sometimes"}`:             {"reset", "sometimes", `"always"`, `"never"`},
		`{"reset": true}`:                    {"reset", "true", `"always"`, `"never"`},
		`{"reset": "never"}`:                 {"reset", "command", "_start", "handle"},
		`{"env": []}`:                        {"env", "object"},
		`{"env": {"A": 1}}`:                  {"env"},
		`{"env": {"1A": "x"}}`:               {"env", "1A"},
		`{"env": {"A=B": "x"}}`:              {"env", "A=B"},
		`{"env": {"": "x"}}`:                 {"env"},
		`{"env": {"A": "x\u0000y"}}`:         {"env", "A"},
		`{"env": {"A": "` + long(70) + `"}}`: {"env", "64KiB"},
	} {
		_, err := b.change(patch)
		wantError(t, err, faas.BadRequest, words...)
		if err == nil {
			t.Errorf("%.40s was taken", patch)
		}
	}
	b.noEvent()
	_, err := b.deploy("b", command("1"), `{"timeout": "1h"}`)
	wantError(t, err, faas.BadRequest, "timeout", "1h", "15m")
	_, err = b.deploy("a", command("1"), `{"timeout": "1h"}`)
	wantError(t, err, faas.BadRequest, "timeout")
	if got := b.objects("module/"); len(got) != 1 {
		t.Errorf("bad settings left %v", got)
	}
}

func long(kib int) string { return string(bytes.Repeat([]byte("x"), kib<<10)) }

func TestRemove(t *testing.T) {
	b := newBench(t)
	fn := b.mustDeploy("a", command("1"), "").Function
	b.event()
	r, err := b.ask(bus.UploadRequest{Kind: bus.Remove, Name: demoA})
	if err != nil || r.Function.Revision != fn.Revision {
		t.Fatalf("%+v, %v", r, err)
	}
	if ev := b.event(); ev.Kind != bus.FunctionRemoved || ev.Function.Revision != fn.Revision || ev.Function.Name != demoA {
		t.Errorf("event %+v", ev)
	}
	_, err = b.reg.Get(t.Context(), demoA)
	wantError(t, err, faas.NotFound)
	if got := b.objects(""); len(got) != 2 {
		t.Errorf("objects %v: calls in flight still want them", got)
	}
	_, err = b.ask(bus.UploadRequest{Kind: bus.Remove, Name: demoA})
	wantError(t, err, faas.NotFound)
	again := b.mustDeploy("a", command("1"), "")
	if again.Unchanged || again.CompileMs != 0 || again.Function.Revision <= fn.Revision {
		t.Errorf("deployed again: %+v", again)
	}
}

func TestSweep(t *testing.T) {
	for _, grace := range []time.Duration{time.Nanosecond, time.Hour} {
		b := newBench(t, func(c *upload.Config) { c.Grace = grace })
		b.mustDeploy("a", command("old"), "")
		b.mustDeploy("a", command("new"), "")
		b.mustDeploy("b", command("removed"), "")
		if _, err := b.ask(bus.UploadRequest{Kind: bus.Remove, Name: faas.Name{Tenant: "demo", Function: "b"}}); err != nil {
			t.Fatal(err)
		}
		b.stage(command("abandoned"))
		if err := b.put("somebody-elses", []byte("x")); err != nil {
			t.Fatal(err)
		}
		n, err := b.svc.Sweep(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		want, left := 0, 8
		if grace < time.Hour {
			want, left = 5, 3
		}
		if got := b.objects(""); n != want || len(got) != left {
			t.Errorf("grace %v: swept %d, left %v", grace, n, got)
		}
		if r := b.mustDeploy("a", command("new"), ""); !r.Unchanged || r.CompileMs != 0 {
			t.Errorf("the sweep took what is in use: %+v", r)
		}
	}
}

// TestSweepsAreCounted defends that an operator hears of a store that is not swept any more, and of which one.
func TestSweepsAreCounted(t *testing.T) {
	m, err := metrics.New()
	if err != nil {
		t.Fatal(err)
	}
	defer m.Close()
	b := newBench(t, func(c *upload.Config) { c.Grace, c.Metrics = time.Nanosecond, m })
	b.stage(command("abandoned"))
	if n, err := b.svc.Sweep(t.Context()); n != 1 || err != nil {
		t.Fatalf("swept %d, %v", n, err)
	}
	ended, end := context.WithCancel(t.Context())
	end()
	_, err = b.svc.Sweep(ended)
	if err == nil || !strings.Contains(err.Error(), "sweep modules: ") || !strings.Contains(err.Error(), "sweep Proto-Faaslets: ") {
		t.Errorf("a sweep that could not be done: %v", err)
	}
	w := httptest.NewRecorder()
	m.Handler().ServeHTTP(w, httptest.NewRequest("GET", "/metrics", nil))
	for _, line := range []string{
		`shoal_upload_sweeps_total{result="ok"} 1`, `shoal_upload_sweeps_total{result="failed"} 1`, "shoal_upload_swept_total 1",
	} {
		if !strings.Contains(w.Body.String(), "\n"+line+"\n") {
			t.Errorf("no line %q", line)
		}
	}
}

// TestSurvivesRestart defends that what was deployed is there after the server and the service were restarted.
func TestSurvivesRestart(t *testing.T) {
	dir := t.TempDir()
	first := newBenchIn(t, dir)
	fn := first.mustDeploy("a", command("1"), `{"timeout": "3s"}`).Function
	first.stop()
	second := newBenchIn(t, dir)
	if r := second.mustDeploy("a", command("1"), ""); !r.Unchanged || r.CompileMs != 0 || r.Function.Revision != fn.Revision {
		t.Errorf("after the restart: %+v", r)
	}
}
