/* <dlfcn.h>, which wasi-libc lacks the half of, as imports. */
#ifndef SHOAL_POSIX_DLFCN_H
#define SHOAL_POSIX_DLFCN_H

#include "faasm/host_interface.h"

#define RTLD_LAZY 1
#define RTLD_NOW 2
#define RTLD_GLOBAL 256
#define RTLD_LOCAL 0

#ifdef __cplusplus
extern "C" {
#endif

SHOAL_IMPORT(dlopen) void *dlopen(const char *path, int flags);
SHOAL_IMPORT(dlsym) void *dlsym(void *handle, const char *name);
SHOAL_IMPORT(dlclose) int dlclose(void *handle);
SHOAL_IMPORT(dlerror) char *dlerror(void);

#ifdef __cplusplus
}
#endif

#endif
