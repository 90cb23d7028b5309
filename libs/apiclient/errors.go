package apiclient

import (
	"errors"
	"fmt"
	"io"
	"syscall"
	"time"

	"github.com/shoal-run/shoal/bus/faas"
)

// The failures that no gateway answered. Match them with errors.Is.
var (
	// ErrNoGateway: nothing could be connected to. The gateway saw nothing of the request.
	ErrNoGateway = errors.New("no gateway answers")
	// ErrBroken: the connection broke, or no answer came in time, after the request had begun. Whatever was asked for
	// may have been done.
	ErrBroken = errors.New("connection to the gateway broke")
	// ErrNotGateway: something answered that does not speak as a gateway does, as a proxy or another service.
	ErrNotGateway = errors.New("not a gateway")
)

type noGatewayError struct {
	url   string
	cause error
}

func (e *noGatewayError) Error() string {
	s := ErrNoGateway.Error() + " at " + e.url
	if e.cause != nil && !errors.Is(e.cause, syscall.ECONNREFUSED) {
		s += ": " + e.cause.Error()
	}
	return s
}
func (e *noGatewayError) Is(target error) bool { return target == ErrNoGateway }
func (e *noGatewayError) Unwrap() error        { return e.cause }

type brokenError struct {
	url   string
	cause error
}

func (e *brokenError) Error() string {
	if errors.Is(e.cause, io.EOF) || errors.Is(e.cause, io.ErrUnexpectedEOF) || errors.Is(e.cause, syscall.ECONNRESET) {
		return fmt.Sprintf("the gateway at %s closed the connection before its answer was complete", e.url)
	}
	return fmt.Sprintf("the connection to the gateway at %s broke: %s", e.url, e.cause)
}
func (e *brokenError) Is(target error) bool { return target == ErrBroken }
func (e *brokenError) Unwrap() error        { return e.cause }

type noAnswerError struct {
	url   string
	after time.Duration
}

func (e *noAnswerError) Error() string {
	return fmt.Sprintf("the gateway at %s gave no answer within %s", e.url, faas.Duration(e.after))
}
func (e *noAnswerError) Is(target error) bool { return target == ErrBroken }

type notGatewayError struct{ url, why string }

func (e *notGatewayError) Error() string {
	return fmt.Sprintf("what answers at %s is no Shoal gateway: %s", e.url, e.why)
}
func (e *notGatewayError) Is(target error) bool { return target == ErrNotGateway }

func quoteKind(kind string) string {
	if kind == "" {
		return "a body without a type"
	}
	return kind
}
