package config

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"gopkg.in/yaml.v3"
)

// EnvPrefix is what every environment variable of Shoal begins with; FileEnv names a file to load.
const (
	EnvPrefix = "SHOAL_"
	FileEnv   = EnvPrefix + "CONFIG"
)

// foreign are variables that begin as settings do and are none: of the command line's client, and of tests.
var foreign = []string{"SHOAL_URL", "SHOAL_TEST_", "SHOAL_BENCH_", FileEnv}

// maxFile bounds a file, in bytes: nobody has that many settings.
const maxFile = 1 << 20

// File loads a YAML file: a mapping of keys to values. All that is wrong with it is in the error.
func (s *Set) File(path string) error {
	f, err := os.Open(path)
	if err != nil {
		return &Error{Reason: fmt.Sprintf("configuration file: %v", err)}
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, maxFile+1))
	if err == nil && len(data) > maxFile {
		err = fmt.Errorf("%s has more than %d bytes", path, maxFile)
	}
	if err != nil {
		return &Error{Reason: fmt.Sprintf("configuration file: %v", err)}
	}
	return s.yaml(path, data)
}

func (s *Set) yaml(path string, data []byte) error {
	name := filepath.Base(path)
	dec := yaml.NewDecoder(bytes.NewReader(data))
	var doc, second yaml.Node
	if err := dec.Decode(&doc); errors.Is(err, io.EOF) {
		return nil // nothing but comments
	} else if err != nil {
		return &Error{Origin: name, Reason: strings.TrimPrefix(err.Error(), "yaml: ")}
	}
	if err := dec.Decode(&second); !errors.Is(err, io.EOF) {
		return &Error{Origin: name, Reason: "has more than one document"}
	}
	root := doc.Content[0]
	if root.Kind == yaml.ScalarNode && root.Tag == "!!null" {
		return nil
	}
	if root.Kind != yaml.MappingNode {
		return &Error{Origin: fmt.Sprintf("%s:%d", name, root.Line), Reason: "want a mapping of settings, as nats-url: nats://HOST:4222"}
	}
	var errs []error
	seen := map[string]int{}
	for i := 0; i+1 < len(root.Content); i += 2 {
		key, value := root.Content[i], root.Content[i+1]
		from := origin{rankFile, fmt.Sprintf("%s:%d", name, key.Line)}
		if line, twice := seen[key.Value]; twice {
			errs = append(errs, &Error{Origin: from.text, Reason: fmt.Sprintf("%s is there twice, in line %d too", key.Value, line)})
			continue
		}
		seen[key.Value] = key.Line
		text, reason := scalar(value)
		if _, known := s.byName[key.Value]; known && reason != "" {
			errs = append(errs, &Error{Key: key.Value, Origin: from.text, Reason: reason})
			continue
		}
		errs = append(errs, s.set(key.Value, text, from))
	}
	return errors.Join(errs...)
}

// scalar returns the text of a value, or why it has none. A list is what commas separate elsewhere.
func scalar(n *yaml.Node) (text, reason string) {
	for n.Kind == yaml.AliasNode {
		n = n.Alias
	}
	switch {
	case n.Kind == yaml.ScalarNode && n.Tag == "!!null":
		return "", "has no value (remove the line for the default)"
	case n.Kind == yaml.ScalarNode:
		return n.Value, ""
	case n.Kind != yaml.SequenceNode:
		return "", "want a value, not a section: keys are flat, as nats-url"
	}
	var items []string
	for _, item := range n.Content {
		if item.Kind != yaml.ScalarNode {
			return "", "want a list of values"
		}
		items = append(items, item.Value)
	}
	return strings.Join(items, ","), ""
}

// Env loads the SHOAL_ variables of an environment, each "NAME=value". One that is empty counts as not set.
func (s *Set) Env(environ []string) error {
	vars := map[string]string{}
	for _, kv := range environ {
		name, value, _ := strings.Cut(kv, "=")
		own := slices.ContainsFunc(foreign, func(f string) bool { return name == f || strings.HasSuffix(f, "_") && strings.HasPrefix(name, f) })
		if strings.HasPrefix(name, EnvPrefix) && !own && value != "" {
			vars[name] = value
		}
	}
	keys := map[string]string{}
	for _, k := range s.keys {
		keys[k.Env()] = k.Name
	}
	var errs []error
	for _, name := range slices.Sorted(maps.Keys(vars)) {
		key, ok := keys[name]
		if !ok {
			near := s.near(strings.TrimPrefix(name, EnvPrefix))
			errs = append(errs, &Error{Origin: name, Reason: "no setting of " + s.program + " has this variable" + near})
			continue
		}
		errs = append(errs, s.set(key, vars[name], origin{rankEnv, name}))
	}
	return errors.Join(errs...)
}

// Flag gives a setting the value that the command line has for it. as is how the flag is written there, as "-slots".
func (s *Set) Flag(name, text, as string) error { return s.set(name, text, origin{rankFlag, as}) }

// Pinned says that a flag, written as, has already set the value of a key: no other source may replace it.
func (s *Set) Pinned(name, as string) {
	if i, ok := s.byName[name]; ok {
		s.origins[i] = origin{rankFlag, as}
	}
}
