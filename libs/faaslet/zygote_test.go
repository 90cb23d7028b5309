//go:build linux && cgo

package faaslet

import (
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/shoal-run/shoal/bus/faas"
	"github.com/shoal-run/shoal/internal/testenv"
	"github.com/shoal-run/shoal/libs/wasmbin"
)

// A command whose constructors wipe what the zygote left, and count themselves at 20. It exits with what it found wrong.
const watZygote = `(module
  (import "wasi_snapshot_preview1" "proc_exit" (func $exit (param i32)))
  (memory (export "memory") 1)
  (func $__wasm_call_ctors
    (i32.store (i32.const 16) (i32.const 0))
    (i32.store (i32.const 20) (i32.add (i32.load (i32.const 20)) (i32.const 1))))
  (func (export "_faasm_zygote") (result i32)
    (if (i32.load (i32.const 24)) (then (return (i32.const 7))))
    (i32.store (i32.const 16) (i32.const 9)) (i32.const 0))
  (func $main
    (if (i32.ne (i32.load (i32.const 16)) (i32.const 9)) (then (call $exit (i32.const 1))))
    (if (i32.ne (i32.load (i32.const 20)) (i32.const 1)) (then (call $exit (i32.const 2))))
    (i32.store (i32.const 16) (i32.const 8)))
  (func (export "_start") (call $__wasm_call_ctors) (call $main)))`

// watWizer is the same as Wizer has it: the constructors are the initialiser's to call, and a name that nobody knows.
var watWizer = strings.NewReplacer("$__wasm_call_ctors", "$c", `(export "_faasm_zygote") (result i32)`,
	`(export "wizer.resume") (call $main)) (func (export "wizer.initialize")`,
	"(then (return (i32.const 7))))", "(then unreachable)) (call $c)", "(i32.const 9)) (i32.const 0))", "(i32.const 9)))").Replace(watZygote)

func TestZygotes(t *testing.T) {
	for name, c := range map[string]struct {
		wat, entry string
		inits      []string
		code       faas.Code // of a call
		words      string
	}{
		"faasm":             {watZygote, "_start", []string{wasmbin.Ctors, "_faasm_zygote"}, "", ""},
		"faasm, by export":  {strings.ReplaceAll(watZygote, "(func $__wasm_call_ctors", `(func $c (export "__wasm_call_ctors")`), "_start", []string{wasmbin.Ctors, "_faasm_zygote"}, "", ""},
		"wizer":             {watWizer, "wizer.resume", []string{"wizer.initialize"}, "", ""},
		"wizer, known name": {strings.ReplaceAll(watWizer, "$c", "$__wasm_call_ctors"), "wizer.resume", []string{wasmbin.Ctors, "wizer.initialize"}, "", ""},
		"faasm, wrapped": {strings.Replace(watZygote, `(func (export "_faasm_zygote") (result i32)`,
			`(func $__wasm_call_dtors (i32.store (i32.const 16) (i32.const 0)))
			(func (export "_faasm_zygote") (result i32) (call $__wasm_call_ctors) (call $zygote) (call $__wasm_call_dtors))
			(func $zygote (result i32)`, 1), "_start", []string{wasmbin.Ctors, wasmbin.Held + "_faasm_zygote"}, "", ""},
		"no constructors":     {strings.ReplaceAll(watZygote, "$__wasm_call_ctors", "$c"), "_start", nil, faas.GuestFailed, "exited with code 1"},
		"failing":             {strings.Replace(watZygote, "i32.load (i32.const 24)", "i32.const 1", 1), "_start", []string{wasmbin.Ctors, "_faasm_zygote"}, faas.GuestFailed, "in the initialiser _faasm_zygote: the guest exited with code 7"},
		"trapping":            {strings.Replace(watWizer, "i32.load (i32.const 24)", "i32.const 1", 1), "wizer.resume", []string{"wizer.initialize"}, faas.GuestTrapped, "in the initialiser wizer.initialize"},
		"reactor with zygote": {strings.Replace(watZygote, `(export "_start")`, `(export "_initialize") (call $__wasm_call_ctors)) (func (export "handle")`, 1), "handle", []string{wasmbin.Ctors, "_initialize", "_faasm_zygote"}, "", ""},
	} {
		t.Run(name, func(t *testing.T) {
			wat := c.wat
			if strings.Contains(name, "export") {
				wat = strings.ReplaceAll(wat, "$__wasm_call_ctors", "$c")
			}
			m := load(t, newEngine(t, nil), wat)
			if info := m.Info(); info.Entry != c.entry || !slices.Equal(info.Inits, c.inits) || (info.NoZygote != "") != (c.inits == nil) {
				t.Errorf("%+v", info)
			}
			if info := infoOf(m.module); info.Entry != c.entry || !slices.Equal(info.Inits, c.inits) {
				t.Errorf("by the artefact alone: %+v", info)
			}
			callsAlike(t, m, c.code, c.words)
		})
	}
}

// callsAlike calls a Faaslet of m that is built, one that fills an image, some that are restored from it, and each of them
// again after a reset. All calls have to end alike.
func callsAlike(t *testing.T, m *Module, code faas.Code, words string) {
	t.Helper()
	s := Setup{Image: newImage(t, m)}
	for i, setup := range []Setup{{}, s, s, s} {
		f, err := m.New(t.Context(), setup)
		if err == nil {
			t.Cleanup(f.Close)
			err = runWith(t.Context(), f, "").Err
		}
		for range 3 {
			if got := faas.CodeOf(errOrNil(err)); got != code || err != nil && !strings.Contains(err.Message, words) {
				t.Fatalf("Faaslet %d: %v, want %s %q", i, err, code, words)
			}
			if f == nil || setup.Image == nil {
				break
			}
			if !f.Reset() {
				t.Fatalf("Faaslet %d was not reset", i)
			}
			err = runWith(t.Context(), f, "").Err
		}
	}
}

// errOrNil is e, or a nil error where it is nil.
func errOrNil(e *faas.Error) error {
	if e == nil {
		return nil
	}
	return e
}

// A start function runs once, in what the image is taken of.
func TestStartFunctionIsRestored(t *testing.T) {
	m := load(t, newEngine(t, nil), `(module (memory (export "memory") 1) (global $ran (mut i32) (i32.const 0)) (start $s)
	  (func $s (global.set $ran (i32.add (global.get $ran) (i32.const 1))) (i32.store (i32.const 0) (i32.add (i32.load (i32.const 0)) (i32.const 5))))
	  (func (export "handle") (result i32)
	    (i32.store (i32.const 0) (i32.add (i32.load (i32.const 0)) (i32.const 1)))
	    (i32.or (i32.ne (global.get $ran) (i32.const 1)) (i32.ne (i32.load (i32.const 0)) (i32.const 6)))))`)
	callsAlike(t, m, "", "")
}

// cppZygote has a map in a global, which constructors make empty and the zygote fills; main takes it to pieces.
const cppZygote = `
#include <cstdio>
#include <map>
#include <string>
#include "faasm/core.h"
static std::map<std::string, int> words;
static int constructed;
struct Counter { Counter() { constructed++; } };
static Counter counter;
ZYGOTE {
    for (int i = 0; i < 1000; i++) words["word " + std::to_string(i)] = i;
    ENDED
}
int main() {
    long sum = 0;
    for (auto &w : words) sum += w.second;
    if (words.size() != 1000 || sum != 499500 || constructed != 1) {
        fprintf(stderr, "%zu words, sum %ld, constructed %d times\n", words.size(), sum, constructed);
        return 1;
    }
    for (int i = 0; i < 1000; i += 2) words.erase("word " + std::to_string(i));
    words["another"] = 1;
    constructed = 7;
    return 0;
}
`

// Constructors of C++ do not run again after a zygote, however the linker left the module.
func TestCPPZygotes(t *testing.T) {
	testenv.Need(t, testenv.Clang)
	include, err := filepath.Abs("../../sdk/c/include")
	if err != nil {
		t.Fatal(err)
	}
	faasm := strings.NewReplacer("ZYGOTE", `extern "C" __attribute__((export_name("_faasm_zygote"))) int _faasm_zygote()`, "ENDED", "return 0;")
	macro := strings.NewReplacer("ZYGOTE", "FAASM_ZYGOTE()", "ENDED", "return 0;")
	initializer := strings.NewReplacer("ZYGOTE", "static void prepare(void)", "ENDED", "", "int main", "SHOAL_INITIALIZER(prepare)\nint main", "faasm/core.h", "shoal/command.h")
	for name, c := range map[string]struct {
		text  *strings.Replacer
		flags []string
	}{
		"by its name":                  {faasm, nil},
		"by its export":                {faasm, []string{"-Wl,-s", "-Wl,--export=__wasm_call_ctors"}},
		"by the macro":                 {macro, nil},
		"by the macro, stripped":       {macro, []string{"-Wl,-s"}},
		"by the initialiser, stripped": {initializer, []string{"-Wl,-s", "-Os"}},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			if err := os.WriteFile(filepath.Join(dir, "guest.cc"), []byte(c.text.Replace(cppZygote)), 0o600); err != nil {
				t.Fatal(err)
			}
			args := append([]string{"--target=wasm32-wasi", "-O2", "-fno-exceptions", "-I" + include, "-o", "guest.wasm", "guest.cc"}, c.flags...)
			build := exec.Command("clang++-19", args...)
			build.Dir = dir
			if out, err := build.CombinedOutput(); err != nil {
				t.Fatalf("building the guest: %v\n%s", err, out)
			}
			module, err := os.ReadFile(filepath.Join(dir, "guest.wasm"))
			if err != nil {
				t.Fatal(err)
			}
			callsAlike(t, loadModule(t, newEngine(t, nil), module), "", "")
		})
	}
}
