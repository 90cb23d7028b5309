package worker

import (
	"context"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/shoal-run/shoal/bus"
	"github.com/shoal-run/shoal/bus/faas"
	"github.com/shoal-run/shoal/libs/telemetry"
)

// listens reports whether the server knows of the subscription to calls, on the present connection. While it may not, the
// worker tells that it has no room: a call that a planner passes on would fall on nobody, unseen.
func (w *Worker) listens() bool {
	return w.cfg.Calls.IsConnected() && w.cfg.Calls.Stats().Reconnects == w.linked.Load()
}

// link tells the others at once when the connection for calls is lost, and when it is back, until ctx ends.
func (w *Worker) link(ctx context.Context) error {
	status := w.cfg.Calls.StatusChanged(nats.CONNECTED, nats.RECONNECTING, nats.DISCONNECTED)
	defer w.cfg.Calls.RemoveStatusListener(status)
	retry := time.NewTicker(w.cfg.BeatEvery)
	defer retry.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case st := <-status:
			if st != nats.CONNECTED {
				w.lose()
			}
			w.tell(bus.EventBeat)
		case <-retry.C:
		}
		if w.cfg.Calls.IsConnected() && !w.listens() {
			w.relink()
			w.tell(bus.EventBeat)
		}
	}
}

// lose ends what runs: answers, and calls that had not come yet, may have gone with the connection, and nobody can tell
// which. Holders hear of it with the next event and fail the calls.
func (w *Worker) lose() {
	w.losses.Add(1)
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, j := range w.inflight {
		j.end(faas.Errorf(faas.Unavailable, "worker %s lost its connection for calls", w.id))
	}
}

// relink waits until the server knows of the subscriptions that nats.go has made again.
func (w *Worker) relink() {
	n := w.cfg.Calls.Stats().Reconnects
	if err := w.cfg.Calls.FlushTimeout(bus.DeadAfter); err != nil {
		w.log.Debug("connection for calls not back", telemetry.KeyErr, err) // the next tick tries again
		return
	}
	w.linked.Store(n)
}
