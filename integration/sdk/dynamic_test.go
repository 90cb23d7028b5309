package sdk

import (
	"bytes"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/shoal-run/shoal/bus/faas"
	"github.com/shoal-run/shoal/integration/framework"
	"github.com/shoal-run/shoal/internal/testenv"
	"github.com/shoal-run/shoal/services/standalone"
)

// pluginHost answers with what the library makes of the input, which it loads in the call, or with EARLY in its initialiser.
const pluginHost = `
#include <dlfcn.h>
#include <shoal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int (*answer)(char *, int);
static void load(void) {
  void *lib = dlopen("/lib/libanswer.so", RTLD_NOW);
  answer = lib ? (int (*)(char *, int))dlsym(lib, "answer") : 0;
}
#ifdef EARLY
__attribute__((constructor)) static void early(void) { load(); }
#endif

__attribute__((export_name("handle"))) int handle(void) {
  char text[100];
#ifndef EARLY
  load();
#endif
  if (!answer) {
    const char *why = dlerror();
    fprintf(stderr, "%s\n", why ? why : "no library");
    return 3;
  }
  __faasm_write_output(text, answer(text, sizeof text));
  return 0;
}`

// library returns one that answers with a word and how often it was asked.
func library(t *testing.T, word string) []byte {
	t.Helper()
	dir := t.TempDir()
	source := `#include <stdio.h>
static int asked;
int answer(char *text, int n) { return snprintf(text, n, "` + word + ` %d", ++asked); }
`
	if err := os.WriteFile(filepath.Join(dir, "answer.c"), []byte(source), 0o600); err != nil {
		t.Fatal(err)
	}
	command(t, dir, nil, "clang-19", strings.Fields("--target=wasm32-wasi -O2 -fPIC -fvisibility=default -nostdlib -shared -o libanswer.so answer.c "+
		"-Wl,--no-entry -Wl,--export-dynamic -Wl,--export-if-defined=__wasm_call_ctors -Wl,--unresolved-symbols=import-dynamic")...)
	return read(t, filepath.Join(dir, "libanswer.so"))
}

// A program loads a library that is a shared file of its tenant, in its calls or once ahead of them, and the next one when the
// file is replaced.
func TestLibrariesAreSharedFiles(t *testing.T) {
	testenv.Need(t, testenv.Clang)
	s := framework.Start(t, standalone.Config{})
	sdk, err := filepath.Abs(filepath.Join(sdkDir, "c"))
	if err != nil {
		t.Fatal(err)
	}
	for name, flag := range map[string]string{"late": "-DLATE", "early": "-DEARLY"} {
		dir := t.TempDir()
		if err := os.WriteFile(filepath.Join(dir, "main.c"), []byte(pluginHost), 0o600); err != nil {
			t.Fatal(err)
		}
		command(t, dir, nil, "clang-19", append(strings.Fields("--target=wasm32-wasi -O2 -mexec-model=reactor -o main.wasm main.c "+flag+
			" -Wl,--export-dynamic -Wl,--export=malloc -Wl,--export=snprintf -Wl,--export=__stack_pointer"), "-I"+sdk+"/include", "-I"+sdk+"/posix")...)
		module := read(t, filepath.Join(dir, "main.wasm"))
		s.Deploy(t, "t/"+name, module)
		s.Deploy(t, "other/"+name, module)
	}
	call := func(name, want string) {
		t.Helper()
		if a := s.Call(t, name, nil); a.Err != nil || string(a.Body) != want {
			t.Errorf("%s answers %q, %v; want %q", name, a.Body, a.Err, want)
		}
	}
	lacking := func(name string) {
		t.Helper()
		if a := s.Call(t, name, nil); faas.CodeOf(a.Err) != faas.GuestFailed || !strings.Contains(a.Err.Stderr, "no such file") && !strings.Contains(a.Err.Stderr, "no library") {
			t.Errorf("%s without a library: %v", name, a.Err)
		}
	}
	put := func(path string, lib []byte) {
		t.Helper()
		s.Must(t, framework.Request{Method: http.MethodPut, Path: "/v1/files/" + path, Body: lib})
	}
	lacking("t/late")
	lacking("t/early")
	for _, word := range []string{"one", "two"} {
		put("t/lib/libanswer.so", library(t, word))
		for range 5 {
			call("t/late", word+" 1")
			call("t/early", word+" 1")
		}
	}
	lacking("other/early")
	lacking("other/late")
	broken := library(t, "three")
	put("t/lib/libanswer.so", broken[:len(broken)/2])
	if a := s.Call(t, "t/late", nil); faas.CodeOf(a.Err) != faas.GuestFailed || !strings.Contains(a.Err.Stderr, "truncated") {
		t.Errorf("with half a library: %v %s", a.Err, bytes.TrimSpace([]byte(a.Err.Stderr)))
	}
}
