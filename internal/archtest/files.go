package archtest

import (
	"fmt"
	"go/ast"
	"go/build/constraint"
	"maps"
	"path"
	"slices"
	"strings"
)

const (
	maxLines = 800 // beyond it a file fails
	askLines = 400 // beyond it the test's log mentions it
)

// vague names say nothing about what a package provides.
var vague = []string{
	"util", "utils", "common", "helper", "helpers", "model", "models", "types", "misc", "base", "shared", "core", "lib",
}

// tags of build constraints that the machine answers. A constraint of any other tag hides a test from a plain `go test`.
var machineTags = []string{"linux", "darwin", "windows", "unix", "cgo", "amd64", "arm64", "race", "wasm", "wasip1"}

// initAllowed are packages that may have an init function, each with its reason.
var initAllowed = map[string]string{
	"examples/...": "a Go guest hands its handler to the SDK in init: a reactor's main does not run",
}

// skippers may call t.Skip.
var skippers = []string{"internal/testenv/..."}

// fileRules are checked on each file; those about packages are checkPackageDocs and checkPackageNames.
var fileRules = []struct {
	name  string
	why   string
	check func(source, func(at, what string))
}{
	{"size", "a file is read as a whole: split it by concern", checkSize},
	{"init", "wiring is visible: main and standalone call constructors, nothing registers itself", checkInit},
	{"sleep", "tests wait for a condition with a deadline (testenv.Eventually) or run in a synctest bubble", checkSleep},
	{"skip", "only testenv skips: its skips name what is missing, and fail in CI when the machine has it", checkSkip},
	{"tags", "plain `go test ./...` compiles every test; testenv.Need says what one needs", checkTags},
	{"markers", "unfinished work is an issue, not a comment", checkMarkers},
}

func checkFiles(sources []source) []finding {
	var out []finding
	for _, s := range sources {
		for _, r := range fileRules {
			r.check(s, func(at, what string) { out = append(out, finding{at, what, r.why}) })
		}
	}
	return out
}

func checkSize(s source, report func(at, what string)) {
	if s.lines > maxLines && !s.generated() {
		report(s.path, fmt.Sprintf("has %d lines, more than %d", s.lines, maxLines))
	}
}

func checkInit(s source, report func(at, what string)) {
	if s.test() || matchAny(slices.Collect(maps.Keys(initAllowed)), s.dir()) {
		return
	}
	for _, d := range s.ast.Decls {
		if f, ok := d.(*ast.FuncDecl); ok && f.Recv == nil && f.Name.Name == "init" {
			report(s.at(f), "has an init function")
		}
	}
}

func checkSleep(s source, report func(at, what string)) {
	if !s.test() {
		return
	}
	// Inside synctest.Test a sleep takes no time: it moves the bubble's clock.
	calls(s.ast, func(call *ast.CallExpr, inBubble bool) {
		if name(call) == "time.Sleep" && !inBubble {
			report(s.at(call), "sleeps in a test")
		}
	})
}

func checkSkip(s source, report func(at, what string)) {
	if matchAny(skippers, s.dir()) {
		return
	}
	calls(s.ast, func(call *ast.CallExpr, _ bool) {
		sel, ok := call.Fun.(*ast.SelectorExpr)
		switch {
		case !ok:
		case slices.Contains([]string{"Skipf", "SkipNow"}, sel.Sel.Name),
			sel.Sel.Name == "Skip" && (s.test() || imports(s, "testing")):
			report(s.at(call), "calls "+name(call))
		}
	})
}

// checkScripts finds skips in testscript files.
func checkScripts(scripts map[string]string) []finding {
	var out []finding
	for file, text := range scripts {
		script, _, _ := strings.Cut(text, "\n-- ")
		n := 0
		for line := range strings.Lines(script) {
			n++
			words := strings.Fields(line)
			for len(words) > 0 && strings.HasPrefix(words[0], "[") {
				words = words[1:]
			}
			if len(words) > 0 && words[0] == "skip" {
				out = append(out, finding{fmt.Sprintf("%s:%d", file, n), "skips", "only testenv skips: the Go test that runs the script calls testenv.Need"})
			}
		}
	}
	return out
}

func checkTags(s source, report func(at, what string)) {
	if !s.test() {
		return
	}
	for _, group := range s.ast.Comments {
		for _, c := range group.List {
			if !constraint.IsGoBuild(c.Text) {
				continue
			}
			expr, err := constraint.Parse(c.Text)
			if err != nil {
				report(s.at(c), err.Error())
				continue
			}
			expr.Eval(func(tag string) bool {
				if !slices.Contains(machineTags, tag) {
					report(s.at(c), "is hidden behind the build tag "+tag)
				}
				return true
			})
		}
	}
}

func checkMarkers(s source, report func(at, what string)) {
	for _, group := range s.ast.Comments {
		for _, c := range group.List {
			for _, word := range strings.FieldsFunc(c.Text, func(r rune) bool { return r < 'A' || r > 'Z' }) {
				if word == "TODO" || word == "FIXME" || word == "XXX" {
					report(s.at(c), "has a "+word+" comment")
				}
			}
		}
	}
}

// checkPackageDocs wants one doc comment per package, in the words godoc expects.
func checkPackageDocs(sources []source) []finding {
	const why = "a package says once what it is for"
	docs := map[string][]string{} // directory → first words of its package docs
	mains := map[string]bool{}
	for _, s := range sources {
		if s.test() {
			continue
		}
		dir := s.dir()
		docs[dir] = append([]string{}, docs[dir]...) // there, even when no file has one
		mains[dir] = s.ast.Name.Name == "main"
		if text := s.ast.Doc.Text(); strings.TrimSpace(text) != "" {
			docs[dir] = append(docs[dir], text)
		}
	}
	var out []finding
	for dir, texts := range docs {
		want := "Package "
		if mains[dir] {
			want = "Command "
		}
		switch {
		case len(texts) == 0:
			out = append(out, finding{dir, "has no package doc", why})
		case len(texts) > 1:
			out = append(out, finding{dir, fmt.Sprintf("has %d package docs", len(texts)), why})
		case !strings.HasPrefix(texts[0], want) && !strings.HasPrefix(dir, "examples/"):
			out = append(out, finding{dir, fmt.Sprintf("its package doc does not begin with %q", want), why})
		}
	}
	return out
}

// checkPackageNames wants a name that says what a package provides, and directories named like their packages.
func checkPackageNames(sources []source) []finding {
	var out []finding
	seen := map[string]bool{}
	for _, s := range sources {
		n := strings.TrimSuffix(s.ast.Name.Name, "_test")
		if seen[s.dir()+" "+n] {
			continue
		}
		seen[s.dir()+" "+n] = true
		if slices.Contains(vague, n) || slices.Contains(vague, path.Base(s.dir())) {
			out = append(out, finding{s.dir(), "is named " + n, "a package is named for what it provides"})
		}
		if n != strings.ToLower(n) || strings.Contains(n, "_") {
			out = append(out, finding{s.dir(), "is named " + n, "package names are one lower-case word"})
		}
	}
	return out
}

// calls visits the calls in f; inBubble tells those inside an argument of synctest.Test.
func calls(f ast.Node, visit func(call *ast.CallExpr, inBubble bool)) {
	var walk func(n ast.Node, inBubble bool)
	walk = func(n ast.Node, inBubble bool) {
		ast.Inspect(n, func(n ast.Node) bool {
			call, ok := n.(*ast.CallExpr)
			if !ok {
				return true
			}
			visit(call, inBubble)
			if name(call) != "synctest.Test" {
				return true
			}
			for _, arg := range call.Args {
				walk(arg, true)
			}
			return false
		})
	}
	walk(f, false)
}

// name is what a call calls, as written: "time.Sleep"; empty when that is not a plain selector.
func name(call *ast.CallExpr) string {
	sel, ok := call.Fun.(*ast.SelectorExpr)
	if !ok {
		return ""
	}
	x, ok := sel.X.(*ast.Ident)
	if !ok {
		return "." + sel.Sel.Name
	}
	return x.Name + "." + sel.Sel.Name
}

func imports(s source, path string) bool {
	return slices.ContainsFunc(s.ast.Imports, func(i *ast.ImportSpec) bool { return i.Path.Value == `"`+path+`"` })
}
