//go:build linux && cgo

#include "capi.h"

#include <stdlib.h>
#include <string.h>

// Makes room for what a store with libraries has, and finds the table that they share. It reports false when there is none.
bool shoal_libraries_open(shoal_instance *in, const char *table, size_t len) {
  if (in->libraries) return true;
  shoal_libraries *l = calloc(1, sizeof *l);
  if (!l) return false;
  wasmtime_extern_t ex;
  if (wasmtime_instance_export_get(in->ctx, &in->instance, table, len, &ex) && ex.kind == WASMTIME_EXTERN_TABLE)
    l->table = ex.of.table, l->has_table = true;
  __atomic_store_n(&in->libraries, l, __ATOMIC_SEQ_CST);
  return true;
}

void shoal_libraries_delete(shoal_libraries *l) {
  if (!l) return;
  for (shoal_stub *s = l->stubs, *next; s; s = next) {
    next = s->next;
    free(s);
  }
  free(l->saved);
  free(l);
}

// Where an export of a library is, or of the module for library -1.
bool shoal_library_export(shoal_instance *in, int library, const char *name, size_t len, wasmtime_extern_t *ex) {
  const wasmtime_instance_t *i = library < 0 ? &in->instance : &in->libraries->instances[library];
  return wasmtime_instance_export_get(in->ctx, i, name, len, ex);
}

bool shoal_library_host(shoal_instance *in, const wasmtime_linker_t *l, const char *module, size_t module_len,
                        const char *name, size_t name_len, wasmtime_extern_t *ex) {
  return wasmtime_linker_get(l, in->ctx, module, module_len, name, name_len, ex);
}

wasmtime_error_t *shoal_library_global(shoal_instance *in, bool mutable, uint32_t value, wasmtime_extern_t *ex) {
  wasm_globaltype_t *ty = wasm_globaltype_new(wasm_valtype_new(WASMTIME_I32), mutable);
  wasmtime_val_t v = {.kind = WASMTIME_I32, .of.i32 = (int32_t)value};
  ex->kind = WASMTIME_EXTERN_GLOBAL;
  wasmtime_error_t *err = wasmtime_global_new(in->ctx, ty, &v, &ex->of.global);
  wasm_globaltype_delete(ty);
  return err;
}

wasmtime_error_t *shoal_library_set(shoal_instance *in, const wasmtime_extern_t *ex, uint32_t value) {
  wasmtime_val_t v = {.kind = WASMTIME_I32, .of.i32 = (int32_t)value};
  return wasmtime_global_set(in->ctx, &ex->of.global, &v);
}

uint32_t shoal_library_value(shoal_instance *in, const wasmtime_extern_t *ex) {
  wasmtime_val_t v;
  wasmtime_global_get(in->ctx, &ex->of.global, &v);
  return v.kind == WASMTIME_I32 ? (uint32_t)v.of.i32 : 0;
}

static wasmtime_val_t funcref(const wasmtime_func_t *f) {
  wasmtime_val_t v = {.kind = WASMTIME_FUNCREF};
  if (f) v.of.funcref = *f;
  return v;
}

uint32_t shoal_library_slots(shoal_instance *in) { return wasmtime_table_size(in->ctx, &in->libraries->table); }

// Makes the table n elements larger, within its limits.
bool shoal_library_grow(shoal_instance *in, uint32_t n, uint32_t *at) {
  wasmtime_val_t null = funcref(NULL);
  wasmtime_error_t *err = wasmtime_table_grow(in->ctx, &in->libraries->table, n, &null, at);
  if (err) wasmtime_error_delete(err);
  return !err;
}

wasmtime_error_t *shoal_library_point(shoal_instance *in, uint32_t slot, const wasmtime_extern_t *f) {
  wasmtime_val_t v = funcref(&f->of.func);
  return wasmtime_table_set(in->ctx, &in->libraries->table, slot, &v);
}

// What tells a function from others of its store.
uintptr_t shoal_library_identity(shoal_instance *in, const wasmtime_extern_t *f) {
  return (uintptr_t)wasmtime_func_to_raw(in->ctx, &f->of.func);
}

// Writes the identities of the table's first n elements to out, 0 for none.
void shoal_library_scan(shoal_instance *in, uintptr_t *out, uint32_t n) {
  for (uint32_t i = 0; i < n; i++) {
    wasmtime_val_t v;
    out[i] = 0;
    if (wasmtime_table_get(in->ctx, &in->libraries->table, i, &v) && v.kind == WASMTIME_FUNCREF && v.of.funcref.store_id)
      out[i] = (uintptr_t)wasmtime_func_to_raw(in->ctx, &v.of.funcref);
  }
}

// What this file knows of wasmtime 25.0.0 beside its C API: an error and a trap are the same record, a box of one pointer. As a trap
// the error keeps its backtrace; without one wasmtime would walk the whole stack again at every stub that it passes.
static wasm_trap_t *as_trap(wasmtime_error_t *err) { return (wasm_trap_t *)err; }

static wasm_trap_t *forward(void *env, wasmtime_caller_t *caller, wasmtime_val_raw_t *args, size_t nargs) {
  const shoal_stub *s = env;
  wasm_trap_t *trap = NULL;
  if (!s->bound) return wasmtime_trap_new("host", 4);
  wasmtime_error_t *err = wasmtime_func_call_unchecked(wasmtime_caller_context(caller), &s->target, args, nargs, &trap);
  return err ? as_trap(err) : trap;
}

// Makes a function that calls another one, which is not there yet. The store owns what it returns; NULL for no memory.
shoal_stub *shoal_library_stub(shoal_instance *in, const uint8_t *params, size_t nparams, const uint8_t *results,
                               size_t nresults, wasmtime_extern_t *ex) {
  wasm_functype_t *ty = shoal_functype(params, nparams, results, nresults);
  shoal_stub *s = ty ? calloc(1, sizeof *s) : NULL;
  if (s) {
    s->next = in->libraries->stubs, in->libraries->stubs = s;
    ex->kind = WASMTIME_EXTERN_FUNC;
    wasmtime_func_new_unchecked(in->ctx, ty, forward, s, NULL, &ex->of.func);
  }
  if (ty) wasm_functype_delete(ty);
  return s;
}

void shoal_library_bind(shoal_stub *s, const wasmtime_extern_t *f) { s->target = f->of.func, s->bound = true; }

static bool find(shoal_instance *in, int library, const char *name, uint8_t kind, wasmtime_extern_t *ex) {
  return shoal_library_export(in, library, name, strlen(name), ex) && ex->kind == kind;
}

// Adds an instance of a module with those imports, which runs no code of it. Returns its number, -1 when error or trap says
// why not.
int shoal_library_add(shoal_instance *in, const wasmtime_module_t *m, const wasmtime_extern_t *imports, size_t n,
                      const shoal_library_names *names, uint32_t *hint) {
  shoal_libraries *l = in->libraries;
  if (l->n == SHOAL_LIBRARIES) {
    in->error = wasmtime_error_new("too many libraries");
    return -1;
  }
  in->error = wasmtime_instance_new(in->ctx, m, imports, n, &l->instances[l->n], &in->trap);
  if (in->error || in->trap) return -1;
  int i = (int)l->n++;
  wasmtime_extern_t kill, here, refused;
  if (find(in, i, names->refused, WASMTIME_EXTERN_GLOBAL, &refused))
    l->refused[i] = refused.of.global, l->has_refused[i] = true;
  if (!find(in, i, names->kill, WASMTIME_EXTERN_GLOBAL, &kill)) return i;
  uint32_t *flag = NULL;
  if (find(in, i, names->here, WASMTIME_EXTERN_FUNC, &here))
    flag = shoal_find_global(in, &here.of.func, &kill.of.global, hint);
  if (!flag) {
    in->error = wasmtime_error_new("the library can't be interrupted: its kill global was not found");
    return -1;
  }
  shoal_library_killable(in, i, flag);
  return i;
}

// Calls a function that a library exports, of type () -> (). Returns as shoal_instance_call_export does.
int shoal_library_call(shoal_instance *in, int library, const char *name, size_t len) {
  wasmtime_extern_t ex;
  if (!shoal_library_export(in, library, name, len, &ex) || ex.kind != WASMTIME_EXTERN_FUNC) return -1;
  wasmtime_val_raw_t raw[1]; // in->raw is the outer call's
  raw[0].i64 = 0;
  in->error = wasmtime_func_call_unchecked(in->ctx, &ex.of.func, raw, 1, &in->trap);
  return !in->error && !in->trap;
}

// Makes g one of the globals that an image has beside the module's.
bool shoal_library_save(shoal_instance *in, const wasmtime_extern_t *g) {
  shoal_libraries *l = in->libraries;
  if (l->nsaved == l->room) {
    size_t room = l->room ? 2 * l->room : 64;
    wasmtime_global_t *more = realloc(l->saved, room * sizeof *more);
    if (!more) return false;
    l->saved = more, l->room = room;
  }
  l->saved[l->nsaved++] = g->of.global;
  return true;
}

uint32_t shoal_libraries_refused(shoal_instance *in) {
  shoal_libraries *l = in->libraries;
  uint32_t sum = 0;
  for (uint32_t i = 0; l && i < l->n; i++) {
    const wasmtime_extern_t ex = {.kind = WASMTIME_EXTERN_GLOBAL, .of.global = l->refused[i]};
    if (l->has_refused[i]) sum += shoal_library_value(in, &ex);
  }
  return sum;
}
