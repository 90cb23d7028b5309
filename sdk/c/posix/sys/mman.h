/*
 * <sys/mman.h> with mmap and munmap of the worker: memory of its own kind, and files. wasi-libc's emulation, which copies, is
 * used instead with -D_WASI_EMULATED_MMAN, and -lwasi-emulated-mman.
 */
#ifdef _WASI_EMULATED_MMAN
#include_next <sys/mman.h>
#elif !defined(SHOAL_POSIX_MMAN_H)
#define SHOAL_POSIX_MMAN_H

#include <stddef.h>
#include <sys/types.h>

#include "faasm/host_interface.h"

#define PROT_NONE 0
#define PROT_READ 1
#define PROT_WRITE 2
#define PROT_EXEC 4

#define MAP_SHARED 0x01
#define MAP_PRIVATE 0x02
#define MAP_FIXED 0x10
#define MAP_ANON 0x20
#define MAP_ANONYMOUS MAP_ANON

#define MAP_FAILED ((void *)-1)

#ifdef __cplusplus
extern "C" {
#endif

SHOAL_IMPORT(mmap) void *mmap(void *start, size_t size, int protection, int flags, int fd, off_t offset);
SHOAL_IMPORT(munmap) int munmap(void *start, size_t size);

#ifdef __cplusplus
}
#endif

#endif
