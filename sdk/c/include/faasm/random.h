/*
 * Random numbers, by Faasm's names. C++ only. They are drawn from the worker's source of random bytes each time: they differ
 * between calls, whatever an initialiser drew.
 */
#ifndef SHOAL_FAASM_RANDOM_H
#define SHOAL_FAASM_RANDOM_H

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <utility>

#include <unistd.h>

namespace faasm {

namespace detail {
inline uint32_t randomWord()
{
    uint32_t word;
    if (getentropy(&word, sizeof word) != 0) {
        std::abort();
    }
    return word;
}

/* A number below n, which is not 0. */
inline uint32_t randomBelow(uint32_t n)
{
    return static_cast<uint32_t>((static_cast<uint64_t>(randomWord()) * n) >> 32);
}
} // namespace detail

/* A number from iStart to iEnd, both included. */
inline int randomInteger(int iStart, int iEnd)
{
    return iStart + static_cast<int>(detail::randomBelow(static_cast<uint32_t>(iEnd - iStart) + 1));
}

/* A number from 0 on, below 1. */
inline float randomFloat()
{
    return static_cast<float>(detail::randomWord() >> 8) / 16777216.0f;
}

/* Brings the elements into another order. */
inline void shuffleArray(int *arrayIn, size_t arrayLen)
{
    for (size_t i = arrayLen; i > 1; i--) {
        std::swap(arrayIn[i - 1], arrayIn[detail::randomBelow(static_cast<uint32_t>(i))]);
    }
}

/* The numbers from 0 to rangeLen - 1 in some order, in memory from new[]. */
inline int *randomIntRange(int rangeLen)
{
    int *range = new int[static_cast<size_t>(rangeLen)];
    for (int i = 0; i < rangeLen; i++) {
        range[i] = i;
    }
    shuffleArray(range, static_cast<size_t>(rangeLen));
    return range;
}

/* A string of len letters and digits. */
inline std::string randomString(int len)
{
    static const char letters[] = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
    std::string text;
    for (int i = 0; i < len; i++) {
        text += letters[detail::randomBelow(sizeof letters - 1)];
    }
    return text;
}

} // namespace faasm

#endif
