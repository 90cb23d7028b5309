/* Faasm's interface for functions: calls, chained calls, state and zygotes. The conveniences have headers of their own. */
#ifndef SHOAL_FAASM_FAASM_H
#define SHOAL_FAASM_FAASM_H

#include "faasm/core.h"

#endif
