/* A zygote in C. */
#include <faasm/faasm.h>
#include <stdio.h>

static int table[100];

FAASM_ZYGOTE()
{
    for (int i = 0; i < 100; i++) {
        table[i] = i * i;
    }
    return 0;
}

int main(void)
{
    printf("%d", table[9]++);
    return 0;
}
