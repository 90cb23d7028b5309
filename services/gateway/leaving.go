package gateway

import (
	"sync"
	"time"

	"github.com/shoal-run/shoal/bus/faas"
	"github.com/shoal-run/shoal/bus/holder"
)

// leftGrace is how long answers of a worker that has left may still be on their way: it sent them before it said so, but
// over another connection.
const leftGrace = 500 * time.Millisecond

// leaving fails what a worker that left still has, a moment later.
type leaving struct {
	holder *holder.Holder

	mu     sync.Mutex
	timers map[*time.Timer]bool
}

func newLeaving(h *holder.Holder) *leaving {
	return &leaving{holder: h, timers: make(map[*time.Timer]bool)}
}

func (l *leaving) gone(id faas.WorkerID) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.timers == nil {
		return
	}
	var t *time.Timer
	t = time.AfterFunc(leftGrace, func() {
		l.mu.Lock()
		delete(l.timers, t)
		l.mu.Unlock()
		l.holder.Gone(id)
	})
	l.timers[t] = true
}

func (l *leaving) stop() {
	l.mu.Lock()
	defer l.mu.Unlock()
	for t := range l.timers {
		t.Stop()
	}
	l.timers = nil
}
