package archtest

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// TestRepository runs every rule over the tree.
func TestRepository(t *testing.T) {
	dir, err := root()
	if err != nil {
		t.Fatal(err)
	}
	pkgs, err := list(dir, nil, "./...", "./sdk/go/...", "./examples/...")
	if err != nil {
		t.Fatal(err)
	}
	light, err := list(dir, []string{"CGO_ENABLED=0"}, "./bus/...", "./services/gateway/...", "./services/planner/...", "./cmd/...")
	if err != nil {
		t.Fatal(err)
	}
	sources, scripts, err := files(dir)
	if err != nil {
		t.Fatal(err)
	}
	if len(pkgs) < 5 || len(sources) < 20 {
		t.Fatalf("saw %d packages and %d files: the rules look at the wrong place", len(pkgs), len(sources))
	}
	links, err := checkLinks(dir)
	if err != nil {
		t.Fatal(err)
	}
	found := slices.Concat(
		links,
		checkLayers(pkgs), checkHomes(pkgs), checkNoCgo(light),
		checkFiles(sources), checkPackageDocs(sources), checkPackageNames(sources), checkScripts(scripts),
	)
	slices.SortFunc(found, func(a, b finding) int { return strings.Compare(a.where, b.where) })
	for _, f := range found {
		t.Error(f)
	}
	for _, s := range sources {
		if s.lines > askLines && !s.generated() {
			t.Logf("%s has %d lines: does it hold more than one concern?", s.path, s.lines)
		}
	}
}

// one wants exactly one finding, with the words of want in it; none for an empty want.
func one(t *testing.T, found []finding, want string) {
	t.Helper()
	switch {
	case want == "" && len(found) == 0:
	case want == "":
		t.Errorf("found %v in what is right", found)
	case len(found) != 1 || !strings.Contains(found[0].String(), want):
		t.Errorf("found %v, want one with %q", found, want)
	case found[0].where == "" || found[0].why == "":
		t.Errorf("%+v does not say where or why", found[0])
	}
}

func TestLayers(t *testing.T) {
	for _, c := range []struct {
		name string
		pkg  pkg
		want string
	}{
		{name: "faas takes the standard library", pkg: pkg{path: "bus/faas", imports: []string{"fmt", "log/slog"}}},
		{name: "faas takes no third party", pkg: pkg{path: "bus/faas", imports: []string{"golang.org/x/sync/errgroup"}}, want: "golang.org/x/sync"},
		{name: "faas takes nothing of ours", pkg: pkg{path: "bus/faas", imports: []string{"./libs/guest"}}, want: "libs/guest"},
		{name: "bus takes faas and nats.go", pkg: pkg{path: "bus", imports: []string{"./bus/faas", "github.com/nats-io/nats.go/jetstream"}}},
		{name: "bus takes no library", pkg: pkg{path: "bus", imports: []string{"./libs/telemetry"}}, want: "libs/telemetry"},
		{name: "bus takes no server", pkg: pkg{path: "bus", imports: []string{"github.com/nats-io/nats-server/v2/server"}}, want: "nats-server"},
		{name: "libs do not see the wire", pkg: pkg{path: "libs/faaslet", imports: []string{"./bus"}}, want: "imports bus"},
		{name: "not in tests either", pkg: pkg{path: "libs/faaslet", testImports: []string{"./bus"}}, want: "in a test bus"},
		{name: "libs take libs", pkg: pkg{path: "libs/faaslet", imports: []string{"./libs/hostapi", "./bus/faas"}}},
		{name: "the host interface does not see the engine", pkg: pkg{path: "libs/hostapi", imports: []string{"./libs/faaslet"}}, want: "libs/faaslet"},
		{name: "nor does wasi see the host interface", pkg: pkg{path: "libs/wasi", imports: []string{"./libs/hostapi"}}, want: "libs/hostapi"},
		{name: "helpers of tests stay in tests", pkg: pkg{path: "libs/natsd", imports: []string{"./internal/testenv"}}, want: "internal/testenv"},
		{name: "tests use them", pkg: pkg{path: "libs/natsd", testImports: []string{"./internal/testenv", "./internal/leakcheck"}}},
		{name: "suites use them", pkg: pkg{path: "libs/state/statetest", imports: []string{"./internal/testenv"}}},
		{name: "services do not see each other", pkg: pkg{path: "services/gateway", imports: []string{"./services/planner"}}, want: "services/planner"},
		{name: "a service sees its own", pkg: pkg{path: "services/gateway/cmd/gateway", imports: []string{"./services/gateway"}}},
		{name: "a service is a process", pkg: pkg{path: "services/gateway/gatewayd", imports: []string{"./services/process"}}},
		{name: "a process knows no service", pkg: pkg{path: "services/process", imports: []string{"./services/gateway"}}, want: "services/gateway"},
		{name: "standalone sees all", pkg: pkg{path: "services/standalone", imports: []string{"./services/planner", "./services/worker"}}},
		{name: "the command line starts standalone", pkg: pkg{path: "cmd/shoal", imports: []string{"./services/standalone"}}},
		{name: "the command line starts nothing else", pkg: pkg{path: "cmd/shoal", imports: []string{"./services/worker"}}, want: "services/worker"},
		{name: "the SDK is light", pkg: pkg{path: "sdk/go", imports: []string{"golang.org/x/sys/unix"}}, want: "golang.org/x/sys"},
		{name: "examples use the SDK", pkg: pkg{path: "examples/echo", imports: []string{"./sdk/go"}}},
		{name: "examples use nothing else", pkg: pkg{path: "examples/echo", imports: []string{"./bus/faas"}}, want: "bus/faas"},
		{name: "a part without a row", pkg: pkg{path: "pkg/stuff"}, want: "no layer"},
	} {
		t.Run(c.name, func(t *testing.T) { one(t, checkLayers([]pkg{c.pkg}), c.want) })
	}
}

func TestHomes(t *testing.T) {
	const wasmtime = "github.com/bytecodealliance/wasmtime-go/v25"
	for _, c := range []struct {
		name string
		pkg  pkg
		want string
	}{
		{name: "at home", pkg: pkg{path: "libs/faaslet/compile", imports: []string{wasmtime}}},
		{name: "astray", pkg: pkg{path: "services/worker", imports: []string{wasmtime}}, want: "whose home is libs/faaslet/..."},
		{name: "a test of a library", pkg: pkg{path: "libs/wasmbin", testImports: []string{wasmtime}}},
		{name: "a test of a service", pkg: pkg{path: "services/worker", testImports: []string{wasmtime}}, want: "in a test"},
		{name: "a server in a client", pkg: pkg{path: "bus", imports: []string{"github.com/nats-io/nats-server/v2/server"}}, want: "libs/natsd"},
		{name: "a server in a test", pkg: pkg{path: "bus", testImports: []string{"github.com/nats-io/nats-server/v2/server"}}},
		{name: "Redis astray", pkg: pkg{path: "libs/state", imports: []string{"github.com/redis/go-redis/v9"}}, want: "libs/state/redis"},
		{name: "netlink astray", pkg: pkg{path: "services/worker", imports: []string{"github.com/vishvananda/netlink"}}, want: "libs/isolation"},
		{name: "nats.go in the engine", pkg: pkg{path: "libs/faaslet", imports: []string{"github.com/nats-io/nats.go"}}, want: "nats.go"},
		{name: "cgo astray", pkg: pkg{path: "libs/wasi", cgo: true}, want: "imports C"},
		{name: "goleak by itself", pkg: pkg{path: "bus", testImports: []string{"go.uber.org/goleak"}}, want: "internal/leakcheck"},
		{name: "unknown", pkg: pkg{path: "libs/x", imports: []string{"example.com/thing"}}, want: "has no home"},
	} {
		t.Run(c.name, func(t *testing.T) { one(t, checkHomes([]pkg{c.pkg}), c.want) })
	}
}

func TestNoCgo(t *testing.T) {
	one(t, checkNoCgo([]pkg{{path: "cmd/shoal", deps: []string{"fmt", "./bus", "github.com/nats-io/nats.go"}}}), "")
	one(t, checkNoCgo([]pkg{{path: "bus/bustest", deps: []string{"./libs/natsd"}}}), "")
	one(t, checkNoCgo([]pkg{{path: "services/gateway", deps: []string{"runtime/cgo"}}}), "runtime/cgo")
	one(t, checkNoCgo([]pkg{{path: "cmd/shoal", deps: []string{"./services/standalone"}}}), "services/standalone")
	one(t, checkNoCgo([]pkg{{path: "bus", deps: []string{"github.com/nats-io/nats-server/v2/server"}}}), "nats-server")
	one(t, checkNoCgo([]pkg{{path: "cmd/shoal", deps: []string{"github.com/prometheus/client_golang/prometheus"}}}), "prometheus")
	one(t, checkNoCgo([]pkg{{path: "services/gateway", deps: []string{"github.com/prometheus/client_golang/prometheus"}}}), "")
}

func TestFiles(t *testing.T) {
	for _, c := range []struct {
		name, path, text string
		want             string
	}{
		{name: "plain", path: "libs/a/a.go", text: "package a\n\nfunc F() {}\n"},
		{name: "long", path: "libs/a/a.go", text: "package a\n" + strings.Repeat("\n", 800), want: "801 lines"},
		{name: "long, generated", path: "libs/a/a.go", text: "// Code generated by x. DO NOT EDIT.\n\npackage a\n" + strings.Repeat("\n", 800)},
		{name: "init", path: "libs/a/a.go", text: "package a\n\nfunc init() {}\n", want: "libs/a/a.go:3: has an init function"},
		{name: "a method named init", path: "libs/a/a.go", text: "package a\n\nfunc (t T) init() {}\n"},
		{name: "sleep", path: "libs/a/a_test.go", text: "package a\n\nfunc f() { time.Sleep(1) }\n", want: "sleeps"},
		{name: "sleep outside of tests", path: "libs/a/a.go", text: "package a\n\nfunc f() { time.Sleep(1) }\n"},
		{
			name: "sleep in a bubble", path: "libs/a/a_test.go",
			text: "package a\n\nfunc f() { synctest.Test(t, func(t *testing.T) { time.Sleep(1) }) }\n",
		},
		{name: "skip", path: "libs/a/a_test.go", text: "package a\n\nfunc f() { t.Skip() }\n", want: "calls t.Skip"},
		{name: "skipf", path: "libs/a/a_test.go", text: "package a\n\nfunc f() { x.y.Skipf(\"\") }\n", want: "Skipf"},
		{name: "skip in a suite", path: "libs/a/atest/a.go", text: "package atest\n\nimport \"testing\"\n\nfunc f(t *testing.T) { t.Skip() }\n", want: "t.Skip"},
		{name: "a Skip of something else", path: "libs/a/a.go", text: "package a\n\nfunc f() { decoder.Skip() }\n"},
		{name: "testenv skips", path: "internal/testenv/a.go", text: "package testenv\n\nfunc f() { t.Skipf(\"\") }\n"},
		{name: "init of a guest", path: "examples/a/go/main.go", text: "package main\n\nfunc init() {}\n"},
		{name: "a tag of the machine", path: "libs/a/a_test.go", text: "//go:build linux && !race\n\npackage a\n"},
		{name: "a tag of somebody", path: "libs/a/a_test.go", text: "//go:build integration\n\npackage a\n", want: "build tag integration"},
		{name: "marker", path: "libs/a/a.go", text: "package a\n\n// TO" + "DO: later\nfunc F() {}\n", want: "TO" + "DO"},
	} {
		t.Run(c.name, func(t *testing.T) { one(t, checkFiles([]source{mustParse(t, c.path, c.text)}), c.want) })
	}
}

func TestPackageDocs(t *testing.T) {
	with := mustParse(t, "libs/a/doc.go", "// Package a is for b.\npackage a\n")
	without := mustParse(t, "libs/a/a.go", "package a\n")
	one(t, checkPackageDocs([]source{with, without}), "")
	one(t, checkPackageDocs([]source{without}), "no package doc")
	one(t, checkPackageDocs([]source{with, with}), "2 package docs")
	one(t, checkPackageDocs([]source{mustParse(t, "libs/a/a.go", "// This is a.\npackage a\n")}), "does not begin")
	one(t, checkPackageDocs([]source{mustParse(t, "cmd/a/a.go", "// Package main is a.\npackage main\n")}), `"Command "`)
	one(t, checkPackageDocs([]source{mustParse(t, "cmd/a/a.go", "// Command a does b.\npackage main\n")}), "")
	one(t, checkPackageDocs([]source{with, mustParse(t, "libs/a/a_test.go", "// Package a, tested.\npackage a\n")}), "")
}

func TestPackageNames(t *testing.T) {
	one(t, checkPackageNames([]source{mustParse(t, "libs/util/a.go", "package util\n")}), "named util")
	one(t, checkPackageNames([]source{mustParse(t, "libs/a/a.go", "package aThing\n")}), "one lower-case word")
	one(t, checkPackageNames([]source{mustParse(t, "libs/a/a_test.go", "package a_test\n")}), "")
}

func TestScripts(t *testing.T) {
	one(t, checkScripts(map[string]string{"a.txtar": "exec shoal ls\n[!linux] skip 'no'\n-- f --\nskip\n"}), "a.txtar:2: skips")
	one(t, checkScripts(map[string]string{"a.txtar": "exec shoal ls\n-- f --\nskip\n"}), "")
}

func TestLinks(t *testing.T) {
	dir := t.TempDir()
	text := "[a](a.md) [b](https://example.com/b) [c](a.md#there) [d](#here)\n[e](docs/missing.md)\n"
	if err := os.WriteFile(filepath.Join(dir, "a.md"), []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	found, err := checkLinks(dir)
	if err != nil {
		t.Fatal(err)
	}
	one(t, found, "a.md:2: links to docs/missing.md")
}

func TestDecode(t *testing.T) {
	pkgs, err := decode(strings.NewReader(`{"ImportPath": "github.com/shoal-run/shoal/libs/a",
		"Imports": ["fmt", "github.com/shoal-run/shoal/bus/faas"], "XTestImports": ["example.com/x"], "CgoFiles": ["a.go"]}
		{"ImportPath": "github.com/shoal-run/shoal/libs/b"}`))
	if err != nil {
		t.Fatal(err)
	}
	if len(pkgs) != 2 || pkgs[0].path != "libs/a" || pkgs[0].imports[1] != "./bus/faas" || pkgs[0].testImports[0] != "example.com/x" ||
		!pkgs[0].cgo || pkgs[1].cgo {
		t.Errorf("read %+v", pkgs)
	}
	if _, err := decode(strings.NewReader("{")); err == nil {
		t.Error("took half an object")
	}
}

func mustParse(t *testing.T, path, text string) source {
	t.Helper()
	s, err := parse(path, text)
	if err != nil {
		t.Fatal(err)
	}
	return s
}
