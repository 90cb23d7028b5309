package examples

import (
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
)

// dir is the repository's examples folder.
const dir = "../../examples"

// Every function is called in the README of its folder, and every call there says what it answers.
func TestExamplesAreShown(t *testing.T) {
	projects, err := find(dir)
	if err != nil {
		t.Fatal(err)
	}
	var functions, languages []string
	for _, p := range projects {
		functions, languages = append(functions, p.Name), append(languages, p.Lang)
		cases, err := ReadmeCases(filepath.Dir(p.dir))
		if err != nil {
			t.Error(err)
			continue
		}
		called := false
		for _, c := range cases {
			if c.Command[0] == "shoal" && slices.Contains(c.Command, "demo/"+p.Name) {
				called = true
				if c.Output == "" {
					t.Errorf("%s: no output is shown", c.At)
				}
			}
		}
		if !called {
			t.Errorf("the README of %s shows no call of demo/%s", filepath.Dir(p.dir), p.Name)
		}
	}
	for _, want := range []string{"echo", "hello-c", "hello-cpp", "hello-go", "hello-rust", "hello-assemblyscript", "nbody", "wordcount"} {
		if !slices.Contains(functions, want) {
			t.Errorf("no example %s among %q", want, functions)
		}
	}
	for _, want := range []string{"assemblyscript", "c", "cpp", "go", "rust"} {
		if !slices.Contains(languages, want) {
			t.Errorf("no example in %s", want)
		}
	}
}

func TestReadmeCases(t *testing.T) {
	folder := t.TempDir()
	text := strings.Join([]string{
		"# title", "", "    $ not a case", "```sh", "$ nor this", "```", "text",
		"```console", "$ go run ./book > book.txt", `$ shoal call demo/x -d @book.txt -o "a b"`, "one", "", "two", "```",
		"```console", `$ curl --data-binary 'it'\''s  me' localhost:8080/v1/call/demo/echo`, "it's  me", "```", "",
	}, "\n")
	if err := os.WriteFile(filepath.Join(folder, "README.md"), []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	cases, err := ReadmeCases(folder)
	if err != nil {
		t.Fatal(err)
	}
	readme := filepath.Join(folder, "README.md")
	want := []Case{
		{
			Dir: folder, At: readme + ":9", Line: "go run ./book > book.txt",
			Command: []string{"go", "run", "./book"}, Redirect: "book.txt",
		},
		{
			Dir: folder, At: readme + ":10", Line: `shoal call demo/x -d @book.txt -o "a b"`,
			Command:   []string{"shoal", "call", "demo/x", "-d", "@book.txt", "-o", "a b"},
			InputFile: "book.txt", Output: "one\n\ntwo\n",
		},
		{
			Dir: folder, At: readme + ":16", Line: `curl --data-binary 'it'\''s  me' localhost:8080/v1/call/demo/echo`,
			Command: []string{"curl", "--data-binary", "it's  me", "localhost:8080/v1/call/demo/echo"},
			Input:   "it's  me", Output: "it's  me\n",
		},
	}
	if !reflect.DeepEqual(cases, want) {
		t.Errorf("got  %+v\nwant %+v", cases, want)
	}
}

func TestReadmeCasesRefuses(t *testing.T) {
	for name, tc := range map[string]struct{ text, want string }{
		"no case":        {"# title\n", "shows no command"},
		"output first":   {"```console\nout\n```\n", "README.md:2: output without a command"},
		"no end":         {"```console\n$ a\n", "has no end"},
		"a pipe":         {"```console\n$ a | b\n```\n", "README.md:2: "},
		"a variable":     {"```console\n$ a $HOME\n```\n", "more shell than"},
		"an open quote":  {"```console\n$ a 'b\n```\n", "quote is not closed"},
		"nothing":        {"```console\n$  \n```\n", "is no command"},
		"-d at the end":  {"```console\n$ a -d\n```\n", "without a value"},
		"> at the end":   {"```console\n$ a >\n```\n", "without a file"},
		"no such README": {"", "no such file"},
	} {
		t.Run(name, func(t *testing.T) {
			folder := t.TempDir()
			if tc.text != "" {
				if err := os.WriteFile(filepath.Join(folder, "README.md"), []byte(tc.text), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			if _, err := ReadmeCases(folder); err == nil || !strings.Contains(err.Error(), tc.want) {
				t.Errorf("error %v, want one with %q", err, tc.want)
			}
		})
	}
}
