#include <faasm/faasm.h>
#include <faasm/input.h>
#include <shoal.h>

#include "host.h"

int handle(void)
{
    shoal_bytes in = shoal_input();
    if (in.size == 0) {
        return shoal_fail("the input is %s", "empty");
    }
    shoal_output(in.data, in.size);
    free(in.data);
    return 0;
}

static void test_handler(void)
{
    call("a\0b\xff", 4);
    CHECK(shoal_input_size() == 4);
    CHECK(handle() == 0);
    CHECK(OUTPUT_IS("a\0b\xff", 4));

    shoal_bytes in = shoal_input();
    CHECK(in.data[in.size] == '\0');
    free(in.data);

    call(NULL, 0);
    CHECK(handle() == 1);
    CHECK(host_output_size == 0);

    shoal_outputf("%d of %s", 3, "them");
    CHECK(OUTPUT_IS("3 of them", 9));
    shoal_outputf("%s", "");
    CHECK(host_output_size == 0);
}

static void test_core(void)
{
    uint8_t buffer[8];
    memset(buffer, 'x', sizeof buffer);
    call("\0\1\2", 3);
    CHECK(faasmGetInputSize() == 3);
    faasmGetInput(buffer, 2);
    CHECK(memcmp(buffer, "\0\1xx", 4) == 0);
    faasmGetInput(buffer, sizeof buffer);
    CHECK(memcmp(buffer, "\0\1\2xxxxx", 8) == 0);
    faasmGetInput(buffer, 0);
    faasmGetInput(buffer, -1);
    CHECK(memcmp(buffer, "\0\1\2xxxxx", 8) == 0);

    faasmSetOutput(buffer, 3);
    CHECK(OUTPUT_IS("\0\1\2", 3));
    const char *text = "chars";
    faasmSetOutput(text, 5);
    faasmSetOutput(BYTES(buffer), 1);
    CHECK(OUTPUT_IS("\0", 1));

    faasmBacktrace(5);
    CHECK(host_backtrace_depth == 5);
}

static int int_of(const char *text)
{
    call(text, strlen(text));
    return getIntInput(-7);
}

static void test_input(void)
{
    const char *unset = "default";
    call(NULL, 0);
    CHECK(getStringInput(unset) == unset);
    call("hello!", 5);
    CHECK(strcmp(getStringInput(unset), "hello") == 0);
    setStringOutput("out");
    CHECK(OUTPUT_IS("out", 3));

    CHECK(int_of("") == -7);
    CHECK(int_of("42") == 42);
    CHECK(int_of(" -42\n") == -42);
    CHECK(int_of("2147483647") == 2147483647);
    CHECK(int_of("2147483648") == -7);
    CHECK(int_of("99999999999999999999") == -7);
    CHECK(int_of("42x") == -7);
    CHECK(int_of("x") == -7);
    CHECK(int_of("0000000000000000000000000000000000000000000000000000000000000001") == -7);

    int *n = parseStringToIntArray("1 -2  30", 4);
    CHECK(n[0] == 1 && n[1] == -2 && n[2] == 30 && n[3] == 0);
    free(n);
    n = parseStringToIntArray("5 six 7", 2);
    CHECK(n[0] == 5 && n[1] == 0);
    free(n);
    free(parseStringToIntArray("", 0));
}

int main(void)
{
    test_handler();
    test_core();
    test_input();
    puts("ok");
    return 0;
}
