package faults

import (
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/shoal-run/shoal/bus/faas"
	"github.com/shoal-run/shoal/integration/framework"
)

// TestOverload offers a cluster of 16 slots three times what it can do, in an open loop: what it does stays what it can,
// and what it can't is refused, with no_capacity and Retry-After (which the client checks), and soon. The bar is 90 % of the
// peak and refusals within 100 ms; the test logs the figures and holds nothing timed against them, because it shares its
// machine.
func TestOverload(t *testing.T) {
	const (
		work   = 50 * time.Millisecond
		slots  = 4
		window = 3 * time.Second
	)
	c, _ := start(t, framework.ClusterConfig{Slots: slots, Queue: slots})
	peak := float64(len(c.Workers)*slots) / work.Seconds()
	at := func(rate float64) outcome { return openLoop(t, c, rate, work, window) }
	at(0.5 * peak) // everything gets warm
	full := at(0.9 * peak)
	over := at(3 * peak)
	t.Logf("%.0f calls/s are possible; at 0.9×: %s; at 3×: %s", peak, full, over)
	if len(over.refused) == 0 {
		t.Error("nothing was refused")
	}
	if over.ok == 0 {
		t.Error("nothing was done under overload")
	}
	for what, n := range over.other { // a planner that gets no processor for 0.8 s is taken for dead
		if !strings.HasPrefix(what, string(faas.Unavailable)) || n > len(over.refused)/20 {
			t.Errorf("%d calls: %s", n, what)
		}
	}
	awaitIdle(t, c)
}

// outcome is what became of the calls of an open loop.
type outcome struct {
	window  time.Duration
	ok      int
	refused []time.Duration // how long each refusal took, sorted
	other   map[string]int
}

func (o outcome) goodput() float64 { return float64(o.ok) / o.window.Seconds() }

// refusal returns a quantile of the times of refusals.
func (o outcome) refusal(q float64) time.Duration {
	if len(o.refused) == 0 {
		return 0
	}
	return o.refused[int(q*float64(len(o.refused)-1))].Round(100 * time.Microsecond)
}

// openLoop sends calls at a rate, whatever becomes of them, for as long as the window, and waits for all answers. It counts
// successes that come within the window. A client that can't send as fast, on a busy machine, sends fewer: it does not make
// up for it.
func openLoop(t *testing.T, c *framework.Cluster, rate float64, work, window time.Duration) outcome {
	t.Helper()
	var (
		mu  sync.Mutex
		wg  sync.WaitGroup
		ok  atomic.Int64
		out = outcome{window: window, other: map[string]int{}}
	)
	input := append([]byte{byte(work.Milliseconds()), 0, 0, 0, 0, 0, 0, 0}, "x-overload"...)
	began := time.Now()
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	sent := 0
	for now := time.Duration(0); now < window; now = time.Since(began) {
		for due := int(rate * now.Seconds()); sent < due; sent++ { // now stands still: the window ends whatever is due
			call := overHTTP(c.Gateways[sent%len(c.Gateways)], echo)
			wg.Go(func() {
				at := time.Now()
				_, _, err := call(input)
				switch {
				case err == nil:
					if time.Since(began) < window {
						ok.Add(1)
					}
				default:
					mu.Lock()
					defer mu.Unlock()
					if codeOf(err) == faas.NoCapacity {
						out.refused = append(out.refused, time.Since(at))
					} else {
						out.other[err.Error()]++
					}
				}
			})
		}
		<-tick.C
	}
	wg.Wait()
	out.ok = int(ok.Load())
	slices.Sort(out.refused)
	return out
}

// String returns the figures in a line.
func (o outcome) String() string {
	return fmt.Sprintf("%.0f calls/s done, %d refused (p50 %v, p99 %v, at most %v)",
		o.goodput(), len(o.refused), o.refusal(0.5), o.refusal(0.99), o.refusal(1))
}
