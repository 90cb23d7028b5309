/*
 * The imports of a function: what the worker gives it, by the names and types that Faasm uses.
 * Functions normally use faasm/core.h, faasm/input.h or shoal.h, which are written in terms of these.
 *
 * A declaration alone imports nothing: a module imports what it calls. A worker that has a function not, or answers that it
 * is not there yet, says so at the deploy; docs/host-interface.md has the list.
 *
 * Keys, names and paths are strings with a NUL at the end. Sizes and offsets are in bytes.
 *
 * Built natively (without __wasm__) the imports are ordinary external functions, which shoal/test.h defines, so that a test
 * program can run a function outside WebAssembly.
 */
#ifndef SHOAL_FAASM_HOST_INTERFACE_H
#define SHOAL_FAASM_HOST_INTERFACE_H

#include <stdint.h>

#ifdef __wasm__
#define SHOAL_IMPORT(name) __attribute__((import_module("env"), import_name(#name)))
#else
#define SHOAL_IMPORT(name)
#endif

/* A function of this module that a chained call runs; its result is the exit code. */
#ifdef __cplusplus
typedef int (*FaasmFuncPtr)();
#else
typedef int (*FaasmFuncPtr)(void);
#endif

/* Where a migrated call goes on, with the argument of __faasm_migrate_point. */
typedef void (*FaasmMigrateEntryPoint)(int);

#ifdef __cplusplus
extern "C" {
#endif

/* --- The call --- */

/*
 * Copies at most size bytes of the call's input to buffer and returns how many it copied.
 * With size 0 it returns the size of the whole input instead, and buffer is not used.
 */
SHOAL_IMPORT(__faasm_read_input)
long __faasm_read_input(uint8_t *buffer, long size);

/* Makes size bytes at data the call's output. Any bytes will do, NUL too. The last call of it wins. */
SHOAL_IMPORT(__faasm_write_output)
void __faasm_write_output(const uint8_t *data, long size);

/* Writes the function's stack to standard error, innermost first, at most depth frames of it; all when depth is 0. */
SHOAL_IMPORT(__faasm_backtrace)
void __faasm_backtrace(int depth);

/* --- Chained calls --- */

/* Calls another function of the same tenant with size bytes of input, and returns the call's number at once. */
SHOAL_IMPORT(__faasm_chain_name)
unsigned int __faasm_chain_name(const char *name, const uint8_t *input, long size);

/* The same of a function of this module, in a Faaslet of its own. */
SHOAL_IMPORT(__faasm_chain_ptr)
unsigned int __faasm_chain_ptr(FaasmFuncPtr function, const uint8_t *input, long size);

/* The same of another entry of a Python function. */
SHOAL_IMPORT(__faasm_chain_py)
unsigned int __faasm_chain_py(const char *name, const uint8_t *input, long size);

/* Waits for a chained call to end and returns its exit code: 0 for success. */
SHOAL_IMPORT(__faasm_await_call)
int __faasm_await_call(unsigned int call);

/* The same, and gives the call's output: the host puts it into memory from the module's malloc. */
SHOAL_IMPORT(__faasm_await_call_output)
int __faasm_await_call_output(unsigned int call, char **output, int *size);

/* --- State: values of bytes under a key of the tenant --- */

/* Copies the value to buffer and returns its size. With size 0 it only returns it, 0 when there is no value. */
SHOAL_IMPORT(__faasm_read_state)
long __faasm_read_state(const char *key, uint8_t *buffer, long size);

/* Maps a value of total bytes into memory; the same key gives the same address. What is written there is shared. */
SHOAL_IMPORT(__faasm_read_state_ptr)
uint8_t *__faasm_read_state_ptr(const char *key, long total);

/* Copies size bytes from an offset on, of a value of total bytes, to buffer. */
SHOAL_IMPORT(__faasm_read_state_offset)
void __faasm_read_state_offset(const char *key, long total, long offset, uint8_t *buffer, long size);

/* Maps a value and returns the address of the byte at offset; size bytes from there on are pulled. */
SHOAL_IMPORT(__faasm_read_state_offset_ptr)
uint8_t *__faasm_read_state_offset_ptr(const char *key, long total, long offset, long size);

/* Makes size bytes the value, on this worker: others see it after a push. */
SHOAL_IMPORT(__faasm_write_state)
void __faasm_write_state(const char *key, const uint8_t *data, long size);

/* Writes size bytes at an offset of a value of total bytes. */
SHOAL_IMPORT(__faasm_write_state_offset)
void __faasm_write_state_offset(const char *key, long total, long offset, const uint8_t *data, long size);

/* Makes the contents of a file the value and returns its size. */
SHOAL_IMPORT(__faasm_write_state_from_file)
unsigned int __faasm_write_state_from_file(const char *key, const char *path);

/* Appends an element to the key's list in the global tier. */
SHOAL_IMPORT(__faasm_append_state)
void __faasm_append_state(const char *key, const uint8_t *data, long size);

/* Copies the first count elements of the key's list, one behind the other, to buffer. The list stays. */
SHOAL_IMPORT(__faasm_read_appended_state)
void __faasm_read_appended_state(const char *key, uint8_t *buffer, long size, long count);

/* Empties the key's list. */
SHOAL_IMPORT(__faasm_clear_appended_state)
void __faasm_clear_appended_state(const char *key);

/* Says that a value of total bytes was written through its address. */
SHOAL_IMPORT(__faasm_flag_state_dirty)
void __faasm_flag_state_dirty(const char *key, long total);

/* Says that size bytes from an offset on were written through their address. */
SHOAL_IMPORT(__faasm_flag_state_offset_dirty)
void __faasm_flag_state_offset_dirty(const char *key, long total, long offset, long size);

/* Puts the value into the global tier. */
SHOAL_IMPORT(__faasm_push_state)
void __faasm_push_state(const char *key);

/* Puts what was written of the value into the global tier. */
SHOAL_IMPORT(__faasm_push_state_partial)
void __faasm_push_state_partial(const char *key);

/* The same of the bytes where the value of mask is not 0. */
SHOAL_IMPORT(__faasm_push_state_partial_mask)
void __faasm_push_state_partial_mask(const char *key, const char *mask);

/* Gets the value from the global tier. */
SHOAL_IMPORT(__faasm_pull_state)
void __faasm_pull_state(const char *key, long size);

/* Locks of the value on this worker: many may read, or one write. */
SHOAL_IMPORT(__faasm_lock_state_read)
void __faasm_lock_state_read(const char *key);

SHOAL_IMPORT(__faasm_unlock_state_read)
void __faasm_unlock_state_read(const char *key);

SHOAL_IMPORT(__faasm_lock_state_write)
void __faasm_lock_state_write(const char *key);

SHOAL_IMPORT(__faasm_unlock_state_write)
void __faasm_unlock_state_write(const char *key);

/* A lock of the value on all workers (Faasm 0.2.4). */
SHOAL_IMPORT(__faasm_lock_state_global)
void __faasm_lock_state_global(const char *key);

SHOAL_IMPORT(__faasm_unlock_state_global)
void __faasm_unlock_state_global(const char *key);

/* --- The rest --- */

/* The Python fields of the call. */
SHOAL_IMPORT(__faasm_get_py_user)
void __faasm_get_py_user(uint8_t *buffer, long size);

SHOAL_IMPORT(__faasm_get_py_func)
void __faasm_get_py_func(uint8_t *buffer, long size);

SHOAL_IMPORT(__faasm_get_py_entry)
void __faasm_get_py_entry(uint8_t *buffer, long size);

/* 1 when a setting of the platform is on, else 0. */
SHOAL_IMPORT(__faasm_conf_flag)
unsigned int __faasm_conf_flag(const char *key);

/* Makes a variable the target of a reduction when the memories of threads are merged. */
SHOAL_IMPORT(__faasm_sm_reduce)
void __faasm_sm_reduce(void *variable, int type, int operation, int batch);

/* A critical section of the threads of this worker. */
SHOAL_IMPORT(__faasm_sm_critical_local)
void __faasm_sm_critical_local(void);

SHOAL_IMPORT(__faasm_sm_critical_local_end)
void __faasm_sm_critical_local_end(void);

/* A point at which the call may move to another worker, where function is called with argument. */
SHOAL_IMPORT(__faasm_migrate_point)
void __faasm_migrate_point(FaasmMigrateEntryPoint function, int argument);

/* For Faasm's own tests; see faasm/host_interface_test.h. */
SHOAL_IMPORT(__faasm_host_interface_test)
void __faasm_host_interface_test(int test);

#ifdef __cplusplus
}
#endif

#endif
