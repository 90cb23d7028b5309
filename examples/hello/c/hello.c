#include <shoal.h>

#include <string.h>

/* A handler: the module is initialised once, and handle runs for each call. */
int handle(void)
{
    shoal_bytes name = shoal_input();
    name.data[strcspn(name.data, "\r\n")] = '\0';
    shoal_outputf("Hello, %s, from C!\n", name.data[0] != '\0' ? name.data : "world");
    return 0;
}
