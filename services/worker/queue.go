package worker

import (
	"sync/atomic"
	"time"
)

const (
	// queueWait is the wait up to which calls may queue beyond Config.Queue: short calls come in bursts that a slot works
	// off before anybody notices, and a refusal would cost their callers more than the wait.
	queueWait = 100 * time.Millisecond
	// queueStretch bounds what short calls can make of the queue.
	queueStretch = 16
	// meanShare is how much of a mean the last one makes up: a power of two of which it is one part.
	meanShare = 16
)

// mean is how long something takes, on average, the last ones counting most. The zero value knows nothing. It is safe for
// concurrent use.
type mean struct{ ns atomic.Int64 }

// took counts one. Of two at the same moment one may be lost, which an average survives.
func (m *mean) took(d time.Duration) {
	old := m.ns.Load()
	if old == 0 {
		m.ns.Store(max(int64(d), 1))
		return
	}
	m.ns.Store(max(old+(int64(d)-old)/meanShare, 1))
}

// us returns it in microseconds, at least 1; 0 when nothing is known.
func (m *mean) us() int64 {
	ns := m.ns.Load()
	return (ns + int64(time.Microsecond) - 1) / int64(time.Microsecond)
}

// pace is how long calls keep a slot.
type pace struct{ mean }

// room returns how many calls may wait for slots slots: queue, and when calls are short as many as would wait no longer
// than queueWait, up to queueStretch times as many. A queue of 0 stays none.
func (p *pace) room(slots, queue int) int {
	ns := p.ns.Load()
	if ns == 0 || queue == 0 {
		return queue
	}
	return max(queue, min(int(int64(queueWait)/ns)*slots, queueStretch*queue))
}
