// Package snapshot is the stored form of a Proto-Faaslet: the linear memory of an initialised Faaslet, without its zero
// pages, and the values of all its mutable globals. It knows bytes, not the engine and not the store.
//
// An image is one manifest and up to MaxPacks packs. A pack holds the content of pages and is named by the sha256 of its
// bytes; the manifest says which of them go where. Packs never change and belong to nobody: the image of a function's
// next version names the packs of the versions before it and adds one pack with the pages that are new. All integers are
// big-endian, uvarint is that of encoding/binary in its shortest form.
//
// A pack:
//
//	 0  ┌───────────────────────────────────────┐
//	    │ magic "SHOAL\x00PK"                   │   8 bytes
//	 8  ├───────────────────────────────────────┤
//	    │ format version, 1                     │   2
//	10  ├───────────────────────────────────────┤
//	    │ zero                                  │   2
//	12  ├───────────────────────────────────────┤
//	    │ n = number of pages                   │   4, 1 to 1048576
//	16  ├───────────────────────────────────────┤
//	    │ zstd stream (RFC 8878) of the n pages │  decodes to exactly n × Page bytes, with a window of
//	    │ one behind the other                  │  at most 8 MiB and without a dictionary
//	    └───────────────────────────────────────┘
//
// A manifest:
//
//	 0  ┌───────────────────────────────────────┐
//	    │ magic "SHOAL\x00PF"                   │   8 bytes
//	 8  ├───────────────────────────────────────┤
//	    │ format version, 1                     │   2
//	10  ├───────────────────────────────────────┤
//	    │ g = number of globals                 │   2, at most MaxGlobals
//	12  ├───────────────────────────────────────┤
//	    │ p = number of packs                   │   2, at most MaxPacks
//	14  ├───────────────────────────────────────┤
//	    │ zero                                  │   2
//	16  ├───────────────────────────────────────┤
//	    │ size of the linear memory in bytes    │   8, a multiple of 65536, at most MaxMemory
//	24  ├───────────────────────────────────────┤
//	    │ r = number of runs                    │   4
//	28  ├───────────────────────────────────────┤
//	    │ p packs, each:                        │
//	    │   sha256 of the pack                  │  32
//	    │   its number of pages                 │   4
//	    │   its length in bytes                 │   8
//	    ├───────────────────────────────────────┤
//	    │ g globals, ascending by name, each:   │
//	    │   value type, as in WebAssembly       │   1, 0x7f i32, 0x7e i64, 0x7d f32, 0x7c f64
//	    │   l = length of the name              │   2, at most 256
//	    │   name                                │   l
//	    │   value; 32-bit ones in the low half  │   8
//	    ├───────────────────────────────────────┤
//	    │ r runs, ascending in memory, each:    │
//	    │   zero pages of memory before it      │  uvarint, since the end of the run before
//	    │   number of pages                     │  uvarint, at least 1
//	    │   index of the pack                   │  uvarint
//	    │   first page in that pack             │  uvarint
//	    ├───────────────────────────────────────┤
//	    │ CRC-32C of all bytes above            │   4
//	    └───────────────────────────────────────┘
//
// Memory in no run is zero. A manifest has one spelling: packs stand in the order in which the runs first name them, each
// is named by a run and none is listed twice, and two runs that could be one are one. Several runs may name the same page
// of a pack: a page that occurs twice in memory is stored once.
//
// The checksum of a manifest finds accidents. Who must trust an image keeps the digest of its manifest where nobody else
// writes, or signs it: the manifest holds the digests of the packs, and those cover every byte of memory.
package snapshot
