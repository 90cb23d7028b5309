// Package stand is where a program that is built natively finds what stands in for the worker: shoaltest puts it there. In a
// Faaslet nothing uses it.
package stand

import "errors"

// ErrNoWorker is returned natively, outside of a test with a worker.
var ErrNoWorker = errors.New("there is no worker here: this program runs natively (a test begins with shoaltest.New)")

// In stands in for a worker. Errors are what a worker never gives: the test asks for something that is not there.
type In interface {
	Chain(name string, in []byte) (id uint32, err error)
	Await(id uint32) (code int32, out []byte, err error)

	ReadState(key string) ([]byte, error)
	// UpdateState calls f with the value, of at least total bytes, and makes what it returns the value.
	UpdateState(key string, total int, f func(value []byte) []byte) error
	Append(key string, element []byte) error
	Appended(key string, count int) ([]byte, error)
	ClearAppended(key string) error
	Lock(key string, kind LockKind) error
	Unlock(key string, kind LockKind) error
}

// LockKind is a kind of lock.
type LockKind int

// The kinds: beside other readers, alone on the worker, alone on all workers.
const (
	Read LockKind = iota
	Write
	Global
)

// current is a variable of the package because the packages that use it have functions for a worker's interface, not methods.
var current In

// Set makes w what Worker returns; nil ends that.
func Set(w In) { current = w }

// Worker returns what stands in for a worker, or ErrNoWorker.
func Worker() (In, error) {
	if current == nil {
		return nil, ErrNoWorker
	}
	return current, nil
}
