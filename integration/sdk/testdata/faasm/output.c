/* Prints: what a program that sets no output prints is its output. */
#include <faasm/faasm.h>
#include <stdarg.h>
#include <stdio.h>

static void say(const char *format, ...)
{
    va_list args;
    va_start(args, format);
    vprintf(format, args);
    va_end(args);
}

int main(void)
{
    say("%s %d %.2f %c %lx\n", "text", -1, 3.14159, 'c', 255l);
    fprintf(stderr, "to the log\n");
    faasmBacktrace(0);
    puts("line");
    return 0;
}
