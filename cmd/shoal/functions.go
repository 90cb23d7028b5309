package main

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/shoal-run/shoal/bus/faas"
	"github.com/shoal-run/shoal/libs/apiclient"
)

func (a *app) ls() *cobra.Command {
	return command(groupFunction, &cobra.Command{
		Use:     "ls [TENANT]",
		Aliases: []string{"list"},
		Short:   "List functions",
		Args:    arguments(0, 1, "one TENANT"),
		RunE: func(cmd *cobra.Command, args []string) error {
			client, err := a.client()
			if err != nil {
				return err
			}
			defer client.Close()
			tenant := ""
			if len(args) == 1 {
				tenant = args[0]
			}
			functions, err := client.Functions(cmd.Context(), tenant)
			if err != nil {
				return err
			}
			slices.SortFunc(functions, func(x, y faas.Function) int { return strings.Compare(x.Name.String(), y.Name.String()) })
			return a.printFunctions(functions)
		},
	})
}

func (a *app) printFunctions(functions []faas.Function) error {
	if a.output == jsonFormat {
		doc := struct {
			Functions []faas.Function `json:"functions"`
		}{make([]faas.Function, len(functions))}
		for i, f := range functions {
			doc.Functions[i] = functionOf(f)
		}
		return a.printJSON(doc)
	}
	if len(functions) == 0 {
		fmt.Fprintln(a.stderr, "no functions (deploy one: shoal deploy TENANT/NAME FILE.wasm)")
		return nil
	}
	now := time.Now()
	rows := [][]string{{"FUNCTION", "VERSION", "KIND", "SIZE", "MEMORY", "TIMEOUT", "DEPLOYED"}}
	for _, f := range functions {
		rows = append(rows, []string{
			f.Name.String(), f.Version.Short(), string(f.Kind), humanSize(f.Size),
			memoryOf(f.Settings).String(), timeoutOf(f.Settings).String(), ago(now, f.Deployed),
		})
	}
	return table(a.stdout, rows)
}

func memoryOf(s faas.Settings) faas.Size {
	if s.Memory == 0 {
		return faas.DefaultMemory
	}
	return s.Memory
}

func timeoutOf(s faas.Settings) faas.Duration {
	if s.Timeout == 0 {
		return faas.Duration(faas.DefaultTimeout)
	}
	return s.Timeout
}

func (a *app) describe() *cobra.Command {
	return command(groupFunction, &cobra.Command{
		Use:               "describe TENANT/NAME",
		Short:             "Show all that is known of a function",
		Args:              arguments(1, 1, "TENANT/NAME"),
		ValidArgsFunction: a.completeFunctions(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			name, err := faas.ParseName(args[0])
			if err != nil {
				return err
			}
			client, err := a.client()
			if err != nil {
				return err
			}
			defer client.Close()
			d, err := client.Function(cmd.Context(), name)
			if err != nil {
				return err
			}
			if a.output == jsonFormat {
				return a.printJSON(descriptionJSON{functionOf(d.Function), append([]apiclient.Readiness{}, d.Workers...)})
			}
			return table(a.stdout, descriptionRows(d, time.Now()))
		},
	})
}

func descriptionRows(d *apiclient.Description, now time.Time) [][]string {
	f := d.Function
	rows := [][]string{
		{"Function", f.Name.String()},
		{"Version", string(f.Version)},
		{"Kind", string(f.Kind) + ", runs " + f.Entry},
		{"Size", humanSize(f.Size)},
		{"Deployed", when(now, f.Deployed)},
		{"Changed", when(now, f.Changed)},
	}
	if f.Proto != nil {
		rows = append(rows, []string{"Proto-Faaslet", protoLine(f.Proto)})
	}
	rows = append(rows, settingRows(f.Settings)...)
	rows = append(rows, column("Imports", imports(f.Imports))...)
	workers := make([]string, len(d.Workers))
	for i, w := range d.Workers {
		workers[i] = fmt.Sprintf("%s: %d ready, %d running%s", w.ID, w.Ready, w.Running, started(w))
	}
	return append(rows, column("Workers", workers)...)
}

// started says how the calls of a function began on a worker and what the middle one of the last few took, as
// "; started 1 cold, 20 warm; took 3.1 ms to build, 40 µs to run, 2 µs to reset".
func started(w apiclient.Readiness) string {
	var kinds, took []string
	for _, k := range []struct {
		n    uint64
		kind faas.StartKind
	}{{w.Starts.Cold, faas.Cold}, {w.Starts.Restored, faas.Restored}, {w.Starts.Warm, faas.Warm}} {
		if k.n > 0 {
			kinds = append(kinds, fmt.Sprintf("%d %s", k.n, k.kind))
		}
	}
	for _, m := range []struct {
		us   int64
		what string
	}{{w.MedianUs.Init, "build"}, {w.MedianUs.Restore, "restore"}, {w.MedianUs.Run, "run"}, {w.MedianUs.Reset, "reset"}} {
		if m.us > 0 {
			took = append(took, humanDuration(time.Duration(m.us)*time.Microsecond)+" to "+m.what)
		}
	}
	out := ""
	if len(kinds) > 0 {
		out = "; started " + strings.Join(kinds, ", ")
	}
	if len(took) > 0 {
		out += "; took " + strings.Join(took, ", ")
	}
	return out
}

func when(now, t time.Time) string {
	if t.IsZero() {
		return ago(now, t)
	}
	return ago(now, t) + " (" + t.Local().Format(time.DateTime) + ")"
}

func settingRows(s faas.Settings) [][]string {
	env := make([]string, 0, len(s.Env))
	for _, k := range slices.Sorted(maps.Keys(s.Env)) {
		env = append(env, k+"="+s.Env[k])
	}
	rows := [][]string{
		{"Memory", orDefault(s.Memory == 0, s.Memory.String(), faas.DefaultMemory.String())},
		{"Timeout", orDefault(s.Timeout == 0, s.Timeout.String(), faas.Duration(faas.DefaultTimeout).String())},
		{"Concurrency", orDefault(s.Concurrency == 0, strconv.Itoa(s.Concurrency), "the worker's slots")},
		{"Min warm", orDefault(s.MinWarm == 0, strconv.Itoa(s.MinWarm), "0")},
		{"Keep alive", orDefault(s.KeepAlive == 0, s.KeepAlive.String(), faas.Duration(faas.DefaultKeepAlive).String())},
		{"Reset", orDefault(s.Reset == "", string(s.Reset), string(faas.ResetAlways))},
	}
	if s.AllowUnknownImports {
		rows = append(rows, []string{"Unknown imports", "allowed"})
	}
	return append(rows, column("Env", env)...)
}

// column is one row per line, the first of them labelled; "none" when there are no lines.
func column(label string, lines []string) [][]string {
	if len(lines) == 0 {
		lines = []string{"none"}
	}
	rows := make([][]string, len(lines))
	for i, l := range lines {
		rows[i] = []string{label, l}
		label = ""
	}
	return rows
}

// imports is one line per module that is imported from.
func imports(list []faas.Import) []string {
	by := map[string][]string{}
	for _, i := range list {
		name := i.Name
		if i.Missing {
			name += " (missing: traps)"
		}
		by[i.Module] = append(by[i.Module], name)
	}
	var lines []string
	for _, m := range slices.Sorted(maps.Keys(by)) {
		slices.Sort(by[m])
		lines = append(lines, m+": "+strings.Join(slices.Compact(by[m]), " "))
	}
	return lines
}

func (a *app) rm() *cobra.Command {
	const many = 1 << 20
	return command(groupFunction, &cobra.Command{
		Use:               "rm TENANT/NAME...",
		Short:             "Remove functions",
		Long:              "Remove functions, in the order given; the first that can't be removed ends the command. Calls that run go on.",
		Args:              arguments(1, many, "TENANT/NAME"),
		ValidArgsFunction: a.completeFunctions(many),
		RunE: func(cmd *cobra.Command, args []string) error {
			names := make([]faas.Name, len(args))
			for i, arg := range args {
				var err error
				if names[i], err = faas.ParseName(arg); err != nil {
					return err
				}
			}
			client, err := a.client()
			if err != nil {
				return err
			}
			defer client.Close()
			removed := []faas.Name{}
			for _, n := range names {
				if err = client.Remove(cmd.Context(), n); err != nil {
					break
				}
				removed = append(removed, n)
				if a.output == text {
					fmt.Fprintf(a.stdout, "%s removed\n", n)
				}
			}
			if a.output == jsonFormat {
				if err := a.printJSON(map[string][]faas.Name{"removed": removed}); err != nil {
					return err
				}
			}
			return err
		},
	})
}
