#ifndef SHOAL_CAPI_H
#define SHOAL_CAPI_H

#include "types.h"
#include "protos.h"

// What an instance looks up when it starts.
enum {
  SHOAL_NAME_ENTRY = 0,
  SHOAL_NAME_RESTORED,
  SHOAL_NAME_REFUSED,
  SHOAL_NAME_KILL,  // the global that ends the guest
  SHOAL_NAME_HERE,  // a function that the module defines
  SHOAL_NAMES
};

// What the kill global has: asked by the host, taken by the guest, which has ended for it.
enum { SHOAL_ASKED = 1, SHOAL_TAKEN = 2 };

// The name of an export, NULL for none.
typedef struct shoal_name {
  char *s;
  size_t len;
} shoal_name;

// What a module's instances have in common. The strings belong to it.
typedef struct shoal_pre {
  wasmtime_instance_pre_t *pre;
  shoal_name names[SHOAL_NAMES]; // of exports
  uint32_t kill_at;              // atomic: where the last instance has its kill global, from its context on; 0 for unknown
  char **saved; // names of the mutable globals that an image has, and what NUL ends
  size_t nsaved;
} shoal_pre;

// How many libraries a store can have.
enum { SHOAL_LIBRARIES = 32 };

// A function that calls another one, which is not there when the stub is made.
typedef struct shoal_stub {
  struct shoal_stub *next;
  wasmtime_func_t target;
  bool bound;
} shoal_stub;

// What a store has whose instance loads libraries. A library is one more instance, with the instance's memory and table.
typedef struct shoal_libraries {
  wasmtime_table_t table;
  bool has_table;
  uint32_t n; // of instances
  wasmtime_instance_t instances[SHOAL_LIBRARIES];
  uint32_t *flags[SHOAL_LIBRARIES]; // atomic: their kill globals, NULL where there is none
  bool has_refused[SHOAL_LIBRARIES];
  wasmtime_global_t refused[SHOAL_LIBRARIES];
  wasmtime_global_t *saved; // what an image has beside the module's
  size_t nsaved, room;
  shoal_stub *stubs;
} shoal_libraries;

// Names of a library's exports, which a NUL ends.
typedef struct shoal_library_names {
  const char *refused, *kill, *here;
} shoal_library_names;

// A store with one instance, and its libraries. It is the store's data; wasmtime never frees it.
typedef struct shoal_instance {
  uint32_t slot;  // where Go finds its side of the instance
  uint32_t kill;  // atomic: the guest shall end
  uint32_t *flag; // atomic: the kill global, NULL when there is none or it was not found yet
  bool has_memory, has_entry, has_restored, has_refused, has_probe;
  bool bare; // the image was just mapped: no page is there
  wasmtime_store_t *store;
  wasmtime_context_t *ctx;
  wasmtime_instance_t instance;
  wasmtime_memory_t memory;
  wasmtime_func_t entry, restored, probe;
  wasmtime_global_t refused;
  wasmtime_global_t *saved; // as the module's; NULL until they were looked up
  shoal_libraries *libraries; // atomic: NULL before the first
  // What the last call left: error and trap are owned, and at most one of them is set.
  wasmtime_error_t *error;
  wasm_trap_t *trap;
  wasmtime_val_raw_t raw[1];
} shoal_instance;

typedef struct shoal_limits {
  int64_t memory;         // bytes
  int64_t table_elements; // of each table
  int64_t tables;
} shoal_limits;

// Pages of a memory from one on.
typedef struct shoal_span {
  uint32_t page, n;
} shoal_span;

// What the first call wrote that was reset, as far as it is worth it: the next ones likely write it too.
typedef struct shoal_hot {
  uint32_t state; // atomic: SHOAL_UNKNOWN, SHOAL_LEARNING by a thread, SHOAL_KNOWN
  uint32_t n;     // of spans
  uint32_t pages; // in all
  shoal_span spans[16];
} shoal_hot;

enum { SHOAL_UNKNOWN = 0, SHOAL_LEARNING, SHOAL_KNOWN };

// What instances of a module and a setup begin from.
typedef struct shoal_image {
  int fd;               // sealed memfd of len bytes, -1 when len is 0
  const uint8_t *view;  // its content
  size_t len, size;     // of the content and of the linear memory, which is zero beyond the content; whole pages
  wasmtime_val_t *vals; // of the module's saved globals
  wasmtime_val_t *libvals; // of those of its libraries, so many
  size_t nlibvals;
  shoal_hot hot;
} shoal_image;

// Results of shoal_instance_reset that have a name.
enum { SHOAL_TOO_MUCH = -1, SHOAL_GREW = -4 };

// How dirty pages are found.
enum { SHOAL_SCAN = 0, SHOAL_PAGEMAP = 1 };

enum { SHOAL_ENTRY = 0, SHOAL_RESTORED = 1 };

wasm_functype_t *shoal_functype(const uint8_t *params, size_t nparams, const uint8_t *results, size_t nresults);
wasmtime_error_t *shoal_define(wasmtime_linker_t *, const char *module, size_t module_len, const char *name,
                               size_t name_len, const uint8_t *params, size_t nparams, const uint8_t *results,
                               size_t nresults, uint32_t row);
shoal_pre *shoal_pre_new(wasmtime_instance_pre_t *);
bool shoal_pre_name(shoal_pre *, int which, const char *, size_t);
void shoal_pre_delete(shoal_pre *);
shoal_instance *shoal_instance_new(wasm_engine_t *, uint32_t slot, const shoal_limits *);
bool shoal_instance_start(shoal_instance *, shoal_pre *);
bool shoal_instance_call(shoal_instance *, int which);
int shoal_instance_call_export(shoal_instance *, const char *name, size_t len);
bool shoal_instance_probe(shoal_instance *);
uint32_t *shoal_find_global(shoal_instance *, const wasmtime_func_t *here, const wasmtime_global_t *, uint32_t *hint);
void shoal_instance_killable(shoal_instance *, uint32_t *flag);
void shoal_instance_kill(shoal_instance *);
void shoal_instance_unkill(shoal_instance *);
bool shoal_instance_killed(shoal_instance *);
uint32_t shoal_instance_refused(shoal_instance *);
bool shoal_instance_grow(shoal_instance *, uint32_t pages);
int shoal_instance_malloc(shoal_instance *, uint32_t size, uint32_t *at);
uint8_t *shoal_instance_memory(shoal_instance *, size_t *len);
bool shoal_pre_save(shoal_pre *, const char *const *names, const size_t *lens, size_t n);
bool shoal_instance_save(shoal_instance *, const shoal_pre *, shoal_image *);
int shoal_instance_restore(shoal_instance *, const shoal_pre *, const shoal_image *);
long shoal_instance_reset(shoal_instance *, const shoal_pre *, shoal_image *, int pagemap, int how, size_t max);
bool shoal_instance_empty(shoal_instance *, const shoal_pre *, shoal_image *, int pagemap, int how, size_t max);
void shoal_instance_warm(shoal_instance *, const shoal_image *);
int shoal_scan_works(int pagemap);
bool shoal_page_dirty(uint64_t entry);
void shoal_instance_delete(shoal_instance *);

bool shoal_libraries_open(shoal_instance *, const char *table, size_t len);
void shoal_libraries_delete(shoal_libraries *);
uint32_t shoal_libraries_refused(shoal_instance *);
bool shoal_library_export(shoal_instance *, int library, const char *name, size_t len, wasmtime_extern_t *);
bool shoal_library_host(shoal_instance *, const wasmtime_linker_t *, const char *module, size_t module_len,
                        const char *name, size_t name_len, wasmtime_extern_t *);
wasmtime_error_t *shoal_library_global(shoal_instance *, bool mutable, uint32_t value, wasmtime_extern_t *);
wasmtime_error_t *shoal_library_set(shoal_instance *, const wasmtime_extern_t *, uint32_t value);
uint32_t shoal_library_value(shoal_instance *, const wasmtime_extern_t *);
uint32_t shoal_library_slots(shoal_instance *);
bool shoal_library_grow(shoal_instance *, uint32_t n, uint32_t *at);
wasmtime_error_t *shoal_library_point(shoal_instance *, uint32_t slot, const wasmtime_extern_t *);
uintptr_t shoal_library_identity(shoal_instance *, const wasmtime_extern_t *);
void shoal_library_scan(shoal_instance *, uintptr_t *out, uint32_t n);
shoal_stub *shoal_library_stub(shoal_instance *, const uint8_t *params, size_t nparams, const uint8_t *results,
                               size_t nresults, wasmtime_extern_t *);
void shoal_library_bind(shoal_stub *, const wasmtime_extern_t *);
int shoal_library_add(shoal_instance *, const wasmtime_module_t *, const wasmtime_extern_t *imports, size_t n,
                      const shoal_library_names *, uint32_t *hint);
void shoal_library_killable(shoal_instance *, int library, uint32_t *flag);
int shoal_library_call(shoal_instance *, int library, const char *name, size_t len);
bool shoal_library_save(shoal_instance *, const wasmtime_extern_t *);
void shoal_library_trap(shoal_instance *, const uint8_t *params, size_t nparams, const uint8_t *results, size_t nresults,
                        uint32_t row, wasmtime_extern_t *);
size_t shoal_thread_stack(void);

#endif
