package main

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/shoal-run/shoal/services/process"
)

const root = "../../.."

// TestCurrent holds the files against the settings.
func TestCurrent(t *testing.T) {
	files, err := generate()
	if err != nil {
		t.Fatal(err)
	}
	for name, want := range files {
		have, err := os.ReadFile(filepath.Join(root, name))
		if err != nil {
			t.Error(err)
		} else if string(have) != want {
			t.Errorf("%s is not what the settings say (write it anew: go generate ./internal/gen/configuration)", name)
		}
	}
}

// TestReferencesLoad loads each reference file as it is, and with every setting of it in use.
func TestReferencesLoad(t *testing.T) {
	setting := regexp.MustCompile(`(?m)^#([a-z-]+:)`)
	for i, p := range programs() {
		t.Run(p.Name, func(t *testing.T) {
			path := filepath.Join(root, file(p))
			text, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			if _, err := p.Settings().Load([]string{"-config", path}, nil); err != nil {
				t.Errorf("as it is: %v", err)
			}
			all := filepath.Join(t.TempDir(), "all.yaml")
			if err := os.WriteFile(all, setting.ReplaceAll(text, []byte("$1")), 0o600); err != nil {
				t.Fatal(err)
			}
			var out, errs strings.Builder
			var set strings.Builder
			if err := p.Settings().Print(&set); err != nil {
				t.Fatal(err)
			}
			if _, err := p.Settings().Load([]string{"-config", all}, nil); err != nil {
				t.Errorf("with every setting: %v", err)
			}
			if got, want := len(setting.FindAll(text, -1)), strings.Count(set.String(), "\n"); got != want {
				t.Errorf("has %d settings, the program %d", got, want)
			}
			fresh := programs()[i] // p has what was loaded
			if code := fresh.Run(t.Context(), process.Env{Args: []string{"-check-config", "-config", path}, Stdout: &out, Stderr: &errs}); code != process.ExitOK {
				t.Errorf("-check-config exits with %d: %s", code, errs.String())
			}
		})
	}
}

// TestNamesAgree wants that a setting of several programs means the same in all: same values, same default, same words.
func TestNamesAgree(t *testing.T) {
	rows := map[string]string{}
	for _, p := range programs() {
		var b strings.Builder
		if err := p.Settings().Table(&b); err != nil {
			t.Fatal(err)
		}
		for line := range strings.Lines(b.String()) {
			if !strings.HasPrefix(line, "| `nats-") && !strings.HasPrefix(line, "| `log-") {
				continue
			}
			name, _, _ := strings.Cut(line[3:], "`")
			if rows[name] == "" {
				rows[name] = line
			} else if rows[name] != line {
				t.Errorf("%s: %s and %s", name, rows[name], line)
			}
		}
	}
	if len(rows) < 5 {
		t.Errorf("saw %d common settings", len(rows))
	}
}
