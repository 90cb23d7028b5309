/* Bytes, as the other headers give them. */
#ifndef SHOAL_BYTES_H
#define SHOAL_BYTES_H

#include <stddef.h>

/* Some bytes and how many there are. */
typedef struct shoal_bytes {
    char *data; /* of an input never NULL: a NUL follows the last byte, and is not counted */
    size_t size;
} shoal_bytes;

#endif
