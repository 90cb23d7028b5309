//go:build linux && cgo

#include "capi.h"

#include <stddef.h>

// What this file knows of wasmtime 25.0.0 beside its C API: a function of a module is, as a raw value, the address of a
// record whose fourth word is the address of the instance's context; the context begins with a magic number and is aligned
// to 16 bytes; it has the values of the globals that the module defines in 16 bytes each, and behind them the records of
// its functions. All of that is checked for each instance before a byte is written.
#define MAGIC 0x65726f63u // "core"
#define CONTEXT 3         // word of a function's record
#define GLOBAL 16u        // bytes of a global

// Gives the global a value by the API and looks for it at the place.
static bool shows(shoal_instance *in, const wasmtime_global_t *g, const uint32_t *at, uint32_t value) {
  wasmtime_val_t v = {.kind = WASMTIME_I32, .of.i32 = (int32_t)value};
  wasmtime_error_t *err = wasmtime_global_set(in->ctx, g, &v);
  if (err) {
    wasmtime_error_delete(err);
    return false;
  }
  return __atomic_load_n(at, __ATOMIC_SEQ_CST) == value;
}

static bool is_at(shoal_instance *in, const wasmtime_global_t *g, const uint32_t *at) {
  return shows(in, g, at, 0x5a17c0de) && shows(in, g, at, 0xa5e83f21) && shows(in, g, at, 0);
}

// Finds the value of the kill global, which here, a function that the module defines, leads to. hint is the last place
// found in an instance of the module, from the context on, 0 for none. Returns NULL when it is not found.
uint32_t *shoal_find_global(shoal_instance *in, const wasmtime_func_t *here, const wasmtime_global_t *g, uint32_t *hint) {
  uint8_t **record = wasmtime_func_to_raw(in->ctx, here);
  if (!record || (uintptr_t)record % sizeof *record) return NULL;
  uint8_t *cx = record[CONTEXT], *end = (uint8_t *)record;
  if (!cx || (uintptr_t)cx % GLOBAL || *(uint32_t *)cx != MAGIC || (uintptr_t)end <= (uintptr_t)cx ||
      (uintptr_t)end - (uintptr_t)cx > 1u << 27) return NULL;
  uint32_t known = __atomic_load_n(hint, __ATOMIC_RELAXED);
  if (known && known < (size_t)(end - cx) && is_at(in, g, (uint32_t *)(cx + known))) return (uint32_t *)(cx + known);
  // From the end: it is the last of the globals, with nothing behind it but functions' records.
  for (size_t at = (size_t)(end - cx) / GLOBAL * GLOBAL; at > GLOBAL; at -= GLOBAL) {
    uint32_t *p = (uint32_t *)(cx + at - GLOBAL);
    if (!is_at(in, g, p)) continue;
    __atomic_store_n(hint, (uint32_t)(at - GLOBAL), __ATOMIC_RELAXED);
    return p;
  }
  return NULL;
}

// Each of the two sides writes what the other reads before it reads what the other writes: one of them sees the kill.
static void ask_flag(uint32_t **at) {
  uint32_t *flag = __atomic_load_n(at, __ATOMIC_SEQ_CST), none = 0;
  if (flag) __atomic_compare_exchange_n(flag, &none, SHOAL_ASKED, false, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST);
}

// Asks all instances of the store: each has a kill global of its own, and any of them may be the one that runs.
static void ask(shoal_instance *in) {
  ask_flag(&in->flag);
  shoal_libraries *l = __atomic_load_n(&in->libraries, __ATOMIC_SEQ_CST);
  if (!l) return;
  for (int i = 0; i < SHOAL_LIBRARIES; i++) ask_flag(&l->flags[i]);
}

void shoal_instance_kill(shoal_instance *in) {
  __atomic_store_n(&in->kill, 1, __ATOMIC_SEQ_CST);
  ask(in);
}

void shoal_instance_killable(shoal_instance *in, uint32_t *flag) {
  __atomic_store_n(&in->flag, flag, __ATOMIC_SEQ_CST);
  if (__atomic_load_n(&in->kill, __ATOMIC_SEQ_CST)) ask(in);
}

// Is shoal_instance_killable for a library.
void shoal_library_killable(shoal_instance *in, int library, uint32_t *flag) {
  __atomic_store_n(&in->libraries->flags[library], flag, __ATOMIC_SEQ_CST);
  if (__atomic_load_n(&in->kill, __ATOMIC_SEQ_CST)) ask(in);
}

// Preconditions: the guest does not run, and nobody kills it.
void shoal_instance_unkill(shoal_instance *in) {
  __atomic_store_n(&in->kill, 0, __ATOMIC_SEQ_CST);
  if (in->flag) __atomic_store_n(in->flag, 0, __ATOMIC_SEQ_CST);
  for (uint32_t i = 0; in->libraries && i < in->libraries->n; i++)
    if (in->libraries->flags[i]) __atomic_store_n(in->libraries->flags[i], 0, __ATOMIC_SEQ_CST);
}

static bool taken(uint32_t *flag) { return flag && __atomic_load_n(flag, __ATOMIC_SEQ_CST) == SHOAL_TAKEN; }

bool shoal_instance_killed(shoal_instance *in) {
  if (taken(in->flag)) return true;
  for (uint32_t i = 0; in->libraries && i < in->libraries->n; i++)
    if (taken(in->libraries->flags[i])) return true;
  return false;
}
