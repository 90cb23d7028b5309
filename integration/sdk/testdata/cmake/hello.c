#include <shoal.h>

const char *greeting(void);

int handle(void)
{
    shoal_bytes name = shoal_input();
    shoal_outputf("%s, %s!\n", greeting(), name.data);
    return 0;
}
