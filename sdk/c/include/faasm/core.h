/*
 * A function's call, chained calls and state, by Faasm's names, for functions that are programs with a main:
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

#include <errno.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "faasm/host_interface.h"
#include "faasm/memory.h"
#include "faasm/zygote.h"

/* The bytes of an array or an object, as the functions below take them. */
#define BYTES(arr) ((uint8_t *)(arr))

/* Begins the definition of main, in functions of Faasm 0.2.4. */
#define FAASM_MAIN_FUNC() int main(int argc, char *argv[])

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

/* Calls another function of the same tenant with a copy of the input, and returns the call's number for awaiting it. */
static inline unsigned int faasmChainNamed(const char *name, const uint8_t *inputData, long inputDataSize)
{
    return __faasm_chain_name(name, inputData, inputDataSize);
}

/* The same of a function of this module, which runs in a Faaslet of its own: it shares state, not memory. */
static inline unsigned int faasmChain(FaasmFuncPtr funcPtr, const uint8_t *inputData, long inputDataSize)
{
    return __faasm_chain_ptr(funcPtr, inputData, inputDataSize);
}

/* Waits for a chained call to end and returns its exit code: 0 for success. */
static inline unsigned int faasmAwaitCall(unsigned int callId)
{
    return (unsigned int)__faasm_await_call(callId);
}

/*
 * The same, and gives the call's output, in memory from malloc that is the caller's. The program must export its malloc to
 * the worker, which this does by taking its address.
 */
static inline unsigned int faasmAwaitCallOutput(unsigned int messageId, char **output, int *outputLen)
{
    return (unsigned int)__faasm_await_call_output(messageId, output, outputLen);
}

/*
 * Calls a function of this module nFuncs times with the same text as input, waits for all of them, and returns the exit code
 * of the first that failed, 0 when none did.
 */
static inline unsigned int faasmChainBatch(FaasmFuncPtr funcPtr, const char *inputData, int nFuncs)
{
    unsigned int failed = 0;
    unsigned int *calls = nFuncs > 0 ? (unsigned int *)malloc((size_t)nFuncs * sizeof(unsigned int)) : NULL;
    if (calls == NULL) {
        return nFuncs > 0;
    }
    for (int i = 0; i < nFuncs; i++) {
        calls[i] = faasmChain(funcPtr, (const uint8_t *)inputData, (long)strlen(inputData));
    }
    for (int i = 0; i < nFuncs; i++) {
        unsigned int code = faasmAwaitCall(calls[i]);
        if (failed == 0) {
            failed = code;
        }
    }
    free(calls);
    return failed;
}

/* The size of the value under a key; 0 when there is none. */
static inline size_t faasmReadStateSize(const char *key)
{
    return (size_t)__faasm_read_state(key, NULL, 0);
}

/* Copies the value to buffer, pulling it when this worker has it not, and returns its size. */
static inline long faasmReadState(const char *key, uint8_t *buffer, long bufferLen)
{
    return __faasm_read_state(key, buffer, bufferLen);
}

/* Copies the first nElems elements of the key's list to buffer, one behind the other. */
static inline void faasmReadAppendedState(const char *key, uint8_t *buffer, long bufferLen, long nElems)
{
    __faasm_read_appended_state(key, buffer, bufferLen, nElems);
}

/* Maps the value into memory. What is written there is shared with this worker's other Faaslets, at once. */
static inline uint8_t *faasmReadStatePtr(const char *key, long totalLen)
{
    return __faasm_read_state_ptr(key, totalLen);
}

/* Copies a part of the value to buffer; only what is missing of it is pulled. */
static inline void faasmReadStateOffset(const char *key, long totalLen, long offset, uint8_t *buffer, long bufferLen)
{
    __faasm_read_state_offset(key, totalLen, offset, buffer, bufferLen);
}

/* Maps the value, of which only the part named is pulled, and returns the address of that part. */
static inline uint8_t *faasmReadStateOffsetPtr(const char *key, long totalLen, long offset, long len)
{
    return __faasm_read_state_offset_ptr(key, totalLen, offset, len);
}

/* Makes dataLen bytes the value, on this worker; faasmPushState shows it to others. */
static inline void faasmWriteState(const char *key, const uint8_t *data, long dataLen)
{
    __faasm_write_state(key, data, dataLen);
}

/* Appends an element to the key's list, for all workers. */
static inline void faasmAppendState(const char *key, const uint8_t *data, long dataLen)
{
    __faasm_append_state(key, data, dataLen);
}

/* Empties the key's list. */
static inline void faasmClearAppendedState(const char *key)
{
    __faasm_clear_appended_state(key);
}

/* Writes a part of the value, on this worker. */
static inline void faasmWriteStateOffset(const char *key, long totalLen, long offset, const uint8_t *data, long dataLen)
{
    __faasm_write_state_offset(key, totalLen, offset, data, dataLen);
}

/* Makes the contents of a file the value, and returns its size. */
static inline unsigned long faasmWriteStateFromFile(const char *key, const char *filePath)
{
    return __faasm_write_state_from_file(key, filePath);
}

/* Says that the value was written through its address: needed before a push. */
static inline void faasmFlagStateDirty(const char *key, long totalLen)
{
    __faasm_flag_state_dirty(key, totalLen);
}

/* The same of a part of it. */
static inline void faasmFlagStateOffsetDirty(const char *key, long totalLen, long offset, long len)
{
    __faasm_flag_state_offset_dirty(key, totalLen, offset, len);
}

/* Puts the whole value into the global tier. */
static inline void faasmPushState(const char *key)
{
    __faasm_push_state(key);
}

/* Puts what was written of it into the global tier. */
static inline void faasmPushStatePartial(const char *key)
{
    __faasm_push_state_partial(key);
}

/* Puts those bytes of it into the global tier where the value of maskKey is not 0. */
static inline void faasmPushStatePartialMask(const char *key, const char *maskKey)
{
    __faasm_push_state_partial_mask(key, maskKey);
}

/* Gets the value from the global tier, whether this worker has it or not. */
static inline void faasmPullState(const char *key, long stateLen)
{
    __faasm_pull_state(key, stateLen);
}

/* Locks of the value on this worker: many may read, or one write. */
static inline void faasmLockStateRead(const char *key)
{
    __faasm_lock_state_read(key);
}

static inline void faasmUnlockStateRead(const char *key)
{
    __faasm_unlock_state_read(key);
}

static inline void faasmLockStateWrite(const char *key)
{
    __faasm_lock_state_write(key);
}

static inline void faasmUnlockStateWrite(const char *key)
{
    __faasm_unlock_state_write(key);
}

/* A lock of the value on all workers (Faasm 0.2.4, and its paper). */
static inline void faasmLockStateGlobal(const char *key)
{
    __faasm_lock_state_global(key);
}

static inline void faasmUnlockStateGlobal(const char *key)
{
    __faasm_unlock_state_global(key);
}

/* 1 when a setting of the platform is on, else 0. */
static inline unsigned int getConfFlag(const char *key)
{
    return __faasm_conf_flag(key);
}

/* The Python fields of the call, in memory from malloc; NULL without memory. */
#define SHOAL_PYTHON_FIELD(name, import)                                                                               \
    static inline char *name(void)                                                                                     \
    {                                                                                                                  \
        enum { SIZE = 256 };                                                                                           \
        char *text = (char *)calloc(SIZE, 1);                                                                          \
        if (text != NULL) {                                                                                            \
            import((uint8_t *)text, SIZE - 1);                                                                         \
        }                                                                                                              \
        return text;                                                                                                   \
    }
SHOAL_PYTHON_FIELD(faasmGetPythonUser, __faasm_get_py_user)
SHOAL_PYTHON_FIELD(faasmGetPythonFunc, __faasm_get_py_func)
SHOAL_PYTHON_FIELD(faasmGetPythonEntry, __faasm_get_py_entry)
#undef SHOAL_PYTHON_FIELD

#ifdef __cplusplus
}
#endif

#endif
