//go:build linux && cgo

package capi

import (
	"errors"
	"sync"
	"sync/atomic"
)

// MaxInstances is how many instances a process can have at once.
const MaxInstances = maxChunks << chunkBits

const (
	chunkBits = 10
	maxChunks = 128
)

var errFull = errors.New("no free instance slot in this process")

// slotTable gives instances numbers that C may keep. Lookups take no lock: a chunk, once there, stays.
type slotTable struct {
	chunks [maxChunks]atomic.Pointer[[1 << chunkBits]atomic.Pointer[Instance]]

	mu   sync.Mutex
	next uint32   // first number never given out
	free []uint32 // numbers given back
}

// slots is where the exported functions find their instance. It is state of the package because C's callbacks have no
// other way in; nothing else uses it.
var slots slotTable

func (t *slotTable) put(in *Instance) (uint32, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	var n uint32
	switch {
	case len(t.free) > 0:
		n = t.free[len(t.free)-1]
		t.free = t.free[:len(t.free)-1]
	case t.next < MaxInstances:
		n = t.next
		t.next++
		if t.chunks[n>>chunkBits].Load() == nil {
			t.chunks[n>>chunkBits].Store(new([1 << chunkBits]atomic.Pointer[Instance]))
		}
	default:
		return 0, errFull
	}
	t.chunks[n>>chunkBits].Load()[n&(1<<chunkBits-1)].Store(in)
	return n, nil
}

// get returns the instance of a number that put gave and drop has not taken back.
func (t *slotTable) get(n uint32) *Instance {
	return t.chunks[n>>chunkBits].Load()[n&(1<<chunkBits-1)].Load()
}

func (t *slotTable) drop(n uint32) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.chunks[n>>chunkBits].Load()[n&(1<<chunkBits-1)].Store(nil)
	t.free = append(t.free, n)
}
