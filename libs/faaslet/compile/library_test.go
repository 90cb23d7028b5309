//go:build linux && cgo

package compile_test

import (
	"testing"

	"github.com/shoal-run/shoal/libs/faaslet"
	"github.com/shoal-run/shoal/libs/faaslet/compile"
	"github.com/shoal-run/shoal/libs/hostapi"
	"github.com/shoal-run/shoal/libs/snapshot"
	"github.com/shoal-run/shoal/libs/vfs/vfstest"
	"github.com/shoal-run/shoal/libs/wasmbin"
)

// opener opens the library "a.so" and returns 0 when its function f returns 42.
const opener = `(module
  (import "env" "dlopen" (func $dlopen (param i32 i32) (result i32)))
  (import "env" "dlsym" (func $dlsym (param i32 i32) (result i32)))
  (memory (export "memory") 1) (table 1 funcref) (data (i32.const 100) "a.so\00f\00")
  (func (export "handle") (result i32)
    (i32.sub (i32.const 42) (call_indirect (result i32)
      (call $dlsym (call $dlopen (i32.const 100) (i32.const 0)) (i32.const 105))))))`

// TestLibraryInAChild has a library compiled as a worker does it, and a broken one refused.
func TestLibraryInAChild(t *testing.T) {
	program := assemble(t, opener)
	artefact, err := compile.Compiler{}.Compile(t.Context(), program)
	if err != nil {
		t.Fatal(err)
	}
	e, err := faaslet.NewEngine(faaslet.Config{Table: hostapi.New(), Compile: compile.Compiler{}.Compile})
	if err != nil {
		t.Fatal(err)
	}
	defer e.Close()
	m, err := e.LoadBytes(artefact, wasmbin.Info{})
	if err != nil {
		t.Fatal(err)
	}
	defer m.Close()
	dylink := []byte("\x00\x0f\x08dylink.0\x01\x04\x10\x04\x00\x00") // 16 bytes of memory
	code := assemble(t, `(module (import "env" "memory" (memory 0)) (func (export "f") (result i32) (i32.const 42)))`)
	library := append(append(append([]byte(nil), code[:8]...), dylink...), code[8:]...)
	files := vfstest.New(map[string]string{"a.so": string(library)})
	f, ferr := m.New(t.Context(), faaslet.Setup{})
	if ferr != nil {
		t.Fatal(ferr)
	}
	defer f.Close()
	if o := f.Run(t.Context(), hostapi.NewCall(hostapi.CallConfig{Shared: files})); o.Err != nil {
		t.Error(o.Err)
	}
}

// TestNoCaptureWithLibraries has a deploy leave such a module to its workers, and say why, without running it.
func TestNoCaptureWithLibraries(t *testing.T) {
	_, c, err := captured(t, `(module
	  (import "env" "dlopen" (func $dlopen (param i32 i32) (result i32)))
	  (memory (export "memory") 1) (data (i32.const 100) "a.so\00")
	  (func (export "_initialize") (if (i32.eqz (call $dlopen (i32.const 100) (i32.const 0))) (then unreachable)))
	  (func (export "handle")))`, snapshot.Request{})
	if err != nil || c.None != "it loads libraries" || c.Encoded != nil {
		t.Errorf("%+v, %v", c, err)
	}
}
