package suite

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/shoal-run/shoal/integration/framework"
	"github.com/shoal-run/shoal/internal/examples"
	"github.com/shoal-run/shoal/internal/testenv"
	"github.com/shoal-run/shoal/services/standalone"
)

const root = "../.." // of the repository

// Guarantee 1, as newcomers meet it: what the READMEs show and what the stories tell is what the command prints.
func TestCommandLine(t *testing.T) {
	testenv.Long(t, "builds the command, the examples and projects")
	testenv.Need(t, testenv.GoWasm)
	s := start(t, standalone.Config{})
	bin := t.TempDir()
	run(t, root, nil, "go", "build", "-buildvcs=false", "-trimpath", "-o", filepath.Join(bin, "shoal"), "./cmd/shoal")
	path := bin + string(filepath.ListSeparator) + os.Getenv("PATH")
	t.Setenv("PATH", path)
	t.Setenv("SHOAL_URL", s.HTTP)

	t.Run("up", runUp)
	t.Run("examples", func(t *testing.T) { runExamples(t, s) })
	for _, language := range []string{"go", "c", "cpp", "rust"} {
		t.Run("story in "+language, func(t *testing.T) {
			switch language {
			case "c", "cpp":
				testenv.Need(t, testenv.Clang)
			case "rust":
				testenv.Need(t, testenv.Rust)
			}
			tell(t, s, language, path)
		})
	}
	t.Run("stories of the command", func(t *testing.T) { // which its own tests tell to a fake gateway
		run(t, root, []string{"SHOAL_TEST_URL=" + s.HTTP}, "go", "test", "-count=1", "-run=^(TestStories|TestProjects)$", "./cmd/shoal")
	})
	stillAnswers(t, s)
	s.AwaitIdle(t)
}

// run runs a command and returns its stdout.
func run(t *testing.T, dir string, env []string, name string, args ...string) []byte {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), name, args...)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), env...)
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	if err := cmd.Run(); err != nil {
		t.Fatalf("%s %s: %v\n%s%s", name, strings.Join(args, " "), err, &stdout, &stderr)
	}
	return stdout.Bytes()
}

// runExamples builds and deploys every example that this machine can build, and follows the READMEs.
func runExamples(t *testing.T, s *framework.Standalone) {
	var log bytes.Buffer
	built, skipped, err := examples.Build(t.Context(), filepath.Join(root, "examples"), t.TempDir(), &log)
	if err != nil {
		t.Fatalf("%v\n%s", err, &log)
	}
	missing := map[string]string{} // languages, by functions
	for _, e := range skipped {
		missing["demo/"+e.Name] = e.Reason.Lang
	}
	var dirs []string
	for _, e := range built {
		run(t, root, nil, "shoal", "deploy", "demo/"+e.Name, e.Path)
		if dir := filepath.Dir(e.Source); !slices.Contains(dirs, dir) {
			dirs = append(dirs, dir)
		}
	}
	for _, dir := range dirs {
		t.Run(filepath.Base(dir), func(t *testing.T) {
			cases, err := examples.ReadmeCases(dir)
			if err != nil {
				t.Fatal(err)
			}
			files := t.TempDir() // for what the commands write
			for _, c := range cases {
				t.Run(c.Line, func(t *testing.T) {
					for _, word := range c.Command {
						switch missing[word] {
						case "c", "cpp":
							testenv.Need(t, testenv.Clang)
						case "rust":
							testenv.Need(t, testenv.Rust)
						case "assemblyscript": // integration/sdk installs the compiler and calls one
							t.Log("not built: nobody ran npm install in the example's folder")
							return
						}
					}
					follow(t, s, c, files)
				})
			}
		})
	}
}

// follow runs a case and compares what it prints.
func follow(t *testing.T, s *framework.Standalone, c examples.Case, files string) {
	words := slices.Clone(c.Command)
	for i, w := range words {
		if w == "@"+c.InputFile {
			words[i] = "@" + filepath.Join(files, c.InputFile)
		}
	}
	var got []byte
	if words[0] == "curl" { // not everybody has it
		got = curl(t, s, words[len(words)-1], c.Input)
	} else {
		got = run(t, c.Dir, nil, words[0], words[1:]...)
	}
	if c.Redirect != "" {
		if err := os.WriteFile(filepath.Join(files, c.Redirect), got, 0o600); err != nil {
			t.Fatal(err)
		}
		got = nil
	}
	if text := string(got); strings.TrimSuffix(text, "\n") != strings.TrimSuffix(c.Output, "\n") {
		t.Errorf("%s: it prints\n%s\nand the README shows\n%s", c.At, text, c.Output)
	}
}

// curl posts to the gateway that the address of a README stands for.
func curl(t *testing.T, s *framework.Standalone, address, body string) []byte {
	t.Helper()
	path, ok := strings.CutPrefix(address, "localhost:8080")
	if !ok {
		t.Fatalf("%q is not on localhost:8080", address)
	}
	out, err := post(t.Context(), s.HTTP+path, []byte(body))
	if err != nil {
		t.Fatal(err)
	}
	return []byte(out)
}

// tell runs the story with the real command against s.
func tell(t *testing.T, s *framework.Standalone, language, path string) {
	caches := map[string]string{} // scripts have a home of their own; what was compiled is shared
	for _, name := range []string{"GOCACHE", "GOMODCACHE", "GOPROXY", "GOFLAGS", "GOROOT"} {
		caches[name] = strings.TrimSpace(string(run(t, root, nil, "go", "env", name)))
	}
	testscript.Run(t, testscript.Params{
		Dir:                 "testdata/story",
		RequireExplicitExec: true,
		Setup: func(env *testscript.Env) error {
			env.Setenv("PATH", path)
			env.Setenv("SHOAL_URL", s.HTTP)
			env.Setenv("LANGUAGE", language)
			for name, value := range caches {
				env.Setenv(name, value)
			}
			return nil
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){"until": until},
	})
}

// until runs a command until its stdout matches: until REGEXP COMMAND [ARG...]
func until(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: until REGEXP COMMAND [ARG...]")
	}
	want, err := regexp.Compile("(?m)" + args[0])
	ts.Check(err)
	for range 100 {
		if err := ts.Exec(args[1], args[2:]...); err == nil && want.MatchString(ts.ReadFile("stdout")) {
			return
		}
	}
	ts.Fatalf("in 100 runs no output of %s matched %s; the last was %s", strings.Join(args[1:], " "), args[0], ts.ReadFile("stdout"))
}
