package config

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
)

// Options are what a command line asks for besides settings.
type Options struct {
	File    string // -config, or SHOAL_CONFIG; "" for none
	Check   bool   // -check-config
	Version bool   // -version
	Help    bool   // -help
}

// Load loads the settings of a program that is configured by flags alone: from the file that args (without the program's
// name) or environ names, from environ, and from args. With Version or Help in what it returns, it has loaded nothing.
// The error, all whose parts are of type *Error, tells everything that is wrong.
func (s *Set) Load(args, environ []string) (Options, error) {
	var o Options
	f := flag.NewFlagSet(s.program, flag.ContinueOnError)
	f.SetOutput(io.Discard)
	f.StringVar(&o.File, "config", "", "")
	f.BoolVar(&o.Check, "check-config", false, "")
	f.BoolVar(&o.Version, "version", false, "")
	given := map[string]string{}
	for _, k := range s.keys {
		f.Func(k.Name, "", func(text string) error { given[k.Name] = text; return nil })
	}
	err := f.Parse(args)
	switch {
	case errors.Is(err, flag.ErrHelp):
		return Options{Help: true}, nil
	case err != nil:
		const unknown = "flag provided but not defined: -"
		if name, ok := strings.CutPrefix(err.Error(), unknown); ok {
			return o, &Error{Reason: fmt.Sprintf("%s has no flag -%s%s", s.program, name, s.near(name))}
		}
		return o, &Error{Reason: err.Error()}
	case f.NArg() > 0:
		return o, &Error{Reason: fmt.Sprintf("%s takes no arguments, not %q", s.program, f.Arg(0))}
	case o.Version:
		return o, nil
	}
	for _, kv := range environ {
		if path, ok := strings.CutPrefix(kv, FileEnv+"="); ok && o.File == "" {
			o.File = path
		}
	}
	var errs []error
	if o.File != "" {
		errs = append(errs, s.File(o.File))
	}
	errs = append(errs, s.Env(environ))
	for _, k := range s.keys {
		if text, ok := given[k.Name]; ok {
			errs = append(errs, s.Flag(k.Name, text, "-"+k.Name))
		}
	}
	return o, errors.Join(errs...)
}

// Usage writes how the program is called and which settings it has.
func (s *Set) Usage(w io.Writer) error {
	fmt.Fprintf(w, "Usage: %s [-config FILE] [-check-config] [-version] [-SETTING VALUE]...\n\n", s.program)
	fmt.Fprintf(w, "Settings come from the file (or the one that %s names), then from the environment (%s for\n-%s), then from flags.\n\n",
		FileEnv, s.keys[0].Env(), s.keys[0].Name)
	tw := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	for _, k := range s.keys {
		def := k.DefaultText()
		if def != "" {
			def = " (default: " + def + ")"
		}
		fmt.Fprintf(tw, "  -%s\t%s%s\n", k.Name, k.What, def)
	}
	return tw.Flush()
}
