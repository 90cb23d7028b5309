/* <sys/wait.h>, which wasi-libc lacks. There are no other processes: it is here for programs that wait for a chained call. */
#ifndef SHOAL_POSIX_WAIT_H
#define SHOAL_POSIX_WAIT_H

#include <sys/types.h>

#include "faasm/host_interface.h"

#define WNOHANG 1
#define WUNTRACED 2

#define WIFEXITED(status) (((status) & 0x7f) == 0)
#define WEXITSTATUS(status) (((status) >> 8) & 0xff)

#ifdef __cplusplus
extern "C" {
#endif

SHOAL_IMPORT(waitpid) pid_t waitpid(pid_t pid, int *status, int options);

#ifdef __cplusplus
}
#endif

#endif
