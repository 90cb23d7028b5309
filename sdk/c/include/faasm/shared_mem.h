/*
 * Variables that the threads of a function share and reduce, by Faasm's names. A function of Shoal has one thread, so a
 * reduction of it is the variable itself.
 */
#ifndef SHOAL_FAASM_SHARED_MEM_H
#define SHOAL_FAASM_SHARED_MEM_H

#include "faasm/host_interface.h"

/* Types of variables, and what is done with two values of one. */
#define FAASM_TYPE_RAW 0
#define FAASM_TYPE_BOOL 1
#define FAASM_TYPE_INT 2
#define FAASM_TYPE_LONG 3
#define FAASM_TYPE_FLOAT 4
#define FAASM_TYPE_DOUBLE 5

#define FAASM_OP_OVERWRITE 0
#define FAASM_OP_SUM 1
#define FAASM_OP_PRODUCT 2
#define FAASM_OP_SUBTRACT 3
#define FAASM_OP_MAX 4
#define FAASM_OP_MIN 5

/* Makes a variable the target of a reduction, of this batch of threads (inner) or the next. */
#define FAASM_REDUCE(var, type, op) __faasm_sm_reduce((void *)&(var), type, op, 0);
#define FAASM_REDUCE_INNER(var, type, op) __faasm_sm_reduce((void *)&(var), type, op, 1);

#define FAASM_START_CRITICAL_LOCAL() __faasm_sm_critical_local();
#define FAASM_END_CRITICAL_LOCAL() __faasm_sm_critical_local_end();

/* Runs a statement alone on this worker. */
#define FAASM_CRITICAL_LOCAL(op)                                                                                       \
    __faasm_sm_critical_local();                                                                                       \
    {                                                                                                                  \
        op;                                                                                                            \
    }                                                                                                                  \
    __faasm_sm_critical_local_end();

/* Adds 1, or a value, to an int that threads share. */
#define FAASM_ATOMIC_INCR(var) FAASM_ATOMIC_INCR_BY(var, 1)
#define FAASM_ATOMIC_INCR_BY(var, value)                                                                               \
    FAASM_REDUCE_INNER(var, FAASM_TYPE_INT, FAASM_OP_SUM)                                                              \
    FAASM_CRITICAL_LOCAL((var) += (value))

#endif
