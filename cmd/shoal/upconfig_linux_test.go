//go:build linux && cgo

package main

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// checkUp runs `shoal up --check-config` with arguments and an environment.
func checkUp(t *testing.T, dir string, environ []string, args ...string) (exitCode, string) {
	t.Helper()
	var out, errs strings.Builder
	code := run(t.Context(), append([]string{"up", "--check-config"}, args...), process{
		stdout: &out, stderr: &errs, dir: dir, environ: environ,
		getenv: func(k string) string {
			for _, kv := range environ {
				if v, ok := strings.CutPrefix(kv, k+"="); ok {
					return v
				}
			}
			return ""
		},
	})
	return code, strings.Join(strings.Fields(out.String()+errs.String()), " ")
}

func TestUpSettings(t *testing.T) {
	dir := t.TempDir()
	for name, text := range map[string]string{
		"up.yaml":  "http: 127.0.0.1:9000\nslots: 1\nmax-input: 1MiB\nnats-url: nats://me:hunter2@h:4222\n",
		"bad.yaml": "http: 127.0.0.1:9000\nslot: 1\nworkers: many\n",
	} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for _, c := range []struct {
		name          string
		args, environ []string
		code          exitCode
		want          []string
	}{
		{"defaults", nil, nil, exitOK, []string{"http: 127.0.0.1:8080 # default", "max-input: 32MiB # default", "log-level: WARN # default"}},
		{"file", []string{"--config", "up.yaml"}, nil, exitOK, []string{"http: 127.0.0.1:9000 # up.yaml:1", "max-input: 1MiB # up.yaml:3", "nats-url: nats://***@h:4222 # up.yaml:4"}},
		{"file of the environment", nil, []string{"SHOAL_CONFIG=up.yaml"}, exitOK, []string{"slots: 1 # up.yaml:2"}},
		{
			"all three",
			[]string{"--config", "up.yaml", "--slots", "3"},
			[]string{"SHOAL_SLOTS=2", "SHOAL_HTTP=127.0.0.1:9001", "SHOAL_URL=http://x"},
			exitOK,
			[]string{"slots: 3 # --slots", "http: 127.0.0.1:9001 # SHOAL_HTTP", "max-input: 1MiB # up.yaml:3"},
		},
		{"broken file", []string{"--config", "bad.yaml"}, nil, exitLocal, []string{`bad.yaml:2: shoal up has no setting "slot" (did you mean slots?)`, `workers: "many" (bad.yaml:3): want a number`}},
		{"no file", []string{"--config", "none.yaml"}, nil, exitLocal, []string{"none.yaml"}},
		{"environment", nil, []string{"SHOAL_SLOTZ=1", "SHOAL_MAX_INPUT=lots", "SHOAL_LOG_LEVEL=loud"}, exitLocal, []string{"SHOAL_SLOTZ: no setting of shoal up", "want a size, as 32MiB", "want debug, info, warn or error"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			code, said := checkUp(t, dir, c.environ, c.args...)
			if code != c.code {
				t.Errorf("exit code %d, want %d", code, c.code)
			}
			for _, want := range c.want {
				if !strings.Contains(said, want) {
					t.Errorf("said %s\nwant %q in it", said, want)
				}
			}
			if strings.Contains(said, "hunter2") {
				t.Error("said a password")
			}
		})
	}
}

// TestUpReference holds the reference file against the flags: it has every setting, and loads with all of them.
func TestUpReference(t *testing.T) {
	text, err := os.ReadFile("../../deploy/config/up.yaml")
	if err != nil {
		t.Fatal(err)
	}
	setting := regexp.MustCompile(`(?m)^#([a-z-]+:)`)
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "up.yaml"), setting.ReplaceAll(text, []byte("$1")), 0o600); err != nil {
		t.Fatal(err)
	}
	code, said := checkUp(t, dir, nil, "--config", "up.yaml")
	if code != exitOK || strings.Contains(said, "# default") {
		t.Errorf("exit code %d, said %s", code, said)
	}
}
