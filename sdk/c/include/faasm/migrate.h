/* __faasm_migrate_point, by the name of Faasm's header. Calls do not migrate: see docs/port-a-faasm-function.md. */
#ifndef SHOAL_FAASM_MIGRATE_H
#define SHOAL_FAASM_MIGRATE_H

#include "faasm/host_interface.h"

#endif
