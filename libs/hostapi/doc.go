// Package hostapi is the host interface: what a guest may import.
//
// It is one Table of Rows. The engine links every row into a module, the deploy checks a module's imports against it, and
// docs/host-interface.md and the SDK headers are generated from it. Host functions see the guest through guest.Memory and
// their call through Call; neither knows an engine, so every function is tested without one.
//
// Rows of WASI preview1 are thin: what they do, and every errno, is on wasi.System.
package hostapi

//go:generate go run ../../internal/gen/hostapi -root ../..
