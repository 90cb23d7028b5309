/* What __faasm_host_interface_test takes, by Faasm's names. */
#ifndef SHOAL_FAASM_HOST_INTERFACE_TEST_H
#define SHOAL_FAASM_HOST_INTERFACE_TEST_H

#include "faasm/host_interface.h"

enum HostInterfaceTest { NoTest = 0, ExceptionPropagationTest = 1 };

#endif
