// Includes everything and uses nothing: it must not import anything of Faasm's.
#include "faasm/array.h"
#include "faasm/compare.h"
#include "faasm/core.h"
#include "faasm/counter.h"
#include "faasm/faasm.h"
#include "faasm/files.h"
#include "faasm/host_interface.h"
#include "faasm/host_interface_test.h"
#include "faasm/input.h"
#include "faasm/memory.h"
#include "faasm/migrate.h"
#include "faasm/print.h"
#include "faasm/random.h"
#include "faasm/shared_mem.h"
#include "faasm/state.h"
#include "faasm/time.h"
#include "faasm/zygote.h"
#include "shoal/command.h"

#include <dlfcn.h>
#include <pwd.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

int main()
{
    return 0;
}
