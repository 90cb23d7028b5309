//go:build linux && cgo

package faaslettest

// #cgo CFLAGS: -O2 -Wall
// #include "floor.h"
import "C"

// Cgo calls n times a C function that does nothing: the floor of every call of a guest.
func Cgo(n int) {
	for range n {
		C.shoal_floor_nothing()
	}
}

// CgoCallbacks has C call n times a Go function that adds: the floor of every host function that is written in Go.
func CgoCallbacks(n int) { C.shoal_floor_callbacks(C.uint32_t(n)) }

//export shoalFloorAdd
func shoalFloorAdd(a, b C.uint32_t) C.uint32_t { return a + b }
