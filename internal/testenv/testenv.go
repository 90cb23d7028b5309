// Package testenv is for tests that need more than Go: a compiler for guests, a Redis, root. A test names what it
// needs; on a machine that lacks it the test is skipped with the reason and the fix, and where SHOAL_TEST_REQUIRE
// names the requirement (CI), the skip is a failure. It also waits for conditions, so that no test sleeps.
//
// It is the only package that skips tests: internal/archtest refuses t.Skip anywhere else, so what a run left out is
// exactly what the machine could not do, or was not given.
package testenv

import (
	"fmt"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

// Requirement is something a test needs from its machine. Each is probed by doing it, once per process.
type Requirement string

const (
	// Clang is clang-19 and lld that compile and link C and C++ for wasm32-wasi, with wasi-libc and libc++.
	Clang Requirement = "clang"
	// GoWasm is a go command that builds for GOOS=wasip1. The probe warms its build cache.
	GoWasm Requirement = "go-wasm"
	// Rust is rustc with the standard library for wasm32-wasi or wasm32-wasip1, and cargo beside it. RustBin says where.
	Rust Requirement = "rust"
	// CMake is cmake, and a make that it can drive.
	CMake Requirement = "cmake"
	// Npm is node, npm and a registry that answers: a test may install packages into a folder of its own.
	Npm Requirement = "npm"
	// Redis is redis-server and redis-cli on PATH; a test starts its own server on a free port.
	Redis Requirement = "redis"
	// Root is uid 0 with CAP_SYS_ADMIN and CAP_NET_ADMIN.
	Root Requirement = "root"
	// Netns is the right to create a network namespace.
	Netns Requirement = "netns"
	// Cgroup is a cpu controller, v1 or v2, in which a child group can be made and a process put.
	Cgroup Requirement = "cgroup"
	// Swap is swap space with some MiB free.
	Swap Requirement = "swap"
)

// RequireEnv names the environment variable with the comma-separated requirements that must not be skipped.
const RequireEnv = "SHOAL_TEST_REQUIRE"

type probe struct {
	req  Requirement
	what string // what a test that names it may do
	fix  string // what a person does to get it
	do   func() error
}

// probes is in the order in which people read it; Requirements and cmd/probe follow it.
func probes() []probe {
	return []probe{
		{GoWasm, "build Go guests", "install Go 1.26 or later", probeGoWasm},
		{Clang, "build C and C++ guests", "make deps", probeClang},
		{Rust, "build Rust guests", "make deps", probeRust},
		{CMake, "build with CMake", "make deps", probeCMake},
		{Npm, "install npm packages", "install Node.js with npm, and have a registry in reach", probeNpm},
		{Redis, "run against a Redis server", "make deps", probeRedis},
		{Root, "run as root", "run the tests as root", probeRoot},
		{Netns, "create network namespaces", "run the tests as root, outside a restricted container", probeNetns},
		{Cgroup, "limit CPU by cgroup", "run the tests as root with a cpu controller mounted", probeCgroup},
		{Swap, "swap pages out", "give the machine swap space: swapon", probeSwap},
	}
}

var results = sync.OnceValue(func() map[Requirement]func() error {
	m := map[Requirement]func() error{}
	for _, p := range probes() {
		m[p.req] = sync.OnceValue(p.do)
	}
	return m
})

// Requirements lists every requirement that there is.
func Requirements() []Requirement {
	var all []Requirement
	for _, p := range probes() {
		all = append(all, p.req)
	}
	return all
}

// Describe says in words what a test that names r may do, and how a person gets it. Both are empty for a name that
// does not exist.
func Describe(r Requirement) (what, fix string) {
	for _, p := range probes() {
		if p.req == r {
			return p.what, p.fix
		}
	}
	return "", ""
}

// Has reports why this machine cannot serve r; nil means that it can. The first call per requirement and process does
// the probing, which may take seconds (a compiler runs); later calls answer from memory. Safe for concurrent use.
func Has(r Requirement) error {
	do, ok := results()[r]
	if !ok {
		return fmt.Errorf("unknown requirement %q (known: %s)", r, join(Requirements()))
	}
	return do()
}

// Probe tries every requirement; nil means that the machine has it.
func Probe() map[Requirement]error {
	m := map[Requirement]error{}
	for _, r := range Requirements() {
		m[r] = Has(r)
	}
	return m
}

// Need skips t when the machine lacks one of reqs, saying what is missing and how to get it. Where SHOAL_TEST_REQUIRE
// names the missing one, t fails instead.
func Need(t testing.TB, reqs ...Requirement) {
	t.Helper()
	need(t, os.Getenv(RequireEnv), Has, reqs)
}

func need(t testing.TB, require string, has func(Requirement) error, reqs []Requirement) {
	t.Helper()
	must, err := parseRequire(require)
	if err != nil {
		t.Fatalf("%s: %v", RequireEnv, err)
	}
	for _, r := range reqs {
		err := has(r)
		if err == nil {
			continue
		}
		what, fix := Describe(r)
		if what == "" || slices.Contains(must, r) {
			t.Fatalf("needs %s: %v", r, err)
		}
		t.Skipf("needs %s (to %s): %v (%s)", r, what, err, fix)
	}
}

// parseRequire reads a comma list; a misspelt name is an error, else it would quietly allow what it should forbid.
func parseRequire(list string) ([]Requirement, error) {
	var out []Requirement
	for name := range strings.SplitSeq(list, ",") {
		r := Requirement(strings.TrimSpace(name))
		if r == "" {
			continue
		}
		if !slices.Contains(Requirements(), r) {
			return nil, fmt.Errorf("unknown requirement %q (known: %s)", r, join(Requirements()))
		}
		out = append(out, r)
	}
	return out, nil
}

// Long skips t under -short; why says what takes the time. For what would take `go test -short ./...` past a minute.
func Long(t testing.TB, why string) {
	t.Helper()
	if testing.Short() {
		t.Skipf("left out by -short: %s", why)
	}
}

// Given returns what the environment variable env holds, and skips t when it is not set; what says what it would be. It is
// for what is no part of a machine, such as a checkout of somebody else's tests: no requirement, here or in CI.
func Given(t testing.TB, env, what string) string {
	t.Helper()
	v := os.Getenv(env)
	if v == "" {
		t.Skipf("%s is not set (to %s)", env, what)
	}
	return v
}

// Eventually waits until cond holds and fails t when it does not within the timeout; msg and args say what was waited
// for. cond runs on the test's goroutine, at once and then after short, growing pauses.
func Eventually(t testing.TB, timeout time.Duration, cond func() bool, msg string, args ...any) {
	t.Helper()
	if !poll(timeout, cond) {
		t.Fatalf("after %v: %s", timeout, fmt.Sprintf(msg, args...))
	}
}

func poll(timeout time.Duration, cond func() bool) bool {
	deadline := time.Now().Add(timeout)
	pause := time.Millisecond
	for {
		if cond() {
			return true
		}
		left := time.Until(deadline)
		if left <= 0 {
			return false
		}
		<-time.After(min(pause, left))
		pause = min(2*pause, 50*time.Millisecond)
	}
}

func join(reqs []Requirement) string {
	var s []string
	for _, r := range reqs {
		s = append(s, string(r))
	}
	return strings.Join(s, ",")
}
