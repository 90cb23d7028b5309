// Package typed is for functions and chained calls whose input and output are Go values, as JSON.
//
//	func init() { shoal.Handle(typed.Handler(add)) }
//
//	type numbers struct{ A, B int }
//
//	func add(n numbers) (int, error) { return n.A + n.B, nil }
//
// Another function calls it with
//
//	sum, err := typed.Do[int]("add", numbers{1, 2})
package typed

import (
	"encoding/json"
	"fmt"

	shoal "github.com/shoal-run/shoal/sdk/go"
	"github.com/shoal-run/shoal/sdk/go/chain"
)

// Handler makes a handler of a function of values. An empty input is In's zero value; one that is not JSON, or does not fit
// In, fails the call. What f returns is the output, and a newline.
func Handler[In, Out any](f func(In) (Out, error)) shoal.Handler {
	return func(in []byte) ([]byte, error) {
		var value In
		if len(in) > 0 {
			if err := json.Unmarshal(in, &value); err != nil {
				return nil, fmt.Errorf("the input: %w", err)
			}
		}
		result, err := f(value)
		if err != nil {
			return nil, err
		}
		out, err := json.Marshal(result)
		if err != nil {
			return nil, fmt.Errorf("the output: %w", err)
		}
		return append(out, '\n'), nil
	}
}

// Start calls a function with a value as its input, and returns at once.
func Start(name string, in any) (chain.Call, error) {
	data, err := json.Marshal(in)
	if err != nil {
		return chain.Call{}, fmt.Errorf("chain %s: the input: %w", name, err)
	}
	return chain.Start(name, data)
}

// Await waits for a call to end and returns its output as a value. The error is a *chain.FailedError when it did not end with
// exit code 0.
func Await[Out any](c chain.Call) (Out, error) {
	var value Out
	data, err := c.Output()
	if err != nil {
		return value, err
	}
	if err := json.Unmarshal(data, &value); err != nil {
		return value, fmt.Errorf("the output of %s: %w", c.Name(), err)
	}
	return value, nil
}

// Do is Start and Await.
func Do[Out any](name string, in any) (Out, error) {
	c, err := Start(name, in)
	if err != nil {
		var zero Out
		return zero, err
	}
	return Await[Out](c)
}
