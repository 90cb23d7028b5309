//go:build linux && cgo

package faaslet

import (
	"context"
	"encoding/json"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/shoal-run/shoal/bus/faas"
	"github.com/shoal-run/shoal/internal/testenv"
	"github.com/shoal-run/shoal/libs/hostapi"
	"github.com/shoal-run/shoal/libs/vfs/vfstest"
	"github.com/shoal-run/shoal/libs/wasi"
)

// suiteEnv names the folder of a checkout of https://github.com/WebAssembly/wasi-testsuite, of its branch with the modules
// built.
const suiteEnv = "SHOAL_WASI_TESTSUITE"

// suiteTest is what a test of the suite asks for, from the JSON beside its module.
type suiteTest struct {
	Args     []string          `json:"args"`
	Env      map[string]string `json:"env"`
	Root     *string           `json:"root"` // a folder beside the module, preopened as "/"
	ExitCode int               `json:"exit_code"`
	Stdout   *string           `json:"stdout"`
}

// TestSuite runs the official tests of preview1, each in a Faaslet of its own, with the folder it asks for as its shared files.
func TestSuite(t *testing.T) {
	root := testenv.Given(t, suiteEnv, "the folder of a checkout of the suite, with its modules built")
	modules, err := filepath.Glob(filepath.Join(root, "tests", "*", "testsuite", "wasm32-wasip1", "*.wasm"))
	if err != nil || len(modules) == 0 {
		t.Fatalf("no modules in %s=%s: %v", suiteEnv, root, err)
	}
	e := newEngine(t, nil)
	for _, file := range modules {
		language := filepath.Base(filepath.Dir(filepath.Dir(filepath.Dir(file))))
		t.Run(language+"/"+strings.TrimSuffix(filepath.Base(file), ".wasm"), func(t *testing.T) { runSuiteTest(t, e, file) })
	}
}

func runSuiteTest(t *testing.T, e *Engine, file string) {
	var test suiteTest
	spec, err := os.ReadFile(strings.TrimSuffix(file, ".wasm") + ".json")
	if err == nil {
		err = json.Unmarshal(spec, &test)
	}
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		t.Fatal(err)
	}
	module, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	cfg := hostapi.CallConfig{
		Kind: faas.Command, Args: append([]string{filepath.Base(file)}, test.Args...), Preopens: []wasi.Preopen{},
	}
	for k, v := range test.Env {
		cfg.Env = append(cfg.Env, k+"="+v)
	}
	slices.Sort(cfg.Env)
	if test.Root != nil {
		tree, err := vfstest.Folder(filepath.Join(filepath.Dir(file), *test.Root))
		if err != nil {
			t.Fatal(err)
		}
		cfg.Shared, cfg.Preopens = tree, nil
		defer func() {
			if n := tree.Opened.Load(); n != 0 {
				t.Errorf("%d shared files are still open", n)
			}
		}()
	}
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	f := newFaaslet(t, loadModule(t, e, module), Setup{Args: cfg.Args, Env: cfg.Env})
	defer f.Close()
	o := f.Run(ctx, hostapi.NewCall(cfg))
	code := 0
	if o.Err != nil {
		if o.Err.Code != faas.GuestFailed {
			t.Fatalf("%v\n%s", o.Err, o.Stderr)
		}
		code = o.Err.ExitCode
	}
	if code != test.ExitCode {
		t.Errorf("exit code %d, want %d: %v\n%s", code, test.ExitCode, o.Err, o.Stderr)
	}
	if test.Stdout != nil && code == 0 && string(o.Output) != *test.Stdout {
		t.Errorf("stdout %q, want %q", o.Output, *test.Stdout)
	}
}
