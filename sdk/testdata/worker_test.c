#include <faasm/counter.h>
#include <faasm/faasm.h>
#include <faasm/files.h>
#include <faasm/input.h>
#include <faasm/state.h>
#include <faasm/time.h>
#include <shoal.h>
#include <shoal/test.h>

#define CHECK(what)                                                           \
    do {                                                                      \
        if (!(what)) {                                                        \
            fprintf(stderr, "%s:%d: not so: %s\n", __FILE__, __LINE__, #what); \
            exit(1);                                                          \
        }                                                                     \
    } while (0)

int handle(void)
{
    shoal_bytes in = shoal_input();
    if (in.size == 0) {
        return 2;
    }
    shoal_output(in.data, in.size);
    return 0;
}

static int parent(void)
{
    char *output;
    int size;
    unsigned int named = faasmChainNamed("echo", BYTES("abc"), 3), pointed = faasmChain(handle, NULL, 0);
    CHECK(faasmAwaitCallOutput(named, &output, &size) == 0 && size == 3 && strcmp(output, "abc") == 0);
    CHECK(faasmAwaitCall(pointed) == 2);
    CHECK(faasmChainBatch(handle, "x", 3) == 0 && faasmChainBatch(handle, "", 3) == 2 && faasmChainBatch(handle, "", 0) == 0);
    setStringOutput(getStringInput("the parent's own input is gone"));
    return 0;
}

static int plain(void)
{
    shoal_bytes out, value;
    unsigned int call = shoal_chain("echo", "a\0b", 3);
    CHECK(shoal_await(call) == 0 && shoal_await_output(call, &out) == 0 && out.size == 3 && memcmp(out.data, "a\0b", 3) == 0);
    shoal_state_lock("s");
    shoal_state_write("s", out.data, out.size);
    shoal_state_push("s");
    shoal_state_pull("s", out.size);
    shoal_state_unlock("s");
    value = shoal_state_read("s");
    CHECK(shoal_state_size("s") == 3 && value.size == 3 && memcmp(value.data, "a\0b", 4) == 0);
    CHECK(shoal_state_read("none").size == 0);
    return 0;
}

static void test_calls(void)
{
    SHOAL_TEST(handle, "hello", 0, "hello");
    SHOAL_TEST(handle, "", 2, "");
    size_t size;
    CHECK(shoal_test_run(handle, "a\0b", 3) == 0);
    CHECK(memcmp(shoal_test_output(&size), "a\0b", 4) == 0 && size == 3);
    shoal_test_chain("echo", handle);
    SHOAL_TEST(parent, "mine", 0, "mine");
    SHOAL_TEST(plain, "", 0, "");
}

static void test_state(void)
{
    uint8_t buffer[16] = {0};
    CHECK(faasmReadStateSize("k") == 0);
    faasmWriteState("k", BYTES("0123456789"), 10);
    faasmWriteStateOffset("k", 10, 2, BYTES("ab"), 2);
    CHECK(faasmReadState("k", buffer, 16) == 10 && strcmp((char *)buffer, "01ab456789") == 0);
    uint8_t *whole = faasmReadStatePtr("k", 10);
    CHECK(faasmReadStateOffsetPtr("k", 10, 4, 2) == whole + 4 && faasmReadStatePtr("k", 10) == whole);
    whole[0] = 'x';
    faasmFlagStateDirty("k", 10);
    faasmFlagStateOffsetDirty("k", 10, 9, 1);
    faasmReadStateOffset("k", 10, 0, buffer, 1);
    CHECK(buffer[0] == 'x');
    faasmLockStateWrite("k");
    faasmPushState("k");
    faasmPushStatePartial("k");
    faasmPushStatePartialMask("k", "mask");
    faasmUnlockStateWrite("k");
    faasmPullState("k", 12);
    CHECK(faasmReadStateSize("k") == 12);
    zeroState("k", 3);
    CHECK(faasmReadStateSize("k") == 3 && faasmReadStatePtr("k", 3)[2] == 0);

    faasmAppendState("l", BYTES("one"), 3);
    faasmAppendState("l", BYTES("two"), 3);
    faasmReadAppendedState("l", buffer, 6, 2);
    CHECK(memcmp(buffer, "onetwo", 6) == 0);
    faasmClearAppendedState("l");
    faasmReadAppendedState("l", buffer, 0, 0);

    initCounter("c");
    CHECK(incrementCounter("c", 2, true) == 2 && incrementCounter("c", -3, false) == -1 && getCounter("c") == -1);
    shoal_test_reset();
    CHECK(getCounter("c") == 0);
    unsigned int mask[4] = {0};
    maskDouble(mask, 1);
    CHECK(mask[1] == 0 && mask[2] == BIT_MASK_32 && mask[3] == BIT_MASK_32);
}

static void test_files(const char *self)
{
    CHECK(getFileLength(self) > 0 && getFileLength("/nowhere") == -1 && readFileToString("/nowhere") == NULL);
    CHECK(readFileToString(self) != NULL);
    FAASM_PROF_START(all)
    CHECK(getSecondsSinceEpoch() > 1.7e9);
    FAASM_PROF_END(all)
}

int main(int argc, char **argv)
{
    (void)argc;
    test_calls();
    test_state();
    test_files(argv[0]);
    return shoal_test_end();
}
