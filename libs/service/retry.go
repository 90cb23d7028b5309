package service

import (
	"context"
	"time"
)

// Patience says how Retry waits.
type Patience struct {
	Pause time.Duration        // between tries; default 250 ms
	Every time.Duration        // how often Tell is called; default 5 s
	Tell  func(why error)      // told of the first failure and then every so often; nil for nobody
	Final func(why error) bool // reports whether it is no use to try again; nil: it always is
}

// Retry calls try until it returns nil or an error that is final, or ctx ends. It returns what try did last, or the cause
// of ctx's end.
func Retry(ctx context.Context, p Patience, try func() error) error {
	if p.Pause == 0 {
		p.Pause = 250 * time.Millisecond
	}
	if p.Every == 0 {
		p.Every = 5 * time.Second
	}
	var told time.Time
	for {
		err := try()
		if err == nil || p.Final != nil && p.Final(err) {
			return err
		}
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		if now := time.Now(); p.Tell != nil && (told.IsZero() || now.Sub(told) >= p.Every) {
			told = now
			p.Tell(err)
		}
		timer := time.NewTimer(p.Pause)
		select {
		case <-ctx.Done():
			timer.Stop()
			return context.Cause(ctx)
		case <-timer.C:
		}
	}
}
