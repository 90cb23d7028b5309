/*
 * Text input and output, by Faasm's names: plain functions in C, in the namespace faasm in C++.
 *
 *     setStringOutput(getStringInput("world"));          // C
 *     faasm::setStringOutput(faasm::getStringInput(""));  // C++
 *
 * Memory that these functions return is from malloc and the caller's. A call that leaves it behind leaks nothing: each
 * call starts with fresh memory. Without memory they abort, and the call fails with out_of_memory.
 */
#ifndef SHOAL_FAASM_INPUT_H
#define SHOAL_FAASM_INPUT_H

#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "faasm/core.h"

#ifdef __cplusplus
namespace faasm {
#define SHOAL_DEFAULT(value) = value
#else
#define SHOAL_DEFAULT(value)
#endif

/*
 * The call's input with a NUL after it, or defaultValue itself when there is no input.
 * For input with NUL bytes inside use faasmGetInput: the size is not known from the string.
 */
static inline const char *getStringInput(const char *defaultValue)
{
    long size = faasmGetInputSize();
    if (size == 0) {
        return defaultValue;
    }
    char *text = (char *)malloc((size_t)size + 1);
    if (text == NULL) {
        abort();
    }
    faasmGetInput(BYTES(text), size);
    text[size] = '\0';
    return text;
}

/*
 * The call's input as a decimal number, blanks around it allowed; defaultValue when there is no input, or when it is
 * not a number that fits an int. (In C++ the default value may be left out and is 0.)
 */
static inline int getIntInput(int defaultValue SHOAL_DEFAULT(0))
{
    char text[64];
    long size = faasmGetInputSize();
    if (size == 0 || size >= (long)sizeof text) {
        return defaultValue;
    }
    faasmGetInput(BYTES(text), size);
    text[size] = '\0';

    char *end;
    errno = 0;
    long value = strtol(text, &end, 10);
    if (end == text || errno != 0 || value < INT_MIN || value > INT_MAX) {
        return defaultValue;
    }
    end += strspn(end, " \t\r\n");
    return *end == '\0' ? (int)value : defaultValue;
}

/* Makes the string, without its NUL, the call's output. */
static inline void setStringOutput(const char *val)
{
    faasmSetOutput(val, (long)strlen(val));
}

/*
 * An array of expected numbers, read from a string of decimal numbers between blanks. Numbers that are missing are 0,
 * and what is no number ends the list.
 */
static inline int *parseStringToIntArray(const char *inStr, int expected)
{
    size_t count = expected > 0 ? (size_t)expected : 0;
    int *numbers = (int *)calloc(count > 0 ? count : 1, sizeof(int));
    if (numbers == NULL) {
        abort();
    }
    for (size_t i = 0; i < count; i++) {
        char *end;
        long value = strtol(inStr, &end, 10);
        if (end == inStr) {
            break;
        }
        numbers[i] = (int)value;
        inStr = end;
    }
    return numbers;
}

#undef SHOAL_DEFAULT
#ifdef __cplusplus
} // namespace faasm
#endif

#endif
