package wasi

import "github.com/shoal-run/shoal/libs/guest"

// EnvironGet writes the environment: the addresses of the variables, then their bytes as "K=V", each ended by a NUL.
//
// Parameters
//   - environ: where to write the addresses, 4 bytes for each variable; no null address ends them
//   - environBuf: where to write the bytes; EnvironSizesGet says how many
//
// Errors
//   - EFAULT: either area is out of bounds; nothing was written
//
// Memory after EnvironGet(mem, 11, 1) with Env = ["a=b", "b=cd"]:
//
//	     environBuf                             environ
//	     ┌────────────── 9 bytes ──────────────┐  ┌────── 8 bytes ──────┐
//	?    'a' '=' 'b' 0 'b' '=' 'c' 'd' 0        ? 1  0  0  0  5  0  0  0    ?
//	                                              └ "a=b"     └ "b=cd"
//
// It is environ in POSIX. See
// https://github.com/WebAssembly/WASI/blob/main/legacy/preview1/docs.md#environ_get
func (s *System) EnvironGet(mem guest.Memory, environ, environBuf uint32) Errno {
	s.own = true
	return putStrings(mem, s.Env, environ, environBuf)
}

// EnvironSizesGet writes how many variables there are and how many bytes they need, NULs included.
//
// Parameters
//   - count: where to write the count, 4 bytes
//   - bufSize: where to write the size, 4 bytes, in bytes
//
// Errors
//   - EFAULT: either address is out of bounds; nothing was written
//   - EOVERFLOW: they need 4 GiB or more
//
// Memory after EnvironSizesGet(mem, 1, 6) with Env = ["a=b", "b=cd"]:
//
//	     ┌─ 4 bytes ┐     ┌─ 4 bytes ┐
//	?    2  0  0  0    ?  9  0  0  0    ?
//	     └ count          └ bufSize
//
// It has no cousin in POSIX. See
// https://github.com/WebAssembly/WASI/blob/main/legacy/preview1/docs.md#environ_sizes_get
func (s *System) EnvironSizesGet(mem guest.Memory, count, bufSize uint32) Errno {
	s.own = true
	return putSizes(mem, s.Env, count, bufSize)
}
