package upload

import (
	"bytes"
	"encoding/json"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/shoal-run/shoal/bus/faas"
)

// Bounds of settings that faas does not set.
const (
	minMemory = 64 * faas.KiB // a page of WebAssembly
	maxCount  = 100_000       // concurrency, min_warm
	maxKeep   = 24 * time.Hour
	maxEnv    = 64 * faas.KiB // names and values together
)

// field is one setting: where it is in s.
type field struct {
	key string
	of  func(s *faas.Settings) any
}

func fields() []field {
	return []field{
		{"memory", func(s *faas.Settings) any { return &s.Memory }},
		{"timeout", func(s *faas.Settings) any { return &s.Timeout }},
		{"concurrency", func(s *faas.Settings) any { return &s.Concurrency }},
		{"min_warm", func(s *faas.Settings) any { return &s.MinWarm }},
		{"keep_alive", func(s *faas.Settings) any { return &s.KeepAlive }},
		{"reset", func(s *faas.Settings) any { return &s.Reset }},
		{"allow_unknown_imports", func(s *faas.Settings) any { return &s.AllowUnknownImports }},
	}
}

// mergeSettings applies patch, a JSON merge patch (RFC 7396), to settings; an empty one changes nothing. A key set to null
// goes back to the platform's default. Errors are bad_request and name the key.
func mergeSettings(settings faas.Settings, patch json.RawMessage) (faas.Settings, error) {
	if len(bytes.TrimSpace(patch)) == 0 {
		return settings, nil
	}
	var keys map[string]json.RawMessage
	if err := json.Unmarshal(patch, &keys); err != nil || keys == nil {
		return settings, faas.Errorf(faas.BadRequest, "settings: want a JSON object, as {\"memory\": \"256MiB\"}")
	}
	out := settings
	for _, key := range slices.Sorted(maps.Keys(keys)) {
		var err error
		if key == "env" {
			out.Env, err = mergeEnv(settings.Env, keys[key])
		} else {
			err = setField(&out, key, keys[key])
		}
		if err != nil {
			return settings, err
		}
	}
	return out, nil
}

func setField(s *faas.Settings, key string, value json.RawMessage) error {
	var known []string
	for _, f := range fields() {
		if f.key != key {
			known = append(known, f.key)
			continue
		}
		var err error
		switch p := f.of(s).(type) {
		case *faas.Size:
			*p, err = decode[faas.Size](value)
		case *faas.Duration:
			*p, err = decode[faas.Duration](value)
		case *int:
			*p, err = decode[int](value)
		case *bool:
			*p, err = decode[bool](value)
		case *faas.Reset:
			*p, err = decodeReset(value)
		}
		if err != nil {
			return faas.Errorf(faas.BadRequest, "setting %s: %.64s: %s", key, value, why(err))
		}
		return nil
	}
	return faas.Errorf(faas.BadRequest, "no setting is called %q", key).Hint("there are " + strings.Join(known, ", ") + " and env")
}

// decode returns the value, or its zero for null. A size may be a bare number of bytes.
func decode[T faas.Size | faas.Duration | int | bool](value json.RawMessage) (T, error) {
	var v T
	if size, ok := any(&v).(*faas.Size); ok && value[0] >= '0' && value[0] <= '9' {
		return v, size.UnmarshalText(value)
	}
	if string(value) == "null" {
		return v, nil
	}
	return v, json.Unmarshal(value, &v)
}

// decodeReset returns the value; always is the default, and kept as that.
func decodeReset(value json.RawMessage) (faas.Reset, error) {
	var v *faas.Reset
	if json.Unmarshal(value, &v) != nil || v != nil && *v != faas.ResetAlways && *v != faas.ResetNever {
		return "", faas.Errorf(faas.BadRequest, "want %q or %q", faas.ResetAlways, faas.ResetNever)
	}
	if v == nil || *v == faas.ResetAlways {
		return "", nil
	}
	return *v, nil
}

// why is what an error of decode tells a person.
func why(err error) string {
	if faas.CodeOf(err) == faas.BadRequest {
		return faas.AsError(err).Message
	}
	return "the wrong kind of value: want text as \"128MiB\" or \"30s\", a whole number for a count, or true or false"
}

// mergeEnv returns env with the patch applied; it does not change env.
func mergeEnv(env map[string]string, patch json.RawMessage) (map[string]string, error) {
	if string(patch) == "null" {
		return nil, nil
	}
	var values map[string]*string
	if err := json.Unmarshal(patch, &values); err != nil {
		return nil, faas.Errorf(faas.BadRequest, "setting env: want a JSON object of texts, as {\"NAME\": \"value\"}")
	}
	out := maps.Clone(env)
	if out == nil {
		out = map[string]string{}
	}
	for name, value := range values {
		if value == nil {
			delete(out, name)
		} else {
			out[name] = *value
		}
	}
	if len(out) == 0 {
		return nil, nil
	}
	return out, nil
}

// checkSettings reports the first setting out of its range, by key, value and range. least is the module's declared memory
// in bytes, 0 when it is not to be looked at.
func checkSettings(s faas.Settings, least uint64) error {
	memory := s.Memory
	if memory == 0 {
		memory = faas.DefaultMemory
	}
	low := max(minMemory, faas.Size(min(least, uint64(faas.MaxMemory)+1)))
	switch {
	case low > faas.MaxMemory:
		return faas.Errorf(faas.InvalidModule, "the module wants %d bytes of memory from the start, more than %v", least, faas.MaxMemory)
	case s.Memory == 0 && memory < low:
		return faas.Errorf(faas.BadRequest, "setting memory: the default of %v is less than the %v that the module has from the start", memory, low).
			Hint("set memory to " + low.String() + " or more")
	case memory < low && least > 0:
		return outOfRange("memory", memory, low, faas.MaxMemory).Hint("the module has " + low.String() + " from the start")
	case memory < low || memory > faas.MaxMemory:
		return outOfRange("memory", memory, low, faas.MaxMemory)
	case s.Timeout != 0 && (s.Timeout < faas.Duration(time.Millisecond) || s.Timeout > faas.Duration(faas.MaxTimeout)):
		return outOfRange("timeout", s.Timeout, faas.Duration(time.Millisecond), faas.Duration(faas.MaxTimeout))
	case s.Concurrency < 0 || s.Concurrency > maxCount:
		return outOfRange("concurrency", s.Concurrency, 0, maxCount)
	case s.MinWarm < 0 || s.MinWarm > maxCount:
		return outOfRange("min_warm", s.MinWarm, 0, maxCount)
	case s.KeepAlive < 0 || s.KeepAlive > faas.Duration(maxKeep):
		return outOfRange("keep_alive", s.KeepAlive, 0, faas.Duration(maxKeep))
	}
	return checkEnv(s.Env)
}

// checkReset reports a reset that functions of a kind can't have.
func checkReset(s faas.Settings, kind faas.Kind) error {
	if s.Reset == faas.ResetNever && kind == faas.Command {
		return faas.Errorf(faas.BadRequest, "setting reset: a command can't have %q: each call runs its _start from the beginning, in memory that the one before has used", s.Reset).
			Hint("build a reactor, which exports handle, or leave the setting at " + string(faas.ResetAlways))
	}
	return nil
}

func outOfRange[T any](key string, value, low, high T) *faas.Error {
	return faas.Errorf(faas.BadRequest, "setting %s: %v must be from %v to %v", key, value, low, high)
}

func checkEnv(env map[string]string) error {
	size := 0
	for _, name := range slices.Sorted(maps.Keys(env)) {
		if !legalEnvName(name) {
			return faas.Errorf(faas.BadRequest, "setting env: name %.64q must be letters, digits and _, and not begin with a digit", name)
		}
		if strings.ContainsRune(env[name], 0) {
			return faas.Errorf(faas.BadRequest, "setting env: the value of %s has a zero byte", name)
		}
		size += len(name) + len(env[name]) + 2
	}
	if faas.Size(size) > maxEnv {
		return faas.Errorf(faas.BadRequest, "setting env: %d bytes must be at most %v", size, maxEnv)
	}
	return nil
}

func legalEnvName(name string) bool {
	for i, c := range []byte(name) {
		if !(c == '_' || c|0x20 >= 'a' && c|0x20 <= 'z' || i > 0 && c >= '0' && c <= '9') {
			return false
		}
	}
	return name != ""
}

// equal reports whether two settings are the same.
func equal(a, b faas.Settings) bool {
	env := maps.Equal(a.Env, b.Env)
	a.Env, b.Env = nil, nil
	x, errX := json.Marshal(a)
	y, errY := json.Marshal(b)
	return env && errX == nil && errY == nil && bytes.Equal(x, y)
}
