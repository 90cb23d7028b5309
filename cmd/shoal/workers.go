package main

import (
	"fmt"
	"runtime"
	"runtime/debug"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/shoal-run/shoal/bus/faas"
	"github.com/shoal-run/shoal/libs/service"
)

func (a *app) workers() *cobra.Command {
	return command(groupPlatform, &cobra.Command{
		Use:   "workers",
		Short: "List the workers and what they have free",
		Args:  noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error {
			client, err := a.client()
			if err != nil {
				return err
			}
			defer client.Close()
			workers, err := client.Workers(cmd.Context())
			if err != nil {
				return err
			}
			slices.SortFunc(workers, func(x, y faas.Worker) int { return strings.Compare(string(x.ID), string(y.ID)) })
			return a.printWorkers(workers)
		},
	})
}

func (a *app) printWorkers(workers []faas.Worker) error {
	if a.output == jsonFormat {
		return a.printJSON(map[string][]faas.Worker{"workers": append([]faas.Worker{}, workers...)})
	}
	if len(workers) == 0 {
		fmt.Fprintln(a.stderr, "no workers: calls wait for one, and fail with no_capacity or unavailable")
		return nil
	}
	now := time.Now()
	rows := [][]string{{"WORKER", "STATE", "SLOTS FREE", "QUEUED", "RUNNING", "READY", "MEMORY", "STARTED", "SEEN", "ENGINE"}}
	for _, w := range workers {
		var ready, running int
		for _, c := range w.Warm {
			ready, running = ready+c.Ready, running+c.Running
		}
		rows = append(rows, []string{
			string(w.ID), string(w.State), fmt.Sprintf("%d of %d", w.Slots.Free, w.Slots.Total),
			strconv.Itoa(w.Slots.Queued), strconv.Itoa(running), strconv.Itoa(ready), humanSize(int64(w.Memory)),
			ago(now, w.Started), ago(now, w.Seen), w.Engine,
		})
	}
	return table(a.stdout, rows)
}

func (a *app) version() *cobra.Command {
	return command(groupPlatform, &cobra.Command{
		Use:   "version",
		Short: "Print the version of this program",
		Args:  noArguments,
		RunE: func(*cobra.Command, []string) error {
			v := struct {
				Version string `json:"version"`
				Commit  string `json:"commit,omitempty"`
				Go      string `json:"go"`
				System  string `json:"system"`
			}{buildVersion(), buildCommit(), runtime.Version(), runtime.GOOS + "/" + runtime.GOARCH}
			if a.output == jsonFormat {
				return a.printJSON(v)
			}
			commit := ""
			if v.Commit != "" {
				commit = " (" + v.Commit + ")"
			}
			_, err := fmt.Fprintf(a.stdout, "shoal %s%s %s %s\n", v.Version, commit, v.Go, v.System)
			return err
		},
	})
}

// buildVersion is the module's version, "devel" for a build from a checkout.
func buildVersion() string { return service.Version() }

// buildCommit is the commit that was built, "" when that is not known; a "+" says that files had changed since.
func buildCommit() string {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return ""
	}
	var commit, changed string
	for _, s := range info.Settings {
		switch {
		case s.Key == "vcs.revision":
			commit = s.Value
		case s.Key == "vcs.modified" && s.Value == "true":
			changed = "+"
		}
	}
	if len(commit) > 12 {
		commit = commit[:12]
	}
	return commit + changed
}
