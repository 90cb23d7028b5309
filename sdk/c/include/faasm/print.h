/* Prints arrays, by Faasm's name. C++ only. */
#ifndef SHOAL_FAASM_PRINT_H
#define SHOAL_FAASM_PRINT_H

#include <cstddef>
#include <cstdint>
#include <cstdio>

namespace faasm {

namespace detail {
inline void printElement(double v) { std::printf("%f", v); }
inline void printElement(float v) { std::printf("%f", static_cast<double>(v)); }
inline void printElement(int v) { std::printf("%d", v); }
inline void printElement(unsigned int v) { std::printf("%u", v); }
inline void printElement(long v) { std::printf("%ld", v); }
inline void printElement(unsigned long v) { std::printf("%lu", v); }
inline void printElement(uint8_t v) { std::printf("%u", v); }
inline void printElement(char v) { std::printf("%c", v); }
} // namespace detail

/* Writes a line with the elements of an array, in brackets, to standard output. */
template <typename T> void printArray(T *data, size_t size)
{
    std::putchar('[');
    for (size_t i = 0; i < size; i++) {
        if (i > 0) {
            std::fputs(", ", stdout);
        }
        detail::printElement(data[i]);
    }
    std::puts("]");
}

} // namespace faasm

#endif
