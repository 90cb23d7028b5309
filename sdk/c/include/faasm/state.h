/* Helpers for state, by Faasm's names: plain functions in C, in the namespace faasm in C++. */
#ifndef SHOAL_FAASM_STATE_H
#define SHOAL_FAASM_STATE_H

#include <stddef.h>
#include <stdlib.h>

#include "faasm/core.h"

#define BIT_MASK_8 0xff
#define BIT_MASK_32 0xffffffff

#ifdef __cplusplus
namespace faasm {
#endif

/* Marks the idx-th double of a value in its mask, for faasmPushStatePartialMask: a mask is as long as the value. */
static inline void maskDouble(unsigned int *maskArray, unsigned long idx)
{
    maskArray[2 * idx] |= BIT_MASK_32;
    maskArray[2 * idx + 1] |= BIT_MASK_32;
}

/* Makes stateLen zeros the value, on this worker. Without memory it aborts, and the call fails with out_of_memory. */
static inline void zeroState(const char *key, size_t stateLen)
{
    uint8_t *zeros = (uint8_t *)calloc(stateLen > 0 ? stateLen : 1, 1);
    if (zeros == NULL) {
        abort();
    }
    faasmWriteState(key, zeros, (long)stateLen);
    free(zeros);
}

#ifdef __cplusplus
} // namespace faasm
#endif

#endif
