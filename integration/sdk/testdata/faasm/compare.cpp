// Compares and prints arrays.
#include "faasm/compare.h"
#include "faasm/faasm.h"
#include "faasm/print.h"

FAASM_MAIN_FUNC()
{
    int a[] = {1, 2, 3}, b[] = {1, 2, 4};
    faasm::printArray<int>(a, 3);
    return faasm::compareArrays<int>(a, b, 3) || !faasm::compareArrays<int>(a, b, 2);
}
