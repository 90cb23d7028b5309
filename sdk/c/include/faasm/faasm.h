/* Everything that Shoal has of Faasm's interface for functions, except the conveniences of faasm/input.h. */
#ifndef SHOAL_FAASM_FAASM_H
#define SHOAL_FAASM_FAASM_H

#include "faasm/core.h"

#endif
