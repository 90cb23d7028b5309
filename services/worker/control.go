package worker

import (
	"maps"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/shoal-run/shoal/bus"
	"github.com/shoal-run/shoal/bus/faas"
	"github.com/shoal-run/shoal/libs/telemetry"
)

// maxPrewarm bounds what one control message can make ready.
const maxPrewarm = 1000

// control obeys one control message. It runs on the subscription's goroutine and does not block.
func (w *Worker) control(m *nats.Msg) {
	c, err := bus.Unmarshal[bus.Control](m.Data)
	if err != nil {
		w.log.Warn("control message refused", telemetry.KeyErr, err)
		return
	}
	switch c.Kind {
	case bus.Ping:
		w.acknowledge(m)
	case bus.Cancel:
		w.cancel(c.Call)
	case bus.Prewarm:
		w.later(prefetch{fn: faas.Function{Name: c.Name}, version: c.Version, count: min(c.Count, maxPrewarm)})
	case bus.Evict:
		for _, p := range w.poolsOf(c.Name) {
			if c.Version == "" || c.Version == p.key.version {
				p.evict(maxPrewarm)
			}
		}
	case bus.Drain:
		w.acknowledge(m)
		w.Drain()
	case bus.Rejoin:
		w.replaced.Store(true)
		w.Drain()
	default:
		w.log.Warn("control message of unknown kind", "kind", c.Kind)
	}
}

func (w *Worker) acknowledge(m *nats.Msg) {
	if m.Reply == "" {
		return
	}
	if err := w.cfg.Control.Publish(m.Reply, nil); err != nil {
		w.log.Debug("control message not acknowledged", telemetry.KeyErr, err)
	}
}

// cancel ends a call, waiting or running, as cancelled.
func (w *Worker) cancel(id faas.CallID) {
	w.mu.Lock()
	j := w.inflight[id]
	if j == nil {
		w.cancelEarly(id, time.Now())
	}
	w.mu.Unlock()
	if j != nil {
		j.end(faas.Errorf(faas.Cancelled, "the call was cancelled"))
	}
}

// A cancellation takes another connection than its call and may come first: it is remembered for earlyCancel, and of at
// most maxEarlyCancels calls.
const (
	earlyCancel     = 5 * time.Second
	maxEarlyCancels = 4096
)

// cancelEarly remembers that a call is cancelled which has not come, or has ended. Preconditions: mu is held.
func (w *Worker) cancelEarly(id faas.CallID, now time.Time) {
	if len(w.cancelled) < maxEarlyCancels {
		w.cancelled[id] = now
	}
}

// forgetCancelled drops what was remembered for long enough.
func (w *Worker) forgetCancelled(now time.Time) {
	w.mu.Lock()
	defer w.mu.Unlock()
	maps.DeleteFunc(w.cancelled, func(_ faas.CallID, when time.Time) bool { return now.Sub(when) > earlyCancel })
}

// functionEvent prepares for a version that was announced and lets go of what it replaces.
func (w *Worker) functionEvent(m *nats.Msg) {
	e, err := bus.Unmarshal[bus.FunctionEvent](m.Data)
	if err != nil {
		w.log.Warn("function event refused", telemetry.KeyErr, err)
		return
	}
	fn := e.Function
	for _, p := range w.poolsOf(fn.Name) {
		if p.key.version != fn.Version || e.Kind == bus.FunctionRemoved {
			p.retire()
			w.cfg.Artefacts.Drop(p.key.version) // another function of the same module fetches it again
		}
	}
	if e.Kind == bus.FunctionRemoved {
		w.prefetches.drop(fn.Name)
		return
	}
	w.later(prefetch{fn: fn, version: fn.Version, count: max(fn.Settings.MinWarm, 1)})
}
