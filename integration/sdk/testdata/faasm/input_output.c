/* Answers with its input reversed, whatever bytes it has. */
#include <faasm/faasm.h>

int main(void)
{
    long size = faasmGetInputSize();
    uint8_t *in = malloc(size + 1), *out = malloc(size + 1);
    faasmGetInput(in, size);
    for (long i = 0; i < size; i++) {
        out[i] = in[size - 1 - i];
    }
    faasmSetOutput((const char *)in, size); /* the last one counts */
    faasmSetOutput((const char *)out, size);
    return 0;
}
