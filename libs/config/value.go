package config

import (
	"fmt"
	"log/slog"
	"math"
	"net"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/shoal-run/shoal/bus/faas"
)

// Value is a variable that settings are read into.
type Value interface {
	Set(text string) error // an error says what is allowed; the variable is then as it was
	String() string        // as Set takes it
	Want() string          // what is allowed, as documents tell it
}

// redacter is a Value that may hold what nobody should read.
type redacter interface {
	redacted() string
	redact(text string) string // of any text that somebody meant for this value
}

const hidden = "***"

// field is a Value made of functions.
type field struct {
	set  func(string) error
	get  func() string
	want string
}

func (f field) Set(text string) error {
	if err := f.set(text); err != nil {
		return fmt.Errorf("want %s", f.want)
	}
	return nil
}
func (f field) String() string { return f.get() }
func (f field) Want() string   { return f.want }

// Text is any text. want says what it should be, as "a directory".
func Text(v *string, want string) Value {
	return field{
		set:  func(t string) error { *v = t; return nil },
		get:  func() string { return *v },
		want: want,
	}
}

// errRange stands for any refusal: field.Set tells what is wanted.
var errRange = strconv.ErrRange

// Int is a number from low to high. zero, when not empty, says what 0 stands for, and minus what -1 does.
func Int(v *int, low, high int, zero string) Value {
	want := fmt.Sprintf("a number from %d to %d", low, high)
	if zero != "" {
		want += ", " + zero
	}
	return field{
		set: func(t string) error {
			n, err := strconv.Atoi(t)
			if err != nil || n < low || n > high {
				return errRange
			}
			*v = n
			return nil
		},
		get:  func() string { return strconv.Itoa(*v) },
		want: want,
	}
}

// Size is a size from low to high; high 0 sets no bound. zero, when not empty, says what 0 stands for, which is then
// allowed beside.
func Size(v *faas.Size, low, high faas.Size, zero string) Value {
	want, most := fmt.Sprintf("a size from %s to %s", low, high), high
	if high == 0 {
		want, most = fmt.Sprintf("a size of at least %s", low), math.MaxInt64
	}
	if zero != "" {
		want += ", " + zero
	}
	return field{
		set: func(t string) error {
			n, err := faas.ParseSize(t)
			if err != nil || (n < low || n > most) && (n != 0 || zero == "") {
				return errRange
			}
			*v = n
			return nil
		},
		get:  func() string { return v.String() },
		want: want,
	}
}

// Duration is a time from low to high.
func Duration(v *faas.Duration, low, high time.Duration) Value {
	return field{
		set: func(t string) error {
			var d faas.Duration
			if err := d.UnmarshalText([]byte(t)); err != nil || time.Duration(d) < low || time.Duration(d) > high {
				return errRange
			}
			*v = d
			return nil
		},
		get:  func() string { return v.String() },
		want: fmt.Sprintf("a time from %s to %s", faas.Duration(low), faas.Duration(high)),
	}
}

// Choice is one of several words.
func Choice(v *string, words ...string) Value {
	last := len(words) - 1
	return field{
		set: func(t string) error {
			if !slices.Contains(words, t) {
				return errRange
			}
			*v = t
			return nil
		},
		get:  func() string { return *v },
		want: strings.Join(words[:last], ", ") + " or " + words[last],
	}
}

// Name is a name as faas.CheckName takes it.
func Name(v *string) Value {
	return field{
		set: func(t string) error {
			if err := faas.CheckName("name", t); err != nil {
				return err
			}
			*v = t
			return nil
		},
		get:  func() string { return *v },
		want: "1 to 63 letters a to z, digits, _ and -, the first a letter or digit",
	}
}

// Address is HOST:PORT to listen on. off, when not empty, is a word that stands for not listening.
func Address(v *string, off string) Value {
	want := "HOST:PORT, port 0 for a free one"
	if off != "" {
		want += ", or " + off
	}
	return field{
		set: func(t string) error {
			if off == "" || t != off {
				_, port, err := net.SplitHostPort(t)
				if n, perr := strconv.Atoi(port); err != nil || perr != nil || n < 0 || n > math.MaxUint16 {
					return errRange
				}
			}
			*v = t
			return nil
		},
		get:  func() string { return *v },
		want: want,
	}
}

// Level is from which level on to log.
func Level(v *slog.Level) Value {
	return field{
		set:  func(t string) error { return v.UnmarshalText([]byte(t)) },
		get:  func() string { return strings.ToLower(v.String()) },
		want: "debug, info, warn or error",
	}
}

// Secret is a text that is never shown.
func Secret(v *string) Value {
	return Redacting(Text(v, "text, which is never shown"), func(text string) string {
		if text == "" {
			return ""
		}
		return hidden
	})
}

// Redacting returns v so that it is shown as redact makes it.
func Redacting(v Value, redact func(text string) string) Value { return redacting{v, redact} }

type redacting struct {
	Value
	f func(string) string
}

func (r redacting) redacted() string          { return r.f(r.String()) }
func (r redacting) redact(text string) string { return r.f(text) }

// URLs is URLs with one of the schemes, separated by commas; a list in a file. User names, passwords and tokens in them
// are never shown.
func URLs(v *string, schemes ...string) Value {
	return Redacting(field{
		set: func(t string) error {
			for u := range strings.SplitSeq(t, ",") {
				scheme, rest, ok := strings.Cut(u, "://")
				if !ok || !slices.Contains(schemes, scheme) || rest == "" || strings.ContainsAny(rest, " \t\n") {
					return errRange
				}
			}
			*v = t
			return nil
		},
		get:  func() string { return *v },
		want: "URLs separated by commas, as " + schemes[0] + "://HOST:PORT (" + strings.Join(schemes, ", ") + ")",
	}, RedactURLs)
}

// RedactURLs hides what stands before the "@" of each URL in a list separated by commas.
func RedactURLs(list string) string {
	out := strings.Split(list, ",")
	for i, u := range out {
		at := strings.LastIndex(u, "@")
		if at < 0 {
			continue
		}
		scheme, _, ok := strings.Cut(u[:at], "://")
		if ok {
			scheme += "://"
		} else {
			scheme = ""
		}
		out[i] = scheme + hidden + u[at:]
	}
	return strings.Join(out, ",")
}
