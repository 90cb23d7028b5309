package main

import (
	"context"
	"encoding/base64"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/spf13/cobra"

	"github.com/shoal-run/shoal/bus/faas"
	"github.com/shoal-run/shoal/libs/apiclient"
)

func (a *app) call() *cobra.Command {
	var (
		data    string
		include bool
		trace   bool
		timeout time.Duration
	)
	c := command(groupFunction, &cobra.Command{
		Use:   "call TENANT/NAME",
		Short: "Call a function and print its output",
		Long: "Call runs a function once and prints its output, byte for byte. The input is --data: a text, @FILE, or @- for\n" +
			"stdin; without --data it is stdin, unless that is a terminal: then it is empty. What starts with @ and is no\n" +
			"file goes through stdin. A call that fails prints its error, the guest's stderr and backtrace on stderr;\n" +
			"`shoal help exit-codes` says what the command exits with. An interrupt cancels the call.",
		Example: "  shoal call me/wc -d 'to be or not to be'\n" +
			"  shoal call me/wc -d @book.txt\n" +
			"  gzip -dc book.gz | shoal call me/wc --timeout 2m",
		Args:              arguments(1, 1, "TENANT/NAME"),
		ValidArgsFunction: a.completeFunctions(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			name, err := faas.ParseName(args[0])
			if err != nil {
				return err
			}
			if cmd.Flags().Changed("timeout") && timeout < time.Millisecond {
				return usage(cmd, "--timeout %s is less than 1ms", timeout)
			}
			body, size, err := a.input(data, cmd.Flags().Changed("data"))
			if err != nil {
				return err
			}
			defer body.Close()
			in := apiclient.Input{Body: body, Size: size, Timeout: timeout}
			came := false
			if trace {
				in.Trace = func(text []byte) {
					came = true
					_, _ = a.stderr.Write(text)
				}
			}
			err = a.runCall(cmd.Context(), name, in, include)
			if trace && !came {
				fmt.Fprintln(a.stderr, "no trace came: the guest made no host call or did not run, or its worker is of an older version")
			}
			return err
		},
	})
	c.Flags().StringVarP(&data, "data", "d", "", "the input: a text, `@FILE`, or @- for stdin")
	c.Flags().BoolVarP(&include, "include", "i", false, "print the headers of the answer on stderr")
	c.Flags().BoolVar(&trace, "trace", false, "print the guest's last host calls on stderr, each as it begins and as it ends")
	c.Flags().DurationVar(&timeout, "timeout", 0, "time that the call has, as 10s (default: the function's)")
	return c
}

// input returns what the user means to be the input of a call, and its size, -1 when that is not known.
func (a *app) input(data string, given bool) (io.ReadCloser, int64, error) {
	switch {
	case !given && a.stdinTerminal:
		data = ""
	case !given:
		return a.open("-")
	case strings.HasPrefix(data, "@"):
		return a.open(data[1:])
	}
	return io.NopCloser(strings.NewReader(data)), int64(len(data)), nil
}

func (a *app) runCall(ctx context.Context, name faas.Name, in apiclient.Input, include bool) error {
	client, err := a.client()
	if err != nil {
		return err
	}
	defer client.Close()
	progress := a.progress("sending", "running", in.Size)
	in.Body = progress.reader(in.Body)
	out, err := client.Call(ctx, name, in)
	progress.stop()
	if err != nil {
		return err
	}
	defer out.Body.Close()
	if include {
		a.printHeaders(out)
	}
	if a.output == jsonFormat {
		return a.printOutput(out)
	}
	_, err = io.Copy(a.stdout, out.Body)
	return err
}

func (a *app) printHeaders(out *apiclient.Output) {
	keys := make([]string, 0, len(out.Header))
	for k := range out.Header {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	for _, k := range keys {
		for _, v := range out.Header[k] {
			fmt.Fprintf(a.stderr, "%s: %s\n", k, v)
		}
	}
}

// printOutput prints the answer as one JSON document; an output that is no UTF-8 comes as base64.
func (a *app) printOutput(out *apiclient.Output) error {
	body, err := io.ReadAll(out.Body)
	if err != nil {
		return err
	}
	doc := struct {
		Call     faas.CallID    `json:"call"`
		Worker   faas.WorkerID  `json:"worker"`
		Start    faas.StartKind `json:"start"`
		Duration int64          `json:"duration_us"`
		Init     int64          `json:"init_us,omitempty"`
		Restore  int64          `json:"restore_us,omitempty"`
		Reset    int64          `json:"reset_us,omitempty"`
		Output   *string        `json:"output,omitempty"`
		Base64   string         `json:"output_base64,omitempty"`
	}{
		Call: out.Call, Worker: out.Worker, Start: out.Start, Duration: out.Duration.Microseconds(),
		Init: out.Init.Microseconds(), Restore: out.Restore.Microseconds(), Reset: out.Reset.Microseconds(),
	}
	if utf8.Valid(body) {
		s := string(body)
		doc.Output = &s
	} else {
		doc.Base64 = base64.StdEncoding.EncodeToString(body)
	}
	return a.printJSON(doc)
}
