package holder

import (
	"cmp"
	"strconv"
	"strings"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/shoal-run/shoal/bus"
	"github.com/shoal-run/shoal/bus/faas"
)

// maxPlacing is how many calls of a holder the planners may have at once. In a burst that no worker has slots for they have
// every call, and more than they place within bus.PlaceWithin would be taken for lost.
const maxPlacing = 512

// send makes one attempt to place p. Preconditions: mu is not held.
func (h *Holder) send(p *held, to target) {
	h.mu.Lock()
	if h.held[p.token] != p { // finished meanwhile
		h.mu.Unlock()
		return
	}
	if to.worker == "" && !p.placing && h.placing.Load() >= maxPlacing {
		h.mu.Unlock()
		h.settle(p.token, &faas.Result{Err: faas.Errorf(faas.NoCapacity, "%d calls wait for the planners to find a worker, as many as may", maxPlacing)})
		return
	}
	p.at, p.sent = to.worker, to
	h.setPlacing(p, to.worker == "")
	call := p.call // a copy: hops and timeout are this attempt's
	h.mu.Unlock()

	call.Timeout = time.Until(p.deadline)
	if call.Timeout < time.Millisecond {
		h.settle(p.token, &faas.Result{Err: deadline(&p.call)})
		return
	}
	subject := bus.PlanSubject()
	if to.worker != "" {
		subject = bus.WorkerCallSubject(to.worker)
	}
	if err := h.calls.PublishMsg(bus.EncodeCall(&call, subject, h.inbox+strconv.FormatUint(p.token, 36))); err != nil {
		h.settle(p.token, &faas.Result{Err: publishError(err)})
	}
}

// setPlacing sets p's timer for what it waits for: the word of a planner, or the answer of a worker. Preconditions: mu.
func (h *Holder) setPlacing(p *held, placing bool) {
	if p.placing == placing {
		return
	}
	p.placing = placing
	wait := time.Until(p.deadline) + answerGrace
	if placing {
		h.placing.Add(1)
		wait = min(wait, bus.PlaceWithin)
	} else {
		h.placing.Add(-1)
	}
	p.timer.Reset(wait)
}

// answer handles one message to the inbox: word that the call was moved, a refusal, or its result.
func (h *Holder) answer(m *nats.Msg) {
	token, err := strconv.ParseUint(m.Subject[strings.LastIndexByte(m.Subject, '.')+1:], 36, 64)
	if err != nil {
		return // not a token of ours
	}
	if w := bus.Moved(m); w != "" {
		h.moved(token, w, bus.MovedCall(m))
		return
	}
	gone := bus.IsNoResponders(m)
	r := bus.DecodeResult(m)
	if !gone && !h.expected(token, r) {
		h.log.Warn("answer dropped: it is not of the call that it was sent to", "call", r.Call, "worker", r.Worker)
		return
	}
	if gone || r.Err != nil && r.Err.Code == faas.NoCapacity {
		h.refused(token, gone, r)
		return
	}
	if !h.settle(token, r) && r.Body != nil && h.dropped != nil {
		h.dropped(r.Body)
	}
}

// expected reports whether r can be the answer to the call of token: it is of that call, and of the worker that has it.
func (h *Holder) expected(token uint64, r *faas.Result) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	p := h.held[token]
	return p == nil || r.Call == p.call.ID && (r.Worker == "" || p.at == "" || r.Worker == p.at)
}

// moved takes note of who has a call now. One that is not held any more is cancelled there.
func (h *Holder) moved(token uint64, w faas.WorkerID, id faas.CallID) {
	h.mu.Lock()
	p := h.held[token]
	if p == nil {
		h.mu.Unlock()
		h.cancelAt(id, w)
		return
	}
	p.at = w
	h.setPlacing(p, false)
	_, dead := h.gone[w]
	if dead {
		delete(h.held, token)
	}
	h.mu.Unlock()
	if dead {
		h.finish(p, lostWith(w))
	}
}

func lostWith(w faas.WorkerID) *faas.Result {
	return &faas.Result{Worker: w, Err: faas.Errorf(faas.Unavailable, "worker %s died with the call; it may have run", w)}
}

// refused places a call again that did not start, or ends it when there is nobody left to ask.
func (h *Holder) refused(token uint64, gone bool, r *faas.Result) {
	h.mu.Lock()
	p := h.held[token]
	if p == nil {
		h.mu.Unlock()
		return
	}
	// The refusal is of whoever has the call now: the worker it was sent to, or the one a planner moved it to.
	by, sent := cmp.Or(p.at, r.Worker), p.sent // a worker's refusal may overtake the word that the call was moved there
	p.call.Hops++
	hops := p.call.Hops
	if by != "" {
		p.call.Refused = append(p.call.Refused, by)
	}
	h.mu.Unlock()

	if by != "" {
		h.router.Refused(p.call.Name, p.call.Version, by, gone)
	}
	planners := by == "" // the planners themselves refused, or none is there
	switch {
	case hops > faas.MaxHops, sent.last, planners && !gone:
		if gone {
			r.Err = faas.Errorf(faas.Unavailable, "no worker and no planner answers")
		}
		h.settle(token, r)
	case planners: // none is there: a worker that is known to live may still take it
		if w := h.router.Any(); w != "" {
			h.send(p, target{worker: w, last: true})
			return
		}
		h.settle(token, &faas.Result{Err: faas.Errorf(faas.Unavailable, "no worker and no planner answers")})
	default:
		h.send(p, target{})
	}
}

// expire ends a call whose worker stayed silent past the deadline, or whose planner stayed silent for too long.
func (h *Holder) expire(token uint64) {
	h.mu.Lock()
	p := h.held[token]
	if p == nil {
		h.mu.Unlock()
		return
	}
	left := time.Until(p.deadline)
	if !p.placing && left+answerGrace > 0 { // the timer fired while it was being set anew
		p.timer.Reset(left + answerGrace)
		h.mu.Unlock()
		return
	}
	if p.placing && left > 0 && h.behind() {
		p.timer.Reset(min(left, bus.PlaceWithin))
		h.mu.Unlock()
		return
	}
	delete(h.held, token)
	at := p.at
	h.mu.Unlock()
	h.cancelAt(p.call.ID, at)
	err := deadline(&p.call)
	if p.placing && left > 0 {
		err = faas.Errorf(faas.Unavailable, "no planner said within %s where the call went; it may have run", faas.Duration(bus.PlaceWithin))
	}
	h.finish(p, &faas.Result{Worker: at, Err: err})
}

// behind reports whether answers wait to be handled here: the word that a call waits for may be among them.
func (h *Holder) behind() bool {
	n, _, err := h.sub.Pending()
	return err == nil && n > 0
}
