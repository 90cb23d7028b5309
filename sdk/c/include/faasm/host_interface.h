/*
 * The imports of a function: what the worker gives it, by the names and types that Faasm uses.
 * Functions normally use faasm/core.h, faasm/input.h or shoal.h, which are written in terms of these.
 *
 * Built natively (without __wasm__) the imports are ordinary external functions, so that a test program can define them
 * and run a function outside WebAssembly.
 */
#ifndef SHOAL_FAASM_HOST_INTERFACE_H
#define SHOAL_FAASM_HOST_INTERFACE_H

#include <stdint.h>

#ifdef __wasm__
#define SHOAL_IMPORT(name) __attribute__((import_module("env"), import_name(#name)))
#else
#define SHOAL_IMPORT(name)
#endif

#ifdef __cplusplus
extern "C" {
#endif

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

#ifdef __cplusplus
}
#endif

#endif
