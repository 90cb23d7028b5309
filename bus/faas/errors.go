package faas

import (
	"errors"
	"fmt"
	"strings"
)

// Code classifies an Error. Codes are API: they never change meaning, and clients may switch on them.
type Code string

// The codes, each with the HTTP status that the gateway answers.
const (
	BadRequest       Code = "bad_request"       // 400: the caller can fix the request
	Unauthorized     Code = "unauthorized"      // 401: no or unknown credentials
	Forbidden        Code = "forbidden"         // 403: the credentials do not allow it
	NotFound         Code = "not_found"         // 404: no such function, call or object
	Conflict         Code = "conflict"          // 409: somebody else changed it first, or another body under the same key
	TooLarge         Code = "too_large"         // 413: a body or an output is over its limit
	InvalidModule    Code = "invalid_module"    // 422: the module can't become a function; the message names why
	RateLimited      Code = "rate_limited"      // 429: over the caller's rate
	Cancelled        Code = "cancelled"         // 499: the caller left or cancelled
	GuestFailed      Code = "guest_failed"      // 500: the guest exited with a non-zero code
	GuestTrapped     Code = "guest_trapped"     // 500: the guest trapped
	OutOfMemory      Code = "out_of_memory"     // 500: the guest failed after a refused memory.grow
	Internal         Code = "internal"          // 500: a fault of Shoal's own
	NoCapacity       Code = "no_capacity"       // 503: no slot anywhere; the call did not start
	Unavailable      Code = "unavailable"       // 503: a part the call needs is away; a call in flight may have run
	DeadlineExceeded Code = "deadline_exceeded" // 504: out of time
)

// codes lists every code with its HTTP status and numeric form (see Code.Status).
var codes = []struct {
	code   Code
	status int
}{
	{BadRequest, 400},
	{Unauthorized, 401},
	{Forbidden, 403},
	{NotFound, 404},
	{Conflict, 409},
	{TooLarge, 413},
	{InvalidModule, 422},
	{RateLimited, 429},
	{Cancelled, 499},
	{GuestFailed, 500},
	{GuestTrapped, 500},
	{OutOfMemory, 500},
	{Internal, 500},
	{NoCapacity, 503},
	{Unavailable, 503},
	{DeadlineExceeded, 504},
}

// Codes returns every code, by HTTP status.
func Codes() []Code {
	out := make([]Code, len(codes))
	for i, c := range codes {
		out[i] = c.code
	}
	return out
}

// Status returns the HTTP status for c, 500 for a code it does not know.
func (c Code) Status() int {
	for _, k := range codes {
		if k.code == c {
			return k.status
		}
	}
	return 500
}

// Known reports whether c is one of the codes of this package.
func (c Code) Known() bool {
	for _, k := range codes {
		if k.code == c {
			return true
		}
	}
	return false
}

// Error is a failure that crosses process borders. It is a value: nothing in it changes after it was made.
type Error struct {
	Code      Code    `json:"code"`
	Message   string  `json:"detail"`
	Call      CallID  `json:"call,omitzero"`
	ExitCode  int     `json:"exit_code,omitempty"` // guest_failed, out_of_memory: what the guest returned
	Trap      string  `json:"trap,omitempty"`      // guest_trapped: the kind of trap, as "unreachable"
	Backtrace []Frame `json:"backtrace,omitempty"` // innermost first
	Stderr    string  `json:"stderr,omitempty"`    // what the guest wrote to stderr, at most MaxErrorStderr bytes
}

// MaxErrorStderr is how much of a guest's stderr travels with an Error, in bytes.
const MaxErrorStderr = 8 << 10

// Frame is one WebAssembly frame of a backtrace.
type Frame struct {
	Function string `json:"function"`         // from the name section, or "func[7]"
	Offset   uint32 `json:"offset,omitempty"` // of the instruction, in bytes from the start of the module
}

// Error returns "code: message".
func (e *Error) Error() string {
	if e.Message == "" {
		return string(e.Code)
	}
	return string(e.Code) + ": " + e.Message
}

// Is reports whether target is an *Error with the same code and either no message or the same one,
// so that errors.Is(err, &Error{Code: NotFound}) holds for every not_found.
func (e *Error) Is(target error) bool {
	t, ok := target.(*Error)
	return ok && t.Code == e.Code && (t.Message == "" || t.Message == e.Message)
}

// Errorf makes an Error.
func Errorf(code Code, format string, args ...any) *Error {
	return &Error{Code: code, Message: fmt.Sprintf(format, args...)}
}

// CodeOf returns err's code: that of the first *Error in its chain, Internal for any other error, "" for nil.
func CodeOf(err error) Code {
	if err == nil {
		return ""
	}
	var e *Error
	if errors.As(err, &e) {
		return e.Code
	}
	return Internal
}

// AsError returns err as an *Error. An error without a code becomes internal, with its text as the message;
// nil stays nil.
func AsError(err error) *Error {
	if err == nil {
		return nil
	}
	var e *Error
	if errors.As(err, &e) {
		return e
	}
	return &Error{Code: Internal, Message: err.Error()}
}

// Hint appends how a person can fix e, in parentheses, and returns e.
func (e *Error) Hint(fix string) *Error {
	e.Message = strings.TrimSuffix(e.Message, ".") + " (" + fix + ")"
	return e
}
