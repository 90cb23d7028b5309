// Ends as its input says.
#include "faasm/faasm.h"
#include "faasm/input.h"

#include <stdlib.h>
#include <string.h>

static void late()
{
    faasm::setStringOutput("atexit");
}

int main()
{
    const char *how = faasm::getStringInput("return 0");
    int code = atoi(strchr(how, ' ') + 1);
    atexit(late);
    if (strncmp(how, "exit", 4) == 0) {
        exit(code);
    }
    if (strncmp(how, "_Exit", 5) == 0) {
        _Exit(code);
    }
    if (strncmp(how, "abort", 5) == 0) {
        abort();
    }
    return code;
}
