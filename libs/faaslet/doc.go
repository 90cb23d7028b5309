// Package faaslet is the engine: it turns modules into Faaslets and runs calls in them.
//
// An Engine links modules to a hostapi.Table. A Module is a compiled artefact, loaded and ready to be instantiated; a
// Faaslet is one instance with a memory, a store and limits of its own, which serves a call on the thread that its
// goroutine is on, and another one after it was reset from the Image that it began with. Everything a guest can do to itself, a trap, a loop, a deep recursion, a greedy memory.grow, a
// non-zero exit, is an Outcome; nothing of it is an error of the worker.
//
// Lifetimes: a Faaslet keeps its Module, a Module its Engine. Close on any of them is idempotent and takes effect when
// the last user is gone. Nothing here relies on finalizers.
//
// The engine compiles nothing by itself: package compile does, in a child process.
//
// A guest may load libraries: further instances in its Faaslet's store, with its memory, table and stack pointer (dlopen.go finds and
// links them, bind.go their symbols, relink.go has those of an image). Their code is compiled by Config.Compile and kept by
// the Engine (libraries.go).
//
// Locks, in the order they are taken: Faaslet.mu, Image.mu, Engine.load; libraries.mu is a leaf. Engine.load serialises loading and unloading of modules,
// which wasmtime 25.0.0 does not survive concurrently (GHSA-7qmx-3fpx-r45m).
package faaslet
