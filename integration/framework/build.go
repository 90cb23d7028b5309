package framework

import (
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/shoal-run/shoal/internal/leakcheck"
	"github.com/shoal-run/shoal/internal/testenv"
)

// programs are the binaries of a cluster, by name, and their packages.
var programs = map[string]string{
	"nats-server": "integration/framework/cmd/nats-server",
	"gateway":     "services/gateway/cmd/gateway",
	"planner":     "services/planner/cmd/planner",
	"worker":      "services/worker/cmd/worker",
	"upload":      "services/upload/cmd/upload",
}

// binaries hold the built programs open, so that no directory has to be cleaned up after the last test. Set by Main.
var binaries map[string]*os.File

// Main is the TestMain of packages that start clusters: it builds the programs once, unless -short leaves those tests
// out, runs the tests and fails them when they leave something behind.
func Main(m *testing.M) {
	flag.Parse()
	if list := flag.Lookup("test.list"); !testing.Short() && (list == nil || list.Value.String() == "") {
		var err error
		if binaries, err = build(); err != nil {
			fmt.Fprintln(os.Stderr, "framework:", err)
			os.Exit(1)
		}
	}
	leakcheck.Main(m)
}

func build() (map[string]*os.File, error) {
	dir, err := os.MkdirTemp("", "shoal-bin-")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir)
	args := []string{"build", "-buildvcs=false", "-o", dir + "/"}
	if testenv.Race {
		args = append(args, "-race")
	}
	for _, path := range programs {
		args = append(args, "github.com/shoal-run/shoal/"+path)
	}
	if out, err := exec.Command("go", args...).CombinedOutput(); err != nil {
		return nil, fmt.Errorf("build the services: %w\n%s", err, out)
	}
	open := map[string]*os.File{}
	for name := range programs {
		f, err := os.Open(filepath.Join(dir, name))
		if err != nil {
			return nil, err
		}
		open[name] = f
	}
	return open, nil
}
