/*
 * What Faasm's functions use of <unistd.h> and wasi-libc leaves out, as imports. -DSHOAL_NO_POSIX keeps to wasi-libc, and so
 * does -D_WASI_EMULATED_GETPID for getpid.
 */
#if !defined(SHOAL_NO_POSIX) && !defined(_WASI_EMULATED_GETPID)
#define _WASI_EMULATED_GETPID
#define SHOAL_IMPORT_GETPID
#endif
#include_next <unistd.h>
#ifdef SHOAL_IMPORT_GETPID
#undef _WASI_EMULATED_GETPID
#endif

#if !defined(SHOAL_POSIX_UNISTD_H) && !defined(SHOAL_NO_POSIX)
#define SHOAL_POSIX_UNISTD_H

#include <errno.h>
#include <stdint.h>
#include <sys/types.h>

#include "faasm/host_interface.h"

#ifdef __cplusplus
extern "C" {
#endif

#ifdef SHOAL_IMPORT_GETPID
SHOAL_IMPORT(getpid) pid_t getpid(void);
#endif
SHOAL_IMPORT(getppid) pid_t getppid(void);
SHOAL_IMPORT(getuid) uid_t getuid(void);
SHOAL_IMPORT(geteuid) uid_t geteuid(void);
SHOAL_IMPORT(getgid) gid_t getgid(void);
SHOAL_IMPORT(getegid) gid_t getegid(void);
SHOAL_IMPORT(dup) int dup(int fd);

/* Makes the memory reach to end at least. It never shrinks: a smaller end than it has is no error and has no effect. */
static inline int brk(void *end)
{
    uintptr_t top = (uintptr_t)sbrk(0), want = (uintptr_t)end;
    if (want > top && __builtin_wasm_memory_grow(0, (want - top - 1) / 65536 + 1) == (__SIZE_TYPE__)-1) {
        errno = ENOMEM;
        return -1;
    }
    return 0;
}

#ifdef __cplusplus
}
#endif

#endif
