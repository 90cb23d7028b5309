//go:build linux && cgo

package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math"
	"os"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"time"
)

// report is a finished run.
type report struct {
	options
	figures []*figure
	machine string
	began   time.Time
	took    time.Duration
}

// row is a figure for programs.
type row struct {
	Key          string  `json:"key"`
	Value        float64 `json:"value"`
	Unit         string  `json:"unit"`
	Baseline     float64 `json:"baseline,omitempty"`
	BaselineName string  `json:"baseline_name,omitempty"`
	Ratio        float64 `json:"ratio,omitempty"`
}

func (r report) json() []byte {
	rows := []row{}
	for _, f := range r.figures {
		if len(f.values) == 0 {
			continue
		}
		w := row{Key: f.key, Value: round(median(f.values)), Unit: f.unit}
		if f.baseline != nil {
			w.Baseline, w.BaselineName, w.Ratio = round(median(f.baselines)), f.baselineName, round(f.ratio())
		}
		rows = append(rows, w)
	}
	b, _ := json.MarshalIndent(rows, "", "  ") // structs of strings and numbers
	return append(b, '\n')
}

func (r report) markdown() []byte {
	var b bytes.Buffer
	fmt.Fprintf(&b, "# Benchmarks\n\n%s, %s. %d rounds of %v each, figure and baseline in turns, %s in all.\n",
		r.began.UTC().Format("2006-01-02 15:04 UTC"), r.machine, r.rounds, r.time, r.took.Round(time.Second))
	if r.inside {
		b.WriteString("What is measured ran in the process that made the load.\n")
	}
	b.WriteString("\n`docs/benchmarks.md` says what each figure is. A value is the median of its rounds, (lowest–highest) beside it; " +
		"a ratio is of the medians, beside it the lowest and highest of one round.\n\n")
	b.WriteString("| key | value | baseline | ratio | what |\n|---|---|---|---|---|\n")
	var lacking []string
	for _, f := range r.figures {
		if len(f.values) == 0 {
			lacking = append(lacking, f.key)
			continue
		}
		base, ratio := "", ""
		if f.baseline != nil {
			low, high := f.ratios()
			base = f.spread(f.baselines) + " " + f.baselineName
			ratio = fmt.Sprintf("**%.2f** (%.2f–%.2f)", f.ratio(), low, high)
		}
		fmt.Fprintf(&b, "| `%s` | **%s** | %s | %s | %s |\n", f.key, f.spread(f.values), base, ratio, f.what)
	}
	if len(lacking) > 0 {
		fmt.Fprintf(&b, "\nLeft out, for want of what they need: %s.\n", strings.Join(lacking, ", "))
	}
	return b.Bytes()
}

func (f *figure) spread(v []float64) string {
	return fmt.Sprintf("%s %s (%s–%s)", number(median(v)), f.unit, number(slices.Min(v)), number(slices.Max(v)))
}

// number writes v with three digits that mean something.
func number(v float64) string {
	switch {
	case v >= 10_000:
		return fmt.Sprintf("%.1fk", v/1000)
	case v >= 100:
		return fmt.Sprintf("%.0f", v)
	case v >= 10:
		return fmt.Sprintf("%.1f", v)
	}
	return fmt.Sprintf("%.2f", v)
}

func round(v float64) float64 { return math.Round(v*1000) / 1000 }

// machine says on what it was measured.
func machine() string {
	cpu := runtime.GOARCH
	if b, err := os.ReadFile("/proc/cpuinfo"); err == nil {
		for line := range strings.Lines(string(b)) {
			if name, ok := strings.CutPrefix(line, "model name"); ok {
				cpu = strings.TrimSpace(strings.TrimLeft(name, " \t:"))
				break
			}
		}
	}
	var u syscall.Utsname
	kernel := "Linux"
	if syscall.Uname(&u) == nil {
		var release []byte
		for _, c := range u.Release {
			if c == 0 {
				break
			}
			release = append(release, byte(c))
		}
		kernel += " " + string(release)
	}
	return fmt.Sprintf("%d × %s, %s, %s", runtime.NumCPU(), cpu, kernel, runtime.Version())
}
