/* Compares arrays, by Faasm's name. C++ only. */
#ifndef SHOAL_FAASM_COMPARE_H
#define SHOAL_FAASM_COMPARE_H

#include "faasm/print.h"

namespace faasm {

/* Reports whether two arrays have the same elements. It prints both when they have not. */
template <typename T> bool compareArrays(T *a, T *b, int len)
{
    for (int i = 0; i < len; i++) {
        if (a[i] != b[i]) {
            std::printf("the arrays differ at %d:\n", i);
            printArray(a, static_cast<size_t>(len));
            printArray(b, static_cast<size_t>(len));
            return false;
        }
    }
    return true;
}

} // namespace faasm

#endif
