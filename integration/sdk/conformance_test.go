package sdk

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/shoal-run/shoal/bus/faas"
	"github.com/shoal-run/shoal/integration/framework"
	"github.com/shoal-run/shoal/internal/testenv"
	"github.com/shoal-run/shoal/libs/hostapi"
	"github.com/shoal-run/shoal/libs/wasmbin"
	"github.com/shoal-run/shoal/services/standalone"
)

// conformance are the programs of testdata/faasm, written for Faasm's interface, and what calls of them must come to. One
// whose imports the host interface has not, or answers with an errno, is compiled and not called.
var conformance = []struct {
	file  string
	calls []conformanceCall
	needs []string // more of the host interface than can be told from what it imports
	fails string   // what the deploy says, of one that can't be deployed
}{
	{file: "argv.c", calls: []conformanceCall{{want: "1 argv"}}},
	{file: "clocks.cpp", calls: []conformanceCall{{want: "1970-01-02"}}},
	{file: "compare.cpp", calls: []conformanceCall{{want: "[1, 2, 3]\nthe arrays differ at 2:\n[1, 2, 3]\n[1, 2, 4]\n"}}},
	{file: "environment.c", calls: []conformanceCall{{want: "yes - yes a new -"}}},
	{file: "exception.cpp", calls: []conformanceCall{{code: faas.GuestTrapped, stderr: "a C++ exception ends the call: std::runtime_error"}}},
	{file: "exit.cpp", calls: []conformanceCall{
		{want: "atexit"},
		{input: "return 5", code: faas.GuestFailed, exit: 5},
		{input: "exit 0", want: "atexit"},
		{input: "exit 9", code: faas.GuestFailed, exit: 9},
		{input: "_Exit 0"},
		{input: "_Exit 255", code: faas.GuestFailed, exit: 255},
		{input: "abort 0", code: faas.GuestTrapped},
	}},
	{file: "files.cpp", calls: []conformanceCall{{want: "written"}}, needs: []string{"path_open"}},
	{file: "headers.cpp", calls: []conformanceCall{{}}},
	{file: "headers_c.c", calls: []conformanceCall{{}}},
	{file: "heap.cpp", calls: []conformanceCall{{want: "100"}}},
	{file: "identity.c", calls: []conformanceCall{{matches: `^1 \w+ /.*$`}}},
	{file: "input_output.c", calls: []conformanceCall{{}, {input: "abc", want: "cba"}, {input: "\x00a\xff", want: "\xffa\x00"}}},
	{file: "layout.c", calls: []conformanceCall{{want: "stack data heap"}}},
	{file: "mappings.c", calls: []conformanceCall{{want: "mapped"}}},
	{file: "output.c", calls: []conformanceCall{{want: "text -1 3.14 c ff\nline\n"}}},
	{file: "python.c"},
	{file: "random.cpp", calls: []conformanceCall{{matches: `^[0-9A-Za-z]{10}$`}}},
	{file: "state.cpp", calls: []conformanceCall{{want: "kept"}}},
	{file: "state_more.c", calls: []conformanceCall{{want: "counted"}}, needs: []string{"path_open"}},
	{file: "terminal.c", calls: []conformanceCall{{want: "0000"}}},
	{file: "text.cpp", calls: []conformanceCall{{want: "3"}, {input: "10 -2 30 7", want: "38"}, {input: "13", code: faas.GuestFailed, exit: 1}}},
	{file: "threads.cpp"},
	{file: "zygote.cpp", calls: []conformanceCall{{want: "1 one two three"}, {input: "four", want: "1 one two four"}, {want: "1 one two three"}}},
	{file: "zygote_c.c", calls: []conformanceCall{{want: "81"}, {want: "81"}}},
	{file: "zygote_fails.c", fails: "7"},
	{file: "chain.cpp", calls: []conformanceCall{{want: "chained"}}}, // it calls input-output
}

type conformanceCall struct {
	input   string
	want    string    // the output
	matches string    // a pattern of the output, instead
	code    faas.Code // of a call that fails
	exit    int       // its exit code
	stderr  string    // part of what it says
}

// Programs written for Faasm's interface compile unchanged, and do what they do there.
func TestFaasmConformance(t *testing.T) {
	testenv.Need(t, testenv.Clang)
	sources, err := filepath.Glob("testdata/faasm/*.c*")
	if err != nil || len(sources) != len(conformance) {
		t.Fatalf("%d programs, and %d cases (%v)", len(sources), len(conformance), err)
	}
	s := framework.Start(t, standalone.Config{})
	for _, c := range conformance {
		name := strings.TrimSuffix(strings.ReplaceAll(c.file, "_", "-"), filepath.Ext(c.file))
		t.Run(name, func(t *testing.T) {
			module := buildFaasm(t, name, c.file)
			lacking := lacks(t, module, c.needs)
			if strings.HasPrefix(name, "headers") && len(envImports(t, module)) > 0 {
				t.Errorf("it imports %q, and uses nothing", envImports(t, module))
			}
			if len(lacking) > 0 {
				t.Logf("compiled, not called: the host interface lacks %s", strings.Join(lacking, ", "))
				return
			}
			if a := s.Put(t, "t/"+name, module, "env.GIVEN=yes"); c.fails != "" {
				if a.Err == nil || a.Err.Code != faas.InvalidModule || !strings.Contains(a.Err.Message, c.fails) {
					t.Errorf("the deploy says %v", a.Err)
				}
				return
			} else if a.Err != nil {
				t.Fatal(a.Err)
			}
			for _, call := range c.calls {
				call.check(t, s.Call(t, "t/"+name, []byte(call.input)))
			}
		})
	}
}

func (c conformanceCall) check(t *testing.T, a framework.Answer) {
	t.Helper()
	switch {
	case c.code == "" && a.Err != nil:
		t.Errorf("input %q: %v\n%s", c.input, a.Err, a.Err.Stderr)
	case c.code != "":
		if a.Err == nil || a.Err.Code != c.code || a.Err.ExitCode != c.exit || !strings.Contains(a.Err.Stderr, c.stderr) {
			t.Errorf("input %q: %v %q, want %s with exit code %d", c.input, a.Err, a.Body, c.code, c.exit)
		}
	case c.matches != "":
		if !regexp.MustCompile(c.matches).Match(a.Body) {
			t.Errorf("input %q: %q does not match %s", c.input, a.Body, c.matches)
		}
	case string(a.Body) != c.want:
		t.Errorf("input %q: %q, want %q", c.input, a.Body, c.want)
	}
}

// buildFaasm compiles a program of testdata/faasm as `shoal build` does.
func buildFaasm(t *testing.T, name, file string) []byte {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("testdata", "faasm", file))
	if err != nil {
		t.Fatal(err)
	}
	lang, flags := "c", ""
	if filepath.Ext(file) == ".cpp" {
		lang = "cpp"
	}
	if file == "exception.cpp" {
		flags = "flags: [-fexceptions]\n"
	}
	config := "name: " + name + "\nlang: " + lang + "\nkind: command\nsdk: " + sdkFrom(t, "c") + "\n" + flags
	return build(t, project(t, config, map[string]string{"main" + filepath.Ext(file): string(text)}))
}

func parse(t *testing.T, module []byte) *wasmbin.Module {
	t.Helper()
	m, err := wasmbin.Parse(module)
	if err != nil {
		t.Fatal(err)
	}
	return m
}

func envImports(t *testing.T, module []byte) (names []string) {
	t.Helper()
	for _, i := range parse(t, module).Imports {
		if i.Module == "env" {
			names = append(names, i.Name)
		}
	}
	return names
}

// lacks returns what a module needs and the host interface has not, or has only to answer an errno.
func lacks(t *testing.T, module []byte, needs []string) (lacking []string) {
	t.Helper()
	table := hostapi.New()
	for _, name := range envImports(t, module) {
		if row, ok := table.Lookup("env", name); !ok || row.Support == hostapi.Errno {
			lacking = append(lacking, name)
		}
	}
	for _, name := range needs {
		if row, ok := table.Lookup("wasi_snapshot_preview1", name); !ok || row.Support == hostapi.Errno {
			lacking = append(lacking, name)
		}
	}
	return lacking
}
