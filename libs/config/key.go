// Package config reads the settings of a program: first its defaults, then a YAML file, then SHOAL_* variables of the
// environment, then flags. Each source may name the settings that the program has and no others.
//
// A setting has one name everywhere. What the file calls nats-url is SHOAL_NATS_URL in the environment and the flag
// -nats-url. A program lists its settings as a table of Keys, each with the variable that it sets; the table is what is
// loaded, checked, printed and documented.
package config

import (
	"fmt"
	"strings"
)

// Key is one setting.
type Key struct {
	Name    string // lower-case words joined by "-"
	Value   Value  // holds the default until something is loaded
	Default string // the default in words, where it depends on the machine or on other settings
	What    string // what it means, as documents tell it
	Example string // a value for reference files; "" for the default
}

// Env returns the name of the key's environment variable.
func (k Key) Env() string { return EnvPrefix + strings.ToUpper(strings.ReplaceAll(k.Name, "-", "_")) }

// redacted returns the value as logs may have it.
func (k Key) redacted() string {
	if r, ok := k.Value.(redacter); ok {
		return r.redacted()
	}
	return k.Value.String()
}

// origin says where a value came from; a higher rank is not replaced by a lower one.
type origin struct {
	rank int
	text string // as "worker.yaml:3"
}

const (
	rankDefault = iota
	rankFile
	rankEnv
	rankFlag
)

// Set is the settings of one program.
type Set struct {
	program string
	keys    []Key
	byName  map[string]int
	origins []origin // by key
}

// NewSet returns the settings of a program, at their defaults. It panics when two have the same name.
func NewSet(program string, keys []Key) *Set {
	s := &Set{program: program, keys: keys, byName: make(map[string]int, len(keys)), origins: make([]origin, len(keys))}
	for i, k := range keys {
		if _, twice := s.byName[k.Name]; twice {
			panic("config: two settings are called " + k.Name)
		}
		s.byName[k.Name] = i
		s.origins[i] = origin{rankDefault, "default"}
	}
	return s
}

// Error is a setting that can't be worked with.
type Error struct {
	Key    string // "" when it is not about one
	Value  string // redacted; "" when there is none
	Origin string // where the value came from, as "worker.yaml:3" or "SHOAL_SLOTS"
	Reason string // and what is allowed
}

func (e *Error) Error() string {
	switch {
	case e.Key == "" && e.Origin == "":
		return e.Reason
	case e.Key == "":
		return e.Origin + ": " + e.Reason
	case e.Value == "":
		return fmt.Sprintf("%s (%s): %s", e.Key, e.Origin, e.Reason)
	}
	return fmt.Sprintf("%s: %q (%s): %s", e.Key, e.Value, e.Origin, e.Reason)
}

// Errorf returns an Error about the value that a key has. It panics when there is no such key.
func (s *Set) Errorf(key, format string, args ...any) *Error {
	i := s.byName[key]
	if s.keys[i].Name != key {
		panic("config: no setting is called " + key)
	}
	return &Error{key, s.keys[i].redacted(), s.origins[i].text, fmt.Sprintf(format, args...)}
}

// set gives the key called name a value, unless a source that goes first has done so; a value that can't be is an error
// all the same.
func (s *Set) set(name, text string, from origin) error {
	i, ok := s.byName[name]
	if !ok {
		return &Error{Origin: from.text, Reason: fmt.Sprintf("%s has no setting %q%s", s.program, name, s.near(name))}
	}
	k, before := s.keys[i], s.keys[i].Value.String()
	if err := k.Value.Set(text); err != nil {
		value := text
		if r, ok := k.Value.(redacter); ok {
			value = r.redact(text)
		}
		return &Error{k.Name, value, from.text, err.Error()}
	}
	if from.rank < s.origins[i].rank {
		return k.Value.Set(before)
	}
	s.origins[i] = from
	return nil
}

// near returns " (did you mean …?)" when a key is called almost as name, else "".
func (s *Set) near(name string) string {
	best, distance := "", 3
	for _, k := range s.keys {
		if d := edits(k.Name, strings.ToLower(strings.ReplaceAll(name, "_", "-"))); d < distance {
			best, distance = k.Name, d
		}
	}
	if best == "" {
		return ""
	}
	return " (did you mean " + best + "?)"
}

// edits is the number of letters to insert, remove or replace to make b of a.
func edits(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			cost := diagonal
			if a[i] != b[j] {
				cost++
			}
			diagonal = row[j+1]
			row[j+1] = min(cost, row[j]+1, diagonal+1)
		}
	}
	return row[len(b)]
}
