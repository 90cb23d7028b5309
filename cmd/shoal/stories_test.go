package main

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/shoal-run/shoal/internal/testenv"
)

// gatewayEnv names the environment variable with the URL of a real gateway to tell the stories to. Without it they are
// told to a fake one. Each story has a tenant of its own, $TENANT, and removes what it deployed.
const gatewayEnv = "SHOAL_TEST_URL"

func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){"shoal": main})
}

func TestStories(t *testing.T) {
	tell(t, "testdata/stories")
}

// TestProjects tells the stories that compile guests.
func TestProjects(t *testing.T) {
	testenv.Need(t, testenv.GoWasm)
	tell(t, "testdata/projects")
}

// tell runs the stories of a folder. Beside testscript's own commands they have:
//
//	guest NAME FILE               writes a module of guests()
//	exits CODE COMMAND [ARG...]   runs a command that exits with CODE
//	until REGEXP COMMAND [ARG...] runs a command until its stdout matches
func tell(t *testing.T, dir string) {
	url := os.Getenv(gatewayEnv)
	if url == "" {
		_, url = newFakeGateway(t)
	}
	goEnv := goEnvironment(t)
	// A group of its own, so that the gateway outlives the stories, which are parallel tests.
	t.Run("all", func(t *testing.T) {
		testscript.Run(t, testscript.Params{
			Dir:                 dir,
			RequireExplicitExec: true,
			Setup: func(env *testscript.Env) error {
				story := strings.TrimPrefix(filepath.Base(env.WorkDir), "script-")
				env.Setenv("SHOAL_URL", url)
				env.Setenv("TENANT", "story-"+story)
				env.Vars = append(env.Vars, goEnv...)
				return nil
			},
			Cmds: map[string]func(*testscript.TestScript, bool, []string){
				"guest": writeGuest,
				"exits": exits,
				"until": until,
			},
		})
	})
}

// goEnvironment lets stories that build share the machine's caches, as they have a home folder of their own.
func goEnvironment(t *testing.T) []string {
	var env []string
	for _, name := range []string{"GOCACHE", "GOMODCACHE", "GOPROXY", "GOFLAGS", "GOROOT"} {
		out, err := exec.Command("go", "env", name).Output()
		if err != nil {
			t.Logf("go env %s: %v", name, err)
			return nil
		}
		env = append(env, name+"="+strings.TrimSpace(string(out)))
	}
	return env
}

func writeGuest(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: guest NAME FILE")
	}
	g, ok := guests()[args[0]]
	if !ok {
		ts.Fatalf("no guest is called %q", args[0])
	}
	ts.Check(os.WriteFile(ts.MkAbs(args[1]), g.module, 0o644))
}

func exits(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: exits CODE COMMAND [ARG...]")
	}
	want, err := strconv.Atoi(args[0])
	ts.Check(err)
	got := 0
	if err := ts.Exec(args[1], args[2:]...); err != nil {
		var exit *exec.ExitError
		if !errors.As(err, &exit) {
			ts.Fatalf("%s: %v", args[1], err)
		}
		got = exit.ExitCode()
	}
	if got != want {
		ts.Fatalf("%s exited with %d, want %d\nstderr: %s", strings.Join(args[1:], " "), got, want, ts.ReadFile("stderr"))
	}
}

func until(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: until REGEXP COMMAND [ARG...]")
	}
	want, err := regexp.Compile("(?m)" + args[0])
	ts.Check(err)
	for deadline := time.Now().Add(10 * time.Second); ; {
		if err := ts.Exec(args[1], args[2:]...); err == nil && want.MatchString(ts.ReadFile("stdout")) {
			return
		}
		if time.Now().After(deadline) {
			ts.Fatalf("no output of %s matched %s; the last was %s", strings.Join(args[1:], " "), args[0], ts.ReadFile("stdout"))
		}
	}
}
