// Package shoal is for writing Shoal functions in Go: register a handler, and the runtime calls it once for each call
// of the function, with the call's input.
//
//	package main
//
//	import (
//		"slices"
//
//		shoal "github.com/shoal-run/shoal/sdk/go"
//	)
//
//	func init() { shoal.Handle(reverse) }
//
//	func main() {}
//
//	func reverse(in []byte) ([]byte, error) {
//		out := slices.Clone(in)
//		slices.Reverse(out)
//		return out, nil
//	}
//
// # Why init, and an empty main
//
// A function is built as a WASI reactor (shoal build does it; by hand:
// GOOS=wasip1 GOARCH=wasm go build -buildmode=c-shared -trimpath -ldflags=-w -o NAME.wasm .). A reactor is
// initialised once and then called: Go runs the initialisers of all packages, but never main. So the handler is
// registered in init, as is everything that is expensive and the same for each call: tables, compiled regular
// expressions, parsed configuration. main must be there for the compiler's sake and does nothing.
//
// # What happens in a call
//
// The answer of the call is what the handler returns. An error becomes a line on standard error, and the call fails
// with guest_failed and exit code 1; os.Exit fails it with the code it is given. A panic is not caught: Go prints it with
// its stack to standard error, and the call fails with guest_trapped and a backtrace. Standard output and standard error
// are the function's log. Goroutines that still run when the handler returns are not waited for.
//
// # Testing
//
// Everything here also builds natively, so `go test` needs no WebAssembly: test the handler as the plain function that
// it is, or through Run, which calls whatever was registered.
package shoal
