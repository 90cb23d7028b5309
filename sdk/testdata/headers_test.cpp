#include <faasm/faasm.h>
#include <faasm/input.h>
#include <shoal.h>

#include "host.h"

// Both forms that functions written for Faasm use compile and have C linkage.
int handle(void)
{
    shoal_bytes in = shoal_input();
    shoal_output(in.data, in.size);
    return 0;
}

int main()
{
    call("a\0b", 3);
    int (*entry)() = handle;
    CHECK(entry() == 0);
    CHECK(OUTPUT_IS("a\0b", 3));

    call("42", 2);
    CHECK(strcmp(faasm::getStringInput(""), "42") == 0);
    CHECK(faasm::getIntInput() == 42);
    call(nullptr, 0);
    CHECK(faasm::getIntInput() == 0);
    CHECK(faasm::getIntInput(3) == 3);
    faasm::setStringOutput("out");
    CHECK(OUTPUT_IS("out", 3));
    CHECK(faasm::parseStringToIntArray("1 2", 2)[1] == 2);

    char chars[] = "chars";
    faasmSetOutput(BYTES(chars), 5);
    faasmSetOutput(chars, 4);
    CHECK(OUTPUT_IS("char", 4));

#if __cplusplus >= 201703L
    call("x\0y", 3);
    CHECK(shoal::input() == std::string("x\0y", 3));
    shoal::output(shoal::input() + "!");
    CHECK(OUTPUT_IS("x\0y!", 4));
    call(nullptr, 0);
    CHECK(shoal::input().empty());
    shoal::output("");
    CHECK(host_output_size == 0);
#endif
    faasmBacktrace(5);
    CHECK(host_backtrace_depth == 5);
    puts("ok");
}
