package suite

import (
	"strings"
	"testing"

	"github.com/shoal-run/shoal/bus/faas"
	"github.com/shoal-run/shoal/services/standalone"
)

// Guarantee 6: a module that imports what is not there is refused with the reason, and runs if its owner wants it to.
func TestUnknownImports(t *testing.T) {
	s := start(t, standalone.Config{})
	module := wasm(t, `(module
	  (import "env" "MPI_Init" (func $mpi (param i32 i32) (result i32)))
	  (import "env" "__faasm_read_input" (func $read (param i32 i32) (result i32)))
	  (memory (export "memory") 1)
	  (func (export "handle") (if (call $read (i32.const 0) (i32.const 0)) (then (drop (call $mpi (i32.const 0) (i32.const 0)))))))`)
	if a := s.Put(t, "t/mpi", module); faas.CodeOf(a.Err) != faas.InvalidModule ||
		!strings.Contains(a.Err.Error(), "unknown import env.MPI_Init: MPI is not supported") || !strings.Contains(a.Err.Error(), "allow_unknown_imports") {
		t.Fatalf("refused with %v", a.Err)
	}
	d := s.Deploy(t, "t/mpi", module, "allow_unknown_imports=true")
	if len(d.Imports) != 2 || !d.Imports[0].Missing || d.Imports[1].Missing {
		t.Errorf("imports %+v", d.Imports)
	}
	if a := s.Call(t, "t/mpi", nil); a.Err != nil {
		t.Errorf("the import is not called: %v", a.Err)
	}
	if a := s.Call(t, "t/mpi", []byte("x")); faas.CodeOf(a.Err) != faas.GuestTrapped || !strings.Contains(a.Err.Error(), "env.MPI_Init was called: MPI is not supported") {
		t.Errorf("the import is called: %v", a.Err)
	}
	if a := s.Put(t, "t/mpi", module, "allow_unknown_imports=perhaps"); faas.CodeOf(a.Err) != faas.BadRequest {
		t.Errorf("a setting that is neither: %v", a.Err)
	}
}
