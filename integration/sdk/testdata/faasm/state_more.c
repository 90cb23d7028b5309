/* The rest of state: masks, files, counters, the global lock. */
#include <faasm/counter.h>
#include <faasm/faasm.h>
#include <faasm/state.h>
#include <stdio.h>

int main(void)
{
    initCounter("counter");
    if (incrementCounter("counter", 2, true) != 2 || incrementCounter("counter", 3, false) != 5 || getCounter("counter") != 5) {
        return 1;
    }
    zeroState("masked", 16);
    zeroState("mask", 16);
    faasmPushStatePartialMask("masked", "mask");
    faasmPushStatePartial("masked");
    FILE *file = fopen("state.txt", "w");
    if (file == NULL || fputs("from a file", file) < 0 || fclose(file) != 0) {
        return 2;
    }
    if (faasmWriteStateFromFile("file", "state.txt") != 11 || faasmReadStateSize("file") != 11) {
        return 3;
    }
    fputs("counted", stdout);
    return 0;
}
