// Types of the wasmtime C API 25.0.0, as far as this package uses them. TestHeadersAgree compares every layout and
// prototype with the headers that come with wasmtime-go.
#ifndef SHOAL_CAPI_TYPES_H
#define SHOAL_CAPI_TYPES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct wasm_config_t wasm_config_t;
typedef struct wasm_engine_t wasm_engine_t;
typedef struct wasm_trap_t wasm_trap_t;
typedef struct wasm_frame_t wasm_frame_t;
typedef struct wasm_valtype_t wasm_valtype_t;
typedef struct wasm_functype_t wasm_functype_t;
typedef struct wasm_globaltype_t wasm_globaltype_t;
typedef struct wasmtime_error wasmtime_error_t;
typedef struct wasmtime_module wasmtime_module_t;
typedef struct wasmtime_linker wasmtime_linker_t;
typedef struct wasmtime_store wasmtime_store_t;
typedef struct wasmtime_context wasmtime_context_t;
typedef struct wasmtime_caller wasmtime_caller_t;
typedef struct wasmtime_instance_pre wasmtime_instance_pre_t;

typedef uint8_t wasmtime_trap_code_t;
typedef uint8_t wasmtime_update_deadline_kind_t;
typedef uint8_t wasm_valkind_t;
typedef uint8_t wasm_mutability_t;

typedef struct wasm_byte_vec_t {
  size_t size;
  char *data;
} wasm_byte_vec_t;

typedef struct wasm_frame_vec_t {
  size_t size;
  wasm_frame_t **data;
} wasm_frame_vec_t;

typedef struct wasm_valtype_vec_t {
  size_t size;
  wasm_valtype_t **data;
} wasm_valtype_vec_t;

typedef struct wasmtime_func {
  uint64_t store_id;
  size_t __private;
} wasmtime_func_t;

typedef struct wasmtime_memory {
  uint64_t store_id;
  size_t __private;
} wasmtime_memory_t;

typedef struct wasmtime_global {
  uint64_t store_id;
  size_t __private;
} wasmtime_global_t;

typedef struct wasmtime_table {
  uint64_t store_id;
  size_t __private;
} wasmtime_table_t;

typedef struct wasmtime_instance {
  uint64_t store_id;
  size_t index;
} wasmtime_instance_t;

// The real union has more members, all of at most this size.
typedef union wasmtime_extern_union {
  wasmtime_func_t func;
  wasmtime_global_t global;
  wasmtime_memory_t memory;
  wasmtime_table_t table;
} wasmtime_extern_union_t;

typedef struct wasmtime_extern {
  uint8_t kind;
  wasmtime_extern_union_t of;
} wasmtime_extern_t;

typedef union wasmtime_val_raw {
  int32_t i32;
  int64_t i64;
  uint8_t v128[16];
  void *funcref;
} wasmtime_val_raw_t;

typedef union wasmtime_valunion {
  int32_t i32;
  int64_t i64;
  uint8_t v128[16];
  wasmtime_func_t funcref; // null where store_id is 0
  uint64_t align;
} wasmtime_valunion_t;

typedef struct wasmtime_val {
  uint8_t kind;
  wasmtime_valunion_t of;
} wasmtime_val_t;

#define WASMTIME_EXTERN_FUNC 0
#define WASMTIME_EXTERN_GLOBAL 1
#define WASMTIME_EXTERN_TABLE 2
#define WASMTIME_EXTERN_MEMORY 3
#define WASMTIME_I32 0
#define WASMTIME_FUNCREF 5
#define WASMTIME_UPDATE_DEADLINE_CONTINUE 0

#endif
