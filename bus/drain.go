package bus

import (
	"context"
	"time"

	"github.com/nats-io/nats.go"
)

// DrainSubscriptions ends subscriptions without losing what the server has sent already: it returns when their callbacks have had every
// message, or when ctx ends. Publishing goes on.
func DrainSubscriptions(ctx context.Context, subs ...*nats.Subscription) {
	for _, s := range subs {
		_ = s.Drain() // fails only when the connection is closed already
	}
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for _, s := range subs {
		for s.IsValid() {
			select {
			case <-ctx.Done():
				return
			case <-tick.C:
			}
		}
	}
}
