/*
 * Shoal functions in C and C++ as handlers: define handle, and the runtime runs it once for each call.
 *
 *     #include <shoal.h>
 *
 *     int handle(void)
 *     {
 *         shoal_bytes in = shoal_input();
 *         shoal_output(in.data, in.size);
 *         return 0;
 *     }
 *
 * Constructors and other static initialisation run before the first call, once. handle returns 0, or another exit code
 * to fail the call. Standard output and standard error are the function's log. Standard output is written by the line
 * and not flushed when handle returns: a last line without its newline needs fflush(stdout). Standard error is not
 * buffered.
 *
 * `shoal build` links such a function as a WASI reactor; by hand:
 *
 *     clang --target=wasm32-wasi -mexec-model=reactor -O2 -Ishoal-sdk/include -Wl,--stack-first hello.c -o hello.wasm
 *
 * shoal/chain.h and shoal/state.h, which this includes, are for calling other functions and for sharing bytes with them.
 *
 * A program with a main can use everything here too; it is then a command, and needs no handle.
 */
#ifndef SHOAL_H
#define SHOAL_H

#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include "faasm/host_interface.h"
#include "shoal/bytes.h"
#include "shoal/chain.h"
#include "shoal/state.h"

#ifdef __wasm__
#define SHOAL_EXPORT(name) __attribute__((export_name(#name)))
#else
#define SHOAL_EXPORT(name)
#endif
#define SHOAL_PRINTF(text, first) __attribute__((__format__(__printf__, text, first)))

#ifdef __cplusplus
extern "C" {
#endif

/* The entry point, which the function defines. This declaration exports it, and gives it C linkage in C++. */
SHOAL_EXPORT(handle) int handle(void);

/*
 * What is called when the memory was made what the initialisers left, which is after each call and in every copy, before the
 * next call; and once after the initialisers. A function may define it; then its initialisers may ask for random bytes and
 * the time, which otherwise has it built anew for each call. It renews what must differ between calls, and returns 0:
 *
 *     int shoal_restored(void)
 *     {
 *         unsigned int seed;
 *         if (getentropy(&seed, sizeof seed) != 0)
 *             return 1;
 *         srand(seed);
 *         return 0;
 *     }
 *
 * Another result says that it could not. It has 20 ms. random() has srandom(), and drand48() srand48(). arc4random() keeps a
 * state that can't be renewed: don't call it in an initialiser, or ask getentropy() (unistd.h) instead.
 */
SHOAL_EXPORT(shoal_restored) int shoal_restored(void);

/* The size of the call's input in bytes; 0 when there is none. */
static inline size_t shoal_input_size(void)
{
    return (size_t)__faasm_read_input(NULL, 0);
}

/*
 * The call's input, in memory that is the caller's to free (or to leave: each call starts with fresh memory).
 * Without memory for it the call ends with out_of_memory.
 */
static inline shoal_bytes shoal_input(void)
{
    shoal_bytes in;
    in.size = shoal_input_size();
    in.data = (char *)malloc(in.size + 1);
    if (in.data == NULL) {
        abort();
    }
    if (in.size > 0) {
        __faasm_read_input((uint8_t *)in.data, (long)in.size);
    }
    in.data[in.size] = '\0';
    return in;
}

/* Makes size bytes at data the call's output; they are copied. Calling it again replaces the output. */
static inline void shoal_output(const void *data, size_t size)
{
    __faasm_write_output((const uint8_t *)data, (long)size);
}

/* Makes formatted text the call's output, as printf would write it. */
SHOAL_PRINTF(1, 2)
static inline void shoal_outputf(const char *format, ...)
{
    va_list args;
    va_start(args, format);
    int size = vsnprintf(NULL, 0, format, args);
    va_end(args);
    char *text = size < 0 ? NULL : (char *)malloc((size_t)size + 1);
    if (text == NULL) {
        abort();
    }
    va_start(args, format);
    vsnprintf(text, (size_t)size + 1, format, args);
    va_end(args);
    shoal_output(text, (size_t)size);
    free(text);
}

/*
 * Writes a line to standard error, where whoever called finds it, and returns 1:
 *
 *     if (in.size == 0)
 *         return shoal_fail("I need a name");
 */
SHOAL_PRINTF(1, 2)
static inline int shoal_fail(const char *format, ...)
{
    va_list args;
    va_start(args, format);
    vfprintf(stderr, format, args);
    va_end(args);
    fputc('\n', stderr);
    return 1;
}

#ifdef __cplusplus
} // extern "C"

#if __cplusplus >= 201703L
#include <string>
#include <string_view>

namespace shoal {

/* The call's input; any bytes, NUL too. */
inline std::string input()
{
    std::string in(shoal_input_size(), '\0');
    if (!in.empty()) {
        __faasm_read_input(reinterpret_cast<uint8_t *>(in.data()), static_cast<long>(in.size()));
    }
    return in;
}

/* Makes the bytes the call's output; they are copied. */
inline void output(std::string_view out)
{
    shoal_output(out.data(), out.size());
}

} // namespace shoal
#endif
#endif

#endif
