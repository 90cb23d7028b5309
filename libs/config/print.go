package config

import (
	"fmt"
	"io"
	"log/slog"
	"strconv"
	"strings"
	"text/tabwriter"

	"gopkg.in/yaml.v3"
)

// DefaultText returns the default as documents tell it, "" for none. Nothing may be loaded yet.
func (k Key) DefaultText() string {
	if k.Default != "" {
		return k.Default
	}
	return k.redacted()
}

// Print writes the settings as a file that could be loaded, with where each value came from and without secrets.
func (s *Set) Print(w io.Writer) error {
	tw := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	for i, k := range s.keys {
		fmt.Fprintf(tw, "%s: %s\t# %s\n", k.Name, plain(k.redacted()), s.origins[i].text)
	}
	return tw.Flush()
}

// plain quotes text where YAML would not read it as it is.
func plain(text string) string {
	var n yaml.Node
	err := yaml.Unmarshal([]byte("k: "+text), &n)
	if err == nil && text != "" && !strings.Contains(text, "#") {
		if m := n.Content[0]; len(m.Content) == 2 && m.Content[1].Kind == yaml.ScalarNode && m.Content[1].Style == 0 && m.Content[1].Value == text {
			return text
		}
	}
	return strconv.Quote(text)
}

// LogValue has a logger write every setting, without secrets.
func (s *Set) LogValue() slog.Value {
	var attrs []slog.Attr
	for _, k := range s.keys {
		attrs = append(attrs, slog.String(k.Name, k.redacted()))
	}
	return slog.GroupValue(attrs...)
}

// Table writes the settings as a table in Markdown.
func (s *Set) Table(w io.Writer) error {
	var b strings.Builder
	b.WriteString("| key, flag | environment | default | value | meaning |\n|---|---|---|---|---|\n")
	for _, k := range s.keys {
		def := k.DefaultText()
		if def != "" && k.Default == "" {
			def = "`" + def + "`"
		}
		cells := []string{"`" + k.Name + "`", "`" + k.Env() + "`", def, k.Value.Want(), k.What}
		for _, c := range cells {
			b.WriteString("| " + strings.ReplaceAll(c, "|", `\|`) + " ")
		}
		b.WriteString("|\n")
	}
	_, err := io.WriteString(w, b.String())
	return err
}

// Reference writes a file that has every setting, commented out, with what it means.
func (s *Set) Reference(w io.Writer) error {
	var b strings.Builder
	for _, k := range s.keys {
		def := "; default: " + k.DefaultText()
		if def == "; default: " {
			def = ""
		}
		fmt.Fprintf(&b, "\n# %s\n# Value: %s%s. Environment: %s\n", upper(k.What), k.Value.Want(), def, k.Env())
		value := k.Example
		if value == "" {
			value = k.redacted()
		}
		fmt.Fprintf(&b, "#%s: %s\n", k.Name, plain(value))
	}
	_, err := io.WriteString(w, b.String())
	return err
}

// upper makes a sentence of what a key means.
func upper(text string) string {
	if text == "" {
		return text
	}
	return strings.ToUpper(text[:1]) + text[1:] + "."
}
