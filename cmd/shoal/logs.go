package main

import (
	"encoding/json"
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"

	"github.com/shoal-run/shoal/bus/faas"
	"github.com/shoal-run/shoal/libs/apiclient"
)

func (a *app) logs() *cobra.Command {
	q := apiclient.LogQuery{Lines: 100}
	c := command(groupFunction, &cobra.Command{
		Use:   "logs TENANT/NAME",
		Short: "Show what a function's guests wrote",
		Long: fmt.Sprintf("Show the last lines that a function's guests wrote to stderr, and to stdout where that is not their output.\n"+
			"A line has its time, its stream, the end of its call's id and its text. %d lines are kept per function.\n"+
			"With -o json each line is a JSON document.", faas.LogLines),
		Example:           "  shoal logs me/wc -n 20\n  shoal logs me/wc -f",
		Args:              arguments(1, 1, "TENANT/NAME"),
		ValidArgsFunction: a.completeFunctions(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			name, err := faas.ParseName(args[0])
			if err != nil {
				return err
			}
			if q.Lines < 0 {
				return usage(cmd, "--lines %d is negative", q.Lines)
			}
			client, err := a.client()
			if err != nil {
				return err
			}
			defer client.Close()
			return client.Logs(cmd.Context(), name, q, a.printLogLine)
		},
	})
	c.Flags().BoolVarP(&q.Follow, "follow", "f", false, "go on with new lines until interrupted")
	c.Flags().IntVarP(&q.Lines, "lines", "n", q.Lines, "how many lines of the past to show")
	return c
}

func (a *app) printLogLine(l apiclient.LogLine) error {
	if a.output == jsonFormat {
		enc := json.NewEncoder(a.stdout)
		enc.SetEscapeHTML(false)
		return enc.Encode(l)
	}
	_, err := io.WriteString(a.stdout, logText(l))
	return err
}

func logText(l apiclient.LogLine) string {
	call := "-"
	if !l.Call.IsZero() {
		id := l.Call.String()
		call = id[strings.LastIndexByte(id, '-')+1:]
	}
	return fmt.Sprintf("%s %s %-12s %s\n", l.Time.Local().Format("2006-01-02 15:04:05.000"), l.Stream, call, l.Line)
}
