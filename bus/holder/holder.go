// Package holder is the holding side of a call: whoever took a call from outside, or whose guest made it, and owes it an
// answer.
//
// A Holder sends each call to a worker that its Router knows, or to a planner; relays the one answer; keeps the deadline;
// passes on a cancellation; and fails the call as unavailable when the worker that has it dies, or the planner. It places a
// call again only on proof that it did not start: the server's word that nobody subscribes, or a coded refusal. So a call
// starts at most once.
//
// Everything runs on the callback of one subscription and on timers: a call costs no goroutine, and done functions must
// not block.
//
// Lock order: Holder.mu is a leaf; no call-back, publish or Router method runs under it.
package holder

import (
	"context"
	"errors"
	"log/slog"
	"maps"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/shoal-run/shoal/bus"
	"github.com/shoal-run/shoal/bus/faas"
)

// answerGrace is how long after a call's deadline its holder waits for the worker's own word, which knows more (what the
// guest wrote, where it was). A guest is stopped within 100 ms of its deadline.
const answerGrace = 250 * time.Millisecond

// rememberGone is how long a Holder knows that a worker died: much longer than any message is on its way.
const rememberGone = time.Minute

// Router knows where calls can go. Its methods are called for every call, concurrently, and must not block.
type Router interface {
	// Route returns a worker that has this version warm, or "" when none is known: then a planner places the call.
	Route(faas.Name, faas.Version) faas.WorkerID
	// Any returns a worker that takes calls, for when no planner answers; "" when none is known.
	Any() faas.WorkerID
	// Refused tells that a worker did not take a call that Route or Any sent it. gone means that nobody listens there.
	Refused(n faas.Name, v faas.Version, w faas.WorkerID, gone bool)
}

// Holder holds calls. It is safe for concurrent use.
type Holder struct {
	calls   *nats.Conn // calls and their answers
	control *nats.Conn // cancellations
	router  Router
	log     *slog.Logger
	inbox   string // ends with a dot; the last token of a reply subject names the call
	sub     *nats.Subscription
	status  chan nats.Status // of calls, when it is lost
	dropped func(*faas.Body) // may be nil
	watch   sync.WaitGroup
	stop    sync.Once
	placing atomic.Int64 // calls that are with the planners

	mu     sync.Mutex
	held   map[uint64]*held            // by the last token of their reply subject
	gone   map[faas.WorkerID]time.Time // workers that died lately: word that a call moved there may come later
	closed bool
}

// held is one call between Start and its done function. Whoever takes it out of Holder.held, under mu, finishes it.
type held struct {
	token    uint64
	call     faas.Call
	deadline time.Time
	timer    *time.Timer
	done     func(*faas.Result)
	at       faas.WorkerID // the worker that has it, as far as is known; guarded by Holder.mu
	sent     target        // what the last attempt was sent to; guarded by Holder.mu
	placing  bool          // it is with the planners, and its timer is set for their word; guarded by Holder.mu
}

// target is where an attempt to place a call goes.
type target struct {
	worker faas.WorkerID // "" = the planners
	last   bool          // no planner is there: after this attempt there is nobody left to ask
}

// New returns a Holder that sends calls over calls and cancellations over control; both stay the caller's to close.
// It holds nothing before Listen.
func New(calls, control *nats.Conn, router Router, log *slog.Logger) *Holder {
	return &Holder{
		calls: calls, control: control, router: router, log: log,
		inbox: calls.NewInbox() + ".", held: make(map[uint64]*held), gone: make(map[faas.WorkerID]time.Time),
	}
}

// Listen subscribes to the answers. When it has returned nil, the server knows of the subscription.
func (h *Holder) Listen() error {
	sub, err := h.calls.Subscribe(h.inbox+"*", h.answer)
	if err != nil {
		return err
	}
	if err := sub.SetPendingLimits(-1, 1<<30); err != nil { // answers are bounded by the calls held
		return err
	}
	h.sub = sub
	h.status = h.calls.StatusChanged(nats.RECONNECTING, nats.DISCONNECTED, nats.CLOSED)
	h.watch.Go(h.watchConnection)
	return h.calls.Flush()
}

// watchConnection fails what is held whenever the connection is lost: answers that were sent meanwhile have fallen on
// nobody, and nobody can tell which. It ends with Close.
func (h *Holder) watchConnection() {
	for range h.status {
		h.mu.Lock()
		lost := h.held
		h.held = make(map[uint64]*held)
		h.mu.Unlock()
		for _, p := range lost {
			h.finish(p, &faas.Result{Worker: p.at, Err: faas.Errorf(faas.Unavailable,
				"the connection to the bus was lost; the call may have run")})
		}
	}
}

// Held returns how many calls are being held.
func (h *Holder) Held() int {
	h.mu.Lock()
	defer h.mu.Unlock()
	return len(h.held)
}

// Handle is one held call.
type Handle struct {
	h     *Holder
	token uint64
}

// Start sends c on its way and returns at once. done gets the result, exactly once, from another goroutine or before
// Start returns; it must not block. c.Timeout counts from now; c and its Input must not change until done was called.
func (h *Holder) Start(c *faas.Call, done func(*faas.Result)) Handle {
	p := &held{call: *c, deadline: time.Now().Add(c.Timeout), done: done}
	h.mu.Lock()
	if h.closed {
		h.mu.Unlock()
		done(&faas.Result{Call: c.ID, Err: faas.Errorf(faas.Unavailable, "the holder of calls has closed")})
		return Handle{}
	}
	for p.token == 0 || h.held[p.token] != nil {
		p.token = rand.Uint64() // not to be guessed: whoever knows it could answer the call
	}
	h.held[p.token] = p
	p.timer = time.AfterFunc(c.Timeout+answerGrace, func() { h.expire(p.token) })
	h.mu.Unlock()
	h.send(p, target{worker: h.router.Route(c.Name, c.Version)})
	return Handle{h, p.token}
}

// Do is Start for a caller that waits. When ctx ends first, the call is cancelled and the result says cancelled, or
// deadline_exceeded when ctx's deadline passed.
func (h *Holder) Do(ctx context.Context, c *faas.Call) *faas.Result {
	ch := make(chan *faas.Result, 1)
	handle := h.Start(c, func(r *faas.Result) { ch <- r })
	select {
	case r := <-ch:
		return r
	case <-ctx.Done():
		code, text := faas.Cancelled, "the caller left"
		if errors.Is(ctx.Err(), context.DeadlineExceeded) {
			code, text = faas.DeadlineExceeded, "the caller's deadline passed"
		}
		handle.Cancel(faas.Errorf(code, "%s", text))
		return <-ch
	}
}

// Cancel ends the call with cause, unless it has ended already, and tells the worker that has it.
func (x Handle) Cancel(cause *faas.Error) {
	if x.h == nil {
		return
	}
	if p, at := x.h.take(x.token); p != nil {
		x.h.cancelAt(p.call.ID, at)
		x.h.finish(p, &faas.Result{Worker: at, Err: cause})
	}
}

// OnDropped sets what is told of the body of an answer that came too late: nobody else will delete it. It is called
// before Listen, and f must not block.
func (h *Holder) OnDropped(f func(*faas.Body)) { h.dropped = f }

// Gone fails every call that worker has: it is dead, or left without answering.
func (h *Holder) Gone(worker faas.WorkerID) {
	h.mu.Lock()
	now := time.Now()
	maps.DeleteFunc(h.gone, func(_ faas.WorkerID, when time.Time) bool { return now.Sub(when) > rememberGone })
	h.gone[worker] = now
	h.mu.Unlock()
	h.Lost(worker)
}

// Lost fails every call that worker has: it lives, and has lost its connection, and with it calls and answers.
func (h *Holder) Lost(worker faas.WorkerID) {
	h.mu.Lock()
	var lost []*held
	for token, p := range h.held {
		if p.at == worker {
			lost = append(lost, p)
			delete(h.held, token)
		}
	}
	h.mu.Unlock()
	for _, p := range lost {
		h.finish(p, lostWith(worker))
	}
}

// Close fails what is still held as unavailable and stops listening. It is idempotent.
func (h *Holder) Close() {
	h.mu.Lock()
	left := h.held
	h.held = map[uint64]*held{}
	h.closed = true
	h.mu.Unlock()
	for _, p := range left {
		h.cancelAt(p.call.ID, p.at)
		h.finish(p, &faas.Result{Worker: p.at, Err: faas.Errorf(faas.Unavailable, "the holder of the call has closed")})
	}
	if h.sub != nil {
		_ = h.sub.Unsubscribe() // fails only when the connection is closed already
		h.stop.Do(func() {
			h.calls.RemoveStatusListener(h.status)
			h.watch.Wait()
		})
	}
}

// settle finishes the call of token with r, unless somebody else did; it reports whether it has.
func (h *Holder) settle(token uint64, r *faas.Result) bool {
	p, _ := h.take(token)
	if p == nil {
		return false
	}
	h.finish(p, r)
	return true
}

func (h *Holder) take(token uint64) (*held, faas.WorkerID) {
	h.mu.Lock()
	defer h.mu.Unlock()
	p := h.held[token]
	if p == nil {
		return nil, ""
	}
	delete(h.held, token)
	return p, p.at
}

// finish hands r over. Preconditions: the caller took p out of held.
func (h *Holder) finish(p *held, r *faas.Result) {
	p.timer.Stop()
	if p.placing { // nobody changes it any more
		h.placing.Add(-1)
	}
	r.Call = p.call.ID
	if r.Err != nil {
		r.Err.Call = p.call.ID
		if r.Err.Code == faas.DeadlineExceeded { // only the holder knows what it was: each hop had less
			r.Err = r.Err.Hint("its timeout was " + faas.Duration(p.call.Timeout).String())
		}
	}
	p.done(r)
}

func (h *Holder) cancelAt(id faas.CallID, at faas.WorkerID) {
	if at == "" || id.IsZero() {
		return
	}
	m := bus.Marshal(bus.Control{Kind: bus.Cancel, Call: id})
	if err := h.control.Publish(bus.WorkerControlSubject(at), m); err != nil {
		h.log.Debug("cancel not sent", "call", id, "worker", at, "err", err)
	}
}

func deadline(c *faas.Call) *faas.Error {
	return faas.Errorf(faas.DeadlineExceeded, "%s did not answer in time", c.Name)
}

func publishError(err error) *faas.Error {
	if errors.Is(err, nats.ErrMaxPayload) {
		return faas.Errorf(faas.TooLarge, "the call's input is larger than a message of the bus can be (%s)", faas.Size(bus.MaxPayload))
	}
	return bus.AwayError(err)
}
