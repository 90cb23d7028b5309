/* Looks at where things are in memory: the stack first, data above it, then the heap. */
#include <faasm/faasm.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

extern unsigned char __heap_base, __data_end, __global_base;

static int data = 1;
static int zeros[1000];

static uintptr_t __attribute__((noinline)) deeper(void)
{
    volatile int local = data;
    volatile uintptr_t address = (uintptr_t)&local;
    return address;
}

int main(void)
{
    volatile int local = 0;
    uintptr_t stack = (uintptr_t)&local, heap = (uintptr_t)malloc(100);
    uintptr_t global = (uintptr_t)&__global_base, end = (uintptr_t)&__heap_base;
    if (deeper() >= stack || stack >= global) {
        return 1; /* it grows downwards, to 0: an overflow traps */
    }
    if ((uintptr_t)&data < global || (uintptr_t)&zeros[999] >= end || heap < end) {
        return 2;
    }
    uintptr_t top = (uintptr_t)sbrk(0);
    if (top % 65536 != 0 || top != __builtin_wasm_memory_size(0) * 65536) {
        return 3;
    }
    if ((uintptr_t)sbrk(65536) != top || (uintptr_t)sbrk(0) != top + 65536) {
        return 4;
    }
    *(volatile char *)(top + 65535) = 1;
    if (brk((void *)(top + 3 * 65536 - 1)) != 0 || (uintptr_t)sbrk(0) != top + 3 * 65536 || brk((void *)top) != 0) {
        return 5;
    }
    *(volatile char *)(top + 3 * 65536 - 1) = 1;
    if (brk((void *)-65536) != -1) {
        return 6; /* more than it may have */
    }
    fputs("stack data heap", stdout);
    return zeros[0];
}
