package worker

import (
	"errors"
	"testing"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/shoal-run/shoal/bus"
	"github.com/shoal-run/shoal/bus/faas"
)

// TestQueuedCallsEndToo has calls in the queue when a worker ends what runs: they are answered as well, and it leaves.
func TestQueuedCallsEndToo(t *testing.T) {
	for name, c := range map[string]struct {
		end  func(*testing.T, *fixture)
		want error
	}{
		"drain timed out": {end: func(_ *testing.T, f *fixture) { f.stop() }},
		"taken for dead":  {end: func(t *testing.T, f *fixture) { f.control(t, bus.Control{Kind: bus.Rejoin}) }, want: ErrReplaced},
	} {
		t.Run(name, func(t *testing.T) {
			for range 5 { // a runner had the choice
				f := start(t, func(c *Config) { c.DrainTimeout = 10 * time.Millisecond })
				v := f.artefacts.Add(watSpin)
				var calls []<-chan *nats.Msg
				for range 4 { // two run, two wait
					calls = append(calls, f.send(t, f.call(spin, v, time.Hour/4)))
				}
				until(t, "all calls are there", func() bool {
					f.mu.Lock()
					defer f.mu.Unlock()
					return len(f.inflight) == len(calls)
				})
				c.end(t, f)
				for _, answer := range calls {
					if r := result(t, answer); faas.CodeOf(r.Err) != faas.Unavailable {
						t.Errorf("result %+v", r)
					}
				}
				if err := f.wait(); !errors.Is(err, c.want) {
					t.Errorf("ended with %v", err)
				}
			}
		})
	}
}
