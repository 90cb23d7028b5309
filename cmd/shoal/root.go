package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/shoal-run/shoal/bus/faas"
	"github.com/shoal-run/shoal/libs/apiclient"
)

// envURL is the environment variable with the gateway's URL.
const envURL = "SHOAL_URL"

// app is what the commands share.
type app struct {
	process
	url    string // --url; "" = from the environment
	output format
}

const (
	groupProject  = "project"
	groupFunction = "function"
	groupPlatform = "platform"
)

func (a *app) root() *cobra.Command {
	root := &cobra.Command{
		Use:   "shoal",
		Short: "Run WebAssembly functions as Faaslets",
		Long: "shoal is the command line of Shoal, which runs WebAssembly functions as Faaslets.\n\n" +
			"A function is called TENANT/NAME. Commands talk to the gateway at --url, or SHOAL_URL, or " + apiclient.DefaultURL + ".",
		Args:          noArguments,
		SilenceErrors: true,
		SilenceUsage:  true,

		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	root.SetFlagErrorFunc(func(cmd *cobra.Command, err error) error { return usage(cmd, "%s", err) })
	flags := root.PersistentFlags()
	flags.StringVar(&a.url, "url", "", "`URL` of the gateway (default: $"+envURL+", else "+apiclient.DefaultURL+")")
	flags.VarP(&a.output, "output", "o", "what to print: text, or json for programs")
	_ = root.RegisterFlagCompletionFunc("output", // fails only for a flag that does not exist
		cobra.FixedCompletions([]string{string(text), string(jsonFormat)}, cobra.ShellCompDirectiveNoFileComp))
	root.AddGroup(
		&cobra.Group{ID: groupProject, Title: "Write a function:"},
		&cobra.Group{ID: groupFunction, Title: "Deploy and call functions:"},
		&cobra.Group{ID: groupPlatform, Title: "The platform:"},
	)
	root.AddCommand(a.commands()...)
	root.AddCommand(platformCommands(a)...)
	root.AddCommand(exitCodesTopic())
	return root
}

// commands returns the commands that every platform has.
func (a *app) commands() []*cobra.Command {
	return []*cobra.Command{
		a.newProject(), a.build(),
		a.deploy(), a.call(), a.set(), a.ls(), a.describe(), a.logs(), a.rm(), a.files(),
		a.workers(), a.version(),
	}
}

// client returns a client of the gateway that the user means.
func (a *app) client() (*apiclient.Client, error) {
	url := a.url
	if url == "" {
		url = a.getenv(envURL)
	}
	return apiclient.New(apiclient.Config{URL: url, UserAgent: "shoal/" + buildVersion()})
}

// path returns where the file that the user calls name is.
func (a *app) path(name string) string {
	if a.dir == "" || filepath.IsAbs(name) {
		return name
	}
	return filepath.Join(a.dir, name)
}

// printJSON prints v, indented, as the answer of a command.
func (a *app) printJSON(v any) error {
	enc := json.NewEncoder(a.stdout)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", "  ")
	return enc.Encode(v)
}

// command fills in what all commands have in common.
func command(group string, c *cobra.Command) *cobra.Command {
	c.GroupID = group
	c.DisableFlagsInUseLine = false
	return c
}

// format is a value of --output.
type format string

const (
	text       format = "text"
	jsonFormat format = "json"
)

func (f *format) String() string { return string(*f) }
func (f *format) Type() string   { return "format" }
func (f *format) Set(s string) error {
	if s != string(text) && s != string(jsonFormat) {
		return errors.New("want text or json")
	}
	*f = format(s)
	return nil
}

// usageError is a command line that can't be meant; cmd is where its help is.
type usageError struct {
	message string
	cmd     string
}

func (e *usageError) Error() string { return e.message }

func usage(cmd *cobra.Command, format string, args ...any) error {
	return &usageError{message: fmt.Sprintf(format, args...), cmd: cmd.CommandPath()}
}

// noArguments refuses arguments; for the root command they are misspelt commands.
func noArguments(cmd *cobra.Command, args []string) error {
	if len(args) == 0 {
		return nil
	}
	if cmd.HasParent() && !cmd.HasSubCommands() {
		return usage(cmd, "%s takes no arguments, not %q", cmd.Name(), args[0])
	}
	message := fmt.Sprintf("no command is called %q", args[0])
	if near := cmd.SuggestionsFor(args[0]); len(near) > 0 {
		message += " (did you mean " + strings.Join(near, " or ") + "?)"
	}
	return usage(cmd, "%s", message)
}

// arguments checks that there are at least least and at most most arguments; what names them all, as they are in the
// usage line.
func arguments(least, most int, what string) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		switch {
		case len(args) < least:
			return usage(cmd, "%s needs %s", cmd.Name(), what)
		case len(args) > most:
			return usage(cmd, "%s takes %s, not also %q", cmd.Name(), what, args[most])
		}
		return nil
	}
}

// completeFunctions completes the names of deployed functions in an argument before position most.
func (a *app) completeFunctions(most int) cobra.CompletionFunc {
	return func(cmd *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
		if len(args) >= most {
			return nil, cobra.ShellCompDirectiveDefault
		}
		client, err := a.client()
		if err != nil {
			return nil, cobra.ShellCompDirectiveError
		}
		defer client.Close()
		ctx, cancel := timeoutContext(cmd, time.Second)
		defer cancel()
		functions, err := client.Functions(ctx, "")
		if err != nil {
			return nil, cobra.ShellCompDirectiveError
		}
		names := make([]string, len(functions))
		for i, f := range functions {
			names[i] = f.Name.String()
		}
		return names, cobra.ShellCompDirectiveNoFileComp
	}
}

// open opens a file that the user named, "-" being stdin, and returns its size, -1 when it has none.
func (a *app) open(name string) (file readCloser, size int64, err error) {
	if name == "-" {
		return keepOpen{a.stdin}, -1, nil
	}
	f, err := os.Open(a.path(name))
	if err != nil {
		return nil, 0, err
	}
	st, err := f.Stat()
	switch {
	case err != nil:
	case st.IsDir():
		err = faas.Errorf(faas.BadRequest, "%s is a directory", name)
	case st.Mode().IsRegular():
		return f, st.Size(), nil
	default:
		return f, -1, nil
	}
	_ = f.Close() // read only
	return nil, 0, err
}
