// What Faasm's threads and migration need of the headers.
#include "faasm/faasm.h"
#include "faasm/host_interface_test.h"
#include "faasm/migrate.h"
#include "faasm/shared_mem.h"

static void resume(int step)
{
    __faasm_host_interface_test(step);
}

int main()
{
    int sum = 0;
    double most = 0;
    FAASM_REDUCE(sum, FAASM_TYPE_INT, FAASM_OP_SUM)
    FAASM_REDUCE_INNER(most, FAASM_TYPE_DOUBLE, FAASM_OP_MAX)
    FAASM_CRITICAL_LOCAL(sum += 1)
    FAASM_ATOMIC_INCR(sum)
    FAASM_ATOMIC_INCR_BY(sum, 2)
    FAASM_START_CRITICAL_LOCAL()
    FAASM_END_CRITICAL_LOCAL()
    __faasm_migrate_point(resume, NoTest);
    __faasm_memory_layout_protection();
    return sum != 4;
}
