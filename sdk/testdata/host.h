/* A worker with one call, for native tests of the headers. */
#ifndef TEST_HOST_H
#define TEST_HOST_H

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "faasm/host_interface.h"

static const char *host_input;
static size_t host_input_size;
static char host_output[1 << 16];
static size_t host_output_size;

long __faasm_read_input(uint8_t *buffer, long size)
{
    if (size == 0) {
        return (long)host_input_size;
    }
    size_t n = (size_t)size < host_input_size ? (size_t)size : host_input_size;
    memcpy(buffer, host_input, n);
    return (long)n;
}

void __faasm_write_output(const uint8_t *data, long size)
{
    host_output_size = (size_t)size;
    if (size > 0) {
        memcpy(host_output, data, (size_t)size);
    }
}

static int host_backtrace_depth;

void __faasm_backtrace(int depth)
{
    host_backtrace_depth = depth;
}

/* Starts a call with size bytes of input. */
static void call(const char *input, size_t size)
{
    host_input = input;
    host_input_size = size;
    host_output_size = 0;
}

#define CHECK(what)                                                           \
    do {                                                                      \
        if (!(what)) {                                                        \
            fprintf(stderr, "%s:%d: not so: %s\n", __FILE__, __LINE__, #what); \
            exit(1);                                                          \
        }                                                                     \
    } while (0)

#define OUTPUT_IS(text, size) (host_output_size == (size) && memcmp(host_output, text, size) == 0)

#endif
