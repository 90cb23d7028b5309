/* Maps memory, and unmaps it. */
#include <faasm/faasm.h>
#include <stdio.h>
#include <sys/mman.h>

int main(void)
{
    enum { SIZE = 10 * 65536 };
    char *a = mmap(NULL, SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    char *b = mmap(NULL, 100, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (a == MAP_FAILED || b == MAP_FAILED || a == b) {
        return 1;
    }
    a[0] = a[SIZE - 1] = b[0] = b[99] = 'x';
    if (a[1] != 0 || b[1] != 0) {
        return 2;
    }
    if (munmap(b, 100) != 0 || munmap(a, SIZE) != 0) {
        return 3;
    }
    fputs("mapped", stdout);
    return 0;
}
