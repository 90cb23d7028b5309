package main

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/shoal-run/shoal/bus/faas"
	"github.com/shoal-run/shoal/libs/apiclient"
)

func (a *app) deploy() *cobra.Command {
	var s settingFlags
	c := command(groupFunction, &cobra.Command{
		Use:   "deploy TENANT/NAME [FILE.wasm|-]",
		Short: "Deploy a function, or a new version of it",
		Long: "Deploy makes a WebAssembly module the current version of a function: every call that starts later through\n" +
			"this gateway runs it. Without a file it is what `shoal build` made of the project in the current directory;\n" +
			"- is stdin. Settings that no flag names stay as they are; a new function has the platform's defaults.\n" +
			"Deploying the same bytes again changes nothing.",
		Example: "  shoal deploy me/wc\n" +
			"  shoal deploy me/wc wc.wasm --memory 256MiB --timeout 10s --env LEVEL=debug\n" +
			"  clang … -o - | shoal deploy me/wc -",
		Args:              arguments(1, 2, "TENANT/NAME and a file"),
		ValidArgsFunction: a.completeFunctions(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			name, err := faas.ParseName(args[0])
			if err != nil {
				return err
			}
			settings, err := s.settings(cmd)
			if err != nil {
				return err
			}
			file := "-"
			if len(args) == 2 {
				file = args[1]
			} else if file, err = a.builtModule(); err != nil {
				return err
			}
			return a.runDeploy(cmd.Context(), name, file, settings)
		},
	})
	s.add(c.Flags())
	return c
}

func (a *app) runDeploy(ctx context.Context, name faas.Name, file string, settings apiclient.Settings) error {
	client, err := a.client()
	if err != nil {
		return err
	}
	defer client.Close()
	module, size, err := a.open(file)
	if err != nil {
		return err
	}
	defer module.Close()
	if size > int64(faas.MaxModule) {
		return faas.Errorf(faas.TooLarge, "%s has %s: a module has at most %s", file, humanSize(size), faas.MaxModule)
	}
	begin := time.Now()
	progress := a.progress("uploading", "compiling", size)
	deployed, err := client.Deploy(ctx, name, apiclient.Module{Body: progress.reader(module), Size: size}, settings)
	progress.stop()
	if err != nil {
		return err
	}
	if a.output == jsonFormat {
		return a.printJSON(deployedJSON{functionOf(deployed.Function), deployed.New, deployed.Unchanged, deployed.Compiled.Milliseconds()})
	}
	return a.printDeployed(deployed, time.Since(begin))
}

func (a *app) printDeployed(d *apiclient.Deployed, took time.Duration) error {
	f := d.Function
	what := "deployed"
	switch {
	case d.Unchanged:
		what = "unchanged"
	case !d.New:
		what = "deployed, the version it had, with other settings"
	}
	compiled := ""
	if d.Compiled > 0 {
		compiled = ", of which " + humanDuration(d.Compiled) + " compiling"
	}
	proto := ""
	if f.Proto != nil && len(f.Proto.Inits) > 0 {
		proto = "  Proto-Faaslet: " + protoLine(f.Proto) + "\n"
	}
	_, err := fmt.Fprintf(a.stdout, "%s %s: version %s, %s, in %s%s\n%s  shoal call %s%s -d 'hello'\n", f.Name, what, f.Version.Short(),
		humanSize(f.Size), humanDuration(took), compiled, proto, a.urlFlag(), f.Name)
	return err
}

// protoLine says what is known of a Proto-Faaslet.
func protoLine(p *faas.Proto) string {
	if p.None != "" {
		return "none, " + p.None
	}
	line := fmt.Sprintf("%s, %s stored, made by %s", humanSize(int64(p.Size)), humanSize(int64(p.Kept)), strings.Join(p.Inits, " and "))
	if p.Took > 0 {
		line += " in " + humanDuration(time.Duration(p.Took))
	}
	return line
}

// urlFlag is the --url that a command to paste needs: the one that was given, followed by a space.
func (a *app) urlFlag() string {
	if a.url == "" {
		return ""
	}
	return "--url " + shellQuote(a.url) + " "
}

// shellQuote returns s as one word of a shell.
func shellQuote(s string) string {
	plain := func(r rune) bool {
		return r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || strings.ContainsRune(":/._-@%+,", r)
	}
	if s != "" && strings.IndexFunc(s, func(r rune) bool { return !plain(r) }) < 0 {
		return s
	}
	return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'"
}

func (a *app) set() *cobra.Command {
	var s settingFlags
	c := command(groupFunction, &cobra.Command{
		Use:   "set TENANT/NAME",
		Short: "Change settings of a function",
		Long: "Set changes settings of a deployed function and leaves its version alone. --unset puts settings back to the\n" +
			"platform's default: memory, timeout, concurrency, min_warm, keep_alive, reset, env (all of it) or env.KEY.",
		Example: "  shoal set me/wc --memory 256MiB --env LEVEL=debug\n" +
			"  shoal set me/wc --unset timeout,env.LEVEL",
		Args:              arguments(1, 1, "TENANT/NAME"),
		ValidArgsFunction: a.completeFunctions(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			name, err := faas.ParseName(args[0])
			if err != nil {
				return err
			}
			settings, err := s.settings(cmd)
			if err != nil {
				return err
			}
			if settings.IsZero() {
				return usage(cmd, "set needs a setting to change")
			}
			client, err := a.client()
			if err != nil {
				return err
			}
			defer client.Close()
			f, err := client.Change(cmd.Context(), name, settings)
			if err != nil {
				return err
			}
			if a.output == jsonFormat {
				return a.printJSON(functionOf(*f))
			}
			return table(a.stdout, append([][]string{{"Function", f.Name.String()}}, settingRows(f.Settings)...))
		},
	})
	s.add(c.Flags())
	c.Flags().StringSliceVar(&s.unset, "unset", nil, "`SETTINGS` to put back to the platform's default")
	return c
}

// settingFlags are the flags for a function's settings.
type settingFlags struct {
	memory               faas.Size
	timeout, keepAlive   faas.Duration
	concurrency, minWarm int
	reset                string
	allowUnknown         bool
	env, unset           []string
}

func (s *settingFlags) add(f *pflag.FlagSet) {
	f.Var(textValue{&s.memory, "size"}, "memory", "linear memory, at most, as 256MiB")
	f.Var(textValue{&s.timeout, "duration"}, "timeout", "time of a call, at most, as 10s")
	f.IntVar(&s.concurrency, "concurrency", 0, "running calls on one worker, at most; 0 = as many as it has slots")
	f.IntVar(&s.minWarm, "min-warm", 0, "Faaslets that a worker with the function keeps ready")
	f.Var(textValue{&s.keepAlive, "duration"}, "keep-alive", "how long an idle Faaslet stays ready, as 5m")
	f.StringVar(&s.reset, "reset", "", "`always` or never: with never a Faaslet keeps memory and globals between calls, for guests that all callers may share")
	f.BoolVar(&s.allowUnknown, "allow-unknown-imports", false, "accept a module that imports what the host interface does not have: it traps when it calls it")
	f.StringArrayVar(&s.env, "env", nil, "environment variable `KEY=VALUE` that the guest sees (repeat for more)")
}

// settings returns the settings that the flags given to cmd change.
func (s *settingFlags) settings(cmd *cobra.Command) (apiclient.Settings, error) {
	var out apiclient.Settings
	given := cmd.Flags().Changed
	if given("memory") {
		out.Memory = &s.memory
	}
	if given("timeout") {
		out.Timeout = &s.timeout
	}
	if given("concurrency") {
		out.Concurrency = &s.concurrency
	}
	if given("min-warm") {
		out.MinWarm = &s.minWarm
	}
	if given("keep-alive") {
		out.KeepAlive = &s.keepAlive
	}
	if given("reset") {
		reset := faas.Reset(s.reset)
		out.Reset = &reset
	}
	if given("allow-unknown-imports") {
		out.AllowUnknownImports = &s.allowUnknown
	}
	for _, kv := range s.env {
		k, v, ok := strings.Cut(kv, "=")
		if !ok || k == "" {
			return out, usage(cmd, "--env %q is not KEY=VALUE", kv)
		}
		if out.Env == nil {
			out.Env = map[string]string{}
		}
		out.Env[k] = v
	}
	for _, name := range s.unset {
		out.Unset = append(out.Unset, strings.ReplaceAll(name, "-", "_"))
	}
	return out, nil
}

// textValue is a flag with a text form of its own.
type textValue struct {
	value interface {
		fmt.Stringer
		UnmarshalText([]byte) error
	}
	kind string
}

// String returns "" for zero, so that help shows no default.
func (v textValue) String() string {
	if v.value == nil {
		return ""
	}
	if s := v.value.String(); s != "0B" && s != "0s" {
		return s
	}
	return ""
}

func (v textValue) Type() string { return v.kind }

func (v textValue) Set(s string) error {
	err := v.value.UnmarshalText([]byte(s))
	var e *faas.Error
	if errors.As(err, &e) {
		return errors.New(e.Message)
	}
	return err
}
