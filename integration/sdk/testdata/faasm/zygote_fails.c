/* A zygote that fails: the function can't be deployed. */
#include <faasm/faasm.h>

FAASM_ZYGOTE()
{
    return 7;
}

int main(void)
{
    return 0;
}
