/* An array in state, by Faasm's name. C++ only. */
#ifndef SHOAL_FAASM_ARRAY_H
#define SHOAL_FAASM_ARRAY_H

#include <cstddef>
#include <cstdint>

#include "faasm/core.h"
#include "faasm/state.h"

namespace faasm {

/*
 * nElems elements of a type that can be copied as bytes, mapped into memory. pullLazy (or zero, or pull) comes first. Whoever
 * takes an element by its index is taken to write it; what is written through data() must be flagged. The key's characters
 * must live as long as the array.
 */
template <typename T> class AsyncArray {
public:
    AsyncArray(const char *keyIn, size_t nElemsIn) : key(keyIn), nElems(nElemsIn), contents(nullptr) {}

    /* Makes all elements zero. */
    void zero()
    {
        faasm::zeroState(key, size());
        pullLazy();
    }

    /* Maps the array as this worker has it, pulling it only when it has not. */
    void pullLazy() { contents = reinterpret_cast<T *>(faasmReadStatePtr(key, bytes())); }

    /* Gets the array from the global tier. */
    void pull()
    {
        faasmPullState(key, bytes());
        pullLazy();
    }

    /* Puts what was written into the global tier. */
    void push() { faasmPushStatePartial(key); }

    T &operator[](int idx)
    {
        faasmFlagStateOffsetDirty(key, bytes(), static_cast<long>(idx * sizeof(T)), sizeof(T));
        return contents[idx];
    }

    T *data() { return contents; }

private:
    size_t size() const { return nElems * sizeof(T); }
    long bytes() const { return static_cast<long>(size()); }

    const char *key;
    size_t nElems;
    T *contents;
};

} // namespace faasm

#endif
