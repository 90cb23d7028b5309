// Package artefact seals compiled modules, so that a worker runs only machine code that its own deployment compiled.
//
// Whoever compiles holds an Ed25519 private key, workers hold the public one. An artefact is a header and the compiled
// module behind it. All integers are big-endian, the two strings have no terminator:
//
//	 0  ┌───────────────────────────────────────┐
//	    │ magic "SHOAL\x00AF"                   │   8 bytes
//	 8  ├───────────────────────────────────────┤
//	    │ format version, 1                     │   2
//	10  ├───────────────────────────────────────┤
//	    │ e = length of the engine version      │   2, 1 to 256
//	12  ├───────────────────────────────────────┤
//	    │ c = length of the CPU feature set     │   2, 1 to 2048
//	14  ├───────────────────────────────────────┤
//	    │ zero                                  │   2
//	16  ├───────────────────────────────────────┤
//	    │ sha256 of the WebAssembly module      │  32, the function's version
//	48  ├───────────────────────────────────────┤
//	    │ sha256 of the payload                 │  32
//	80  ├───────────────────────────────────────┤
//	    │ length of the payload                 │   8, at most MaxPayload
//	88  ├───────────────────────────────────────┤
//	    │ engine version                        │   e
//	    ├───────────────────────────────────────┤
//	    │ CPU feature set                       │   c
//	    ├───────────────────────────────────────┤
//	    │ Ed25519 signature of all bytes above  │  64
//	    ├───────────────────────────────────────┤
//	    │ payload: the compiled module          │
//	    └───────────────────────────────────────┘
//
// The signature covers the payload through its digest and its length. The header says what the payload is for, and
// Verify compares that with what was asked for: an artefact that is genuine but another function's, another engine's or
// another CPU's is refused like a forged one.
package artefact
