/* Prints its arguments. */
#include <faasm/core.h>
#include <stdio.h>

int main(int argc, char *argv[])
{
    printf("%d %s", argc, argv[0]);
    return argv[argc] != NULL;
}
