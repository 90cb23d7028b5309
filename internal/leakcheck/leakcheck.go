// Package leakcheck fails tests that leave something behind: goroutines, file descriptors, child processes, temporary
// files. A package that starts goroutines or opens files calls Main from its TestMain; Check does the same for one
// test and names it, where a package leaks and the question is which test.
package leakcheck

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"
)

// grace is how long what is being closed may take to go away.
const grace = 3 * time.Second

// Option makes a check overlook something. Each use says why at the call.
type Option func(*config)

type config struct {
	goleak  []goleak.Option
	fds     []string
	grace   time.Duration
	tempDir string
}

// IgnoreGoroutine overlooks goroutines that have function (as a stack trace writes it) anywhere on their stack.
func IgnoreGoroutine(function string) Option {
	return func(c *config) { c.goleak = append(c.goleak, goleak.IgnoreAnyFunction(function)) }
}

// IgnoreDescriptor overlooks descriptors whose target, as /proc/self/fd shows it, begins with prefix.
func IgnoreDescriptor(prefix string) Option {
	return func(c *config) { c.fds = append(c.fds, prefix) }
}

// Main runs the tests of a package and exits: with their code when they fail, with 1 when they pass and leave something
// behind. It gives the process a TMPDIR of its own, so that what other packages' tests do at the same time is not seen.
// A TestMain that has work of its own does it before; nothing after Main runs.
func Main(m *testing.M, opts ...Option) {
	os.Exit(runMain(m, os.Stderr, opts...))
}

type runner interface{ Run() int }

func runMain(m runner, w io.Writer, opts ...Option) int {
	c := newConfig(opts)
	dir, err := os.MkdirTemp("", "leak") // short: tests put Unix sockets below it
	if err != nil {
		fmt.Fprintln(w, "leakcheck:", err)
		return 1
	}
	defer os.RemoveAll(dir)
	old, had := os.LookupEnv("TMPDIR")
	if err := os.Setenv("TMPDIR", dir); err != nil {
		fmt.Fprintln(w, "leakcheck:", err)
		return 1
	}
	defer func() {
		if had {
			os.Setenv("TMPDIR", old)
		} else {
			os.Unsetenv("TMPDIR")
		}
	}()
	c.tempDir = dir
	before := snapshot(c)
	code := m.Run()
	if code != 0 {
		return code // a failed test may well leave things; its own message is what matters
	}
	if err := c.leaks(before); err != nil {
		fmt.Fprintf(w, "leakcheck: the tests passed and left behind:\n%v\n", err)
		return 1
	}
	return 0
}

// Check fails t when, after t and its cleanups registered later, something is left that was not there at the call.
// Call it first in the test. Not for tests that run in parallel with others: it sees the whole process. Temporary
// files are Main's business.
func Check(t testing.TB, opts ...Option) {
	t.Helper()
	c := newConfig(opts)
	c.goleak = append(c.goleak, goleak.IgnoreCurrent())
	before := snapshot(c)
	t.Cleanup(func() {
		if t.Failed() {
			return
		}
		if err := c.leaks(before); err != nil {
			t.Errorf("left behind:\n%v", err)
		}
	})
}

func newConfig(opts []Option) *config {
	c := &config{grace: grace}
	for _, o := range opts {
		o(c)
	}
	return c
}

// state is what a process holds besides memory and goroutines.
type state struct {
	fds      map[string]bool // "7 → /tmp/x"
	children map[string]bool // process ids
}

func snapshot(c *config) state {
	wakePoller()
	return state{fds: set(descriptors(c.fds)), children: set(children())}
}

// wakePoller makes the runtime open its poller, whose two descriptors stay for good, before descriptors are counted.
func wakePoller() {
	if r, w, err := os.Pipe(); err == nil {
		r.Close()
		w.Close()
	}
}

// leaks waits for things to go away, and names what does not.
func (c *config) leaks(before state) error {
	errs := []error{goleak.Find(c.goleak...)} // waits by itself
	deadline := time.Now().Add(c.grace)
	for {
		var left []string
		for _, fd := range descriptors(c.fds) {
			if !before.fds[fd] {
				left = append(left, "descriptor "+fd)
			}
		}
		for _, pid := range children() {
			if !before.children[pid] {
				left = append(left, "child process "+pid)
			}
		}
		for _, f := range files(c.tempDir) {
			left = append(left, "temporary file "+f)
		}
		if len(left) == 0 {
			break
		}
		if time.Now().After(deadline) {
			errs = append(errs, errors.New(strings.Join(left, "\n")))
			break
		}
		<-time.After(10 * time.Millisecond)
	}
	return errors.Join(errs...)
}

func set(list []string) map[string]bool {
	m := map[string]bool{}
	for _, s := range list {
		m[s] = true
	}
	return m
}

// descriptors lists the open ones as "number → target"; none where there is no /proc.
func descriptors(ignore []string) []string {
	const dir = "/proc/self/fd"
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil
	}
	var out []string
	for _, e := range entries {
		target, err := os.Readlink(filepath.Join(dir, e.Name()))
		if err != nil {
			continue // the one ReadDir itself used
		}
		if slices.ContainsFunc(ignore, func(p string) bool { return strings.HasPrefix(target, p) }) {
			continue
		}
		out = append(out, e.Name()+" → "+target)
	}
	return out
}

// children lists the process ids of running and unreaped children, each with its name.
func children() []string {
	lists, err := filepath.Glob("/proc/self/task/*/children")
	if err != nil {
		return nil
	}
	var out []string
	for _, l := range lists {
		pids, err := os.ReadFile(l)
		if err != nil {
			continue // the thread has ended
		}
		for _, pid := range strings.Fields(string(pids)) {
			name, err := os.ReadFile("/proc/" + pid + "/comm")
			if err != nil {
				continue
			}
			out = append(out, pid+" ("+strings.TrimSpace(string(name))+")")
		}
	}
	return out
}

// files lists what lies in dir; nothing for "".
func files(dir string) []string {
	if dir == "" {
		return nil
	}
	entries, err := os.ReadDir(dir)
	if err != nil {
		return []string{err.Error()}
	}
	var out []string
	for _, e := range entries {
		out = append(out, e.Name())
	}
	return out
}
