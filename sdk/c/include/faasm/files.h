/* Reads files, by Faasm's names: plain functions in C, in the namespace faasm in C++. */
#ifndef SHOAL_FAASM_FILES_H
#define SHOAL_FAASM_FILES_H

#include <stdio.h>
#include <stdlib.h>

#ifdef __cplusplus
namespace faasm {
#endif

/* The size of a file in bytes; -1 with errno when it can't be told. */
static inline long getFileLength(const char *path)
{
    FILE *file = fopen(path, "rb");
    if (file == NULL) {
        return -1;
    }
    long size = fseek(file, 0, SEEK_END) == 0 ? ftell(file) : -1;
    fclose(file);
    return size;
}

/* The contents of a file with a NUL behind them, in memory from malloc; NULL with errno when they can't be read. */
static inline char *readFileToString(const char *path)
{
    long size = getFileLength(path);
    FILE *file = size < 0 ? NULL : fopen(path, "rb");
    if (file == NULL) {
        return NULL;
    }
    char *text = (char *)malloc((size_t)size + 1);
    if (text != NULL) {
        text[fread(text, 1, (size_t)size, file)] = '\0';
    }
    fclose(file);
    return text;
}

#ifdef __cplusplus
} // namespace faasm
#endif

#endif
