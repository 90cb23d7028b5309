// Package shoaltest stands in for a worker in tests with `go test`: functions that chain calls and keep state run natively,
// without a server and without WebAssembly.
//
//	func TestParent(t *testing.T) {
//		w := shoaltest.New(t)
//		w.Function("child", func(in []byte) ([]byte, error) { return bytes.ToUpper(in), nil })
//		out, err := w.Call(parent, []byte("hello"))
//		...
//	}
//
// There is one worker and one call at a time: chained calls run when they are made, and pushes and pulls have nothing to move.
// A lock that would never be had, or is never given back, fails the test.
package shoaltest

import (
	"fmt"
	"os"
	"slices"
	"testing"

	shoal "github.com/shoal-run/shoal/sdk/go"
	"github.com/shoal-run/shoal/sdk/go/internal/stand"
)

// Worker stands in for a worker. It is not for concurrent use.
type Worker struct {
	t         testing.TB
	functions map[string]shoal.Handler
	calls     []ended
	values    map[string][]byte
	lists     map[string][][]byte
	locks     map[lock]int
}

type ended struct {
	code int32
	out  []byte
}

type lock struct {
	key  string
	kind stand.LockKind
}

var _ stand.In = (*Worker)(nil)

// New makes a worker that stands in for the real one until t ends. Tests with one can't be parallel: t fails when another
// test's worker is still there.
func New(t testing.TB) *Worker {
	t.Helper()
	if _, err := stand.Worker(); err == nil {
		t.Fatal("shoaltest: another test has a worker: tests with one can't be parallel")
	}
	w := &Worker{
		t: t, functions: map[string]shoal.Handler{}, values: map[string][]byte{}, lists: map[string][][]byte{}, locks: map[lock]int{},
	}
	stand.Set(w)
	t.Cleanup(func() {
		stand.Set(nil)
		for l, n := range w.locks {
			if n > 0 {
				t.Errorf("shoaltest: the state %q is still locked", l.key)
			}
		}
	})
	return w
}

// Function has calls that are chained by name answered by h.
func (w *Worker) Function(name string, h shoal.Handler) { w.functions[name] = h }

// Call runs h with a copy of in, as a worker would.
func (w *Worker) Call(h shoal.Handler, in []byte) (out []byte, err error) {
	return h(append(make([]byte, 0, len(in)), in...))
}

// State returns the value under a key; nil when there is none. It is the test's own copy.
func (w *Worker) State(key string) []byte { return slices.Clone(w.values[key]) }

// SetState makes a copy of value the value under a key.
func (w *Worker) SetState(key string, value []byte) { w.values[key] = slices.Clone(value) }

// Chain is for package chain.
func (w *Worker) Chain(name string, in []byte) (uint32, error) {
	h, ok := w.functions[name]
	if !ok {
		return 0, fmt.Errorf("no function %s (the test registers one with Function)", name)
	}
	out, err := w.Call(h, in)
	e := ended{0, slices.Clone(out)}
	if err != nil { // on a worker the child's log has it
		fmt.Fprintf(os.Stderr, "%s: %v\n", name, err)
		e = ended{1, nil}
	}
	w.calls = append(w.calls, e)
	return uint32(len(w.calls)), nil
}

// Await is for package chain.
func (w *Worker) Await(id uint32) (int32, []byte, error) {
	if id == 0 || int(id) > len(w.calls) {
		return 0, nil, fmt.Errorf("no call %d", id)
	}
	e := w.calls[id-1]
	return e.code, slices.Clone(e.out), nil
}

// ReadState is for package state.
func (w *Worker) ReadState(key string) ([]byte, error) { return w.State(key), nil }

// UpdateState is for package state.
func (w *Worker) UpdateState(key string, total int, f func([]byte) []byte) error {
	value := w.values[key]
	if len(value) < total {
		value = append(value, make([]byte, total-len(value))...)
	}
	if value = f(value); value != nil {
		w.values[key] = value
	}
	return nil
}

// Append is for package state.
func (w *Worker) Append(key string, element []byte) error {
	w.lists[key] = append(w.lists[key], slices.Clone(element))
	return nil
}

// Appended is for package state.
func (w *Worker) Appended(key string, count int) ([]byte, error) {
	list := w.lists[key]
	if count < 0 || count > len(list) {
		return nil, fmt.Errorf("the list %q has %d elements, not %d", key, len(list), count)
	}
	return slices.Concat(list[:count]...), nil
}

// ClearAppended is for package state.
func (w *Worker) ClearAppended(key string) error {
	delete(w.lists, key)
	return nil
}

// Lock is for package state.
func (w *Worker) Lock(key string, kind stand.LockKind) error {
	held := w.locks[lock{key, kind}]
	if kind == stand.Read {
		held = w.locks[lock{key, stand.Write}]
	} else if kind == stand.Write {
		held += w.locks[lock{key, stand.Read}]
	}
	if held > 0 {
		w.t.Errorf("shoaltest: the state %q is locked already: on a worker this waits for ever", key)
		return fmt.Errorf("the state %q is locked already", key)
	}
	w.locks[lock{key, kind}]++
	return nil
}

// Unlock is for package state.
func (w *Worker) Unlock(key string, kind stand.LockKind) error {
	if w.locks[lock{key, kind}] == 0 {
		w.t.Errorf("shoaltest: the state %q is unlocked, and was not locked", key)
		return fmt.Errorf("the state %q is not locked", key)
	}
	w.locks[lock{key, kind}]--
	return nil
}
