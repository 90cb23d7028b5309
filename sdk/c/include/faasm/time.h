/* Time, by Faasm's names: plain functions in C, in the namespace faasm in C++. */
#ifndef SHOAL_FAASM_TIME_H
#define SHOAL_FAASM_TIME_H

#include <stdio.h>
#include <time.h>

/*
 * Prints how many milliseconds the code between the two took. In WebAssembly they are nothing, unless WASM_PROF is 1: then
 * the wall clock is read, since a guest has no clock of processor time.
 */
#if !defined(__wasm__)
#define SHOAL_PROF_MS() ((float)clock() * 1000.0f / CLOCKS_PER_SEC)
#elif defined(WASM_PROF) && WASM_PROF == 1
#define SHOAL_PROF_MS() ((float)(SHOAL_SECONDS() * 1000.0))
#endif
#ifdef SHOAL_PROF_MS
#define FAASM_PROF_START(profVar) float profVar = SHOAL_PROF_MS();
#define FAASM_PROF_END(profVar) printf("TIME: %s %f\n", #profVar, (double)(SHOAL_PROF_MS() - profVar));
#else
#define FAASM_PROF_START(profVar)
#define FAASM_PROF_END(profVar)
#endif

#ifdef __cplusplus
#define SHOAL_SECONDS() faasm::getSecondsSinceEpoch()
namespace faasm {
#else
#define SHOAL_SECONDS() getSecondsSinceEpoch()
#endif

/* The wall clock: seconds since 1970, to the nanosecond. */
static inline double getSecondsSinceEpoch(void)
{
    struct timespec now;
    if (timespec_get(&now, TIME_UTC) != TIME_UTC) {
        return 0;
    }
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

#ifdef __cplusplus
} // namespace faasm
#endif

#endif
