/*
 * Input and output of a call, by Faasm's names, for functions that are programs with a main:
 *
 *     #include <faasm/core.h>
 *     #include <stdlib.h>
 *
 *     int main(void)
 *     {
 *         long size = faasmGetInputSize();
 *         uint8_t *input = malloc(size);
 *         faasmGetInput(input, size);
 *         faasmSetOutput(input, size);
 *         return 0;
 *     }
 *
 * A non-zero return of main fails the call. Standard input is the input too. Standard output is the output of a program
 * that never calls faasmSetOutput, and log otherwise; standard error is always log.
 */
#ifndef SHOAL_FAASM_CORE_H
#define SHOAL_FAASM_CORE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "faasm/host_interface.h"
#include "shoal/command.h"

/*
 * Begins the definition of the zygote, as in
 *
 *     FAASM_ZYGOTE()
 *     {
 *         table = load();
 *         return 0;
 *     }
 *
 * It runs once, when the function is deployed; every call begins from the memory as it left it. Another result than 0 fails
 * the deployment with that code.
 */
#define FAASM_ZYGOTE()                                                                                                 \
    SHOAL_LINKAGE int _faasm_zygote(void);                                                                             \
    SHOAL_INITIALIZE_BY(int code = _faasm_zygote(); if (code != 0) _Exit(code))                                        \
    SHOAL_LINKAGE int _faasm_zygote(void)

/* The bytes of an array or an object, as the functions below take them. */
#ifdef __cplusplus
#define BYTES(arr) reinterpret_cast<uint8_t *>(arr)
#else
#define BYTES(arr) ((uint8_t *)(arr))
#endif

#ifdef __cplusplus
extern "C" {
#endif

/* The size of the call's input in bytes; 0 when there is none. */
static inline long faasmGetInputSize(void)
{
    return __faasm_read_input(NULL, 0);
}

/*
 * Copies the first bufferLen bytes of the input to buffer, or all of it when it is shorter. What lies beyond the input
 * in buffer stays as it was. No NUL is added.
 */
static inline void faasmGetInput(uint8_t *buffer, long bufferLen)
{
    if (bufferLen > 0) {
        __faasm_read_input(buffer, bufferLen);
    }
}

/*
 * Makes outputLen bytes at newOutput the call's output, NUL bytes included; they are copied. Calling it again replaces
 * the output. (Faasm's headers have had both char and uint8_t here; either pointer fits.)
 */
static inline void faasmSetOutput(const void *newOutput, long outputLen)
{
    __faasm_write_output((const uint8_t *)newOutput, outputLen);
}

/* Writes the function's stack to standard error, innermost first, at most depth frames of it; all when depth is 0. */
static inline void faasmBacktrace(const int depth)
{
    __faasm_backtrace(depth);
}

#ifdef __cplusplus
}
#endif

#endif
