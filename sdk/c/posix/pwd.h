/* <pwd.h>, which wasi-libc lacks, as imports. The struct belongs to the worker and is overwritten by the next call. */
#ifndef SHOAL_POSIX_PWD_H
#define SHOAL_POSIX_PWD_H

#include <sys/types.h>

#include "faasm/host_interface.h"

#ifdef __cplusplus
extern "C" {
#endif

struct passwd {
    char *pw_name;
    char *pw_passwd;
    uid_t pw_uid;
    gid_t pw_gid;
    char *pw_gecos;
    char *pw_dir;
    char *pw_shell;
};

SHOAL_IMPORT(getpwuid) struct passwd *getpwuid(uid_t uid);
SHOAL_IMPORT(getpwnam) struct passwd *getpwnam(const char *name);

#ifdef __cplusplus
}
#endif

#endif
