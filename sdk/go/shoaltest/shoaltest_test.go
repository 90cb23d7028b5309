package shoaltest

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/shoal-run/shoal/sdk/go/chain"
	"github.com/shoal-run/shoal/sdk/go/internal/stand"
	"github.com/shoal-run/shoal/sdk/go/state"
	"github.com/shoal-run/shoal/sdk/go/typed"
)

func upper(in []byte) ([]byte, error) { return bytes.ToUpper(in), nil }

func refuse([]byte) ([]byte, error) { return []byte("lost"), errors.New("no") }

func TestChain(t *testing.T) {
	w := New(t)
	w.Function("upper", upper)
	w.Function("refuse", refuse)
	out, err := w.Call(func(in []byte) ([]byte, error) {
		first, err := chain.Start("upper", in)
		if err != nil {
			return nil, err
		}
		second, err := chain.Do("upper", []byte("!x"))
		if err != nil {
			return nil, err
		}
		out, err := first.Output()
		return append(out, second...), err
	}, []byte("hi"))
	if err != nil || string(out) != "HI!X" {
		t.Errorf("%q, %v", out, err)
	}
	_, err = chain.Do("refuse", nil)
	var failed *chain.FailedError
	if !errors.As(err, &failed) || failed.Code != 1 || failed.Name != "refuse" {
		t.Errorf("%v, want a FailedError", err)
	}
	ok, err := chain.Start("upper", nil)
	if err != nil {
		t.Fatal(err)
	}
	bad, err := chain.Start("refuse", nil)
	if err != nil {
		t.Fatal(err)
	}
	if err := chain.All(ok, bad, ok); !errors.As(err, &failed) {
		t.Errorf("All: %v", err)
	}
	if err := chain.All(ok, ok); err != nil {
		t.Errorf("All: %v", err)
	}
	for name, want := range map[string]string{"nobody": "no function nobody", "a\x00b": "NUL"} {
		if _, err := chain.Start(name, nil); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v", name, err)
		}
	}
}

func TestTyped(t *testing.T) {
	type numbers struct{ A, B int }
	w := New(t)
	add := typed.Handler(func(n numbers) (int, error) {
		if n.B == 0 {
			return 0, errors.New("nothing to add")
		}
		return n.A + n.B, nil
	})
	w.Function("add", add)
	if sum, err := typed.Do[int]("add", numbers{1, 2}); err != nil || sum != 3 {
		t.Errorf("%d, %v", sum, err)
	}
	if out, err := w.Call(add, []byte(`{"A":1,"B":2}`)); err != nil || string(out) != "3\n" {
		t.Errorf("%q, %v", out, err)
	}
	for in, want := range map[string]string{"": "nothing to add", "{": "the input", `{"A":"x"}`: "the input"} {
		if _, err := w.Call(add, []byte(in)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v", in, err)
		}
	}
	if _, err := typed.Do[string]("add", numbers{1, 2}); err == nil || !strings.Contains(err.Error(), "the output of add") {
		t.Errorf("a number as a string: %v", err)
	}
	if _, err := typed.Do[int]("add", func() {}); err == nil {
		t.Error("a function as an input")
	}
	if _, err := w.Call(typed.Handler(func(int) (func(), error) { return func() {}, nil }), nil); err == nil {
		t.Error("a function as an output")
	}
}

func TestState(t *testing.T) {
	w := New(t)
	check := func(what string, err error) {
		t.Helper()
		if err != nil {
			t.Errorf("%s: %v", what, err)
		}
	}
	if n, err := state.Size("k"); n != 0 || err != nil {
		t.Errorf("%d, %v", n, err)
	}
	value := []byte("0123456789")
	check("write", state.Write("k", value))
	value[0] = 'x'
	check("write at", state.WriteAt("k", 10, 2, []byte("ab")))
	check("push", state.Push("k"))
	check("push partial", state.PushPartial("k"))
	check("pull", state.Pull("k", 10))
	got, err := state.Read("k")
	check("read", err)
	if string(got) != "01ab456789" || string(w.State("k")) != "01ab456789" {
		t.Errorf("%q, and the worker has %q", got, w.State("k"))
	}
	part := make([]byte, 3)
	check("read at", state.ReadAt("k", 10, 3, part))
	if string(part) != "b45" {
		t.Errorf("%q", part)
	}
	w.SetState("k", []byte("new"))
	if n, err := state.Size("k"); n != 3 || err != nil {
		t.Errorf("%d, %v", n, err)
	}
	check("pull of more", state.Pull("k", 5))
	if got := w.State("k"); string(got) != "new\x00\x00" {
		t.Errorf("%q", got)
	}
	for _, err := range []error{
		state.ReadAt("k", 10, 8, part), state.WriteAt("k", 2, 0, part), state.Write("a\x00", nil), state.ReadAt("k", 10, -1, part),
	} {
		if err == nil {
			t.Error("a part beyond the value, or a key with a NUL, was taken")
		}
	}
}

func TestLists(t *testing.T) {
	New(t)
	for _, e := range []string{"one", "two"} {
		if err := state.Append("l", []byte(e)); err != nil {
			t.Fatal(err)
		}
	}
	if got, err := state.ReadAppended("l", 2, 6); err != nil || string(got) != "onetwo" {
		t.Errorf("%q, %v", got, err)
	}
	if _, err := state.ReadAppended("l", 3, 9); err == nil {
		t.Error("more elements than there are")
	}
	if err := state.ClearAppended("l"); err != nil {
		t.Fatal(err)
	}
	if _, err := state.ReadAppended("l", 1, 3); err == nil {
		t.Error("the list was not emptied")
	}
}

// complaints is a test that keeps what it is told.
type complaints struct {
	testing.TB
	said     []string
	cleanups []func()
}

func (c *complaints) Helper()                      {}
func (c *complaints) Cleanup(f func())             { c.cleanups = append(c.cleanups, f) }
func (c *complaints) Errorf(f string, args ...any) { c.said = append(c.said, fmt.Sprintf(f, args...)) }

func TestLocks(t *testing.T) {
	c := &complaints{TB: t}
	New(c)
	must := func(unlock func(), err error) func() {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return unlock
	}
	a, b := must(state.RLock("k")), must(state.RLock("k"))
	if _, err := state.Lock("k"); err == nil {
		t.Error("locked among readers")
	}
	a()
	b()
	unlock := must(state.Lock("k"))
	if _, err := state.RLock("k"); err == nil {
		t.Error("read while it is written")
	}
	unlock()
	unlock()
	must(state.LockGlobal("k"))
	for _, f := range c.cleanups {
		f()
	}
	want := []string{"locked already", "locked already", "was not locked", "still locked"}
	if len(c.said) != len(want) {
		t.Fatalf("said %q", c.said)
	}
	for i, w := range want {
		if !strings.Contains(c.said[i], w) {
			t.Errorf("said %q, want %q", c.said[i], w)
		}
	}
}

func TestWithoutAWorker(t *testing.T) {
	if _, err := state.Read("k"); !errors.Is(err, stand.ErrNoWorker) {
		t.Errorf("state: %v", err)
	}
	if _, err := chain.Do("f", nil); !errors.Is(err, stand.ErrNoWorker) {
		t.Errorf("chain: %v", err)
	}
	if _, err := state.Lock("k"); !errors.Is(err, stand.ErrNoWorker) {
		t.Errorf("lock: %v", err)
	}
}
