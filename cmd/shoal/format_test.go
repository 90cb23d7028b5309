package main

import (
	"strings"
	"testing"
	"time"

	"github.com/shoal-run/shoal/bus/faas"
	"github.com/shoal-run/shoal/libs/apiclient"
)

func TestHumanSize(t *testing.T) {
	for n, want := range map[int64]string{
		0: "0 B", 1023: "1023 B", 1024: "1.0 KiB", 1536: "1.5 KiB", 1<<20 - 1: "1.0 MiB", 5 << 20: "5.0 MiB", 3 << 40: "3.0 TiB",
		1 << 52: "4096.0 TiB",
	} {
		if got := humanSize(n); got != want {
			t.Errorf("%d is %q, want %q", n, got, want)
		}
	}
}

func TestHumanDuration(t *testing.T) {
	for d, want := range map[time.Duration]string{
		42 * time.Microsecond: "42 µs", 1500 * time.Microsecond: "1.5 ms", 850 * time.Millisecond: "850 ms",
		1100 * time.Millisecond: "1.1 s", 90 * time.Second: "1m30s",
	} {
		if got := humanDuration(d); got != want {
			t.Errorf("%s is %q, want %q", d, got, want)
		}
	}
}

func TestAgo(t *testing.T) {
	now := time.Date(2030, 1, 2, 3, 4, 5, 0, time.UTC)
	for d, want := range map[time.Duration]string{
		-time.Minute: "now", 0: "now", 5 * time.Second: "5 s ago", 119 * time.Second: "1 min ago", 47 * time.Hour: "47 h ago",
		72 * time.Hour: "3 days ago",
	} {
		if got := ago(now, now.Add(-d)); got != want {
			t.Errorf("%s before is %q, want %q", d, got, want)
		}
	}
	if got := ago(now, time.Time{}); got != "never" {
		t.Errorf("zero is %q", got)
	}
}

func TestTable(t *testing.T) {
	var b strings.Builder
	if err := table(&b, [][]string{{"A", "LONG NAME", "C"}, {"longer", "x", ""}, {"", "y"}}); err != nil {
		t.Fatal(err)
	}
	if got, want := b.String(), "A        LONG NAME   C\nlonger   x\n         y\n"; got != want {
		t.Errorf("got:\n%swant:\n%s", got, want)
	}
}

func TestShellQuote(t *testing.T) {
	for s, want := range map[string]string{
		"http://h:1/p": "http://h:1/p", "": "''", "a b": "'a b'", "it's": `'it'\''s'`, "$(x)": "'$(x)'", "~": "'~'",
	} {
		if got := shellQuote(s); got != want {
			t.Errorf("%q is %s, want %s", s, got, want)
		}
	}
}

// Each guest is the module that its comment says; a mistake in a byte would make a story fail only on a real gateway.
func TestGuestIntegers(t *testing.T) {
	for v, want := range map[int]string{0: "\x41\x00", 63: "\x41\x3f", 64: "\x41\xc0\x00", -1: "\x41\x7f", 60000: "\x41\xe0\xd4\x03"} {
		if got := string(i32(v)); got != want {
			t.Errorf("i32.const %d is % x, want % x", v, got, want)
		}
	}
}

func TestStarted(t *testing.T) {
	for want, r := range map[string]apiclient.Readiness{
		"":                      {},
		"; started 20 warm":     {Starts: faas.Starts{Warm: 20}},
		"; took 12 ms to build": {MedianUs: faas.Times{Init: 12_000}},
		"; started 1 cold, 2 restored, 30 warm; took 2.5 ms to build, 9 µs to restore, 42 µs to run, 3 µs to reset": {
			Starts: faas.Starts{Cold: 1, Restored: 2, Warm: 30}, MedianUs: faas.Times{Init: 2500, Restore: 9, Run: 42, Reset: 3},
		},
	} {
		if got := started(r); got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
}
