/* Asks whether its streams are a terminal. */
#include <errno.h>
#include <faasm/faasm.h>
#include <stdio.h>
#include <unistd.h>

int main(void)
{
    printf("%d%d%d%d", isatty(0), isatty(1), isatty(2), isatty(9));
    return errno != EBADF;
}
