//go:build linux && cgo

#include "floor.h"

#include "_cgo_export.h"

void shoal_floor_nothing(void) {}

uint32_t shoal_floor_callbacks(uint32_t n) {
  uint32_t sum = 0;
  for (uint32_t i = 0; i < n; i++) sum = shoalFloorAdd(sum, 1);
  return sum;
}
