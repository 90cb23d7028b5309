package scaffold

import (
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/shoal-run/shoal/internal/testenv"
)

// run runs a command in dir, with more of an environment, and returns what it says.
func run(t *testing.T, dir string, env []string, name string, args ...string) string {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), name, args...)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), env...)
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Errorf("%s %v: %v\n%s", name, args, err, out)
	}
	return string(out)
}

func made(t *testing.T, lang string) (dir string) {
	t.Helper()
	dir = filepath.Join(t.TempDir(), "fn")
	if err := New(dir, "fn", lang); err != nil {
		t.Fatal(err)
	}
	return dir
}

// rustEnv is an environment in which the cargo in bin runs what is beside it, and fetches nothing.
func rustEnv(bin string) []string {
	return []string{
		"RUSTC=" + filepath.Join(bin, "rustc"), "RUSTDOC=" + filepath.Join(bin, "rustdoc"), "CARGO_NET_OFFLINE=true",
	}
}

// What is written passes its own test, natively and, but for AssemblyScript's compiler, without a network.
func TestNewProjectsTest(t *testing.T) {
	testenv.Long(t, "compiles test programs")
	t.Run("go", func(t *testing.T) {
		dir := made(t, "go")
		run(t, dir, offline(), "go", "test", ".")
		run(t, dir, offline(), "go", "vet", ".")
	})
	for _, lang := range []string{"c", "cpp"} {
		t.Run(lang, func(t *testing.T) {
			if out := run(t, made(t, lang), nil, "make", "test"); !strings.HasSuffix(out, "ok\n") || strings.Contains(out, "warning") {
				t.Errorf("make test says\n%s", out)
			}
		})
	}
	t.Run("rust", func(t *testing.T) {
		bin := testenv.RustBin(t)
		if out := run(t, made(t, "rust"), rustEnv(bin), filepath.Join(bin, "cargo"), "test"); strings.Contains(out, "warning") || !strings.Contains(out, "2 passed") {
			t.Errorf("cargo test says\n%s", out)
		}
	})
	t.Run("assemblyscript", func(t *testing.T) {
		testenv.Need(t, testenv.Npm)
		dir := made(t, "assemblyscript")
		run(t, dir, nil, "npm", "install", "--no-audit", "--no-fund")
		if out := run(t, dir, nil, "npm", "test"); !strings.Contains(out, "# pass 2") && !strings.Contains(out, "pass 2") {
			t.Errorf("npm test says\n%s", out)
		}
		var modules []string
		for range 2 {
			_, m := mustBuild(t, dir)
			checkModule(t, m, "assembly/index/handle")
			modules = append(modules, readFile(t, filepath.Join(dir, "fn.wasm")))
		}
		if modules[0] != modules[1] {
			t.Error("the same sources gave different modules")
		}
	})
}

// A crate that depends on others is built by cargo.
func TestBuildRustWithDependencies(t *testing.T) {
	testenv.Long(t, "runs cargo")
	testenv.Need(t, testenv.Rust)
	t.Setenv("CARGO_NET_OFFLINE", "true")
	dir := made(t, "rust")
	manifest := filepath.Join(dir, "Cargo.toml")
	text := strings.Replace(readFile(t, manifest), "\n[workspace]", "\nhelper = { path = \"helper\" }\n[workspace]", 1)
	for name, text := range map[string]string{
		manifest: text,
		filepath.Join(dir, "helper", "Cargo.toml"):    "[package]\nname = \"helper\"\nversion = \"0.1.0\"\nedition = \"2021\"\n",
		filepath.Join(dir, "helper", "src", "lib.rs"): "pub fn reply() -> Vec<u8> { b\"helped\".to_vec() }\n",
		filepath.Join(dir, "src", "lib.rs"):           "shoal::handler!(h);\nfn h(_: &[u8]) -> shoal::Output { Ok(helper::reply()) }\n",
	} {
		if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	_, m := mustBuild(t, dir)
	checkModule(t, m, "handle")
	if got := names(t, dir); slices.Contains(got, "target") {
		t.Errorf("the build left %q", got)
	}
}

func TestCrateDependencies(t *testing.T) {
	path := filepath.Join(t.TempDir(), "Cargo.toml")
	text := "[package]\nname = \"x\"\n[dependencies]\nshoal = { path = \"s\" }\n# old = \"1\"\nserde = \"1\"\n[dependencies.regex]\nversion = \"1\"\n" +
		"[dev-dependencies]\nquick = \"1\"\n"
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	if got, err := crateDependencies(path); err != nil || !slices.Equal(got, []string{"serde", "regex"}) {
		t.Errorf("%q, %v", got, err)
	}
	if got, err := crateDependencies(path + ".missing"); err != nil || got != nil {
		t.Errorf("%q, %v", got, err)
	}
}

// C++ that throws is linked, when it is compiled to; and an SDK of before, without that, does.
func TestBuildCppThatThrows(t *testing.T) {
	testenv.Need(t, testenv.Clang)
	dir := made(t, "cpp")
	source := "#include <shoal.h>\n#include <stdexcept>\nint handle() { if (shoal_input_size() == 0) throw std::runtime_error(\"empty\"); return 0; }\n"
	for name, text := range map[string]string{"main.cpp": source, ConfigName: "name: fn\nlang: cpp\nflags: [-fexceptions]\n"} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	mustBuild(t, dir)

	dir = made(t, "cpp")
	for _, added := range []string{"src", "posix"} {
		if err := os.RemoveAll(filepath.Join(dir, SDKDir, added)); err != nil {
			t.Fatal(err)
		}
	}
	mustBuild(t, dir)
}
