package examples

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// Case is a command that a README shows, with what it prints. The commands of one README run in order: a later one may
// need a file that an earlier one writes.
type Case struct {
	Dir     string   // of the README; the commands run there
	At      string   // "FILE:LINE" of the command
	Line    string   // the command as it stands there, for a shell
	Command []string // its words, without quotes and without Redirect
	// Input is what the command gives to the call with -d, --data or --data-binary; "" without one. Of `-d @FILE` the
	// name of the file is in InputFile instead.
	Input     string
	InputFile string
	Redirect  string // the file that `> FILE` writes; "" without one
	Output    string // the lines up to the next command or the end of the block, each with its newline
}

// ReadmeCases reads the cases of the README.md in dir: in fenced blocks marked as console, a line that begins with "$ "
// is a command, and what follows is its output. A README without any is an error.
func ReadmeCases(dir string) ([]Case, error) {
	path := filepath.Join(dir, "README.md")
	data, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	var cases []Case
	inside := false
	for i, line := range strings.Split(string(data), "\n") {
		at := fmt.Sprintf("%s:%d", path, i+1)
		switch {
		case strings.HasPrefix(line, "```"):
			inside = !inside && strings.TrimSpace(line) == "```console"
		case !inside:
		case strings.HasPrefix(line, "$ "):
			c := Case{Dir: dir, At: at, Line: strings.TrimPrefix(line, "$ ")}
			if err := c.parse(); err != nil {
				return nil, fmt.Errorf("%s: %w", at, err)
			}
			cases = append(cases, c)
		case len(cases) == 0:
			return nil, fmt.Errorf("%s: output without a command before it (commands begin with \"$ \")", at)
		default:
			cases[len(cases)-1].Output += line + "\n"
		}
	}
	if inside {
		return nil, fmt.Errorf("%s: the last block has no end", path)
	}
	if len(cases) == 0 {
		return nil, fmt.Errorf("%s shows no command in a ```console block", path)
	}
	return cases, nil
}

// parse fills in what Line says.
func (c *Case) parse() error {
	words, err := split(c.Line)
	if err != nil {
		return err
	}
	for i := 0; i < len(words); i++ {
		last := i == len(words)-1
		switch words[i] {
		case ">":
			if last {
				return fmt.Errorf("%q: > without a file", c.Line)
			}
			i++
			c.Redirect = words[i]
			continue
		case "-d", "--data", "--data-binary":
			if last {
				return fmt.Errorf("%q: %s without a value", c.Line, words[i])
			}
			if file, ok := strings.CutPrefix(words[i+1], "@"); ok {
				c.InputFile = file
			} else {
				c.Input = words[i+1]
			}
		}
		c.Command = append(c.Command, words[i])
	}
	if len(c.Command) == 0 {
		return fmt.Errorf("%q is no command", c.Line)
	}
	return nil
}

// split divides a command into words as a shell does, with single and double quotes and backslashes. Variables, pipes and
// the like have no place in a README's case and are refused.
func split(line string) ([]string, error) {
	var words []string
	var word strings.Builder
	started := false
	var quote rune
	escaped := false
	for _, r := range line {
		switch {
		case escaped:
			word.WriteRune(r)
			escaped = false
		case r == '\\' && quote != '\'':
			escaped, started = true, true
		case quote != 0:
			if r == quote {
				quote = 0
			} else {
				word.WriteRune(r)
			}
		case r == '\'' || r == '"':
			quote, started = r, true
		case r == ' ' || r == '\t':
			if started {
				words = append(words, word.String())
				word.Reset()
				started = false
			}
		case strings.ContainsRune("|&;<$`(){}*?", r):
			return nil, fmt.Errorf("%q: %q is more shell than a README's case may use", line, r)
		default:
			word.WriteRune(r)
			started = true
		}
	}
	if quote != 0 || escaped {
		return nil, fmt.Errorf("%q: a quote is not closed", line)
	}
	if started {
		words = append(words, word.String())
	}
	return words, nil
}
