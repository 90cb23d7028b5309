/*
 * Calls of other functions of the same tenant. shoal.h includes this.
 *
 *     unsigned int small = shoal_chain("resize", picture, size);
 *     shoal_bytes thumbnail;
 *     if (shoal_await_output(small, &thumbnail) != 0)
 *         return shoal_fail("resize failed");
 *
 * In C++17:
 *
 *     std::string thumbnail = shoal::chain("resize", picture).output();
 */
#ifndef SHOAL_CHAIN_H
#define SHOAL_CHAIN_H

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include "faasm/host_interface.h"
#include "shoal/bytes.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Calls a function by its name with a copy of the input, and returns the call's number at once. */
static inline unsigned int shoal_chain(const char *name, const void *input, size_t size)
{
    return __faasm_chain_name(name, (const uint8_t *)input, (long)size);
}

/* Waits for a call to end and returns its exit code: 0 for success. */
static inline int shoal_await(unsigned int call)
{
    return __faasm_await_call(call);
}

/*
 * The same, and gives the call's output, in memory from malloc that is the caller's. After an exit code that is not 0 there may
 * be none: then its data is NULL and its size 0.
 */
static inline int shoal_await_output(unsigned int call, shoal_bytes *output)
{
    char *data = NULL;
    int size = 0;
    int code = __faasm_await_call_output(call, &data, &size);
    output->data = data;
    output->size = data == NULL ? 0 : (size_t)size;
    return code;
}

#ifdef __cplusplus
} // extern "C"

#if __cplusplus >= 201703L
#include <string>
#include <string_view>

namespace shoal {

/* A call that was made and not awaited yet. */
class call {
public:
    explicit call(unsigned int number) : number(number) {}

    /* Waits for the call to end and returns its exit code: 0 for success. */
    int await() const { return shoal_await(number); }

    /* The same, and puts the call's output into output. */
    int await(std::string &output) const
    {
        shoal_bytes bytes;
        int code = shoal_await_output(number, &bytes);
        output.assign(bytes.data == nullptr ? "" : bytes.data, bytes.size);
        free(bytes.data);
        return code;
    }

    /* The call's output. When the call failed, so does this one, with the same exit code. */
    std::string output() const
    {
        std::string bytes;
        int code = await(bytes);
        if (code != 0) {
            std::fprintf(stderr, "a chained call ended with exit code %d\n", code);
            std::exit(code);
        }
        return bytes;
    }

private:
    unsigned int number;
};

/* Calls a function by its name with a copy of the input, and returns at once. */
inline call chain(const std::string &name, std::string_view input)
{
    return call(shoal_chain(name.c_str(), input.data(), input.size()));
}

} // namespace shoal
#endif
#endif

#endif
