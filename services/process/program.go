package process

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"os"
	"strings"

	"github.com/shoal-run/shoal/libs/config"
	"github.com/shoal-run/shoal/libs/service"
	"github.com/shoal-run/shoal/libs/telemetry"
	"github.com/shoal-run/shoal/libs/telemetry/metrics"
)

// Program is a service as a process. It runs once.
type Program struct {
	Name   string       // of the service: "worker"
	About  string       // what it does, in a sentence
	Keys   []config.Key // its own settings, at their defaults
	Health string       // default address of the probes; "" when Wire sees to them
	// Check completes the settings and reports what is wrong between them; it does no I/O. nil: nothing to check.
	Check func(*config.Set) error
	// Files reports what is wrong with files that settings name; it makes none. It is called after Check, at the start and
	// for -check-config. nil: nothing to read.
	Files func(*config.Set) error
	// Wire makes the parts, in the order in which they start. What it opens it gives to Process.OnClose.
	Wire func(context.Context, *Process) (*service.Sequence, error)

	common common
}

// Exit codes.
const (
	ExitOK      = 0 // done, or stopped by a signal
	ExitFailure = 1 // something failed while it ran
	ExitConfig  = 2 // the command line or a setting is wrong
)

// Env is what a Program sees of the process it runs in.
type Env struct {
	Args           []string // without the program's name
	Environ        []string // "NAME=value"
	Stdout, Stderr io.Writer
}

// Main runs p in this process and returns the code to exit with. The first SIGTERM or SIGINT drains, a second ends the
// process at once.
func Main(p *Program) int {
	Tune()
	ctx, stop := service.Signalled()
	defer stop()
	return p.Run(ctx, Env{os.Args[1:], os.Environ(), os.Stdout, os.Stderr})
}

// Settings returns all settings of p: its own and those that every service has.
func (p *Program) Settings() *config.Set {
	p.common.setDefaults(p.Health)
	return config.NewSet(p.Name, append(p.Keys[:len(p.Keys):len(p.Keys)], p.common.keys(p.Health != "")...))
}

// Run runs p until ctx ends and it has drained, or it fails, and returns an exit code.
func (p *Program) Run(ctx context.Context, env Env) int {
	set := p.Settings()
	opts, err := set.Load(env.Args, env.Environ)
	switch {
	case err != nil:
	case opts.Help:
		fmt.Fprintf(env.Stdout, "%s\n\n", p.About)
		return p.exit(env, set.Usage(env.Stdout))
	case opts.Version:
		_, err := fmt.Fprintf(env.Stdout, "shoal %s %s\n", p.Name, service.Version())
		return p.exit(env, err)
	default:
		err = p.check(set)
	}
	if err != nil {
		return p.exit(env, err)
	}
	if opts.Check {
		return p.exit(env, set.Print(env.Stdout))
	}
	log := p.common.logger(env.Stderr)
	log.Info("starting", "service", p.Name, "version", service.Version(), "config", set)
	err = p.serve(ctx, log, set)
	switch {
	case err == nil:
		log.Info("stopped")
	case isConfig(err): // told without the log's dressing: a person is reading
		return p.exit(env, err)
	default:
		log.Error("ended", telemetry.KeyErr, err)
	}
	return exitCode(err)
}

func (p *Program) check(set *config.Set) error {
	err := p.common.check(set)
	if p.Check != nil {
		err = errors.Join(err, p.Check(set))
	}
	if err != nil {
		return err // which files are meant is not meters
	}
	err = p.common.nats.checkFiles(set)
	if p.Files != nil {
		err = errors.Join(err, p.Files(set))
	}
	return err
}

// exit tells what is wrong, a line for each thing, and returns the exit code.
func (p *Program) exit(env Env, err error) int {
	if err != nil {
		for line := range strings.Lines(err.Error()) {
			fmt.Fprintf(env.Stderr, "%s: %s\n", p.Name, strings.TrimSuffix(line, "\n"))
		}
	}
	return exitCode(err)
}

func isConfig(err error) bool {
	var e *config.Error
	return errors.As(err, &e)
}

func exitCode(err error) int {
	switch {
	case err == nil:
		return ExitOK
	case isConfig(err):
		return ExitConfig
	}
	return ExitFailure
}

// serve answers probes, wires the parts and runs them.
func (p *Program) serve(ctx context.Context, log *slog.Logger, set *config.Set) error {
	ctx, stop := context.WithCancelCause(ctx)
	defer stop(nil)
	meters, err := metrics.New()
	if err != nil {
		return fmt.Errorf("metrics: %w", err)
	}
	defer meters.Close()
	proc := &Process{Log: log, Health: &service.Health{}, Metrics: meters, name: p.Name, common: &p.common, set: set, stop: stop}
	defer proc.close() // the parts have ended
	if err := proc.probes(); err != nil {
		return err
	}
	tell := context.AfterFunc(ctx, func() {
		proc.Health.Phase("stopping")
		log.Info("stopping", "reason", context.Cause(ctx).Error())
	})
	defer tell()
	seq, err := p.Wire(ctx, proc)
	if err == nil {
		err = seq.Run(ctx, func() {
			if ctx.Err() == nil {
				proc.Health.Phase("")
				log.Info("ready", "service", p.Name)
			}
		})
	}
	var f failure
	if cause := context.Cause(ctx); errors.As(cause, &f) {
		return f.error
	} else if cause != nil && errors.Is(err, cause) {
		return nil // it was told to stop before it was up
	}
	return err
}

// failure is the cause of a context that a part ended because it can't go on.
type failure struct{ error }

// probes serves /healthz, /readyz and /metrics until the process closes what it has opened.
func (p *Process) probes() error {
	if p.common.health == "" || p.common.health == healthOff {
		return nil
	}
	l, err := p.Listen("health", p.common.health)
	if err != nil {
		return err
	}
	p.Log.Info("probes answer", "health", l.Addr().String())
	mux := http.NewServeMux()
	mux.Handle("/", p.Health.Handler())
	mux.Handle("GET /metrics", p.Metrics.Handler())
	p.background("probes", func(ctx context.Context) error { return service.Serve(ctx, l, mux, p.Log) })
	return nil
}
