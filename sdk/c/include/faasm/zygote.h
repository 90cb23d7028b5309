/*
 * What a function does once, when it is deployed. Every call begins from the memory as it left it:
 *
 *     FAASM_ZYGOTE()
 *     {
 *         table = load();
 *         return 0;
 *     }
 *
 * Another result than 0 fails the deployment with that code. It has no input; see shoal/command.h.
 */
#ifndef SHOAL_FAASM_ZYGOTE_H
#define SHOAL_FAASM_ZYGOTE_H

#include "shoal/command.h"

/* Begins the definition of the zygote. */
#define FAASM_ZYGOTE()                                                                                                 \
    SHOAL_LINKAGE int _faasm_zygote(void);                                                                             \
    SHOAL_INITIALIZE_BY(int code = _faasm_zygote(); if (code != 0) _Exit(code))                                        \
    SHOAL_LINKAGE int _faasm_zygote(void)

#endif
