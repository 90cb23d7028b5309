package sdk

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/shoal-run/shoal/bus/faas"
	"github.com/shoal-run/shoal/integration/framework"
	"github.com/shoal-run/shoal/internal/testenv"
	"github.com/shoal-run/shoal/libs/scaffold"
	"github.com/shoal-run/shoal/services/standalone"
)

// What `shoal new` writes in any language is built, deployed and called, from an image of what its initialiser left.
func TestNewProjectsAnswer(t *testing.T) {
	testenv.Long(t, "builds guests")
	s := framework.Start(t, standalone.Config{})
	needs := map[string]testenv.Requirement{
		"assemblyscript": testenv.Npm, "c": testenv.Clang, "cpp": testenv.Clang, "go": testenv.GoWasm, "rust": testenv.Rust,
	}
	for _, lang := range scaffold.Languages() {
		t.Run(lang, func(t *testing.T) {
			testenv.Need(t, needs[lang])
			d := s.Deploy(t, "t/"+lang, build(t, made(t, lang)))
			if d.Kind != faas.Reactor || d.Proto == nil || d.Proto.None != "" {
				t.Errorf("deployed as %s, its Proto-Faaslet: %+v", d.Kind, d.Proto)
			}
			greets(t, s, "t/"+lang)
			a := s.Call(t, "t/"+lang, []byte("a\x00\xff"))
			if a.Err == nil || a.Err.Code != faas.GuestFailed || a.Err.ExitCode != 1 || !strings.Contains(a.Err.Stderr, "the input is not text") {
				t.Errorf("bytes that are no text: %v %q", a.Err, a.Body)
			}
		})
	}
}

func greets(t *testing.T, s *framework.Standalone, function string) {
	t.Helper()
	for range 2 {
		if a := s.Call(t, function, []byte("Ada")); a.Err != nil || string(a.Body) != "Hello, Ada!\n" {
			t.Errorf("%s: %q, %v", function, a.Body, a.Err)
		}
	}
}

// thrown fails t unless a call without input ends with the exception of testdata/cmake/thrower.cpp.
func thrown(t *testing.T, s *framework.Standalone, function string) {
	t.Helper()
	a := s.Call(t, function, nil)
	if a.Err == nil || a.Err.Code != faas.GuestTrapped || !strings.Contains(a.Err.Stderr, "std::invalid_argument") {
		t.Errorf("%s: %v %q", function, a.Err, a.Body)
	}
}

// The function that each SDK's README shows first works.
func TestReadmeFunctions(t *testing.T) {
	testenv.Long(t, "builds guests")
	s := framework.Start(t, standalone.Config{})
	for _, lang := range []struct {
		name, dir, fence, file, want string
		needs                        testenv.Requirement
	}{
		{"assemblyscript", "assemblyscript", "ts", "assembly/index.ts", "\xffab", testenv.Npm},
		{"c", "c", "c", "main.c", "ba\xff", testenv.Clang},
		{"go", "go", "go", "main.go", "\xffab", testenv.GoWasm},
		{"rust", "rust", "rust", "src/lib.rs", "\xffab", testenv.Rust},
	} {
		t.Run(lang.name, func(t *testing.T) {
			testenv.Need(t, lang.needs)
			_, rest, found := strings.Cut(string(read(t, filepath.Join(sdkDir, lang.dir, "README.md"))), "\n```"+lang.fence+"\n")
			source, _, ended := strings.Cut(rest, "```\n")
			if !found || !ended {
				t.Fatal("the README shows no function")
			}
			dir := made(t, lang.name)
			if err := os.WriteFile(filepath.Join(dir, lang.file), []byte(source), 0o600); err != nil {
				t.Fatal(err)
			}
			s.Deploy(t, "t/"+lang.name, build(t, dir))
			if a := s.Call(t, "t/"+lang.name, []byte("ba\xff")); a.Err != nil || string(a.Body) != lang.want {
				t.Errorf("%q, %v; want %q", a.Body, a.Err, lang.want)
			}
		})
	}
}

// cmake configures and builds a project with the toolchain file of the SDK, as it lies in the tree, and returns where.
func cmake(t *testing.T, project string) string {
	t.Helper()
	toolchain, err := filepath.Abs(filepath.Join(sdkDir, "c", "cmake", "wasm32-wasi.cmake"))
	if err != nil {
		t.Fatal(err)
	}
	out := t.TempDir()
	said := command(t, project, nil, "cmake", "-S", ".", "-B", out, "-DCMAKE_BUILD_TYPE=Release", "-DCMAKE_TOOLCHAIN_FILE="+toolchain)
	said += command(t, out, nil, "cmake", "--build", ".")
	if strings.Contains(strings.ToLower(said), "warning") {
		t.Errorf("cmake says\n%s", said)
	}
	return out
}

// A CMake project builds, one that has no C++ too.
func TestCMakeProject(t *testing.T) {
	testenv.Long(t, "builds guests")
	testenv.Need(t, testenv.Clang, testenv.CMake)
	out := cmake(t, "testdata/cmake")
	s := framework.Start(t, standalone.Config{})
	s.Deploy(t, "t/c", read(t, filepath.Join(cmake(t, "testdata/cmake/c"), "hello.wasm")))
	greets(t, s, "t/c")
	for _, name := range []string{"hello", "thrower"} {
		s.Deploy(t, "t/"+name, read(t, filepath.Join(out, name+".wasm")))
		greets(t, s, "t/"+name)
	}
	thrown(t, s, "t/thrower")
}

// An installed SDK serves those who call the compiler themselves: with the flags that pkg-config knows, and the library.
func TestInstalledSDK(t *testing.T) {
	testenv.Long(t, "builds guests")
	testenv.Need(t, testenv.Clang)
	prefix := t.TempDir()
	command(t, filepath.Join(sdkDir, "c"), nil, "make", "install", "OUT="+filepath.Join(t.TempDir(), "lib"), "DESTDIR="+prefix)
	flags := strings.Fields(pkgConfig(t, filepath.Join(prefix, "shoal.pc"), prefix))
	source, err := filepath.Abs("testdata/cmake/thrower.cpp")
	if err != nil {
		t.Fatal(err)
	}
	command(t, prefix, nil, "clang++-19", append([]string{"-std=c++17", "-O2", source, "-o", "thrower.wasm"}, flags...)...)
	s := framework.Start(t, standalone.Config{})
	s.Deploy(t, "t/thrower", read(t, filepath.Join(prefix, "thrower.wasm")))
	greets(t, s, "t/thrower")
	thrown(t, s, "t/thrower")
}

// pkgConfig returns the Cflags and Libs of a file, as pkg-config does, which not every machine has.
func pkgConfig(t *testing.T, path, prefix string) string {
	t.Helper()
	var flags []string
	for line := range strings.Lines(string(read(t, path))) {
		for _, key := range []string{"Cflags:", "Libs:"} {
			if rest, ok := strings.CutPrefix(line, key); ok {
				flags = append(flags, strings.ReplaceAll(strings.TrimSpace(rest), "${prefix}", prefix))
			}
		}
	}
	if len(flags) != 2 {
		t.Fatalf("%s has flags %q", path, flags)
	}
	return strings.Join(flags, " ")
}

// The crate's own tests, and those of its example, pass with what Debian has of Rust.
func TestRustCrate(t *testing.T) {
	testenv.Long(t, "compiles test programs")
	bin := testenv.RustBin(t)
	tree := t.TempDir()                                               // cargo writes to where it builds
	crates := map[string]int{"sdk/rust": 3, "examples/hello/rust": 2} // results that cargo tells of
	for dir := range crates {
		if err := os.CopyFS(filepath.Join(tree, dir), os.DirFS(filepath.Join(sdkDir, "..", dir))); err != nil {
			t.Fatal(err)
		}
	}
	for dir, results := range crates {
		said := command(t, filepath.Join(tree, dir), []string{
			"RUSTC=" + filepath.Join(bin, "rustc"), "RUSTDOC=" + filepath.Join(bin, "rustdoc"), "CARGO_NET_OFFLINE=true",
		}, filepath.Join(bin, "cargo"), "test")
		if strings.Contains(said, "warning") || strings.Count(said, "test result: ok") != results {
			t.Errorf("%s: cargo test says\n%s", dir, said)
		}
	}
}

func read(t *testing.T, path string) []byte {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return data
}
