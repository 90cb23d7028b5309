//go:build linux && cgo

package main

import (
	"errors"
	"slices"

	"github.com/spf13/pflag"

	"github.com/shoal-run/shoal/libs/config"
)

// upSettings sets the flags of up that the command line left alone and the file or the environment names. Each is a
// setting of the flag's name.
func (a *app) upSettings(flags *pflag.FlagSet, file string) (*config.Set, error) {
	var keys []config.Key
	flags.VisitAll(func(f *pflag.Flag) {
		if slices.Contains([]string{"help", "config", "check-config"}, f.Name) {
			return
		}
		var v config.Value = flagValue{f.Value}
		if f.Name == "nats-url" {
			v = config.Redacting(v, config.RedactURLs)
		}
		_, what := pflag.UnquoteUsage(f)
		keys = append(keys, config.Key{Name: f.Name, Value: v, What: what})
	})
	set := config.NewSet("shoal up", keys)
	flags.VisitAll(func(f *pflag.Flag) {
		if f.Changed {
			set.Pinned(f.Name, "--"+f.Name)
		}
	})
	if file == "" {
		file = a.getenv(config.FileEnv)
	}
	var errs []error
	if file != "" {
		errs = append(errs, set.File(a.path(file)))
	}
	return set, errors.Join(append(errs, set.Env(a.environ))...)
}

// flagValue is a flag's value as a setting.
type flagValue struct{ pflag.Value }

// Want implements config.Value.
func (v flagValue) Want() string {
	switch v.Type() {
	case "int":
		return "a number"
	case "size":
		return "a size, as 32MiB"
	case "": // of a text variable, whose type pflag does not know
		return "debug, info, warn or error"
	}
	return "text"
}

// Set implements config.Value.
func (v flagValue) Set(text string) error {
	if err := v.Value.Set(text); err != nil {
		return errors.New("want " + v.Want())
	}
	return nil
}
