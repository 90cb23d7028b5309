// Package wasmbin reads, judges and rewrites WebAssembly modules in their binary form, without an engine.
//
// It is for the deploy: Parse says in words what is wrong with a body that is no module, Check says whether the module
// can become a function and how it is entered, and Instrument adds what the engine needs to see
// and to stop. Parse reads the
// structure of a module and every instruction's length; the types on the operand stack are left to the compiler, which
// runs later and elsewhere. All of it is safe on hostile input: nothing panics, nothing recurses, and no count in the
// module makes it allocate more than the module's own size allows.
//
// The binary format is that of the WebAssembly core specification 2.0 with extended constant expressions and relaxed
// SIMD. Garbage collection, typed function references, exceptions, tail calls and atomics are refused by name, since the
// engine does not run them.
package wasmbin
