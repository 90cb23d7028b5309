package instrumenttest

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/bytecodealliance/wasmtime-go/v25"

	"github.com/shoal-run/shoal/internal/testenv"
	"github.com/shoal-run/shoal/libs/wasmbin"
)

// The guests take memory until there is no more, or until they have enough, and say how it went.
const (
	goGuest = `package main

import "os"

var keep [][]byte

func main() {
	sum := 0
	for i := range 20 {
		b := make([]byte, 1<<20)
		b[i] = byte(i)
		keep = append(keep, b)
	}
	for i, b := range keep {
		sum += int(b[i])
	}
	os.Stdout.WriteString("kept\n")
	os.Exit(sum % 100)
}
`
	cGuest = `#include <stdio.h>
#include <stdlib.h>
static void *volatile last;
int main(void) {
	int n = 0;
	while (n < 1000 && (last = malloc(1 << 20))) n++;
	printf("%s\n", n < 1000 ? "refused" : "enough");
	return n % 100;
}
`
	cppGuest = `#include <iostream>
#include <map>
#include <string>
#include <vector>
std::map<std::string, std::vector<int>> table;
int main() {
	for (int i = 0; i < 1000; i++) table[std::to_string(i)] = std::vector<int>(i);
	size_t n = 0;
	for (auto &e : table) n += e.second.size();
	std::cout << n << std::endl;
	return n % 100;
}
`
)

func TestGoGuestBehavesAlike(t *testing.T) {
	testenv.Need(t, testenv.GoWasm)
	dir := t.TempDir()
	write(t, dir, "go.mod", "module guest\n\ngo 1.26\n")
	write(t, dir, "main.go", goGuest)
	guest(t, dir, []string{"GOOS=wasip1", "GOARCH=wasm", "GOWORK=off", "GOFLAGS="}, 90, "kept\n", "go", "build", "-o", "guest.wasm", ".")
}

func TestCGuestBehavesAlike(t *testing.T) {
	testenv.Need(t, testenv.Clang)
	for _, flags := range [][]string{{"-O2"}, {"-O0", "-g"}, {"-O2", "-Wl,--emit-relocs"}} {
		dir := t.TempDir()
		write(t, dir, "guest.c", cGuest)
		args := append([]string{"--target=wasm32-wasi", "-o", "guest.wasm", "guest.c"}, flags...)
		guest(t, dir, nil, -1, "refused\n", "clang-19", args...)
	}
}

func TestCPPGuestBehavesAlike(t *testing.T) {
	testenv.Need(t, testenv.Clang)
	dir := t.TempDir()
	write(t, dir, "guest.cc", cppGuest)
	guest(t, dir, nil, 0, "499500\n", "clang++-19", "--target=wasm32-wasi", "-O2", "-fno-exceptions", "-o", "guest.wasm", "guest.cc")
}

func write(t *testing.T, dir, name, text string) {
	t.Helper()
	if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

// guest builds a command and runs it, as it is and instrumented. exit is what it must exit with, -1 for anything.
func guest(t *testing.T, dir string, env []string, exit int32, stdout, name string, args ...string) {
	t.Helper()
	build := exec.Command(name, args...)
	build.Dir, build.Env = dir, append(os.Environ(), env...)
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("building the guest: %v\n%s", err, out)
	}
	module, err := os.ReadFile(filepath.Join(dir, "guest.wasm"))
	if err != nil {
		t.Fatal(err)
	}
	m, err := wasmbin.Parse(module)
	if err != nil {
		t.Fatal(err)
	}
	info, err := wasmbin.Check(m, importsOf(m))
	if err != nil || info.Entry != "_start" {
		t.Fatalf("%+v, %v", info, err)
	}
	engine := newEngine()
	before := command(t, engine, dir, module)
	after := command(t, engine, dir, instrument(t, module))
	if before.exit != after.exit || before.stdout != after.stdout || before.pages != after.pages {
		t.Errorf("the original %+v, instrumented %+v", before, after)
	}
	if before.stdout != stdout || exit >= 0 && before.exit != exit {
		t.Errorf("%+v, want exit %d after %q", before, exit, stdout)
	}
	if refused := stdout == "refused\n"; refused != (after.refused > 0) {
		t.Errorf("%d refusals counted", after.refused)
	}
}

// importsOf is a host interface that has what m wants.
func importsOf(m *wasmbin.Module) wasmbin.Host {
	return wasmbin.Host{Types: func(module, name string) (params, results []byte, ok bool) {
		for _, in := range m.Imports {
			if in.Module == module && in.Name == name {
				return m.Types[in.Type].Params, m.Types[in.Type].Results, true
			}
		}
		return nil, nil, false
	}}
}

type ended struct {
	exit    int32
	stdout  string
	pages   uint64
	refused int32
}

// command runs a WASI command in 64 MiB with the engine's own WASI.
func command(t *testing.T, engine *wasmtime.Engine, dir string, module []byte) ended {
	t.Helper()
	m, err := wasmtime.NewModule(engine, module)
	if err != nil {
		t.Fatalf("the engine refuses it: %v", err)
	}
	defer m.Close()
	out := filepath.Join(dir, "stdout")
	wasi := wasmtime.NewWasiConfig()
	if err := wasi.SetStdoutFile(out); err != nil {
		t.Fatal(err)
	}
	store := wasmtime.NewStore(engine)
	defer store.Close()
	store.Limiter(64<<20, -1, -1, -1, -1)
	store.SetWasi(wasi)
	linker := wasmtime.NewLinker(engine)
	defer linker.Close()
	if err := linker.DefineWasi(); err != nil {
		t.Fatal(err)
	}
	in, err := linker.Instantiate(store, m)
	if err != nil {
		t.Fatal(err)
	}
	var e ended
	if _, err = in.GetFunc(store, "_start").Call(store); err != nil {
		var exit *wasmtime.Error
		if !errors.As(err, &exit) {
			t.Fatal(err)
		}
		code, ok := exit.ExitStatus()
		if !ok {
			t.Fatal(err)
		}
		e.exit = code
	}
	b, err := os.ReadFile(out)
	if err != nil {
		t.Fatal(err)
	}
	e.stdout = string(b)
	e.pages = in.GetExport(store, "memory").Memory().Size(store)
	if g := in.GetExport(store, wasmbin.GrowRefused); g != nil {
		e.refused = g.Global().Get(store).I32()
	}
	return e
}
