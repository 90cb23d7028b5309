package leakcheck

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"
)

func TestMain(m *testing.M) { Main(m) }

func impatient(c *config) { c.grace = 50 * time.Millisecond }

// tests stands for the tests of a package.
type tests func() int

func (f tests) Run() int { return f() }

func TestMainTellsWhatIsLeft(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Log("descriptors and children are seen on Linux only")
		return
	}
	for _, c := range []struct {
		name string
		run  func(t *testing.T) int
		opts []Option
		want string // "" when the run is clean
		code int
	}{
		{name: "clean", run: func(*testing.T) int { return 0 }},
		{name: "failed tests keep their code", run: func(*testing.T) int { return 2 }, code: 2},
		{name: "descriptor", run: leaveDescriptor, want: "/dev/null", code: 1},
		{name: "ignored descriptor", run: leaveDescriptor, opts: []Option{IgnoreDescriptor("/dev/null")}},
		{name: "temporary file", run: leaveFile, want: "temporary file shoal-left", code: 1},
		{name: "goroutine", run: leaveGoroutine, want: "leaveGoroutine", code: 1},
		{
			name: "ignored goroutine", run: leaveGoroutine,
			opts: []Option{IgnoreGoroutine("github.com/shoal-run/shoal/internal/leakcheck.leaveGoroutine.func1")},
		},
		{name: "child process", run: leaveChild, want: "child process", code: 1},
		{name: "slow to go", run: leaveSlowly},
	} {
		t.Run(c.name, func(t *testing.T) {
			var out strings.Builder
			opts := c.opts
			if c.want != "" {
				opts = append(opts, impatient)
			}
			code := runMain(tests(func() int { return c.run(t) }), &out, opts...)
			if code != c.code {
				t.Errorf("exit code %d, want %d; it said:\n%s", code, c.code, &out)
			}
			if (c.want == "") != (out.Len() == 0) || !strings.Contains(out.String(), c.want) {
				t.Errorf("said %q, want %q", &out, c.want)
			}
		})
	}
}

func leaveDescriptor(t *testing.T) int {
	f, err := os.Open("/dev/null")
	if err != nil {
		t.Error(err)
	}
	t.Cleanup(func() { f.Close() })
	return 0
}

func leaveFile(t *testing.T) int {
	if err := os.WriteFile(filepath.Join(os.TempDir(), "shoal-left"), nil, 0o600); err != nil {
		t.Error(err)
	}
	return 0
}

func leaveGoroutine(t *testing.T) int {
	stop := make(chan struct{})
	go func() { <-stop }()
	t.Cleanup(func() { close(stop) })
	return 0
}

func leaveChild(t *testing.T) int {
	cmd := exec.Command("cat")
	stdin, err := cmd.StdinPipe()
	if err != nil {
		t.Error(err)
	}
	if err := cmd.Start(); err != nil {
		t.Error(err)
		return 0
	}
	t.Cleanup(func() {
		stdin.Close()
		if err := cmd.Wait(); err != nil {
			t.Error(err)
		}
	})
	return 0
}

func leaveSlowly(t *testing.T) int {
	f, err := os.Open("/dev/null")
	if err != nil {
		t.Error(err)
	}
	time.AfterFunc(100*time.Millisecond, func() { f.Close() })
	return 0
}

// recorder is a testing.TB whose cleanups run when told to.
type recorder struct {
	testing.TB
	cleanups []func()
	failures []string
}

func (r *recorder) Helper()          {}
func (r *recorder) Failed() bool     { return len(r.failures) > 0 }
func (r *recorder) Cleanup(f func()) { r.cleanups = append(r.cleanups, f) }
func (r *recorder) Errorf(format string, args ...any) {
	r.failures = append(r.failures, fmt.Sprintf(format, args...))
}

func TestCheck(t *testing.T) {
	r := &recorder{}
	Check(r, impatient)
	leaveGoroutine(t)
	r.cleanups[0]()
	if len(r.failures) != 1 || !strings.Contains(r.failures[0], "leaveGoroutine") {
		t.Errorf("reported %q, want the goroutine", r.failures)
	}
	r = &recorder{}
	Check(r)
	r.cleanups[0]()
	if len(r.failures) != 0 {
		t.Errorf("reported %q of what was there before", r.failures)
	}
}
