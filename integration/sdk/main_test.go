package sdk

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/shoal-run/shoal/internal/leakcheck"
	"github.com/shoal-run/shoal/libs/faaslet/compile"
	"github.com/shoal-run/shoal/libs/scaffold"
)

func TestMain(m *testing.M) {
	compile.MaybeChild()
	leakcheck.Main(m)
}

const sdkDir = "../../sdk"

// project writes files to a folder of its own, with a shoal.yaml that names the SDK of the tree when it is one of C's.
func project(t *testing.T, config string, files map[string]string) (dir string) {
	t.Helper()
	dir = filepath.Join(t.TempDir(), "project")
	files[scaffold.ConfigName] = config
	for name, text := range files {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// sdkFrom is the path of an SDK of the tree as a project in a new folder of t names it: from that folder.
func sdkFrom(t *testing.T, name string) string {
	t.Helper()
	abs, err := filepath.Abs(filepath.Join(sdkDir, name))
	if err != nil {
		t.Fatal(err)
	}
	rel, err := filepath.Rel(filepath.Join(t.TempDir(), "project"), abs)
	if err != nil {
		t.Fatal(err)
	}
	return rel
}

// build compiles a project and returns the module. The compiler must have nothing to say.
func build(t *testing.T, dir string) []byte {
	t.Helper()
	var out bytes.Buffer
	path, err := scaffold.Build(t.Context(), dir, &out)
	if err != nil {
		t.Fatalf("%v\n%s", err, &out)
	}
	if out.Len() > 0 {
		t.Errorf("the compiler says:\n%s", &out)
	}
	module, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return module
}

// command runs a command in dir and returns what it says.
func command(t *testing.T, dir string, env []string, name string, args ...string) string {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), name, args...)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), env...)
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%s %v: %v\n%s", name, args, err, out)
	}
	return string(out)
}
