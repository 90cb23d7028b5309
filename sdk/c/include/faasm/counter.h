/* A counter in state, by the names of Faasm 0.2.4: plain functions in C, in the namespace faasm in C++. */
#ifndef SHOAL_FAASM_COUNTER_H
#define SHOAL_FAASM_COUNTER_H

#include <stdbool.h>

#include "faasm/core.h"

#ifdef __cplusplus
namespace faasm {
#endif

/* Makes the counter 0, for all workers. */
static inline void initCounter(const char *key)
{
    int zero = 0;
    faasmWriteState(key, (const uint8_t *)&zero, sizeof zero);
    faasmPushState(key);
}

/* The counter as this worker has it; 0 when there is none. */
static inline int getCounter(const char *key)
{
    int count = 0;
    if (faasmReadStateSize(key) == sizeof count) {
        faasmReadState(key, (uint8_t *)&count, sizeof count);
    }
    return count;
}

/* Adds to the counter, for all workers, and returns it. Without the global lock additions of other workers may be lost. */
static inline int incrementCounter(const char *key, int increment, bool globalLock)
{
    if (globalLock) {
        faasmLockStateGlobal(key);
    }
    int count = 0;
    if (faasmReadStateSize(key) == sizeof count) {
        faasmPullState(key, sizeof count);
        faasmReadState(key, (uint8_t *)&count, sizeof count);
    }
    count += increment;
    faasmWriteState(key, (const uint8_t *)&count, sizeof count);
    faasmPushState(key);
    if (globalLock) {
        faasmUnlockStateGlobal(key);
    }
    return count;
}

#ifdef __cplusplus
} // namespace faasm
#endif

#endif
