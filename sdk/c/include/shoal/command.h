/*
 * An initialiser for a program with a main: it runs once, when the function is deployed, and every call begins from the
 * memory as it left it. What it has read, parsed or built is there at once.
 *
 *     #include <shoal/command.h>
 *
 *     static int primes[1000];
 *
 *     static void prepare(void) { ... fill primes ... }
 *     SHOAL_INITIALIZER(prepare)
 *
 *     int main(void) { ... use primes ... }
 *
 * Constructors run before it, and never again. It sees no input. Files that it opens are not open afterwards. To fail the
 * deployment it ends the program with another exit code than 0. A handler (shoal.h) needs none of this: its constructors,
 * and functions with __attribute__((constructor)), run ahead of its calls anyway.
 *
 * It exports what Wizer (https://github.com/bytecodealliance/wizer) looks for: wizer.initialize and wizer.resume.
 */
#ifndef SHOAL_COMMAND_H
#define SHOAL_COMMAND_H

#include <stdlib.h>

#ifdef __cplusplus
#define SHOAL_LINKAGE extern "C"
#else
#define SHOAL_LINKAGE extern
#endif

#ifdef __wasm__

/* The linker's and the C library's. */
SHOAL_LINKAGE void __wasm_call_ctors(void);
SHOAL_LINKAGE void __wasm_call_dtors(void);
SHOAL_LINKAGE int __main_void(void);

/* Makes a statement what runs after the constructors; then main is entered without them. */
#define SHOAL_INITIALIZE_BY(statement)                                                                                 \
    SHOAL_LINKAGE __attribute__((export_name("wizer.initialize"))) void shoal_initialize(void)                         \
    {                                                                                                                  \
        __wasm_call_ctors();                                                                                           \
        statement;                                                                                                     \
    }                                                                                                                  \
    SHOAL_LINKAGE __attribute__((export_name("wizer.resume"))) void shoal_resume(void)                                 \
    {                                                                                                                  \
        int code = __main_void();                                                                                      \
        __wasm_call_dtors();                                                                                           \
        if (code != 0) {                                                                                               \
            _Exit(code);                                                                                               \
        }                                                                                                              \
    }

#else
#define SHOAL_INITIALIZE_BY(statement)
#endif

/* Has the function, which takes and returns nothing, run as the initialiser. It stands once in a program, at file scope. */
#define SHOAL_INITIALIZER(function) SHOAL_INITIALIZE_BY(function())

#endif
