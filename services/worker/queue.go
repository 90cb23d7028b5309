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
	// paceShare is how much of the pace one call makes up: a power of two of which it is one part.
	paceShare = 16
)

// pace is how long calls keep a slot, on average, the last ones counting most. The zero value knows nothing. It is safe for
// concurrent use.
type pace struct{ ns atomic.Int64 }

// took counts one call. Of two at the same moment one may be lost, which an average survives.
func (p *pace) took(d time.Duration) {
	old := p.ns.Load()
	if old == 0 {
		p.ns.Store(max(int64(d), 1))
		return
	}
	p.ns.Store(max(old+(int64(d)-old)/paceShare, 1))
}

// room returns how many calls may wait for slots slots: queue, and when calls are short as many as would wait no longer
// than queueWait, up to queueStretch times as many. A queue of 0 stays none.
func (p *pace) room(slots, queue int) int {
	ns := p.ns.Load()
	if ns == 0 || queue == 0 {
		return queue
	}
	return max(queue, min(int(int64(queueWait)/ns)*slots, queueStretch*queue))
}
