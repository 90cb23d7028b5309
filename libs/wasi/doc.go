// Package wasi is WASI preview1 for Faaslets: what a WebAssembly program made for a command line finds when it runs as a
// function.
//
// It has all 46 functions, as methods of System, and knows neither an engine nor a call: they work on guest.Memory, on the
// thread that calls them, and are tested without a guest. stdin is a byte slice, stdout and stderr are bounded Streams,
// clocks and randomness can be replaced.
//
// # What a guest meets
//
// Descriptors 0, 1 and 2 are open and behave like pipes: file type unknown, not seekable (ESPIPE), not a terminal, so that
// C libraries buffer their output in full. Descriptor 0 ends (reads answer 0 bytes) after the last byte of stdin and never
// blocks. Descriptor 3 is the root directory, by the name "/": C libraries find it by FdPrestatGet, and take paths from there.
// Its files are the tenant's shared files, under a layer of the call's own; package vfs has them. There are no sockets:
// functions for those answer the errno that POSIX has for the situation, never a trap.
//
// A descriptor is the lowest number that is free. It has rights, which are checked first: a right that is missing is ENOTCAPABLE,
// where POSIX has EBADF or EACCES. Reading, writing or seeking a directory is EISDIR, whatever its rights.
//
// # Pointers
//
// Every pointer and length is checked, as a 64-bit sum, before anything is read or written through it: a function that
// answers EFAULT or EINVAL has changed nothing. Functions check the descriptor first, then pointers.
//
// The drawings in the comments show guest memory in bytes, from the lower address to the higher; numbers are
// little-endian; '?' is a byte that the function leaves alone. Links lead to the text of the specification,
// https://github.com/WebAssembly/WASI/blob/main/legacy/preview1/docs.md.
package wasi
