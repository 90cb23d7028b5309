package shoal

import "errors"

// Handler answers one call. in is the call's input: never nil, of length 0 when there is none, and the handler's own to
// keep or change. The bytes returned are the call's output; nil is an empty output. When err is not nil they are
// ignored and the call fails.
//
// Handlers run one at a time within a Faaslet and need no locks.
type Handler = func(in []byte) (out []byte, err error)

// ErrNoHandler is returned by Run when nothing was registered: Handle was not called, or only in main, which does not
// run in a function.
var ErrNoHandler = errors.New("no handler registered: call shoal.Handle in func init() (func main does not run in a Shoal function)")

// handler is the one registered Handler. It is a variable of the package because the runtime enters a function through
// an export, which takes no receiver.
var handler Handler

// Handle registers the function's handler. Call it once, from an init function of package main.
// It panics when h is nil or when a handler is registered already: both are mistakes that no call should meet.
func Handle(h Handler) {
	if h == nil {
		panic("shoal: Handle: the handler is nil")
	}
	if handler != nil {
		panic("shoal: Handle was called twice: a function has one handler")
	}
	handler = h
}

// Run calls the registered handler with a copy of in, as the runtime would. It is meant for tests:
//
//	out, err := shoal.Run([]byte("hello"))
//
// Without a handler the error is ErrNoHandler. A panic of the handler is the caller's to see.
func Run(in []byte) (out []byte, err error) {
	if handler == nil {
		return nil, ErrNoHandler
	}
	return handler(append(make([]byte, 0, len(in)), in...))
}

// host is what a worker offers a call, as far as this package uses it.
type host interface {
	inputSize() int
	readInput(buf []byte) int // copies at most len(buf) bytes of the input, and returns how many
	writeOutput(out []byte)
	logLine(line string)
}

// The results of serve, which are the exit codes of the call.
const (
	exitOK     = 0
	exitFailed = 1
)

// serve answers the call that h stands for and returns its exit code.
func serve(h host) int32 {
	if handler == nil {
		h.logLine("shoal: " + ErrNoHandler.Error())
		return exitFailed
	}
	in := make([]byte, h.inputSize())
	in = in[:h.readInput(in)]
	out, err := handler(in)
	if err != nil {
		h.logLine(err.Error())
		return exitFailed
	}
	h.writeOutput(out)
	return exitOK
}
