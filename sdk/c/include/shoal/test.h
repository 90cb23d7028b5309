/*
 * A worker for native tests: it defines the imports, so that a function is built with the machine's own compiler and tested
 * without WebAssembly and without Shoal. One file of the test program includes it.
 *
 *     #include <shoal.h>
 *     #include <shoal/test.h>
 *
 *     int main(void)
 *     {
 *         SHOAL_TEST(handle, "Ada", 0, "Hello, Ada!\n");
 *         return shoal_test_end();
 *     }
 *
 *     cc -Ishoal-sdk/include main.c test/main_test.c -o main_test && ./main_test
 *
 * A function with a main is tested by that name: build its file with -Dmain=function_main. Chained calls run when they are
 * chained. State is a table of values that lasts until shoal_test_reset; there is one worker, so pushes, pulls and locks do
 * nothing. What needs more than this (threads, Python, migration) is not there.
 */
#ifndef SHOAL_TEST_H
#define SHOAL_TEST_H

#ifdef __wasm__
#error "shoal/test.h is for native tests: its imports would hide the worker's"
#endif

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "faasm/host_interface.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Bytes that the worker keeps; a NUL follows them. */
struct shoal_test_value {
    char *data;
    size_t size;
};

enum { SHOAL_TEST_MAX = 256 }; /* functions, calls, keys */

static struct {
    struct shoal_test_value input, output;
    int failures;

    struct {
        const char *name;
        FaasmFuncPtr function;
    } functions[SHOAL_TEST_MAX];
    int function_count;

    struct {
        int code;
        struct shoal_test_value output;
    } calls[SHOAL_TEST_MAX];
    unsigned int call_count;

    struct {
        char key[64];
        struct shoal_test_value value, list;
        size_t ends[SHOAL_TEST_MAX]; /* of the list's elements */
        int elements;
    } state[SHOAL_TEST_MAX];
    int state_count;
} shoal_test;

/* Ends the test program: the test asks for what this worker has not. */
static inline void shoal_test_stop(const char *what, const char *name)
{
    fprintf(stderr, "shoal/test.h: %s: %s\n", what, name);
    exit(2);
}

static inline struct shoal_test_value shoal_test_copy(const void *data, size_t size)
{
    struct shoal_test_value value;
    value.data = (char *)malloc(size + 1);
    value.size = size;
    if (value.data == NULL) {
        shoal_test_stop("no memory", "");
    }
    if (size > 0) {
        memcpy(value.data, data, size);
    }
    value.data[size] = '\0';
    return value;
}

/* Forgets chained functions and state. */
static inline void shoal_test_reset(void)
{
    int failures = shoal_test.failures;
    memset(&shoal_test, 0, sizeof shoal_test);
    shoal_test.failures = failures;
}

/* Has calls that are chained by this name run function. */
static inline void shoal_test_chain(const char *name, FaasmFuncPtr function)
{
    if (shoal_test.function_count == SHOAL_TEST_MAX) {
        shoal_test_stop("too many functions", name);
    }
    shoal_test.functions[shoal_test.function_count].name = name;
    shoal_test.functions[shoal_test.function_count++].function = function;
}

/* Runs function as a call with size bytes of input, and returns its exit code. */
static inline int shoal_test_run(FaasmFuncPtr function, const void *input, size_t size)
{
    shoal_test.input = shoal_test_copy(input, size);
    shoal_test.output = shoal_test_copy(NULL, 0);
    return function();
}

/* The output of the last call, and its size when size is not NULL. */
static inline const char *shoal_test_output(size_t *size)
{
    if (size != NULL) {
        *size = shoal_test.output.size;
    }
    return shoal_test.output.data == NULL ? "" : shoal_test.output.data;
}

/* Calls function with a string and reports another exit code or output than it should have. */
#define SHOAL_TEST(function, input, code, output) shoal_test_check(__FILE__, __LINE__, function, input, code, output)

static inline void shoal_test_check(const char *file, int line, FaasmFuncPtr function, const char *input, int code, const char *output)
{
    int got = shoal_test_run(function, input, strlen(input));
    if (got != code || strcmp(shoal_test_output(NULL), output) != 0) {
        fprintf(stderr, "%s:%d: input \"%s\": exit code %d and output \"%s\", want %d and \"%s\"\n", file, line, input, got,
                shoal_test_output(NULL), code, output);
        shoal_test.failures++;
    }
}

/* Says how the tests went; its result is what main returns. */
static inline int shoal_test_end(void)
{
    puts(shoal_test.failures == 0 ? "ok" : "FAIL");
    return shoal_test.failures != 0;
}

/* --- The imports --- */

long __faasm_read_input(uint8_t *buffer, long size)
{
    size_t have = shoal_test.input.size;
    if (size == 0) {
        return (long)have;
    }
    have = have < (size_t)size ? have : (size_t)size;
    memcpy(buffer, shoal_test.input.data, have);
    return (long)have;
}

void __faasm_write_output(const uint8_t *data, long size)
{
    shoal_test.output = shoal_test_copy(data, (size_t)size);
}

void __faasm_backtrace(int depth)
{
    (void)depth;
}

unsigned int __faasm_chain_ptr(FaasmFuncPtr function, const uint8_t *input, long size)
{
    if (shoal_test.call_count == SHOAL_TEST_MAX) {
        shoal_test_stop("too many calls", "chain");
    }
    unsigned int call = shoal_test.call_count++;
    struct shoal_test_value parent_input = shoal_test.input, parent_output = shoal_test.output;
    shoal_test.calls[call].code = shoal_test_run(function, input, (size_t)size);
    shoal_test.calls[call].output = shoal_test.output;
    shoal_test.input = parent_input;
    shoal_test.output = parent_output;
    return call + 1;
}

unsigned int __faasm_chain_name(const char *name, const uint8_t *input, long size)
{
    for (int i = 0; i < shoal_test.function_count; i++) {
        if (strcmp(shoal_test.functions[i].name, name) == 0) {
            return __faasm_chain_ptr(shoal_test.functions[i].function, input, size);
        }
    }
    shoal_test_stop("no such function (shoal_test_chain registers one)", name);
    return 0;
}

int __faasm_await_call(unsigned int call)
{
    if (call == 0 || call > shoal_test.call_count) {
        shoal_test_stop("no such call", "await");
    }
    return shoal_test.calls[call - 1].code;
}

int __faasm_await_call_output(unsigned int call, char **output, int *size)
{
    int code = __faasm_await_call(call);
    struct shoal_test_value value = shoal_test.calls[call - 1].output;
    *output = shoal_test_copy(value.data, value.size).data;
    *size = (int)value.size;
    return code;
}

/* The number of a key's entry, which is made when it is not there. */
static inline int shoal_test_key(const char *key)
{
    int i = 0;
    while (i < shoal_test.state_count && strcmp(shoal_test.state[i].key, key) != 0) {
        i++;
    }
    if (i == SHOAL_TEST_MAX || strlen(key) >= sizeof shoal_test.state[0].key) {
        shoal_test_stop("too many keys, or too long a one", key);
    }
    if (i == shoal_test.state_count) {
        strcpy(shoal_test.state[i].key, key);
        shoal_test.state_count++;
    }
    return i;
}

/* A key's value, which is made of zeros when it is shorter than total. */
static inline struct shoal_test_value *shoal_test_state(const char *key, long total)
{
    struct shoal_test_value *value = &shoal_test.state[shoal_test_key(key)].value;
    if (value->size < (size_t)total) {
        char *grown = (char *)calloc((size_t)total + 1, 1);
        if (grown == NULL) {
            shoal_test_stop("no memory", key);
        }
        if (value->size > 0) {
            memcpy(grown, value->data, value->size);
        }
        value->data = grown;
        value->size = (size_t)total;
    }
    return value;
}

/* Stops when a part is not within a value. */
static inline void shoal_test_within(const char *key, long total, long offset, long size)
{
    if (offset < 0 || size < 0 || offset > total || size > total - offset) {
        shoal_test_stop("a part that is not within the value", key);
    }
}

long __faasm_read_state(const char *key, uint8_t *buffer, long size)
{
    struct shoal_test_value *value = shoal_test_state(key, 0);
    size_t n = value->size < (size_t)size ? value->size : (size_t)size;
    if (n > 0) {
        memcpy(buffer, value->data, n);
    }
    return (long)value->size;
}

uint8_t *__faasm_read_state_offset_ptr(const char *key, long total, long offset, long size)
{
    shoal_test_within(key, total, offset, size);
    return (uint8_t *)shoal_test_state(key, total)->data + offset;
}

uint8_t *__faasm_read_state_ptr(const char *key, long total)
{
    return __faasm_read_state_offset_ptr(key, total, 0, total);
}

void __faasm_read_state_offset(const char *key, long total, long offset, uint8_t *buffer, long size)
{
    memcpy(buffer, __faasm_read_state_offset_ptr(key, total, offset, size), (size_t)size);
}

void __faasm_write_state(const char *key, const uint8_t *data, long size)
{
    *shoal_test_state(key, 0) = shoal_test_copy(data, (size_t)size);
}

void __faasm_write_state_offset(const char *key, long total, long offset, const uint8_t *data, long size)
{
    memcpy(__faasm_read_state_offset_ptr(key, total, offset, size), data, (size_t)size);
}

void __faasm_append_state(const char *key, const uint8_t *data, long size)
{
    int i = shoal_test_key(key);
    struct shoal_test_value old = shoal_test.state[i].list;
    if (shoal_test.state[i].elements == SHOAL_TEST_MAX) {
        shoal_test_stop("too many elements", key);
    }
    struct shoal_test_value list = shoal_test_copy(NULL, 0);
    list.size = old.size + (size_t)size;
    list.data = (char *)realloc(list.data, list.size + 1);
    if (list.data == NULL) {
        shoal_test_stop("no memory", key);
    }
    if (old.size > 0) {
        memcpy(list.data, old.data, old.size);
    }
    memcpy(list.data + old.size, data, (size_t)size);
    shoal_test.state[i].list = list;
    shoal_test.state[i].ends[shoal_test.state[i].elements++] = list.size;
}

void __faasm_read_appended_state(const char *key, uint8_t *buffer, long size, long count)
{
    int i = shoal_test_key(key);
    if (count < 0 || count > shoal_test.state[i].elements) {
        shoal_test_stop("the list has fewer elements", key);
    }
    size_t n = count == 0 ? 0 : shoal_test.state[i].ends[count - 1];
    if (n > (size_t)size) {
        shoal_test_stop("the buffer is too small for the elements", key);
    }
    if (n > 0) {
        memcpy(buffer, shoal_test.state[i].list.data, n);
    }
}

void __faasm_clear_appended_state(const char *key)
{
    int i = shoal_test_key(key);
    shoal_test.state[i].list = shoal_test_copy(NULL, 0);
    shoal_test.state[i].elements = 0;
}

/* One worker and one call at a time: nothing to move, nothing to wait for. */
#define SHOAL_TEST_NOTHING(name)                                                                                       \
    void name(const char *key)                                                                                         \
    {                                                                                                                  \
        (void)key;                                                                                                     \
    }
SHOAL_TEST_NOTHING(__faasm_push_state)
SHOAL_TEST_NOTHING(__faasm_push_state_partial)
SHOAL_TEST_NOTHING(__faasm_lock_state_read)
SHOAL_TEST_NOTHING(__faasm_unlock_state_read)
SHOAL_TEST_NOTHING(__faasm_lock_state_write)
SHOAL_TEST_NOTHING(__faasm_unlock_state_write)
SHOAL_TEST_NOTHING(__faasm_lock_state_global)
SHOAL_TEST_NOTHING(__faasm_unlock_state_global)
#undef SHOAL_TEST_NOTHING

void __faasm_push_state_partial_mask(const char *key, const char *mask)
{
    (void)key;
    (void)mask;
}

void __faasm_pull_state(const char *key, long size)
{
    shoal_test_state(key, size);
}

void __faasm_flag_state_dirty(const char *key, long total)
{
    shoal_test_within(key, total, 0, 0);
}

void __faasm_flag_state_offset_dirty(const char *key, long total, long offset, long size)
{
    shoal_test_within(key, total, offset, size);
}

#ifdef __cplusplus
}
#endif

#endif
