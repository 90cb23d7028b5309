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
// # Between calls
//
// After a call the Faaslet's memory is put back to what the initialisers left, and it serves the next one; other Faaslets
// begin as copies of the same. Before each call, the random generator of Go's runtime gets a new seed: math/rand and
// math/rand/v2 by their top-level functions, maphash.MakeSeed and the order in which maps are walked differ from call to
// call. crypto/rand and time.Now ask the host each time. What package initialisers made of random numbers or of the time,
// however, is the same in all of them; OnRestore is for renewing it. Where initialisers called crypto/rand or time.Now and
// nothing was registered, each call gets a new Faaslet instead, which costs the start of Go's runtime. Nothing can tell that
// an initialiser drew from math/rand: a generator of one's own seeded so, or an identifier, repeats in every call unless
// OnRestore renews it. A maphash.Seed made in an initialiser, and Go's own key for the hashes of map keys, stay the same for
// as long as a worker keeps the function loaded.
//
// A call that makes the memory grow has its Faaslet replaced by a copy, which costs more than to put it back. Allocating in
// an initialiser what calls need (clear(make([]byte, 8<<20)), then runtime.GC) leaves them the room.
//
// # Testing
//
// Everything here also builds natively, so `go test` needs no WebAssembly: test the handler as the plain function that
// it is, or through Run, which calls whatever was registered.
package shoal
