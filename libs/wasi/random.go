package wasi

import (
	"crypto/rand"
	"io"

	"github.com/shoal-run/shoal/libs/guest"
)

// randomChunk is how many bytes RandomGet makes between two looks at the context: well under a millisecond's worth.
const randomChunk = 64 << 10

// RandomGet fills a buffer with random bytes fit for cryptography.
//
// Parameters
//   - buf: where to write them
//   - bufLen: how many bytes; nothing is allocated, whatever it is
//
// Errors
//   - EFAULT: the buffer is out of bounds; nothing was written
//   - EIO: System.Random failed; a part may have been written
//
// The error is ErrInterrupted when the call ended between two chunks of 64 KiB, else nil.
//
// Memory after RandomGet(mem, 1, 5):
//
//	     ┌───── 5 bytes ──────┐
//	?    0x53 0x8c 0x7f 0x96 0xb1    ?
//
// It is getentropy in POSIX, without its limit of 256 bytes. See
// https://github.com/WebAssembly/WASI/blob/main/legacy/preview1/docs.md#random_get
func (s *System) RandomGet(mem guest.Memory, buf, bufLen uint32) (Errno, error) {
	b, ok := mem.Bytes(buf, bufLen)
	if !ok {
		return EFAULT, nil
	}
	s.unique = true
	s.randoms++
	random := s.Random
	if random == nil {
		random = rand.Reader
	}
	for len(b) > 0 {
		if s.interrupted() {
			return EINTR, ErrInterrupted
		}
		chunk := b[:min(len(b), randomChunk)]
		if _, err := io.ReadFull(random, chunk); err != nil {
			return EIO, nil
		}
		b = b[len(chunk):]
	}
	return ESUCCESS, nil
}
