/*
 * Faasm's header of this name keeps its runtime from shrinking a module's memory. Shoal never does, so there is nothing to
 * keep: the name is here for programs that include it.
 */
#ifndef SHOAL_FAASM_MEMORY_H
#define SHOAL_FAASM_MEMORY_H

/* Does nothing. */
static inline void __faasm_memory_layout_protection(void)
{
}

#endif
