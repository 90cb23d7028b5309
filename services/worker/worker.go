// Package worker runs calls: it takes placed calls from the bus, gives each a slot and a Faaslet, and answers the call's
// holder.
//
// The bus callback only admits or refuses (admit.go); runners, one per slot, do the rest (serve.go). Each version of a
// function has its loaded module (modules.go) and a pool of ready Faaslets (pool.go, refill.go), as far as there is room
// (room.go), and has some before the first call (prefetch.go). Where its calls' shared files come from is in files.go. The worker tells planners and gateways what it has in beats
// (beat.go) and obeys control messages (control.go). What it counts is in metrics.go.
//
// Lock order: Worker.mu, then pool.mu, then builder.mu; modules.mu is taken under neither.
package worker

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/shoal-run/shoal/bus"
	"github.com/shoal-run/shoal/bus/faas"
	"github.com/shoal-run/shoal/libs/service"
	"github.com/shoal-run/shoal/libs/telemetry"
)

// Worker is one life of a worker. New makes it, Run lives it.
type Worker struct {
	cfg     Config
	id      faas.WorkerID
	log     *slog.Logger
	started time.Time
	ready   chan struct{}

	jobs     chan *job    // admitted calls; its capacity is slots and the longest queue, so a send never blocks
	pace     pace         // of calls through slots
	admitted atomic.Int64 // calls admitted and not answered
	running  atomic.Int64 // calls that have a slot
	draining atomic.Bool
	drain    chan struct{} // closed when somebody asks for a drain
	drainOne sync.Once
	overMark atomic.Bool   // resident memory is past the mark: make nothing ready
	rss      atomic.Int64  // resident memory at the last sweep, bytes
	replaced atomic.Bool   // the others took this incarnation for dead
	losses   atomic.Uint64 // of the connection for calls
	seq      atomic.Uint64 // of worker events
	linked   atomic.Uint64 // count of reconnects of Calls up to which the server knows of the subscriptions

	modules *modules
	builder *builder
	logs    logLimiter
	meters  *meters

	mu        sync.Mutex
	inflight  map[faas.CallID]*job
	cancelled map[faas.CallID]time.Time // cancellations that came before their calls
	pools     map[poolKey]*pool
	named     map[faas.Name][]*pool // the same pools
	reserved  faas.Size             // memory that running calls may take
	perName   map[faas.Name]int     // admitted calls of functions with a concurrency limit
	idle      chan struct{}         // closed when draining and the last call was answered

	prefetches *prefetches
	room       room
	fills      sync.RWMutex    // read-locked by what brings Proto-Faaslets
	fetching   sync.Map        // of faas.Version: those whose Proto-Faaslet is being brought ahead of its image
	ahead      context.Context // of what is made ready before any call; ends when a drain begins
	endAhead   context.CancelFunc
}

// ErrReplaced is what Run returns when the others took this incarnation for dead while it lived: it was stopped or cut off
// for too long. Its calls were failed, and their answers are dropped. The owner makes a new Worker and runs that.
var ErrReplaced = errors.New("taken for dead: join again as a new incarnation")

// New returns a worker with a fresh incarnation; it does nothing before Run.
func New(cfg Config) (*Worker, error) {
	cfg = cfg.withDefaults()
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	now := time.Now()
	id := faas.NewWorkerID(cfg.Name, now)
	w := &Worker{
		cfg: cfg, id: id, started: now,
		log:       cfg.Log.With(telemetry.KeyWorker, id),
		ready:     make(chan struct{}),
		drain:     make(chan struct{}),
		jobs:      make(chan *job, cfg.Slots+queueStretch*cfg.Queue),
		inflight:  make(map[faas.CallID]*job),
		cancelled: make(map[faas.CallID]time.Time),
		pools:     make(map[poolKey]*pool),
		named:     make(map[faas.Name][]*pool),
		perName:   make(map[faas.Name]int),
		idle:      make(chan struct{}),
	}
	w.ahead, w.endAhead = context.WithCancel(context.Background())
	w.modules = newModules(cfg.Engine, cfg.Artefacts, cfg.CompileWall, w.log)
	w.builder = newBuilder()
	w.prefetches = newPrefetches()
	w.meters = newMeters(w)
	return w, nil
}

// ID returns the worker's id, which names this incarnation.
func (w *Worker) ID() faas.WorkerID { return w.id }

// Ready is closed when the server knows of every subscription and the worker has joined.
func (w *Worker) Ready() <-chan struct{} { return w.ready }

// Run takes and runs calls until ctx ends or a control message asks for a drain; then it refuses new calls, finishes what
// it has admitted (for Config.DrainTimeout at most, after which calls are cancelled), says that it has left, and returns.
func (w *Worker) Run(ctx context.Context) error {
	// What runs outlives ctx: a drain finishes calls.
	live, kill := context.WithCancelCause(context.WithoutCancel(ctx))
	defer kill(nil)
	defer w.endAhead()
	defer w.closeFaaslets()
	defer w.meters.close()

	threads, refusal := w.cfg.Engine.Threads(w.cfg.Slots)
	if refusal != nil {
		return refusal
	}
	defer threads()
	w.linked.Store(w.cfg.Calls.Stats().Reconnects)
	subs, err := w.subscribe(live)
	if err != nil {
		return fmt.Errorf("subscribe: %w", err)
	}
	defer w.stopListening(subs)

	var g service.Group
	// kill ends calls, not those who answer them: a runner that left with live would leave queued calls, and the drain
	// would wait for them for ever.
	stop, stopped := context.WithCancel(context.WithoutCancel(live))
	defer stopped()
	for range w.cfg.Slots {
		g.Add("runner", func(context.Context) error { return w.runner(stop) })
	}
	g.Add("builder", func(context.Context) error { return w.builder.run(stop) })
	for range prefetchers {
		g.Add("prefetcher", func(context.Context) error { return w.prefetcher(stop) })
	}
	g.Add("sweep", func(context.Context) error { return w.sweep(stop) })
	g.Add("beat", func(context.Context) error { return w.beat(stop) })
	g.Add("link", func(context.Context) error { return w.link(stop) })
	g.Add("drain", func(context.Context) error {
		defer stopped()
		select {
		case <-ctx.Done():
		case <-w.drain:
		}
		w.leave(kill)
		return nil
	})
	w.tell(bus.EventJoined)
	if err := w.cfg.Control.Flush(); err != nil {
		return fmt.Errorf("join: %w", err)
	}
	w.log.Info("worker joined", "slots", w.cfg.Slots, "queue", w.cfg.Queue, "engine", w.cfg.Engine.Version())
	close(w.ready)
	if w.cfg.joined != nil {
		w.cfg.joined()
	}
	err = g.Run(live)
	if err == nil && w.replaced.Load() {
		return ErrReplaced
	}
	return err
}

// Drain asks Run to finish and return. It may be called at any time and more than once.
func (w *Worker) Drain() { w.drainOne.Do(func() { close(w.drain) }) }

// leave drains: it returns when every admitted call was answered and the server has the answers.
func (w *Worker) leave(kill context.CancelCauseFunc) {
	w.mu.Lock()
	w.draining.Store(true)
	w.endAhead()
	left := len(w.inflight)
	if left == 0 {
		close(w.idle)
	}
	w.mu.Unlock()
	w.tell(bus.EventDraining)
	w.log.Info("worker draining", "calls", left)

	if w.replaced.Load() { // nobody waits for what runs
		kill(faas.Errorf(faas.Unavailable, "worker %s was taken for dead", w.id))
	}
	timer := time.NewTimer(w.cfg.DrainTimeout)
	defer timer.Stop()
	select {
	case <-w.idle:
	case <-timer.C:
		w.log.Warn("drain timed out: cancelling what still runs", "after", w.cfg.DrainTimeout)
		kill(faas.Errorf(faas.Unavailable, "worker %s left before the call ended", w.id))
		<-w.idle
	}
	// Answers first: a holder fails what a worker that left still had.
	if err := w.cfg.Calls.FlushTimeout(5 * time.Second); err != nil {
		w.log.Warn("last answers not flushed", telemetry.KeyErr, err)
	}
	w.tell(bus.EventLeft)
	if err := w.cfg.Control.FlushTimeout(5 * time.Second); err != nil {
		w.log.Warn("leave not flushed", telemetry.KeyErr, err)
	}
}

// subscribe returns when the server knows of every subscription.
func (w *Worker) subscribe(live context.Context) ([]*nats.Subscription, error) {
	var subs []*nats.Subscription
	on := func(nc *nats.Conn, subject string, handle func(*nats.Msg)) error {
		sub, err := nc.Subscribe(subject, handle)
		if err != nil {
			return err
		}
		subs = append(subs, sub)
		return sub.SetPendingLimits(-1, 256<<20)
	}
	for _, s := range []struct {
		nc      *nats.Conn
		subject string
		handle  func(*nats.Msg)
	}{
		{w.cfg.Calls, bus.WorkerCallSubject(w.id), func(m *nats.Msg) { w.admit(live, m) }},
		{w.cfg.Control, bus.WorkerControlSubject(w.id), func(m *nats.Msg) { w.control(m) }},
		{w.cfg.Control, bus.WorkerQuerySubject(), func(*nats.Msg) { w.tell(bus.EventBeat) }},
		{w.cfg.Control, bus.FunctionEventWildcard(), func(m *nats.Msg) { w.functionEvent(m) }},
	} {
		if err := on(s.nc, s.subject, s.handle); err != nil {
			unsubscribe(subs)
			return nil, err
		}
	}
	for _, nc := range []*nats.Conn{w.cfg.Calls, w.cfg.Control} {
		if err := nc.Flush(); err != nil {
			unsubscribe(subs)
			return nil, err
		}
	}
	return subs, nil
}

// stopListening refuses the calls that were on their way when the worker left, so that they are placed elsewhere.
func (w *Worker) stopListening(subs []*nats.Subscription) {
	ctx, cancel := context.WithTimeout(context.Background(), bus.DeadAfter)
	defer cancel()
	bus.DrainSubscriptions(ctx, subs...)
	if err := w.cfg.Calls.FlushTimeout(bus.DeadAfter); err != nil {
		w.log.Debug("last refusals not flushed", telemetry.KeyErr, err) // the connection is lost or closed
	}
}

func unsubscribe(subs []*nats.Subscription) {
	for _, s := range subs {
		_ = s.Unsubscribe() // fails only when the connection is closed already
	}
}

func (w *Worker) closeFaaslets() {
	w.endAhead()
	w.fills.Lock() // for good: nothing brings a Proto-Faaslet any more
	for _, p := range w.allPools() {
		p.close()
	}
	w.modules.close()
}
