//go:build linux && cgo

// Package capi is for what wasmtime-go has no way to: instances from an InstancePre, host functions and calls without
// checks and boxes, memory settings, and a guest that can be ended from another thread.
//
// It stands on wasmtime-go for configs, engines, modules and linkers, and takes their C pointers from the first word of
// those objects; stores are its own, because the wrapper's cost a global lock and a finalizer each. types.h and protos.h
// declare the part of the C API that it uses; the library comes with wasmtime-go's link flags. Tests compare both, and the
// wrapper's layout, with the pinned version.
//
// Rules of this package: C never holds a Go pointer (an Instance is known to C by the number of its slot), and Go hands
// only C memory to calls that run a guest. Every function that Go exports recovers.
//
// Locks: slotTable.mu is a leaf.
package capi
