package wasi

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/shoal-run/shoal/libs/vfs"
)

// System is the preview1 of one call: what the guest can read, where its output goes, its clocks and its descriptors. A
// System serves one call and is not safe for concurrent use; every method runs on the Faaslet's thread. The zero value of
// every exported field works.
type System struct {
	// Ctx ends functions that block: they return ErrInterrupted when it is done. nil never ends them.
	Ctx context.Context
	// Args are the guest's arguments, the name of the program first. Env are "K=V". Neither is changed.
	Args, Env []string
	// Stdin is what descriptor 0 reads. It is not copied and not changed; System keeps the read position.
	Stdin []byte
	// Stdout and Stderr take what is written to descriptors 1 and 2; nil drops it.
	Stdout, Stderr *Stream
	// Shared are the files that every call of the tenant sees; nil is none. The guest has a private layer over them.
	Shared vfs.Shared
	// FileLimits bound the private layer.
	FileLimits vfs.Limits
	// Preopens are the directories that are open from the beginning, from descriptor 3 on; nil is the root, as "/". One whose
	// path is no directory answers so when it is used.
	Preopens []Preopen
	// MaxFiles is how many descriptors may be open; 0 is faas.OpenFiles.
	MaxFiles int
	// Random is the source of random_get; nil is crypto/rand.
	Random io.Reader
	// Now is the realtime clock; nil is time.Now.
	Now func() time.Time
	// Mono is the monotonic clock, in nanoseconds from any fixed point, never going back; nil counts from the start of the
	// process.
	Mono func() int64
	// CPU is the processor time of the calling thread in nanoseconds, and whether it is known; nil asks the kernel.
	CPU func() (int64, bool)

	stdinPos int
	table    []fdesc // by descriptor; nil until one is used
	begin    *beginning
	lowest   int     // no number below is free
	files    *vfs.FS // nil until a directory is used
	cpuBase  int64   // CPU at the first reading of a CPU-time clock
	cpuLast  int64   // the last answer of a CPU-time clock, which never goes back
	cpuKnown bool    // cpuBase was taken
	timer    *time.Timer
	randoms  int  // calls of random_get
	wall     bool // the realtime clock was read
	unique   bool // the guest was told something that another System would tell otherwise
	own      bool // the guest was told its arguments or environment
}

// Unique reports whether the guest was given random bytes or a time: what it keeps of them must not be copied into another
// guest, which may have drawn a seed from them. A clock counts, because it is the usual seed where there is nothing better
// (srand(time(NULL))), and because a copy would take the past for the present.
func (s *System) Unique() bool { return s.unique }

// Own reports whether the guest was told its arguments or its environment: what it keeps of them is of use only to a guest
// that has the same.
func (s *System) Own() bool { return s.own }

// Startup reports whether the guest was told no more of that kind than a language's runtime asks for when it starts: random
// bytes once, and any clock but the realtime clock.
func (s *System) Startup() bool { return s.randoms <= 1 && !s.wall }

// Exit is the error by which a guest ends itself; the engine unwinds the guest with it. Code 0 is success.
type Exit struct{ Code uint32 }

// Error returns "exit N".
func (e Exit) Error() string { return fmt.Sprintf("exit %d", e.Code) }

// ErrInterrupted is returned by a function that waits, or works for long, when System.Ctx is done: the deadline passed or
// the call was cancelled. What it had written of its result is of no use; the call is over and the guest must not go on.
var ErrInterrupted = errors.New("interrupted by the end of the call")

// done returns the channel that ends waiting.
func (s *System) done() <-chan struct{} {
	if s.Ctx == nil {
		return nil
	}
	return s.Ctx.Done()
}

// interrupted reports whether the call is over.
func (s *System) interrupted() bool { return s.Ctx != nil && s.Ctx.Err() != nil }

// copyChunk is how many bytes Copy copies between two looks at the context: under a millisecond's worth, faults included.
const copyChunk = 1 << 20

// Copy copies all of src to dst, as a body of a gigabyte takes longer than the call may outlive its deadline. It reports false
// when the call ended before that; a part was copied then. Preconditions: dst is as long as src.
func (s *System) Copy(dst, src []byte) bool {
	for len(src) > copyChunk {
		if s.interrupted() {
			return false
		}
		copy(dst, src[:copyChunk])
		dst, src = dst[copyChunk:], src[copyChunk:]
	}
	copy(dst, src)
	return true
}
