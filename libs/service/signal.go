package service

import (
	"context"
	"os"
	"os/signal"
	"syscall"
)

// Signalled returns a context that the first SIGTERM or SIGINT ends, with the signal as its cause. By then the next one
// has its default effect again, which is the process's immediate end: whoever sees the context end may ask for that. stop
// ends the context and gives both signals their default effect.
func Signalled() (_ context.Context, stop func()) {
	first, release := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	ctx, cancel := context.WithCancelCause(context.Background())
	context.AfterFunc(first, func() {
		release()
		cancel(context.Cause(first))
	})
	return ctx, release
}
