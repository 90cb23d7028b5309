// Package chain is for calling other functions of the same tenant from a function, and waiting for what they answer.
//
//	small, err := chain.Start("resize", picture)
//	if err != nil {
//		return nil, err
//	}
//	text, err := chain.Do("describe", picture) // meanwhile
//	if err != nil {
//		return nil, err
//	}
//	thumbnail, err := small.Output()
//
// Only programs that import this package import the host's functions for it; they also export malloc, by which the host hands
// outputs over.
//
// Natively, in a test, calls go to what shoaltest has registered.
package chain

import (
	"fmt"
	"strings"
)

// Call is a call that was started. It belongs to the call that started it and means nothing after that has ended.
type Call struct {
	name string
	id   uint32
}

// FailedError says that a chained call ended with another exit code than 0.
type FailedError struct {
	Name   string // of the function
	Code   int32
	Output []byte // what it had written by then
}

// Error names the function and the exit code.
func (e *FailedError) Error() string {
	return fmt.Sprintf("%s ended with exit code %d", e.Name, e.Code)
}

// Start calls a function by its name, with a copy of in as its input, and returns at once. The error says that no call was
// made. A call that nobody waits for runs all the same.
func Start(name string, in []byte) (Call, error) {
	if strings.IndexByte(name, 0) >= 0 {
		return Call{}, fmt.Errorf("chain: the name %q has a NUL in it", name)
	}
	id, err := start(name, in)
	if err != nil {
		return Call{}, fmt.Errorf("chain %s: %w", name, err)
	}
	return Call{name, id}, nil
}

// Do is Start and Output.
func Do(name string, in []byte) ([]byte, error) {
	c, err := Start(name, in)
	if err != nil {
		return nil, err
	}
	return c.Output()
}

// Name returns the name of the function that was called.
func (c Call) Name() string { return c.name }

// Await waits for the call to end. The error is a *FailedError when it did not end with exit code 0.
func (c Call) Await() error {
	code, err := await(c.id)
	return c.outcome(code, nil, err)
}

// Output waits for the call to end and returns its output. The error is a *FailedError when it did not end with exit code 0.
func (c Call) Output() ([]byte, error) {
	code, out, err := awaitOutput(c.id)
	if err := c.outcome(code, out, err); err != nil {
		return nil, err
	}
	return out, nil
}

// All waits for every call to end, and returns the first error in their order.
func All(calls ...Call) error {
	var first error
	for _, c := range calls {
		if err := c.Await(); err != nil && first == nil {
			first = err
		}
	}
	return first
}

func (c Call) outcome(code int32, out []byte, err error) error {
	switch {
	case err != nil:
		return fmt.Errorf("await %s: %w", c.name, err)
	case code != 0:
		return &FailedError{c.name, code, out}
	}
	return nil
}
