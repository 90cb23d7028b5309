#include <faasm/faasm.h>
#include <shoal.h>
#include <string.h>

int handle(void)
{
    shoal_bytes in = shoal_input();
    char *first, *second;
    int first_size, second_size;
    unsigned int one = faasmChainNamed("upper", (const uint8_t *)in.data, (long)in.size);
    unsigned int two = faasmChainNamed("upper", (const uint8_t *)"!x", 2);
    if (faasmAwaitCallOutput(two, &second, &second_size) != 0 || faasmAwaitCallOutput(one, &first, &first_size) != 0) {
        return 1;
    }
    unsigned int code = faasmAwaitCall(faasmChainNamed("fail", NULL, 0));
    uint8_t value[11] = {0}, part[4] = {0}, list[7] = {0};
    faasmLockStateWrite("k");
    faasmWriteState("k", (const uint8_t *)"0123456789", 10);
    faasmWriteStateOffset("k", 10, 2, (const uint8_t *)"ab", 2);
    faasmPushState("k");
    faasmPullState("k", 10);
    faasmReadStateOffset("k", 10, 3, part, 3);
    faasmAppendState("l", (const uint8_t *)"one", 3);
    faasmAppendState("l", (const uint8_t *)"two", 3);
    faasmUnlockStateWrite("k");
    faasmReadState("k", value, (long)faasmReadStateSize("k"));
    faasmReadAppendedState("l", list, 6, 2);
    faasmClearAppendedState("l");
    shoal_outputf("%.*s%.*s%u%s%s%s", first_size, first, second_size, second, code, value, part, list);
    free(first);
    free(second);
    return 0;
}
