package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"github.com/shoal-run/shoal/bus/faas"
	"github.com/shoal-run/shoal/libs/apiclient"
)

// exitCode is what the process exits with. The codes are API: they never change meaning.
type exitCode int

const (
	exitOK          exitCode = 0
	exitLocal       exitCode = 1
	exitGateway     exitCode = 2
	exitRefused     exitCode = 3
	exitNotFound    exitCode = 4
	exitBusy        exitCode = 5
	exitDeadline    exitCode = 6
	exitInternal    exitCode = 7
	exitGuestFailed exitCode = 10
	exitTrapped     exitCode = 11
	exitOutOfMemory exitCode = 12
	exitInterrupted exitCode = 130
)

// exitCodes is every exit code, with its meaning for people and the error codes it stands for.
var exitCodes = []struct {
	exit  exitCode
	what  string
	codes []faas.Code
}{
	{exitOK, "done", nil},
	{exitLocal, "the command line is wrong, or something on this machine: a file, a compiler", nil},
	{exitGateway, "no gateway answered, or the connection broke; a call may have run if it had begun", nil},
	{exitRefused, "refused: what was asked for is not possible or not allowed", []faas.Code{
		faas.BadRequest, faas.Unauthorized, faas.Forbidden, faas.Conflict, faas.TooLarge, faas.InvalidModule,
	}},
	{exitNotFound, "there is no such function or file", []faas.Code{faas.NotFound}},
	{exitBusy, "not now: worth another try", []faas.Code{faas.NoCapacity, faas.Unavailable, faas.RateLimited}},
	{exitDeadline, "out of time", []faas.Code{faas.DeadlineExceeded}},
	{exitInternal, "a fault of Shoal's own", []faas.Code{faas.Internal}},
	{exitGuestFailed, "the guest failed: it exited with a code that is not 0", []faas.Code{faas.GuestFailed}},
	{exitTrapped, "the guest trapped", []faas.Code{faas.GuestTrapped}},
	{exitOutOfMemory, "the guest ran out of memory", []faas.Code{faas.OutOfMemory}},
	{exitInterrupted, "interrupted by a signal, or the call was cancelled", []faas.Code{faas.Cancelled}},
}

// exitCodeOf returns the exit code for err, which is not nil.
func exitCodeOf(ctx context.Context, err error) exitCode {
	var e *faas.Error
	switch {
	case ctx.Err() != nil && errors.Is(err, context.Cause(ctx)):
		return exitInterrupted
	case errors.As(err, &e):
		for _, x := range exitCodes {
			for _, c := range x.codes {
				if c == e.Code {
					return x.exit
				}
			}
		}
		return exitInternal
	case errors.Is(err, apiclient.ErrNoGateway), errors.Is(err, apiclient.ErrBroken), errors.Is(err, apiclient.ErrNotGateway):
		return exitGateway
	}
	return exitLocal
}

// report tells the user about err and returns the exit code for it.
func (a *app) report(ctx context.Context, err error) exitCode {
	code := exitCodeOf(ctx, err)
	if code == exitInterrupted && errors.Is(err, context.Cause(ctx)) {
		return code // whoever interrupts knows
	}
	if a.output == jsonFormat {
		a.reportJSON(err, code)
	} else {
		a.reportText(err)
	}
	return code
}

func (a *app) reportText(err error) {
	fmt.Fprintf(a.stderr, "shoal: %s%s\n", err, fix(err))
	var e *faas.Error
	if !errors.As(err, &e) {
		return
	}
	if !e.Call.IsZero() {
		fmt.Fprintf(a.stderr, "call: %s\n", e.Call)
	}
	if len(e.Backtrace) > 0 {
		fmt.Fprintln(a.stderr, "backtrace, innermost first:")
		for i, f := range e.Backtrace {
			fmt.Fprintf(a.stderr, "  %d: %s (at 0x%x)\n", i, f.Function, f.Offset)
		}
	}
	if e.Stderr != "" {
		fmt.Fprintln(a.stderr, "stderr of the guest:")
		for line := range strings.Lines(e.Stderr) {
			fmt.Fprintf(a.stderr, "  %s\n", strings.TrimRight(line, "\r\n"))
		}
	}
}

// reportJSON prints the error in the shape of the gateway's problems. An error that no gateway answered has no code.
func (a *app) reportJSON(err error, code exitCode) {
	problem := struct {
		Code      faas.Code    `json:"code,omitempty"`
		Detail    string       `json:"detail"`
		Call      faas.CallID  `json:"call,omitzero"`
		ExitCode  int          `json:"exit_code,omitempty"`
		Trap      string       `json:"trap,omitempty"`
		Backtrace []faas.Frame `json:"backtrace,omitempty"`
		Stderr    string       `json:"stderr,omitempty"`
		Exit      exitCode     `json:"exit"`
	}{Detail: err.Error() + fix(err), Exit: code}
	var e *faas.Error
	if errors.As(err, &e) {
		problem.Code, problem.Detail, problem.Call = e.Code, e.Message, e.Call
		problem.ExitCode, problem.Trap, problem.Backtrace, problem.Stderr = e.ExitCode, e.Trap, e.Backtrace, e.Stderr
	}
	enc := json.NewEncoder(a.stderr)
	enc.SetEscapeHTML(false)
	_ = enc.Encode(problem) // there is nobody left to tell
}

// fix says, in parentheses, what a person can do about err; "" when that is not known or err says it.
func fix(err error) string {
	var u *usageError
	switch {
	case errors.As(err, &u):
		return " (see " + u.cmd + " --help)"
	case errors.Is(err, apiclient.ErrNoGateway), errors.Is(err, apiclient.ErrNotGateway):
		return " (start one: make run, or set --url)"
	}
	return ""
}

// exitCodesTopic is the help page `shoal help exit-codes`.
func exitCodesTopic() *cobra.Command {
	var b strings.Builder
	b.WriteString("What shoal exits with:\n\n")
	writeExitCodes(&b)
	return &cobra.Command{Use: "exit-codes", Short: "What shoal exits with", Long: strings.TrimSpace(b.String())}
}

func writeExitCodes(w io.Writer) {
	tw := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	for _, x := range exitCodes {
		names := make([]string, len(x.codes))
		for i, c := range x.codes {
			names[i] = string(c)
		}
		line := fmt.Sprintf("  %d\t%s", x.exit, x.what)
		if len(names) > 0 {
			line += " (" + strings.Join(names, ", ") + ")"
		}
		fmt.Fprintln(tw, line)
	}
	_ = tw.Flush() // into a buffer
}
