//go:build linux && cgo

package faaslet

import (
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/shoal-run/shoal/bus/faas"
	"github.com/shoal-run/shoal/internal/testenv"
	"github.com/shoal-run/shoal/libs/hostapi"
	"github.com/shoal-run/shoal/libs/vfs/vfstest"
)

// filesC does with files what C programs do, through their library.
const filesC = `
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

void __faasm_write_output(const void *, int) __attribute__((import_module("env"), import_name("__faasm_write_output")));
static char out[4096];

static void text(const char *path) {
  char buf[100] = "";
  FILE *f = fopen(path, "r");
  if (!f) { sprintf(out + strlen(out), "%s: errno %d\n", path, errno); return; }
  size_t n = fread(buf, 1, 99, f);
  fclose(f);
  sprintf(out + strlen(out), "%s: %.*s\n", path, (int)n, buf);
}

__attribute__((export_name("handle"))) int handle(void) {
  out[0] = 0;
  text("/d/shared"); text("d/shared"); text("faasm://d/shared"); text("/d/private"); text("/etc/passwd");
  FILE *f = fopen("/d/private", "w");
  if (!f) return 1;
  fprintf(f, "of this call");
  fclose(f);
  text("/d/private");
  f = fopen("/d/shared", "a");
  if (!f) return 2;
  fprintf(f, ", and more");
  fclose(f);
  text("/d/shared");
  if (mkdir("/tmp", 0700) || rename("/d/private", "/tmp/moved") || symlink("moved", "/tmp/link")) return 3;
  text("/tmp/link");
  struct stat st;
  if (stat("/d/other", &st) || st.st_size != 5 || !S_ISREG(st.st_mode) || unlink("/d/other") || !stat("/d/other", &st)) return 4;
  DIR *d = opendir("/d");
  if (!d) return 5;
  for (struct dirent *e; (e = readdir(d));) sprintf(out + strlen(out), "[%s]", e->d_name);
  closedir(d);
  if (isatty(1)) return 6;
  __faasm_write_output(out, strlen(out));
  return 0;
}
`

const filesWant = "/d/shared: text\nd/shared: text\nfaasm://d/shared: text\n/d/private: errno 44\n/etc/passwd: errno 44\n" +
	"/d/private: of this call\n/d/shared: text, and more\n/tmp/link: of this call\n[.][..][shared]"

// A C guest finds its files by the library's own means; the next call, in the same Faaslet or in another made of its image, finds
// them as they were.
func TestFilesOfACGuest(t *testing.T) {
	testenv.Need(t, testenv.Clang)
	dir := t.TempDir()
	source, module := filepath.Join(dir, "guest.c"), filepath.Join(dir, "guest.wasm")
	if err := os.WriteFile(source, []byte(filesC), 0o600); err != nil {
		t.Fatal(err)
	}
	build := exec.Command("clang-19", "--target=wasm32-wasi", "-O1", "-mexec-model=reactor", "-Wl,--allow-undefined", "-o", module, source)
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	code, err := os.ReadFile(module)
	if err != nil {
		t.Fatal(err)
	}
	filesOf(t, loadModule(t, newEngine(t, nil), code), filesWant)
}

// filesGo is the same for Go.
const filesGo = `package main

import (
	"fmt"
	"os"
	"strings"

	shoal "github.com/shoal-run/shoal/sdk/go"
)

func text(out *strings.Builder, path string) {
	b, err := os.ReadFile(path)
	if err != nil {
		fmt.Fprintf(out, "%s: %t\n", path, os.IsNotExist(err))
		return
	}
	fmt.Fprintf(out, "%s: %s\n", path, b)
}

func init() {
	shoal.Handle(func([]byte) ([]byte, error) {
		var out strings.Builder
		for _, path := range []string{"/d/shared", "d/shared", "faasm://d/shared", "/d/private"} {
			text(&out, path)
		}
		if err := os.WriteFile("/d/private", []byte("of this call"), 0o600); err != nil {
			return nil, err
		}
		text(&out, "/d/private")
		if err := os.Remove("/d/other"); err != nil {
			return nil, err
		}
		list, err := os.ReadDir("/d")
		for _, e := range list {
			fmt.Fprintf(&out, "[%s]", e.Name())
		}
		return []byte(out.String()), err
	})
}

func main() {}
`

const filesGoWant = "/d/shared: text\nd/shared: text\nfaasm://d/shared: text\n/d/private: true\n/d/private: of this call\n[private][shared]"

func TestFilesOfAGoGuest(t *testing.T) {
	filesOf(t, goModule(t, filesGo), filesGoWant)
}

// filesOf runs two calls in each of two Faaslets of m.
func filesOf(t *testing.T, m *Module, want string) {
	t.Helper()
	image := newImage(t, m)
	for range 2 {
		f := newFaaslet(t, m, Setup{Image: image})
		for range 2 {
			tree := vfstest.New(map[string]string{"d/shared": "text", "d/other": "other"})
			o := f.Run(t.Context(), hostapi.NewCall(hostapi.CallConfig{Kind: faas.Reactor, Shared: tree}))
			if o.Err != nil || string(o.Output) != want {
				t.Fatalf("%v\n got %q\nwant %q\n%s", o.Err, o.Output, want, o.Stderr)
			}
			if n := tree.Opened.Load(); n != 0 {
				t.Errorf("%d shared files are still open", n)
			}
			if !f.Reset() {
				t.Fatal("it was not reset")
			}
		}
		f.Close()
	}
	if !image.Taken() {
		t.Error("no image was taken")
	}
}
