/*
 * Bytes under a key, which calls and workers of a tenant share. shoal.h includes this.
 *
 * Reads and writes are of this worker's copy, which all its Faaslets share; a push shows it to other workers, and a pull gets
 * what they pushed.
 *
 *     shoal_state_lock("visits");
 *     ... shoal_state_read, shoal_state_write ...
 *     shoal_state_push("visits");
 *     shoal_state_unlock("visits");
 *
 * In C++17:
 *
 *     shoal::state visits("visits");
 *     auto lock = visits.lock();
 *     visits.write(std::to_string(std::stoi(visits.read()) + 1));
 *     visits.push();
 *
 * faasm/core.h has the rest: parts of values, their addresses, lists.
 */
#ifndef SHOAL_STATE_H
#define SHOAL_STATE_H

#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include "faasm/host_interface.h"
#include "shoal/bytes.h"

#ifdef __cplusplus
extern "C" {
#endif

/* The size of the value in bytes; 0 when there is none. */
static inline size_t shoal_state_size(const char *key)
{
    long size = __faasm_read_state(key, NULL, 0);
    return size < 0 ? 0 : (size_t)size;
}

/* The value, in memory that is the caller's to free; empty when there is none. It is pulled when this worker has it not. */
static inline shoal_bytes shoal_state_read(const char *key)
{
    shoal_bytes value;
    value.size = shoal_state_size(key);
    value.data = (char *)malloc(value.size + 1);
    if (value.data == NULL) {
        abort();
    }
    if (value.size > 0) {
        __faasm_read_state(key, (uint8_t *)value.data, (long)value.size);
    }
    value.data[value.size] = '\0';
    return value;
}

/* Makes size bytes the value, on this worker. */
static inline void shoal_state_write(const char *key, const void *data, size_t size)
{
    __faasm_write_state(key, (const uint8_t *)data, (long)size);
}

/* Puts the value into the global tier. */
static inline void shoal_state_push(const char *key)
{
    __faasm_push_state(key);
}

/* Gets a value of size bytes from the global tier. */
static inline void shoal_state_pull(const char *key, size_t size)
{
    __faasm_pull_state(key, (long)size);
}

/* Locks the value on this worker. */
static inline void shoal_state_lock(const char *key)
{
    __faasm_lock_state_write(key);
}

static inline void shoal_state_unlock(const char *key)
{
    __faasm_unlock_state_write(key);
}

#ifdef __cplusplus
} // extern "C"

#if __cplusplus >= 201703L
#include <string>
#include <string_view>
#include <utility>

namespace shoal {

/* A key, and its value. */
class state {
public:
    explicit state(std::string key) : key(std::move(key)) {}

    size_t size() const { return shoal_state_size(key.c_str()); }

    std::string read() const
    {
        std::string value(size(), '\0');
        if (!value.empty()) {
            __faasm_read_state(key.c_str(), reinterpret_cast<uint8_t *>(value.data()), static_cast<long>(value.size()));
        }
        return value;
    }

    void write(std::string_view value) const { shoal_state_write(key.c_str(), value.data(), value.size()); }
    void push() const { shoal_state_push(key.c_str()); }
    void pull(size_t size) const { shoal_state_pull(key.c_str(), size); }

    /* A lock of the value on this worker, until it goes out of scope. It must not outlive the state. */
    class [[nodiscard]] guard {
    public:
        explicit guard(const char *key) : key(key) { shoal_state_lock(key); }
        ~guard() { shoal_state_unlock(key); }
        guard(const guard &) = delete;
        guard &operator=(const guard &) = delete;

    private:
        const char *key;
    };
    guard lock() const { return guard(key.c_str()); }

private:
    std::string key;
};

} // namespace shoal
#endif
#endif

#endif
