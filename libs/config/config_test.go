package config

import (
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/shoal-run/shoal/bus/faas"
)

// settings is a program with a setting of each kind.
type settings struct {
	name, http, health, urls, password, format string
	slots                                      int
	input                                      faas.Size
	drain                                      faas.Duration
	level                                      slog.Level
}

func newSettings() (*settings, *Set) {
	c := &settings{
		name: "w1", http: "127.0.0.1:8080", health: "off", urls: "nats://127.0.0.1:4222", format: "text",
		input: 32 * faas.MiB, drain: faas.Duration(30 * time.Second),
	}
	return c, NewSet("prog", []Key{
		{Name: "name", Value: Name(&c.name), Default: "the host's name", What: "name"},
		{Name: "http", Value: Address(&c.http, ""), What: "address"},
		{Name: "health", Value: Address(&c.health, "off"), What: "health"},
		{Name: "nats-url", Value: URLs(&c.urls, "nats", "tls"), What: "servers"},
		{Name: "nats-password", Value: Secret(&c.password), What: "password"},
		{Name: "log-format", Value: Choice(&c.format, "text", "json"), What: "format"},
		{Name: "log-level", Value: Level(&c.level), What: "level"},
		{Name: "slots", Value: Int(&c.slots, 0, 64, "0 for 4 × cores"), What: "slots"},
		{Name: "max-input", Value: Size(&c.input, 1, faas.GiB, ""), What: "input"},
		{Name: "drain-timeout", Value: Duration(&c.drain, time.Second, time.Hour), What: "drain"},
	})
}

// write writes a file and returns its path.
func write(t *testing.T, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "prog.yaml")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestPrecedence(t *testing.T) {
	file := write(t, `# all there is
slots: 1
max-input: 1MiB
drain-timeout: 1m
nats-url: [nats://a:1, "tls://b:2"]
name: from_file
`)
	for _, c := range []struct {
		name      string
		args, env []string
		want      settings // slots, input, drain, urls, name
	}{
		{"defaults", nil, nil, settings{slots: 0, input: 32 << 20, drain: faas.Duration(30 * time.Second), urls: "nats://127.0.0.1:4222", name: "w1"}},
		{"file", []string{"-config", file}, nil, settings{slots: 1, input: 1 << 20, drain: faas.Duration(time.Minute), urls: "nats://a:1,tls://b:2", name: "from_file"}},
		{"file of the environment", nil, []string{"SHOAL_CONFIG=" + file}, settings{slots: 1, input: 1 << 20, drain: faas.Duration(time.Minute), urls: "nats://a:1,tls://b:2", name: "from_file"}},
		{
			"environment over file",
			[]string{"-config=" + file},
			[]string{"SHOAL_SLOTS=2", "SHOAL_NATS_URL=nats://c:3", "SHOAL_NAME=", "HOME=/", "SHOAL_URL=http://x", "SHOAL_TEST_REQUIRE=redis"},
			settings{slots: 2, input: 1 << 20, drain: faas.Duration(time.Minute), urls: "nats://c:3", name: "from_file"},
		},
		{
			"flags over all",
			[]string{"-config", file, "-slots", "3", "--max-input=2MiB"},
			[]string{"SHOAL_SLOTS=2", "SHOAL_DRAIN_TIMEOUT=2m"},
			settings{slots: 3, input: 2 << 20, drain: faas.Duration(2 * time.Minute), urls: "nats://a:1,tls://b:2", name: "from_file"},
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			got, set := newSettings()
			if _, err := set.Load(c.args, c.env); err != nil {
				t.Fatal(err)
			}
			have := settings{slots: got.slots, input: got.input, drain: got.drain, urls: got.urls, name: got.name}
			if have != c.want {
				t.Errorf("loaded %+v, want %+v", have, c.want)
			}
		})
	}
}

func TestRefused(t *testing.T) {
	for _, c := range []struct {
		name      string
		file      string
		args, env []string
		want      []string // each in the error
	}{
		{name: "unknown in the file", file: "name: a\nslot: 3\n", want: []string{`prog.yaml:2: prog has no setting "slot" (did you mean slots?)`}},
		{name: "unknown in the environment", env: []string{"SHOAL_SLOT=3"}, want: []string{"SHOAL_SLOT: no setting of prog has this variable (did you mean slots?)"}},
		{name: "unknown flag", args: []string{"-slot", "3"}, want: []string{"prog has no flag -slot (did you mean slots?)"}},
		{name: "nothing alike", file: "frobnicate: 1\n", want: []string{`prog.yaml:1: prog has no setting "frobnicate"`}},
		{name: "argument", args: []string{"start"}, want: []string{`prog takes no arguments, not "start"`}},
		{name: "flag without value", args: []string{"-slots"}, want: []string{"needs an argument"}},
		{name: "twice", file: "slots: 1\nname: a\nslots: 2\n", want: []string{"prog.yaml:3: slots is there twice, in line 1 too"}},
		{name: "duration", env: []string{"SHOAL_DRAIN_TIMEOUT=30"}, want: []string{`drain-timeout: "30" (SHOAL_DRAIN_TIMEOUT): want a time from 1s to 1h`}},
		{name: "duration out of range", args: []string{"-drain-timeout", "2h"}, want: []string{`drain-timeout: "2h" (-drain-timeout): want a time from 1s to 1h`}},
		{name: "size", file: "max-input: 12 apples\n", want: []string{`max-input: "12 apples" (prog.yaml:1): want a size from 1B to 1GiB`}},
		{name: "size out of range", file: "max-input: 2GiB\n", want: []string{"want a size from 1B to 1GiB"}},
		{name: "number out of range", file: "\n\nslots: 65\n", want: []string{`slots: "65" (prog.yaml:3): want a number from 0 to 64, 0 for 4 × cores`}},
		{name: "choice", env: []string{"SHOAL_LOG_FORMAT=xml"}, want: []string{"want text or json"}},
		{name: "level", env: []string{"SHOAL_LOG_LEVEL=loud"}, want: []string{"want debug, info, warn or error"}},
		{name: "name", file: "name: Worker\n", want: []string{`name: "Worker"`, "a to z"}},
		{name: "address", args: []string{"-http", "8080"}, want: []string{"want HOST:PORT"}},
		{name: "address off where it can't be", args: []string{"-http", "off"}, want: []string{"want HOST:PORT"}},
		{name: "overridden and wrong", file: "slots: x\n", env: []string{"SHOAL_SLOTS=1"}, want: []string{`slots: "x" (prog.yaml:1)`}},
		{name: "everything at once", file: "slots: x\nslot: 1\n", env: []string{"SHOAL_NAME=A"}, want: []string{`slots: "x"`, `"slot"`, `name: "A"`}},
		{name: "section", file: "slots:\n  a: 1\n", want: []string{"slots (prog.yaml:1): want a value, not a section"}},
		{name: "no value", file: "slots:\n", want: []string{"slots (prog.yaml:1): has no value"}},
		{name: "list", file: "- slots\n", want: []string{"prog.yaml:1: want a mapping"}},
		{name: "two documents", file: "slots: 1\n---\nslots: 2\n", want: []string{"more than one document"}},
		{name: "no YAML", file: "slots: [1\n", want: []string{"prog.yaml: line"}},
		{name: "URL", env: []string{"SHOAL_NATS_URL=http://u:secret@host"}, want: []string{`nats-url: "http://***@host" (SHOAL_NATS_URL): want URLs`}},
		{name: "no file", args: []string{"-config", "/nonexistent/x.yaml"}, want: []string{"configuration file: open /nonexistent/x.yaml"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, set := newSettings()
			args := c.args
			if c.file != "" {
				args = append([]string{"-config", write(t, c.file)}, args...)
			}
			_, err := set.Load(args, c.env)
			if err == nil {
				t.Fatal("loaded")
			}
			var e *Error
			if !errors.As(err, &e) {
				t.Errorf("%T is no *Error", err)
			}
			for _, want := range c.want {
				if !strings.Contains(err.Error(), want) {
					t.Errorf("error is %q, want %q in it", err, want)
				}
			}
			if strings.Contains(err.Error(), "secret") {
				t.Errorf("error tells a secret: %q", err)
			}
		})
	}
}

func TestOptions(t *testing.T) {
	for args, want := range map[string]Options{
		"":              {},
		"-check-config": {Check: true},
		"--version":     {Version: true},
		"-h":            {Help: true},
		"-help":         {Help: true},
	} {
		_, set := newSettings()
		got, err := set.Load(strings.Fields(args), nil)
		if err != nil || got != want {
			t.Errorf("%q: %+v, %v", args, got, err)
		}
	}
	_, set := newSettings()
	if o, err := set.Load(nil, []string{"SHOAL_CONFIG="}); err != nil || o.File != "" {
		t.Errorf("an empty SHOAL_CONFIG: %+v, %v", o, err)
	}
	if _, err := set.Load([]string{"-config", write(t, "# nothing\n")}, nil); err != nil {
		t.Errorf("a file of comments: %v", err)
	}
}

// TestPrint prints what was loaded and loads that: nothing secret is in it, and it says the same.
func TestPrint(t *testing.T) {
	c, set := newSettings()
	file := write(t, "nats-url: nats://user:secret@a:1,tls://token-secret@b:2\n")
	if _, err := set.Load([]string{"-config", file, "-slots", "3"}, []string{"SHOAL_NATS_PASSWORD=secret"}); err != nil {
		t.Fatal(err)
	}
	if c.password != "secret" || !strings.Contains(c.urls, "user:secret@a:1") {
		t.Fatalf("loaded %+v", c)
	}
	var b strings.Builder
	if err := set.Print(&b); err != nil {
		t.Fatal(err)
	}
	log := new(strings.Builder)
	slog.New(slog.NewTextHandler(log, nil)).Info("configuration", "config", set)
	for _, text := range []string{b.String(), log.String()} {
		if strings.Contains(text, "secret") || !strings.Contains(text, "nats://***@a:1,tls://***@b:2") {
			t.Errorf("printed\n%s", text)
		}
	}
	lines := map[string]string{}
	for line := range strings.Lines(b.String()) {
		k, rest, _ := strings.Cut(strings.TrimSpace(line), ": ")
		lines[k] = strings.Join(strings.Fields(rest), " ")
	}
	for k, want := range map[string]string{
		"slots": "3 # -slots", "nats-url": "nats://***@a:1,tls://***@b:2 # prog.yaml:1", "nats-password": `"***" # SHOAL_NATS_PASSWORD`,
		"drain-timeout": "30s # default", "log-level": "info # default",
	} {
		if lines[k] != want {
			t.Errorf("%s: printed %q, want %q", k, lines[k], want)
		}
	}
	again, set := newSettings()
	if _, err := set.Load([]string{"-config", write(t, b.String())}, nil); err != nil {
		t.Fatal(err)
	}
	if again.slots != 3 || again.drain != c.drain || again.format != c.format {
		t.Errorf("what was printed loads as %+v", again)
	}
}

func TestErrorf(t *testing.T) {
	_, set := newSettings()
	if _, err := set.Load(nil, []string{"SHOAL_NATS_PASSWORD=secret"}); err != nil {
		t.Fatal(err)
	}
	const want = `nats-password: "***" (SHOAL_NATS_PASSWORD): needs nats-user`
	if got := set.Errorf("nats-password", "needs %s", "nats-user").Error(); got != want {
		t.Errorf("%s, want %s", got, want)
	}
}

// TestPinned has a flag that something else has parsed go first.
func TestPinned(t *testing.T) {
	c, set := newSettings()
	c.slots = 7
	set.Pinned("slots", "--slots")
	if err := set.Env([]string{"SHOAL_SLOTS=8"}); err != nil || c.slots != 7 {
		t.Errorf("slots are %d, %v", c.slots, err)
	}
	if err := set.Env([]string{"SHOAL_SLOTS=x"}); err == nil || c.slots != 7 {
		t.Errorf("slots are %d, %v", c.slots, err)
	}
}

func TestUsageAndTable(t *testing.T) {
	_, set := newSettings()
	var usage, table strings.Builder
	if err := errors.Join(set.Usage(&usage), set.Table(&table)); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"-slots", "(default: the host's name)", "SHOAL_CONFIG", "-check-config"} {
		if !strings.Contains(usage.String(), want) {
			t.Errorf("usage lacks %q:\n%s", want, &usage)
		}
	}
	const row = "| `max-input` | `SHOAL_MAX_INPUT` | `32MiB` | a size from 1B to 1GiB | input |"
	if !strings.Contains(table.String(), row) {
		t.Errorf("table lacks %q:\n%s", row, &table)
	}
}

func TestRedactURLs(t *testing.T) {
	for in, want := range map[string]string{
		"":                              "",
		"nats://h:1":                    "nats://h:1",
		"nats://u:p@h:1":                "nats://***@h:1",
		"nats://u:p@ss@h:1,nats://t@h2": "nats://***@h:1,nats://***@h2",
		"u:p@h":                         "***@h",
	} {
		if got := RedactURLs(in); got != want {
			t.Errorf("RedactURLs(%q) = %q, want %q", in, got, want)
		}
	}
}

func FuzzFile(f *testing.F) {
	f.Add("slots: 1\n")
	f.Add("nats-url: [a, b]\n")
	f.Add("a: &x 1\nb: *x\n")
	f.Add("? [a]\n: 1\n")
	f.Fuzz(func(_ *testing.T, text string) {
		_, set := newSettings()
		_ = set.yaml("f.yaml", []byte(text)) // must not panic
	})
}
