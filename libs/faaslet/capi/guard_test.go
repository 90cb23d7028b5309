//go:build linux && cgo

package capi

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"runtime/debug"
	"strings"
	"testing"

	"github.com/bytecodealliance/wasmtime-go/v25"
)

const wrapper = "github.com/bytecodealliance/wasmtime-go/v25"

// This package was written for one version; another needs another look at the headers and the wrapper's layout.
func TestVersion(t *testing.T) {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		t.Fatal("no build information")
	}
	for _, d := range info.Deps {
		if d.Path == wrapper {
			if d.Version != "v"+Version || d.Replace != nil {
				t.Errorf("built with %s %s, this package is for v%s", d.Path, d.Version, Version)
			}
			return
		}
	}
	out, err := exec.Command("go", "list", "-m", "-f", "{{.Version}}", wrapper).Output()
	if err != nil {
		t.Fatal(err)
	}
	if got := strings.TrimSpace(string(out)); got != "v"+Version {
		t.Errorf("built with %s %s, this package is for v%s", wrapper, got, Version)
	}
}

// word takes the first word of these objects for their C pointer.
func TestWrapperLayout(t *testing.T) {
	for _, v := range []any{wasmtime.Config{}, wasmtime.Engine{}, wasmtime.Linker{}, wasmtime.Module{}} {
		f := reflect.TypeOf(v).Field(0)
		if f.Name != "_ptr" || f.Offset != 0 || f.Type.Kind() != reflect.Pointer {
			t.Errorf("%T starts with %s %s at %d", v, f.Name, f.Type, f.Offset)
		}
	}
}

// The compiler compares our declarations with the headers of the pinned version: types by size and offset, prototypes
// by redeclaration, which must be compatible.
const guard = `
#define wasm_byte_vec_t our_byte_vec
#define wasm_frame_vec_t our_frame_vec
#define wasm_valtype_vec_t our_valtype_vec
#define wasmtime_func our_func_s
#define wasmtime_func_t our_func
#define wasmtime_memory our_memory_s
#define wasmtime_memory_t our_memory
#define wasmtime_global our_global_s
#define wasmtime_global_t our_global
#define wasmtime_table our_table_s
#define wasmtime_table_t our_table
#define wasmtime_instance our_instance_s
#define wasmtime_instance_t our_instance
#define wasmtime_extern our_extern_s
#define wasmtime_extern_t our_extern
#define wasmtime_extern_union our_extern_union_s
#define wasmtime_extern_union_t our_extern_union
#define wasmtime_val_raw our_val_raw_s
#define wasmtime_val_raw_t our_val_raw
#define wasmtime_valunion our_valunion_s
#define wasmtime_valunion_t our_valunion
#define wasmtime_val our_val_s
#define wasmtime_val_t our_val
#include "types.h"
enum { our_func_kind = WASMTIME_EXTERN_FUNC, our_global_kind = WASMTIME_EXTERN_GLOBAL,
  our_table_kind = WASMTIME_EXTERN_TABLE, our_memory_kind = WASMTIME_EXTERN_MEMORY, our_i32 = WASMTIME_I32,
  our_funcref = WASMTIME_FUNCREF };
#undef WASMTIME_EXTERN_FUNC
#undef WASMTIME_EXTERN_GLOBAL
#undef WASMTIME_EXTERN_TABLE
#undef WASMTIME_EXTERN_MEMORY
#undef WASMTIME_I32
#undef WASMTIME_FUNCREF
#undef wasm_byte_vec_t
#undef wasm_frame_vec_t
#undef wasm_valtype_vec_t
#undef wasmtime_func
#undef wasmtime_func_t
#undef wasmtime_memory
#undef wasmtime_memory_t
#undef wasmtime_global
#undef wasmtime_global_t
#undef wasmtime_table
#undef wasmtime_table_t
#undef wasmtime_instance
#undef wasmtime_instance_t
#undef wasmtime_extern
#undef wasmtime_extern_t
#undef wasmtime_extern_union
#undef wasmtime_extern_union_t
#undef wasmtime_val_raw
#undef wasmtime_val_raw_t
#undef wasmtime_valunion
#undef wasmtime_valunion_t
#undef wasmtime_val
#undef wasmtime_val_t
#include <wasmtime.h>
#include "protos.h"
#define SAME(t) _Static_assert(sizeof(our_##t) == sizeof(wasmtime_##t##_t), #t); \
  _Static_assert(_Alignof(our_##t) == _Alignof(wasmtime_##t##_t), #t)
#define AT(t, f) _Static_assert(offsetof(our_##t, f) == offsetof(wasmtime_##t##_t, f), #t "." #f)
SAME(func); AT(func, store_id); AT(func, __private);
SAME(memory); AT(memory, store_id); AT(memory, __private);
SAME(global); AT(global, store_id); AT(global, __private);
SAME(table); AT(table, store_id); AT(table, __private);
SAME(instance); AT(instance, store_id); AT(instance, index);
SAME(extern); AT(extern, kind); AT(extern, of);
SAME(extern_union); AT(extern_union, func); AT(extern_union, memory); AT(extern_union, table);
SAME(val_raw); AT(val_raw, i32); AT(val_raw, i64);
SAME(valunion); AT(valunion, i32); AT(valunion, i64); AT(valunion, funcref);
SAME(val); AT(val, kind); AT(val, of);
#define SAME_VEC(t) _Static_assert(sizeof(our_##t) == sizeof(wasm_##t##_t), #t); \
  _Static_assert(offsetof(our_##t, size) == offsetof(wasm_##t##_t, size), #t); \
  _Static_assert(offsetof(our_##t, data) == offsetof(wasm_##t##_t, data), #t)
SAME_VEC(byte_vec); SAME_VEC(frame_vec); SAME_VEC(valtype_vec);
_Static_assert(our_func_kind == WASMTIME_EXTERN_FUNC && our_global_kind == WASMTIME_EXTERN_GLOBAL, "extern kinds");
_Static_assert(our_memory_kind == WASMTIME_EXTERN_MEMORY && our_table_kind == WASMTIME_EXTERN_TABLE &&
  our_i32 == WASMTIME_I32 && our_funcref == WASMTIME_FUNCREF, "kinds");
_Static_assert(WASMTIME_TRAP_CODE_STACK_OVERFLOW == 0 && WASMTIME_TRAP_CODE_MEMORY_OUT_OF_BOUNDS == 1 &&
  WASMTIME_TRAP_CODE_HEAP_MISALIGNED == 2 && WASMTIME_TRAP_CODE_TABLE_OUT_OF_BOUNDS == 3 &&
  WASMTIME_TRAP_CODE_INDIRECT_CALL_TO_NULL == 4 && WASMTIME_TRAP_CODE_BAD_SIGNATURE == 5 &&
  WASMTIME_TRAP_CODE_INTEGER_OVERFLOW == 6 && WASMTIME_TRAP_CODE_INTEGER_DIVISION_BY_ZERO == 7 &&
  WASMTIME_TRAP_CODE_BAD_CONVERSION_TO_INTEGER == 8 && WASMTIME_TRAP_CODE_UNREACHABLE_CODE_REACHED == 9 &&
  WASMTIME_TRAP_CODE_INTERRUPT == 10 && WASMTIME_TRAP_CODE_OUT_OF_FUEL == 11, "trap codes");
_Static_assert(WASM_I32 == 0 && WASM_I64 == 1 && WASM_F32 == 2 && WASM_F64 == 3, "value kinds");
`

// against compiles C source with the headers of the pinned version in reach.
func against(t *testing.T, source string) string {
	t.Helper()
	dir, err := exec.Command("go", "list", "-m", "-f", "{{.Dir}}", wrapper).Output()
	if err != nil {
		t.Fatal(err)
	}
	cc := "gcc"
	if s := os.Getenv("CC"); s != "" {
		cc = s
	}
	file := filepath.Join(t.TempDir(), "guard.c")
	if err := os.WriteFile(file, []byte(source), 0o600); err != nil {
		t.Fatal(err)
	}
	include := filepath.Join(strings.TrimSpace(string(dir)), "build", "include")
	out, err := exec.Command(cc, "-std=c11", "-Werror", "-fsyntax-only", "-DSHOAL_CAPI_CHECK", "-I.", "-I"+include, file).CombinedOutput()
	if err != nil && len(out) == 0 {
		t.Fatal(err)
	}
	return string(bytes.TrimSpace(out))
}

func TestHeadersAgree(t *testing.T) {
	if out := against(t, guard); out != "" {
		t.Error(out)
	}
}

// The guard of TestHeadersAgree does see a difference.
func TestGuardSees(t *testing.T) {
	for name, c := range map[string]struct{ bad, want string }{
		"prototype": {guard + "void wasmtime_store_delete(wasmtime_store_t *, int);\n", "conflicting types"},
		"layout":    {strings.Replace(guard, "AT(val, kind)", "AT(val, kind); _Static_assert(offsetof(our_val, of) == 4, \"moved\")", 1), "moved"},
	} {
		if out := against(t, c.bad); !strings.Contains(out, c.want) {
			t.Errorf("%s: the compiler says %q", name, out)
		}
	}
}
