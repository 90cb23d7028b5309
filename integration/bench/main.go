//go:build linux && cgo

// Command bench measures Shoal beside what it could be at best on the same machine, in the same run, and writes the
// figures to bench/latest.md for people and bench/latest.json for programs. docs/benchmarks.md says how to read them.
//
// Figures and their baselines are taken in turns, A B A B, so that whatever else the machine does hits both. What is
// measured runs in processes of its own (serve.go): one for Shoal, one for the baselines, in the same layout; this process
// only makes load.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/shoal-run/shoal/libs/faaslet/compile"
	"github.com/shoal-run/shoal/services/process"
)

// options are the flags.
type options struct {
	only    string
	rounds  int
	time    time.Duration
	out     string
	inside  bool
	profile string
}

func main() {
	compile.MaybeChild()
	if service := program(os.Getenv(serveVariable)); service != nil {
		for _, kv := range os.Environ() { // a service takes SHOAL_… for its settings
			if name, _, _ := strings.Cut(kv, "="); strings.HasPrefix(name, "SHOAL_") {
				os.Unsetenv(name)
			}
		}
		os.Exit(process.Main(service))
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if what := os.Getenv(serveVariable); what != "" {
		if err := serveChild(ctx, what); err != nil {
			fmt.Fprintf(os.Stderr, "bench: serve %s: %v\n", what, err)
			os.Exit(1)
		}
		return
	}
	var o options
	flag.StringVar(&o.only, "only", "", "measure only figures whose key begins with `PREFIX`; several with commas")
	flag.IntVar(&o.rounds, "rounds", 5, "how often each figure and its baseline are taken")
	flag.DurationVar(&o.time, "time", time.Second, "how long each is taken each time")
	flag.StringVar(&o.out, "out", "bench", "`directory` for latest.md and latest.json")
	flag.BoolVar(&o.inside, "inside", false, "run what is measured in this process, beside the load")
	flag.StringVar(&o.profile, "profile", "", "write profiles of Shoal's process during each figure to `directory`")
	flag.Parse()
	if flag.NArg() > 0 || o.rounds < 1 || o.time <= 0 {
		fmt.Fprintln(os.Stderr, "usage: bench [-only PREFIX] [-rounds N] [-time D] [-out DIR] [-inside] [-profile DIR]")
		os.Exit(2)
	}
	if err := run(ctx, o); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, o options) error {
	b := &bench{options: o}
	defer b.close()
	var chosen []*figure
	for _, f := range b.figures() {
		if o.wants(f.key) {
			chosen = append(chosen, f)
		}
	}
	if len(chosen) == 0 {
		return fmt.Errorf("no figure begins with %q", o.only)
	}
	began := time.Now()
	for _, f := range chosen {
		if err := b.take(ctx, f); err != nil {
			return fmt.Errorf("%s: %w", f.key, err)
		}
		fmt.Println(f.line())
	}
	if err := os.MkdirAll(o.out, 0o755); err != nil {
		return err
	}
	r := report{options: o, figures: chosen, machine: machine(), began: began, took: time.Since(began)}
	if err := os.WriteFile(filepath.Join(o.out, "latest.md"), r.markdown(), 0o644); err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(o.out, "latest.json"), r.json(), 0o644)
}

// wants reports whether a key is asked for.
func (o options) wants(key string) bool {
	for prefix := range strings.SplitSeq(o.only, ",") {
		if strings.HasPrefix(key, prefix) {
			return true
		}
	}
	return false
}
