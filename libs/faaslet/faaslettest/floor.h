#ifndef SHOAL_FLOOR_H
#define SHOAL_FLOOR_H

#include <stdint.h>

// What any engine behind cgo pays: a call from Go that does nothing, and n calls from C of a Go function that adds.
void shoal_floor_nothing(void);
uint32_t shoal_floor_callbacks(uint32_t n);

#endif
