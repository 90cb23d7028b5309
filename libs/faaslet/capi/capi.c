//go:build linux && cgo

#define _GNU_SOURCE
#include "capi.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "_cgo_export.h"

// The one host function of wasmtime's side: env is the row's index, the store's data says whose call it is.
static wasm_trap_t *trampoline(void *env, wasmtime_caller_t *caller, wasmtime_val_raw_t *args, size_t nargs) {
  wasmtime_context_t *cx = wasmtime_caller_context(caller);
  shoal_instance *in = wasmtime_context_get_data(cx);
  uint8_t *base = NULL;
  size_t len = 0;
  if (in->has_memory) {
    base = wasmtime_memory_data(cx, &in->memory);
    len = wasmtime_memory_data_size(cx, &in->memory);
  } else { // in a start function that wasmtime runs, before shoal_instance_start could look
    wasmtime_extern_t ex;
    if (wasmtime_caller_export_get(caller, "memory", 6, &ex) && ex.kind == WASMTIME_EXTERN_MEMORY) {
      base = wasmtime_memory_data(cx, &ex.of.memory);
      len = wasmtime_memory_data_size(cx, &ex.of.memory);
    }
  }
  return shoalHostCall(in->slot, (uint32_t)(uintptr_t)env, base, len, (void *)args, nargs);
}

// The type of a function; NULL when it has too many parameters or results.
wasm_functype_t *shoal_functype(const uint8_t *params, size_t nparams, const uint8_t *results, size_t nresults) {
  wasm_valtype_t *p[32], *r[4];
  if (nparams > 32 || nresults > 4) return NULL;
  for (size_t i = 0; i < nparams; i++) p[i] = wasm_valtype_new(params[i]);
  for (size_t i = 0; i < nresults; i++) r[i] = wasm_valtype_new(results[i]);
  wasm_valtype_vec_t pv, rv;
  wasm_valtype_vec_new(&pv, nparams, p);
  wasm_valtype_vec_new(&rv, nresults, r);
  return wasm_functype_new(&pv, &rv);
}

wasmtime_error_t *shoal_define(wasmtime_linker_t *linker, const char *module, size_t module_len, const char *name,
                               size_t name_len, const uint8_t *params, size_t nparams, const uint8_t *results,
                               size_t nresults, uint32_t row) {
  wasm_functype_t *ty = shoal_functype(params, nparams, results, nresults);
  if (!ty) return wasmtime_error_new("too many parameters or results");
  wasmtime_error_t *err = wasmtime_linker_define_func_unchecked(linker, module, module_len, name, name_len, ty,
                                                                trampoline, (void *)(uintptr_t)row, NULL);
  wasm_functype_delete(ty);
  return err;
}

// Makes a function that reaches Go as the row's host functions do.
void shoal_library_trap(shoal_instance *in, const uint8_t *params, size_t nparams, const uint8_t *results,
                        size_t nresults, uint32_t row, wasmtime_extern_t *ex) {
  wasm_functype_t *ty = shoal_functype(params, nparams, results, nresults);
  ex->kind = WASMTIME_EXTERN_FUNC;
  wasmtime_func_new_unchecked(in->ctx, ty, trampoline, (void *)(uintptr_t)row, NULL, &ex->of.func);
  wasm_functype_delete(ty);
}

static char *dup(const char *s, size_t n) {
  if (!n) return NULL;
  char *d = malloc(n);
  if (d) memcpy(d, s, n);
  return d;
}

shoal_pre *shoal_pre_new(wasmtime_instance_pre_t *pre) {
  shoal_pre *p = calloc(1, sizeof *p);
  if (p) p->pre = pre;
  return p;
}

// Names an export; nothing for none.
bool shoal_pre_name(shoal_pre *p, int which, const char *s, size_t len) {
  p->names[which].s = dup(s, len), p->names[which].len = len;
  return p->names[which].s || !len;
}

void shoal_pre_delete(shoal_pre *p) {
  wasmtime_instance_pre_delete(p->pre);
  for (int i = 0; i < SHOAL_NAMES; i++) free(p->names[i].s);
  for (size_t i = 0; i < p->nsaved; i++) free(p->saved[i]);
  free(p->saved);
  free(p);
}

shoal_instance *shoal_instance_new(wasm_engine_t *engine, uint32_t slot, const shoal_limits *limits) {
  // Each call writes to it: it has its cache lines to itself.
  const size_t line = 64, size = (sizeof(shoal_instance) + line - 1) / line * line;
  shoal_instance *in = aligned_alloc(line, size);
  if (!in) return NULL;
  memset(in, 0, size);
  in->slot = slot;
  in->store = wasmtime_store_new(engine, in, NULL);
  in->ctx = wasmtime_store_context(in->store);
  wasmtime_store_limiter(in->store, limits->memory, limits->table_elements, 1 + SHOAL_LIBRARIES,
                         limits->tables, 1);
  return in;
}

static bool export(shoal_instance *in, const shoal_name *n, uint8_t kind, wasmtime_extern_t *ex) {
  return n->s && wasmtime_instance_export_get(in->ctx, &in->instance, n->s, n->len, ex) && ex->kind == kind;
}

// Finds the kill global. It reports false when there is one that can't be written to: the guest must not run then.
static bool killable(shoal_instance *in, shoal_pre *p) {
  wasmtime_extern_t kill, here;
  if (!export(in, &p->names[SHOAL_NAME_KILL], WASMTIME_EXTERN_GLOBAL, &kill)) return true;
  if (!export(in, &p->names[SHOAL_NAME_HERE], WASMTIME_EXTERN_FUNC, &here)) return false;
  uint32_t *flag = shoal_find_global(in, &here.of.func, &kill.of.global, &p->kill_at);
  if (!flag) return false;
  shoal_instance_killable(in, flag);
  return true;
}

bool shoal_instance_start(shoal_instance *in, shoal_pre *p) {
  in->error = wasmtime_instance_pre_instantiate(p->pre, in->ctx, &in->instance, &in->trap);
  if (in->error || in->trap) return false;
  static const shoal_name memory = {"memory", 6};
  wasmtime_extern_t ex;
  if (export(in, &memory, WASMTIME_EXTERN_MEMORY, &ex)) in->memory = ex.of.memory, in->has_memory = true;
  if (export(in, &p->names[SHOAL_NAME_ENTRY], WASMTIME_EXTERN_FUNC, &ex)) in->entry = ex.of.func, in->has_entry = true;
  if (export(in, &p->names[SHOAL_NAME_RESTORED], WASMTIME_EXTERN_FUNC, &ex))
    in->restored = ex.of.func, in->has_restored = true;
  if (export(in, &p->names[SHOAL_NAME_REFUSED], WASMTIME_EXTERN_GLOBAL, &ex))
    in->refused = ex.of.global, in->has_refused = true;
  if (!killable(in, p)) {
    in->error = wasmtime_error_new("the guest can't be interrupted: its kill global was not found");
    return false;
  }
  return true;
}

static bool call(shoal_instance *in, const wasmtime_func_t *f) {
  in->raw[0].i64 = 0;
  in->error = wasmtime_func_call_unchecked(in->ctx, f, in->raw, 1, &in->trap);
  return !in->error && !in->trap;
}

bool shoal_instance_call(shoal_instance *in, int which) {
  return call(in, which == SHOAL_RESTORED ? &in->restored : &in->entry);
}

// Calls an exported function that takes nothing. Returns 1 when it returned, 0 when it did not, -1 when there is none.
int shoal_instance_call_export(shoal_instance *in, const char *name, size_t len) {
  wasmtime_extern_t ex;
  const shoal_name n = {(char *)name, len};
  if (!export(in, &n, WASMTIME_EXTERN_FUNC, &ex)) return -1;
  return call(in, &ex.of.func);
}

static wasm_trap_t *probe(void *env, wasmtime_caller_t *caller, wasmtime_val_raw_t *args, size_t nargs) {
  return wasmtime_trap_new("probe", 5);
}

// Calls a function that traps at once: the trap's trace is the guest's stack, that of the calls below included. Leaves it
// in error or trap. Only during a host function of the instance.
bool shoal_instance_probe(shoal_instance *in) {
  if (!in->has_probe) {
    wasm_functype_t *ty = shoal_functype(NULL, 0, NULL, 0);
    wasmtime_func_new_unchecked(in->ctx, ty, probe, NULL, NULL, &in->probe);
    wasm_functype_delete(ty);
    in->has_probe = true;
  }
  wasmtime_val_raw_t raw[1];
  in->error = wasmtime_func_call_unchecked(in->ctx, &in->probe, raw, 0, &in->trap);
  return in->error || in->trap;
}

uint32_t shoal_instance_refused(shoal_instance *in) {
  uint32_t libraries = in->libraries ? shoal_libraries_refused(in) : 0;
  if (!in->has_refused) return libraries;
  wasmtime_val_t v;
  wasmtime_global_get(in->ctx, &in->refused, &v);
  return libraries + (v.kind == WASMTIME_I32 ? (uint32_t)v.of.i32 : 0);
}

uint8_t *shoal_instance_memory(shoal_instance *in, size_t *len) {
  *len = 0;
  if (!in->has_memory) return NULL;
  *len = wasmtime_memory_data_size(in->ctx, &in->memory);
  return wasmtime_memory_data(in->ctx, &in->memory);
}

// Grows the memory by so many pages, within the store's limit.
bool shoal_instance_grow(shoal_instance *in, uint32_t pages) {
  uint64_t before;
  if (!in->has_memory) return false;
  wasmtime_error_t *err = wasmtime_memory_grow(in->ctx, &in->memory, pages, &before);
  if (err) wasmtime_error_delete(err);
  return !err;
}

// Calls the guest's malloc, of type (i32) -> i32. Returns as shoal_instance_call_export does. Only during a host function.
int shoal_instance_malloc(shoal_instance *in, uint32_t size, uint32_t *at) {
  static const shoal_name name = {"malloc", 6};
  wasmtime_extern_t ex;
  if (!export(in, &name, WASMTIME_EXTERN_FUNC, &ex)) return -1;
  wasmtime_val_raw_t raw[1]; // in->raw is the outer call's
  raw[0].i64 = 0;
  raw[0].i32 = (int32_t)size;
  in->error = wasmtime_func_call_unchecked(in->ctx, &ex.of.func, raw, 1, &in->trap);
  *at = (uint32_t)raw[0].i32;
  return !in->error && !in->trap;
}

void shoal_instance_delete(shoal_instance *in) {
  if (in->error) wasmtime_error_delete(in->error);
  if (in->trap) wasm_trap_delete(in->trap);
  wasmtime_store_delete(in->store);
  shoal_libraries_delete(in->libraries);
  free(in->saved);
  free(in);
}

size_t shoal_thread_stack(void) {
  pthread_attr_t attr;
  size_t n = 0;
  if (pthread_getattr_default_np(&attr) != 0) return 0;
  pthread_attr_getstacksize(&attr, &n);
  pthread_attr_destroy(&attr);
  return n;
}
