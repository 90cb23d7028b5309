//go:build gc

package shoal

import (
	"math/rand/v2"
	"unsafe"
)

// randomGetImport fills size bytes at buf with random bytes and returns 0, or an error's number.
//
//go:wasmimport wasi_snapshot_preview1 random_get
func randomGetImport(buf unsafe.Pointer, size uint32) uint32

// restoredExport is what the engine calls after each restore, before the next call.
//
//go:wasmexport shoal_restored
func restoredExport() int32 { return restored(runtimeRandom.reseed) }

// currentG returns the address of the running goroutine's descriptor. It is in reseed_wasip1_wasm.s.
func currentG() unsafe.Pointer

// memoryPages returns the size of the linear memory in pages of 64 KiB. It is in reseed_wasip1_wasm.s.
func memoryPages() uint32

// runtimeRandom is the random state of Go's runtime. It is a variable of the package so that an image has what was found.
var runtimeRandom random

// random is where the runtime's generators are. Go seeds them when it starts and has no way to have that done again; all of
// math/rand's and math/rand/v2's top-level functions, the seeds of maps and the order they are walked in, and maphash draw
// on the first. There is one of each, since there is one thread. Their layout is not part of Go's promises, so nothing is
// taken for granted: find tells by their behaviour that they are what they are taken for.
type random struct {
	looked bool
	chacha *chacha8
	cheap  *[2]uint32 // of select and of sampling; nil when it was not found, which is harmless
}

// chacha8 is the state of the runtime's generator: seed makes blocks of values by a counter, of which buf is the last.
type chacha8 struct {
	buf  [32]uint64
	seed [4]uint64
	i, n uint32 // the next value in buf, and how many it has
	c    uint32 // the counter: 4 more with each block, 0 with a new seed
}

// set makes seed decide the next value and all that follow.
func (s *chacha8) set(seed [4]uint64) {
	*s = chacha8{seed: seed, i: uint32(len(s.buf)), n: uint32(len(s.buf))}
}

// reseed gives the generators new seeds, and reports false when they are not where they should be.
func (r *random) reseed() bool {
	if !r.looked {
		r.looked = true
		r.find()
	}
	if r.chacha == nil {
		return false
	}
	var fresh [5]uint64
	if randomGetImport(unsafe.Pointer(&fresh), uint32(unsafe.Sizeof(fresh))) != 0 {
		return false
	}
	r.chacha.set([4]uint64(fresh[:4]))
	if r.cheap != nil {
		*r.cheap = [2]uint32{uint32(fresh[4]) | 1, uint32(fresh[4]>>32) | 1} // zeros would stay zeros
	}
	return true
}

const (
	searchG = 256  // bytes of a goroutine's descriptor in which its thread's address is looked for
	searchM = 8192 // bytes of a thread's descriptor in which the generator is looked for
)

// find looks for the generators: in what the words of the goroutine's descriptor point to, one of which is its thread's. It
// only reads until it is sure.
func (r *random) find() {
	g := currentG()
	end := uintptr(memoryPages()) << 16
	if uintptr(g)+searchG > end {
		return
	}
	drawn := rand.Uint64()
	for off := uintptr(0); off < searchG; off += 8 {
		m := *(*uintptr)(unsafe.Add(g, off))
		if m < 4096 || m%8 != 0 || m > end {
			continue
		}
		for at := m; at < m+searchM && at+unsafe.Sizeof(chacha8{})+8 <= end; at += 8 {
			if s := (*chacha8)(pointer(at)); s.gave(drawn) && s.follows() {
				r.chacha = s
				r.findCheap(pointer(at + unsafe.Sizeof(*s)))
				return
			}
		}
	}
}

// pointer returns a pointer to what Go knows nothing of.
func pointer(at uintptr) unsafe.Pointer { return *(*unsafe.Pointer)(unsafe.Pointer(&at)) }

// gave reports whether s looks like a generator whose last value was v.
func (s *chacha8) gave(v uint64) bool {
	return s.i > 0 && s.i <= s.n && s.n <= uint32(len(s.buf)) && s.c < 16 && s.c%4 == 0 && s.buf[s.i-1] == v
}

// follows reports whether s is the generator that Uint64 draws on, and obeys set. It leaves s as it was, but for some draws.
func (s *chacha8) follows() bool {
	for range 2 * len(s.buf) { // at least one refill
		want := s.i + 1
		if s.i == s.n {
			want = 1
		}
		if v := rand.Uint64(); !s.gave(v) || s.i != want {
			return false
		}
	}
	saved := *s
	first := s.draws([4]uint64{1, 2, 3, 4})
	again := s.draws([4]uint64{1, 2, 3, 4})
	ok := first == again
	for i := range s.seed { // each word counts
		seed := [4]uint64{1, 2, 3, 4}
		seed[i] = 5
		ok = ok && s.draws(seed) != first
	}
	*s = saved
	return ok
}

// draws returns some values after set, over a refill and a change of the generator's own seed.
func (s *chacha8) draws(seed [4]uint64) (sum [4]uint64) {
	s.set(seed)
	for i := range 8 * len(s.buf) {
		sum[i%len(sum)] = sum[i%len(sum)]*31 + rand.Uint64()
	}
	return sum
}

// findCheap takes what is at p for the runtime's cheap generator, an xorshift of two words, if two draws move it so.
func (r *random) findCheap(p unsafe.Pointer) {
	state := (*[2]uint32)(p)
	a, b := make(chan struct{}), make(chan struct{})
	before := *state
	select { // draws for the order of its cases
	case <-a:
	case <-b:
	default:
	}
	for range 4 {
		s1, s0 := before[0], before[1]
		s1 ^= s1 << 17
		before = [2]uint32{s0, s1 ^ s0 ^ s1>>7 ^ s0>>16}
		if before == *state && before != [2]uint32{} {
			r.cheap = state
			return
		}
	}
}
