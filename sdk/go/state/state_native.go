//go:build !wasip1

package state

import "github.com/shoal-run/shoal/sdk/go/internal/stand"

func size(key string) (int, error) {
	value, err := read(key)
	return len(value), err
}

func read(key string) ([]byte, error) {
	w, err := stand.Worker()
	if err != nil {
		return nil, err
	}
	return w.ReadState(key)
}

func readAt(key string, total, offset int, part []byte) error {
	return update(key, total, func(value []byte) []byte {
		copy(part, value[offset:])
		return value
	})
}

func write(key string, value []byte) error {
	return update(key, 0, func([]byte) []byte { return append([]byte(nil), value...) })
}

func writeAt(key string, total, offset int, part []byte) error {
	return update(key, total, func(value []byte) []byte {
		copy(value[offset:], part)
		return value
	})
}

func update(key string, total int, f func([]byte) []byte) error {
	w, err := stand.Worker()
	if err != nil {
		return err
	}
	return w.UpdateState(key, total, f)
}

// There is one worker: nothing to move.
func push(key string) error           { return update(key, 0, same) }
func pushPartial(key string) error    { return update(key, 0, same) }
func pull(key string, size int) error { return update(key, size, same) }

func same(value []byte) []byte { return value }

func appendTo(key string, element []byte) error {
	w, err := stand.Worker()
	if err != nil {
		return err
	}
	return w.Append(key, element)
}

func readAppended(key string, count, size int) ([]byte, error) {
	w, err := stand.Worker()
	if err != nil {
		return nil, err
	}
	elements, err := w.Appended(key, count)
	return append(make([]byte, 0, size), elements...), err
}

func clearAppended(key string) error {
	w, err := stand.Worker()
	if err != nil {
		return err
	}
	return w.ClearAppended(key)
}

func rlock(key string) (func(), error)      { return lockAs(key, stand.Read) }
func lock(key string) (func(), error)       { return lockAs(key, stand.Write) }
func lockGlobal(key string) (func(), error) { return lockAs(key, stand.Global) }

func lockAs(key string, kind stand.LockKind) (func(), error) {
	w, err := stand.Worker()
	if err != nil {
		return nil, err
	}
	if err := w.Lock(key, kind); err != nil {
		return nil, err
	}
	return func() { _ = w.Unlock(key, kind) }, nil // the worker reports it to the test
}
