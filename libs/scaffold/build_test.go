package scaffold

import (
	"bytes"
	"context"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/shoal-run/shoal/internal/testenv"
	"github.com/shoal-run/shoal/libs/wasmbin"
)

// project writes files to a new folder and returns it.
func project(t *testing.T, files map[string]string) string {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "p")
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

// cProject is a project in C with main.c, and the SDK.
func cProject(t *testing.T, config, source string) string {
	t.Helper()
	sdk, err := filepath.Abs("../../sdk/c")
	if err != nil {
		t.Fatal(err)
	}
	return project(t, map[string]string{ConfigName: "name: p\nlang: c\nsdk: " + relative(t, sdk) + "\n" + config, "main.c": source})
}

// relative makes an absolute path relative to a folder of unknown depth.
func relative(t *testing.T, path string) string {
	t.Helper()
	return strings.Repeat("../", 32) + strings.TrimPrefix(path, "/")
}

func mustBuild(t *testing.T, dir string) (path string, m *wasmbin.Module) {
	t.Helper()
	var out bytes.Buffer
	path, err := Build(t.Context(), dir, &out)
	if err != nil {
		t.Fatalf("%v\n%s", err, out.String())
	}
	if out.Len() > 0 {
		t.Errorf("the compiler has something to say:\n%s", out.String())
	}
	m, err = wasmbin.Parse([]byte(readFile(t, path)))
	if err != nil {
		t.Fatal(err)
	}
	return path, m
}

func TestBuildNewProjects(t *testing.T) {
	for _, tc := range []struct {
		lang     string
		needs    testenv.Requirement
		function string // a name that a backtrace must show
	}{
		{"c", testenv.Clang, "handle"},
		{"cpp", testenv.Clang, "handle"},
		{"go", testenv.GoWasm, "main.handle"},
		{"rust", testenv.Rust, "handle"},
	} {
		t.Run(tc.lang, func(t *testing.T) {
			if tc.lang == "go" {
				testenv.Long(t, "links Go modules")
			}
			testenv.Need(t, tc.needs)
			t.Setenv("GOPROXY", "off")
			var modules []string
			for range 2 {
				dir := filepath.Join(t.TempDir(), "fn")
				if err := New(dir, "fn", tc.lang); err != nil {
					t.Fatal(err)
				}
				before := names(t, dir)
				path, m := mustBuild(t, dir)
				if path != filepath.Join(dir, "fn.wasm") {
					t.Errorf("the module is %s", path)
				}
				if after := names(t, dir); len(after) != len(before)+1 {
					t.Errorf("the build left %q", after)
				}
				checkModule(t, m, tc.function)
				modules = append(modules, readFile(t, path))
			}
			if modules[0] != modules[1] {
				t.Error("the same sources in two folders gave different modules")
			}
		})
	}
}

// checkModule reports what a reactor must have and lacks.
func checkModule(t *testing.T, m *wasmbin.Module, function string) {
	t.Helper()
	for _, name := range []string{"handle", "_initialize", "memory"} {
		if _, ok := m.Export(name); !ok {
			t.Errorf("the module does not export %s", name)
		}
	}
	found := false
	for _, name := range m.Names().Functions {
		found = found || name == function
	}
	if !found {
		t.Errorf("the name section has no %s", function)
	}
	for _, section := range []string{".debug_info", ".debug_line", ".debug_str", ".debug_abbrev"} {
		if _, ok := m.Custom(section); ok {
			t.Errorf("the module has %s", section)
		}
	}
	for _, i := range m.Imports {
		if i.Module != "env" && i.Module != "wasi_snapshot_preview1" {
			t.Errorf("the module imports %s.%s", i.Module, i.Name)
		}
	}
}

func TestBuildC(t *testing.T) {
	testenv.Need(t, testenv.Clang)
	t.Run("a command, from two files, one in src", func(t *testing.T) {
		dir := cProject(t, "kind: command\nflags: [-DGREETING=\"hi\"]\n", "#include \"src/f.h\"\nint main(void) { return f(); }\n")
		for name, text := range map[string]string{
			"src/f.h": "int f(void);\n",
			"src/f.c": "#include <faasm/faasm.h>\n#define S(x) #x\n#define STR(x) S(x)\n" +
				"int f(void) { faasmSetOutput(STR(GREETING), 2); return 0; }\n",
		} {
			path := filepath.Join(dir, name)
			if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		_, m := mustBuild(t, dir)
		if _, ok := m.Export("_start"); !ok {
			t.Error("no _start")
		}
		if _, ok := m.Export("handle"); ok {
			t.Error("a command exports handle")
		}
	})
	t.Run("sources that do not compile", func(t *testing.T) {
		dir := cProject(t, "", "int handle(void) { return nosuch; }\n")
		old := filepath.Join(dir, "p.wasm")
		if err := os.WriteFile(old, []byte("old"), 0o600); err != nil {
			t.Fatal(err)
		}
		var out bytes.Buffer
		_, err := Build(t.Context(), dir, &out)
		var compile *CompileError
		if !errors.As(err, &compile) || compile.Name != "p" || !strings.HasPrefix(compile.Compiler, "clang") {
			t.Errorf("error %v, want a CompileError", err)
		}
		if !strings.Contains(out.String(), "main.c:1:27: error:") || !strings.Contains(out.String(), "nosuch") {
			t.Errorf("the compiler's words are lost: %s", out.String())
		}
		if readFile(t, old) != "old" {
			t.Error("the module of the earlier build is gone")
		}
		if got := names(t, dir); !slices.Equal(got, []string{"main.c", "p.wasm", ConfigName}) {
			t.Errorf("the build left %q", got)
		}
	})
	t.Run("no handle", func(t *testing.T) {
		wantError(t, cProject(t, "", "int main(void) { return 0; }\n"),
			"does not export handle: include <shoal.h> and define int handle(void), or say kind: command")
	})
	t.Run("a module that does not link", func(t *testing.T) {
		dir := cProject(t, "kind: command\n", "int handle(void) { return 0; }\n")
		var compile *CompileError
		if _, err := Build(t.Context(), dir, io.Discard); !errors.As(err, &compile) {
			t.Errorf("error %v, want a CompileError", err)
		}
	})
	t.Run("interrupted", func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		dir := cProject(t, "", "int handle(void) { return 0; }\n")
		if _, err := Build(ctx, dir, io.Discard); !errors.Is(err, context.Canceled) {
			t.Errorf("error %v, want context.Canceled", err)
		}
	})
}

func TestBuildWithoutTheToolchain(t *testing.T) {
	empty := t.TempDir()
	t.Setenv("PATH", empty)
	t.Setenv("WASI_SDK_PATH", "")
	for _, tc := range []struct {
		lang, file string
		want       []string
	}{
		{"c", "main.c", []string{"C functions cannot be built here", "clang-19", "lld-19", "wasi-libc", "libclang-rt-19-dev-wasm32", "WASI_SDK_PATH"}},
		{"cpp", "main.cpp", []string{"C++ functions cannot be built here", "clang-19", "libc++-19-dev-wasm32", "libc++abi-19-dev-wasm32"}},
		{"rust", "src/lib.rs", []string{"Rust functions cannot be built here: rustc not found", "libstd-rust-dev-wasm32", "rustup target add wasm32-wasip1"}},
		{"assemblyscript", "asconfig.json", []string{"AssemblyScript functions cannot be built here: node not found", "install Node.js"}},
		{"go", "main.go", []string{"Go functions cannot be built here: go not found", "install Go 1.24 or later"}},
	} {
		dir := project(t, map[string]string{
			ConfigName: "name: p\nlang: " + tc.lang + "\n", tc.file: "", SDKDir + "/include/shoal.h": "",
		})
		err := wantError(t, dir, tc.want...)
		var missing *MissingError
		if !errors.As(err, &missing) || missing.Lang != tc.lang {
			t.Errorf("%s: error %v, want a MissingError", tc.lang, err)
		}
	}

	// A machine with Node.js, before npm install; and one with a rustc that knows no WebAssembly, as rustup's at first.
	for name, script := range map[string]string{"node": "exit 1", "rustc": "echo /nowhere/lib"} {
		if err := os.WriteFile(filepath.Join(empty, name), []byte("#!/bin/sh\n"+script+"\n"), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	wantError(t, project(t, map[string]string{ConfigName: "name: p\nlang: assemblyscript\n", "asconfig.json": "{}"}), "assemblyscript, not found", "run npm install in ")
	wantError(t, project(t, map[string]string{ConfigName: "name: p\nlang: rust\n", "src/lib.rs": ""}), "Rust's standard library for wasm32-wasip1 not found")

	// A clang that finds nothing of its target, as on a machine where only the compiler is installed.
	script := "#!/bin/sh\ncase $2 in -print-prog-name=*|-print-file-name=*) echo \"${2#*=}\";; *) echo /nowhere/builtins.a;; esac\n"
	if err := os.WriteFile(filepath.Join(empty, "clang"), []byte(script), 0o755); err != nil {
		t.Fatal(err)
	}
	dir := project(t, map[string]string{ConfigName: "name: p\nlang: c\n", "main.c": "", SDKDir + "/include/shoal.h": ""})
	err := wantError(t, dir, "wasm-ld, wasi-libc, builtins not found", "apt-get install lld-19 wasi-libc libclang-rt-19-dev-wasm32;")
	if strings.Contains(err.Error(), " clang-19") {
		t.Errorf("%v asks for the clang that is there", err)
	}
}

func TestBuildRefuses(t *testing.T) {
	for _, tc := range []struct {
		name  string
		files map[string]string
		want  string
	}{
		{"no project", map[string]string{"main.go": ""}, "is no project: it has no shoal.yaml (shoal new makes one)"},
		{"an empty file", map[string]string{ConfigName: ""}, "shoal.yaml: name: "},
		{"not YAML", map[string]string{ConfigName: "name: [\n"}, "shoal.yaml: yaml: "},
		{"an unknown key", map[string]string{ConfigName: "name: p\nlang: c\nversion: 1\n"}, "field version not found"},
		{"a bad name", map[string]string{ConfigName: "name: P\nlang: c\n"}, "name: function name \"P\""},
		{"a bad language", map[string]string{ConfigName: "name: p\nlang: zig\n"}, "lang: \"zig\" is no language that Shoal knows"},
		{"a bad kind", map[string]string{ConfigName: "name: p\nlang: c\nkind: x\n"}, "kind: \"x\" is neither reactor"},
		{"a kind of Go", map[string]string{ConfigName: "name: p\nlang: go\nkind: command\n"}, "kind is for C and C++: Go functions are reactors"},
		{"a kind of Rust", map[string]string{ConfigName: "name: p\nlang: rust\nkind: command\n"}, "Rust functions are reactors"},
		{"an SDK of Go", map[string]string{ConfigName: "name: p\nlang: go\nsdk: x\n"}, "sdk: go.mod says where the SDK is"},
		{"no crate", map[string]string{ConfigName: "name: p\nlang: rust\n"}, "has no src/lib.rs"},
		{"no options", map[string]string{ConfigName: "name: p\nlang: assemblyscript\n"}, "are not in asconfig.json"},
		{"no sources", map[string]string{ConfigName: "name: p\nlang: cpp\n", "main.c": ""}, "none that end in .cpp, .cc, .cxx"},
		{"no SDK", map[string]string{ConfigName: "name: p\nlang: c\n", "main.c": ""}, "the SDK is not in shoal-sdk/include"},
	} {
		t.Run(tc.name, func(t *testing.T) { wantError(t, project(t, tc.files), tc.want) })
	}
	if err := BuildTo(t.Context(), t.TempDir(), "x.wasm", io.Discard); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("BuildTo without a project: %v, want fs.ErrNotExist", err)
	}
}

func wantError(t *testing.T, dir string, want ...string) error {
	t.Helper()
	before := names(t, dir)
	_, err := Build(t.Context(), dir, io.Discard)
	if err == nil {
		t.Fatal("no error")
	}
	for _, w := range want {
		if !strings.Contains(err.Error(), w) {
			t.Errorf("error %q does not contain %q", err, w)
		}
	}
	if after := names(t, dir); !slices.Equal(after, before) {
		t.Errorf("the build left %q, there was %q", after, before)
	}
	return err
}
