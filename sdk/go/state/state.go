// Package state is for bytes under a key, which calls and workers of a tenant share.
//
// Read and Write are of this worker's copy, which all its Faaslets share. Push shows it to other workers, and Pull gets what
// they pushed. Between a lock with a pull and a push with the lock's end, a value is consistent; without, it is whatever came
// last:
//
//	unlock, err := state.LockGlobal("visits")
//	if err != nil {
//		return nil, err
//	}
//	defer unlock()
//
// Only programs that import this package import the host's functions for it, and of those only what they use. Errors are
// syscall.Errno where the host answers one. Natively, in a test, the state is what shoaltest keeps.
package state

import (
	"fmt"
	"strings"
)

// Size returns the size of the value under a key in bytes; 0 when there is none.
func Size(key string) (int, error) {
	if err := check(key); err != nil {
		return 0, err
	}
	return size(key)
}

// Read returns the value under a key, which is pulled when this worker has it not; empty when there is none.
func Read(key string) ([]byte, error) {
	if err := check(key); err != nil {
		return nil, err
	}
	return read(key)
}

// ReadAt fills part from an offset on, of a value of total bytes. Only what is missing of it is pulled.
func ReadAt(key string, total, offset int, part []byte) error {
	if err := checkPart(key, total, offset, len(part)); err != nil {
		return err
	}
	return readAt(key, total, offset, part)
}

// Write makes a copy of value the value under a key, on this worker.
func Write(key string, value []byte) error {
	if err := check(key); err != nil {
		return err
	}
	return write(key, value)
}

// WriteAt writes a part of a value of total bytes, on this worker.
func WriteAt(key string, total, offset int, part []byte) error {
	if err := checkPart(key, total, offset, len(part)); err != nil {
		return err
	}
	return writeAt(key, total, offset, part)
}

// Push puts the value under a key into the global tier.
func Push(key string) error {
	if err := check(key); err != nil {
		return err
	}
	return push(key)
}

// PushPartial puts what was written of the value into the global tier.
func PushPartial(key string) error {
	if err := check(key); err != nil {
		return err
	}
	return pushPartial(key)
}

// Pull gets a value of size bytes from the global tier, whether this worker has it or not.
func Pull(key string, size int) error {
	if err := check(key); err != nil {
		return err
	}
	return pull(key, size)
}

// Append appends an element to the key's list, for all workers at once.
func Append(key string, element []byte) error {
	if err := check(key); err != nil {
		return err
	}
	return appendTo(key, element)
}

// ReadAppended returns the first count elements of the key's list, one behind the other, size bytes in all. The list stays.
func ReadAppended(key string, count, size int) ([]byte, error) {
	if err := check(key); err != nil {
		return nil, err
	}
	return readAppended(key, count, size)
}

// ClearAppended empties the key's list.
func ClearAppended(key string) error {
	if err := check(key); err != nil {
		return err
	}
	return clearAppended(key)
}

// RLock waits until nobody on this worker has the value locked for writing, and locks it beside other readers.
func RLock(key string) (unlock func(), err error) {
	if err := check(key); err != nil {
		return nil, err
	}
	return rlock(key)
}

// Lock waits until nobody on this worker has the value locked, and locks it.
func Lock(key string) (unlock func(), err error) {
	if err := check(key); err != nil {
		return nil, err
	}
	return lock(key)
}

// LockGlobal waits until nobody on any worker has the value locked so, and locks it.
func LockGlobal(key string) (unlock func(), err error) {
	if err := check(key); err != nil {
		return nil, err
	}
	return lockGlobal(key)
}

func check(key string) error {
	if strings.IndexByte(key, 0) >= 0 {
		return fmt.Errorf("state: the key %q has a NUL in it", key)
	}
	return nil
}

func checkPart(key string, total, offset, size int) error {
	if offset < 0 || total < 0 || offset > total || size > total-offset {
		return fmt.Errorf("state %s: %d bytes at %d are not within a value of %d", key, size, offset, total)
	}
	return check(key)
}
