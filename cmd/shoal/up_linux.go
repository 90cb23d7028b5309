//go:build linux && cgo

package main

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/shoal-run/shoal/bus/faas"
	"github.com/shoal-run/shoal/libs/apiclient"
	"github.com/shoal-run/shoal/libs/config"
	"github.com/shoal-run/shoal/libs/faaslet/compile"
	"github.com/shoal-run/shoal/services/standalone"
)

// atStart runs before anything else of the process: it may be a compiler's child.
func atStart() { compile.MaybeChild() }

// platformCommands returns the commands that only this platform has.
func platformCommands(a *app) []*cobra.Command { return []*cobra.Command{a.up()} }

// upOptions are up's flags.
type upOptions struct {
	standalone.Config
	deploy   string
	tenant   string
	logLevel slog.Level
	file     string // --config
	check    bool   // --check-config
}

func (a *app) up() *cobra.Command {
	o := upOptions{logLevel: slog.LevelWarn}
	o.MaxInput, o.MaxOutput, o.MaxModule = faas.DefaultBody, faas.DefaultBody, faas.DefaultModule
	c := command(groupPlatform, &cobra.Command{
		Use:   "up",
		Short: "Run all of Shoal in this process",
		Long: "Up runs gateway, planner, workers and upload service in one process, with an embedded NATS server. What was\n" +
			"deployed is kept in the data directory. An interrupt drains: running calls end, then the process does.\n\n" +
			"Each flag can also be set in the environment, as SHOAL_HTTP for --http, and in a YAML file, as http. A flag goes\n" +
			"first, then the environment, then the file.",
		Example: "  shoal up\n  shoal up --http 0.0.0.0:8080 --data /var/lib/shoal --workers 2",
		Args:    noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error {
			set, err := a.upSettings(cmd.LocalNonPersistentFlags(), o.file)
			if err != nil {
				return usage(cmd, "%s", err)
			}
			if o.check {
				return set.Print(a.stdout)
			}
			return a.runUp(cmd.Context(), o, set)
		},
	})
	f := c.Flags()
	f.StringVar(&o.file, "config", "", "YAML `file` with settings; SHOAL_CONFIG in the environment names one too")
	f.BoolVar(&o.check, "check-config", false, "check the settings, print those in effect, and exit")
	f.StringVar(&o.HTTP, "http", "127.0.0.1:8080", "`address` of the gateway; port 0 takes a free one")
	f.StringVar(&o.NATS, "nats", "127.0.0.1:4222", "`address` of the embedded NATS server; port 0 takes a free one")
	f.StringVar(&o.NATSURL, "nats-url", "", "`URL` of a NATS server with JetStream to use instead of the embedded one")
	f.StringVar(&o.Data, "data", "data", "`directory` for what is kept")
	f.IntVar(&o.Workers, "workers", 1, "workers in this process")
	f.IntVar(&o.Slots, "slots", 0, "calls that each worker runs at once (default 4 per core, shared among the workers)")
	f.IntVar(&o.Queue, "queue", 0, "calls that may wait on each worker (default 2 per slot, -1 for none)")
	f.Var(sizeFlag{&o.MaxInput}, "max-input", "largest input of a call")
	f.Var(sizeFlag{&o.MaxOutput}, "max-output", "largest output of a call")
	f.Var(sizeFlag{&o.MaxModule}, "max-module", "largest module")
	f.StringVar(&o.deploy, "deploy-dir", "", "deploy each NAME.wasm of a `directory` once everything answers")
	f.StringVar(&o.tenant, "deploy-tenant", "demo", "`tenant` that --deploy-dir deploys for")
	f.TextVar(&o.logLevel, "log-level", slog.LevelWarn, "`level` from which to log: debug, info, warn or error")
	return c
}

// sizeFlag is a flag with a size.
type sizeFlag struct{ v *faas.Size }

func (s sizeFlag) Set(text string) error { return s.v.UnmarshalText([]byte(text)) }
func (s sizeFlag) Type() string          { return "size" }
func (s sizeFlag) String() string {
	if s.v == nil { // as pflag makes one, to know the zero value
		return ""
	}
	return s.v.String()
}

func (a *app) runUp(ctx context.Context, o upOptions, set *config.Set) error {
	standalone.Tune()
	o.Log = slog.New(slog.NewTextHandler(a.stderr, &slog.HandlerOptions{Level: o.logLevel}))
	o.Log.Info("starting", "version", buildVersion(), "config", set)
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	began := time.Now()
	deployed := make(chan error, 1)
	deployed <- nil
	err := standalone.New(o.Config).Run(ctx, func(at standalone.Addresses) {
		fmt.Fprintf(a.stdout, "Shoal answers at %s and %s after %s; it keeps its data in %s.\n",
			at.HTTP, at.NATS, time.Since(began).Round(time.Millisecond), o.Data)
		<-deployed
		go func() { // ends with ctx; waited for below
			err := a.afterUp(ctx, at, o)
			if err != nil {
				stop()
			}
			deployed <- err
		}()
	})
	stop()
	if derr := <-deployed; derr != nil && err == nil {
		err = derr
	}
	return err
}

// afterUp deploys what there is to deploy and says how to go on.
func (a *app) afterUp(ctx context.Context, at standalone.Addresses, o upOptions) error {
	if o.deploy != "" {
		client, err := apiclient.New(apiclient.Config{URL: at.HTTP, UserAgent: "shoal/" + buildVersion()})
		if err != nil {
			return err
		}
		defer client.Close()
		if err := deployAll(ctx, client, o.deploy, o.tenant, a.stdout); err != nil {
			if ctx.Err() != nil {
				return nil // interrupted: nobody waits for the rest
			}
			return err
		}
	}
	name := "TENANT/NAME"
	if o.deploy != "" {
		name = o.tenant + "/echo"
	}
	fmt.Fprintf(a.stdout, "\nCall a function over HTTP, or with any NATS client:\n\n  curl -d 'hello' %s/v1/call/%s\n  nats -s %s req shoal.v1.call.%s hello\n\n",
		at.HTTP, name, at.NATS, strings.ReplaceAll(name, "/", "."))
	return nil
}

// deployAll deploys each NAME.wasm of dir as tenant/NAME.
func deployAll(ctx context.Context, client *apiclient.Client, dir, tenant string, out io.Writer) error {
	files, err := filepath.Glob(filepath.Join(dir, "*.wasm"))
	if err != nil {
		return err
	}
	if len(files) == 0 {
		return faas.Errorf(faas.NotFound, "no NAME.wasm in %s", dir).Hint("make examples")
	}
	for _, file := range files {
		name := faas.Name{Tenant: tenant, Function: strings.TrimSuffix(filepath.Base(file), ".wasm")}
		if err := deployOne(ctx, client, file, name, out); err != nil {
			return fmt.Errorf("deploy %s: %w", file, err)
		}
	}
	return nil
}

func deployOne(ctx context.Context, client *apiclient.Client, file string, name faas.Name, out io.Writer) error {
	f, err := os.Open(file)
	if err != nil {
		return err
	}
	defer f.Close()
	st, err := f.Stat()
	if err != nil {
		return err
	}
	d, err := client.Deploy(ctx, name, apiclient.Module{Body: f, Size: st.Size()}, apiclient.Settings{})
	if err != nil {
		return err
	}
	how := "as it was"
	switch {
	case d.Compiled > 0:
		how = "compiled in " + d.Compiled.Round(time.Millisecond).String()
	case d.New:
		how = "compiled before"
	}
	_, err = fmt.Fprintf(out, "  deployed %-18s %s, %s\n", name, humanSize(d.Function.Size), how)
	return err
}
