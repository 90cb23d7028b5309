package gateway

import (
	"net/http"
	"time"

	"golang.org/x/sync/semaphore"

	"github.com/shoal-run/shoal/bus/faas"
)

const (
	// freeBody is the size up to which a body is not counted: as many calls as may be held have that much each.
	freeBody = 16 << 10
	// bodyRate is how fast a client must send its body, in bytes per second, after bodyStart.
	bodyRate  = 64 << 10
	bodyStart = 10 * time.Second
)

// bodies bounds the memory that bodies of calls take together, from when they are read until their call was answered.
type bodies struct {
	limit faas.Size
	held  *semaphore.Weighted
}

func newBodies(limit faas.Size) *bodies {
	return &bodies{limit: limit, held: semaphore.NewWeighted(int64(limit))}
}

// take reserves size bytes. What it returns gives them back, once; it is nil when the bytes can't be had.
func (b *bodies) take(size int64) (release func()) {
	if size <= freeBody {
		return func() {}
	}
	if !b.held.TryAcquire(size) {
		return nil
	}
	return func() { b.held.Release(size) }
}

func (b *bodies) refusal() *faas.Error {
	return faas.Errorf(faas.NoCapacity, "the gateway holds as many bytes of bodies as it may, %s", b.limit)
}

// patience gives a client time to take an answer of size bytes, and returns what ends that.
func patience(w http.ResponseWriter, size int64) (done func()) {
	c := http.NewResponseController(w)
	_ = c.SetWriteDeadline(time.Now().Add(bodyStart + time.Duration(size/bodyRate)*time.Second)) // as for hurry
	return func() { _ = c.SetWriteDeadline(time.Time{}) }
}

// hurry gives a client time to send a body of up to size bytes, and returns what ends that.
func hurry(w http.ResponseWriter, size int64) (done func()) {
	c := http.NewResponseController(w)
	// A connection that can't have a deadline has no slow client behind it: net/http's own always can.
	_ = c.SetReadDeadline(time.Now().Add(bodyStart + time.Duration(size/bodyRate)*time.Second))
	return func() { _ = c.SetReadDeadline(time.Time{}) }
}
