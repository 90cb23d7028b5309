/* Reads, adds, replaces and removes variables of its environment. */
#include <faasm/faasm.h>
#include <stdio.h>
#include <stdlib.h>

extern char **environ;

static const char *value(const char *name)
{
    const char *v = getenv(name);
    return v == NULL ? "-" : v;
}

int main(void)
{
    printf("%s %s", value("GIVEN"), value("ABSENT"));
    setenv("GIVEN", "new", 0);
    setenv("ADDED", "a", 1);
    printf(" %s %s", value("GIVEN"), value("ADDED"));
    setenv("GIVEN", "new", 1);
    unsetenv("ADDED");
    printf(" %s %s", value("GIVEN"), value("ADDED"));
    return environ == NULL;
}
