//go:build linux && cgo

package faaslet

import (
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/shoal-run/shoal/internal/testenv"
	"github.com/shoal-run/shoal/libs/hostapi"
)

// As docs/dynamic-linking.md says of a program and a library.
var (
	programFlags = strings.Fields("--target=wasm32-wasi -O2 -mexec-model=reactor -Wl,--export-dynamic -Wl,--export=malloc -Wl,--export=free -Wl,--export=printf -Wl,--export=__stack_pointer")
	libraryFlags = strings.Fields("--target=wasm32-wasi -O2 -fPIC -fvisibility=default -nostdlib -shared -Wl,--no-entry -Wl,--export-dynamic -Wl,--export-if-defined=__wasm_call_ctors -Wl,--unresolved-symbols=import-dynamic")
)

const cProgram = `
#include <stdio.h>
#include <stdlib.h>
#define HOST(name) __attribute__((import_module("env"), import_name(name)))
HOST("dlopen") void *dlopen(const char *, int);
HOST("dlsym") void *dlsym(void *, const char *);
HOST("dlclose") int dlclose(void *);
HOST("dlerror") char *dlerror(void);

__attribute__((visibility("default"))) int twice(int n) { return 2 * n; }
__attribute__((visibility("default"))) int counter = 5;

__attribute__((export_name("handle"))) int handle(void) {
  void *h = dlopen("/lib/liba.so", 0);
  if (!h) return printf("%s\n", dlerror()), 1;
  if (dlopen("/lib/liba.so", 0) != h) return 2;
  int (*call_b)(int) = (int (*)(int))dlsym(h, "call_b");
  int (*apply)(int (*)(int), int) = (int (*)(int (*)(int), int))dlsym(h, "apply");
  int (*(*give)(void))(int) = (int (*(*)(void))(int))dlsym(h, "give");
  int *shared = (int *)dlsym(h, "shared");
  void (*say)(void) = (void (*)(void))dlsym(h, "say");
  if (!call_b || !apply || !give || !shared || !say) return printf("%s\n", dlerror()), 3;
  if (give()(1) != 1 + *shared) return 8;
  printf("%d %d %d\n", call_b(10), apply(twice, 21), *shared);
  if (give() != (int (*)(int))dlsym(h, "add_shared")) return 4;
  say();
  if (dlsym(h, "nothing") || !dlerror() || dlerror()) return 5;
  if (dlopen("/lib/none.so", 0)) return 6;
  printf("%s\n", dlerror());
  if (*(int *)dlsym(dlopen(0, 0), "counter") != 5 + 1) return 7;
  fflush(stdout);
  return dlclose(h);
}`

const cLibraryA = `
#include <stdio.h>
extern int shared, counter;
int b(int), twice(int);
static int hidden(int n) { return n + 1; }
int (*const table[])(int) = {hidden, twice, b};  // data relocations: functions of its own, the program's, another library's
int *where = &shared;
const char *greeting = "hello from a library";
__attribute__((constructor)) static void construct(void) { counter++; }
int add_shared(int n) { return n + shared; }
int call_b(int n) { shared++; return b(n) + table[0](0) + table[1](100) + (table[2] == b); }
int apply(int (*f)(int), int n) { return f(n); }
int (*give(void))(int) { return add_shared; }
void say(void) { printf("%s, %d\n", greeting, *where); }
`

const cLibraryB = `
int shared = 7;
int add_shared(int);
int b(int n) { return add_shared(n) * 1000; }
`

// clang builds source in dir.
func clang(t testing.TB, dir, compiler, source, out string, flags ...string) []byte {
	t.Helper()
	file := out + map[string]string{"clang-19": ".c", "clang++-19": ".cc"}[compiler]
	if err := os.WriteFile(filepath.Join(dir, file), []byte(source), 0o600); err != nil {
		t.Fatal(err)
	}
	build := exec.Command(compiler, append([]string{"-o", out, file}, flags...)...)
	build.Dir = dir
	if text, err := build.CombinedOutput(); err != nil {
		t.Fatalf("building %s: %v\n%s", out, err, text)
	}
	b, err := os.ReadFile(filepath.Join(dir, out))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func TestLibrariesOfClang(t *testing.T) {
	testenv.Need(t, testenv.Clang)
	dir := t.TempDir()
	libs := files{"/lib/libb.so": clang(t, dir, "clang-19", cLibraryB, "libb.so", libraryFlags...)}
	libs["/lib/liba.so"] = clang(t, dir, "clang-19", cLibraryA, "liba.so", append(libraryFlags, "libb.so")...)
	m := loadModule(t, newEngine(t, nil), clang(t, dir, "clang-19", cProgram, "main.wasm", programFlags...))
	f := newFaaslet(t, m, Setup{})
	o := f.Run(t.Context(), hostapi.NewCall(hostapi.CallConfig{Kind: m.info.Kind, Shared: libs.shared()}))
	const want = "18202 42 8\nhello from a library, 8\n/lib/none.so: no such file\n"
	if o.Err != nil || string(o.Stdout) != want {
		t.Errorf("it said %q, want %q; error %v %v", o.Stdout, want, o.Err, o.Err)
	}
}

const cppLibrary = `
#include <map>
#include <string>
#include <vector>
struct Shape { virtual ~Shape() {} virtual int area() const = 0; };
struct Square : Shape { int side; Square(int s) : side(s) {} int area() const override { return side * side; } };
static std::map<std::string, int> names = {{"one", 1}, {"two", 2}};
static std::vector<Shape *> shapes = {new Square(3), new Square(4)};
extern "C" int sum() { int n = 0; for (auto *s : shapes) n += s->area(); return n + names["two"]; }
`

const cppProgram = `
#include <map>
#include <new>
#include <string>
#include <vector>
#include <cstdio>
#define HOST(name) extern "C" __attribute__((import_module("env"), import_name(name)))
HOST("dlopen") void *dlopen(const char *, int);
HOST("dlsym") void *dlsym(void *, const char *);
HOST("dlerror") char *dlerror(void);
extern "C" __attribute__((export_name("handle"))) int handle() {
  void *h = dlopen("lib.so", 0);
  if (!h) return std::printf("%s\n", dlerror()), 1;
  auto sum = (int (*)())dlsym(h, "sum");
  return std::printf("%d\n", sum()), 0;
}
`

// TestCppLibrary has virtual functions, static objects and templates in a library, over the program's C++ runtime.
func TestCppLibrary(t *testing.T) {
	testenv.Need(t, testenv.Clang)
	dir := t.TempDir()
	libs := files{"lib.so": clang(t, dir, "clang++-19", cppLibrary, "lib.so", append(libraryFlags, "-fno-exceptions", "-fno-rtti")...)}
	program := append(programFlags, "-fno-exceptions", "-Wl,--export-all", "-Wl,--whole-archive", "-lc++", "-Wl,--no-whole-archive")
	m := loadModule(t, newEngine(t, nil), clang(t, dir, "clang++-19", cppProgram, "main.wasm", program...))
	o := newFaaslet(t, m, Setup{}).Run(t.Context(), hostapi.NewCall(hostapi.CallConfig{Kind: m.info.Kind, Shared: libs.shared()}))
	if o.Err != nil || string(o.Stdout) != "27\n" {
		t.Errorf("it said %q, error %v", o.Stdout, o.Err)
	}
}

// TestDynamicLinkingPage builds the example of docs/dynamic-linking.md with the commands that are there, and runs it.
func TestDynamicLinkingPage(t *testing.T) {
	testenv.Need(t, testenv.Clang)
	page, err := os.ReadFile("../../docs/dynamic-linking.md")
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	parts := strings.Split(string(page), "```")
	for _, name := range []string{"main.c", "greet.c"} {
		text := ""
		for _, p := range parts {
			if code, found := strings.CutPrefix(p, "c\n// "+name+"\n"); found {
				text = code
			}
		}
		if text == "" {
			t.Fatalf("the page has no %s", name)
		}
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	commands := strings.ReplaceAll(string(page), " \\\n", " ")
	built := 0
	for line := range strings.Lines(commands) {
		if command, found := strings.CutPrefix(line, "    clang-19 "); found {
			build := exec.Command("clang-19", strings.Fields(command)...)
			build.Dir = dir
			if text, err := build.CombinedOutput(); err != nil {
				t.Fatalf("%s: %v\n%s", command, err, text)
			}
			built++
		}
	}
	if built != 2 {
		t.Fatalf("the page has %d commands", built)
	}
	libs := files{}
	if libs["/lib/libgreet.so"], err = os.ReadFile(filepath.Join(dir, "libgreet.so")); err != nil {
		t.Fatal(err)
	}
	module, err := os.ReadFile(filepath.Join(dir, "main.wasm"))
	if err != nil {
		t.Fatal(err)
	}
	m := loadModule(t, newEngine(t, nil), module)
	o := newFaaslet(t, m, Setup{}).Run(t.Context(), hostapi.NewCall(hostapi.CallConfig{Kind: m.info.Kind, Shared: libs.shared()}))
	if o.Err != nil || string(o.Stdout) != "hello, world\n" {
		t.Errorf("it said %q, error %v", o.Stdout, o.Err)
	}
}

const cCommand = `
#include <stdio.h>
#define HOST(name) __attribute__((import_module("env"), import_name(name)))
HOST("dlopen") void *dlopen(const char *, int);
HOST("dlsym") void *dlsym(void *, const char *);
HOST("dlerror") char *dlerror(void);
static int made, ended;
int counter = 0;
int twice(int n) { return 2 * n; }
__attribute__((constructor)) static void make(void) { printf("made %d\n", ++made); }
__attribute__((destructor)) static void end(void) { printf("ended %d\n", ++ended); }
int main(void) {
  void *h = dlopen("/lib/liba.so", 0);
  if (!h) return puts(dlerror()), 1;
  printf("%d\n", ((int (*)(int))dlsym(h, "call_b"))(10));
  ((void (*)(void))dlsym(h, "say"))();
  return 0;
}`

// TestCommandLoadsLibraries has a command whose linker wraps all that libraries call of it: its constructors run once, and its
// destructors at the end.
func TestCommandLoadsLibraries(t *testing.T) {
	testenv.Need(t, testenv.Clang)
	dir := t.TempDir()
	libs := files{"/lib/libb.so": clang(t, dir, "clang-19", cLibraryB, "libb.so", libraryFlags...)}
	libs["/lib/liba.so"] = clang(t, dir, "clang-19", cLibraryA, "liba.so", append(libraryFlags, "libb.so")...)
	flags := slices.DeleteFunc(slices.Clone(programFlags), func(f string) bool { return f == "-mexec-model=reactor" })
	m := loadModule(t, newEngine(t, nil), clang(t, dir, "clang-19", cCommand, "main.wasm", append(flags, "-fvisibility=default")...))
	f := newFaaslet(t, m, Setup{})
	o := f.Run(t.Context(), hostapi.NewCall(hostapi.CallConfig{Kind: m.info.Kind, Shared: libs.shared()}))
	const want = "made 1\n18202\nhello from a library, 8\nended 1\n"
	if o.Err != nil || string(o.Output) != want {
		t.Errorf("it said %q, want %q; error %v", o.Output, want, o.Err)
	}
}
