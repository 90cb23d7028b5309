package members

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/shoal-run/shoal/bus"
	"github.com/shoal-run/shoal/bus/faas"
)

const (
	tickEvery   = 50 * time.Millisecond
	settleFew   = 50 * time.Millisecond        // after the query, when somebody has answered
	settleNone  = bus.BeatInterval + settleFew // after the query, when nobody has: whoever is there has beaten
	rejoinEvery = time.Second                  // at most, per incarnation
	backlog     = 1 << 13                      // messages that wait while changes are delivered; beats say the rest again
)

// Config is what a Members needs.
type Config struct {
	NC  *nats.Conn // for control; stays the caller's to close
	Log *slog.Logger
	Now func() time.Time // time.Now when nil
}

// Members keeps a Table by what workers tell on the bus. Reading it (Get, Alive, Len, Snapshot) is cheap and safe for
// concurrent use, also before Run and after it.
type Members struct {
	cfg   Config
	table *Table
	ready chan struct{}

	deliver  sync.Mutex // held while the table is fed and listeners are called
	onChange []func(Change)
	onBeat   []func(faas.Worker)

	rejoined map[faas.WorkerID]time.Time // when an incarnation was last told to come back; Run's goroutine only
	echo     echo
}

// New returns a Members that knows nobody until Run.
func New(cfg Config) *Members {
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	return &Members{cfg: cfg, table: NewTable(), ready: make(chan struct{}), rejoined: map[faas.WorkerID]time.Time{}}
}

// Get is Table.Get.
func (m *Members) Get(id faas.WorkerID) (faas.Worker, bool) { return m.table.Get(id) }

// Alive is Table.Alive.
func (m *Members) Alive(id faas.WorkerID) bool { return m.table.Alive(id) }

// Gone is Table.Gone.
func (m *Members) Gone(id faas.WorkerID) bool { return m.table.Gone(id) }

// Len is Table.Len.
func (m *Members) Len() int { return m.table.Len() }

// Snapshot is Table.Snapshot.
func (m *Members) Snapshot() []faas.Worker { return m.table.Snapshot() }

// OnChange makes f hear every change of membership, in order and one at a time. When f is told, Get and Alive know it
// already. f first hears Joined, within OnChange, for each worker that lives. It must not block, nor call OnChange or
// OnBeat.
func (m *Members) OnChange(f func(Change)) {
	m.deliver.Lock()
	defer m.deliver.Unlock()
	for _, w := range m.Snapshot() {
		f(Change{Kind: Joined, Worker: w})
	}
	m.onChange = append(m.onChange, f)
}

// OnBeat makes f hear what a living worker says of itself, each time it says it: after the Change, when there is one.
// f first hears each worker that lives, within OnBeat. It must not block, nor call OnChange or OnBeat.
func (m *Members) OnBeat(f func(faas.Worker)) {
	m.deliver.Lock()
	defer m.deliver.Unlock()
	for _, w := range m.Snapshot() {
		f(w)
	}
	m.onBeat = append(m.onBeat, f)
}

// Ready is closed once Run listens and has heard the workers that are there, or nobody for longer than a beat.
func (m *Members) Ready() <-chan struct{} { return m.ready }

// Run listens, pings and tells listeners until ctx is done, and then returns nil. It may run once.
func (m *Members) Run(ctx context.Context) error {
	msgs := make(chan *nats.Msg, backlog)
	events, err := m.cfg.NC.ChanSubscribe(bus.WorkerEventWildcard(), msgs)
	if err != nil {
		return fmt.Errorf("subscribe to worker events: %w", err)
	}
	defer m.unsubscribe(events)
	inbox := m.cfg.NC.NewInbox()
	pongs, err := m.cfg.NC.ChanSubscribe(inbox+".*", msgs)
	if err != nil {
		return fmt.Errorf("subscribe to answers of pings: %w", err)
	}
	defer m.unsubscribe(pongs)
	status := m.cfg.NC.StatusChanged(nats.CONNECTED)
	defer m.cfg.NC.RemoveStatusListener(status)
	if err := m.query(ctx); err != nil {
		if ctx.Err() != nil {
			return nil
		}
		return err
	}

	started := m.cfg.Now()
	tick := time.NewTicker(tickEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case msg := <-msgs:
			m.take(msg, inbox)
		case <-status:
			m.table.Forgive(m.cfg.Now())
			if err := m.query(ctx); err != nil && ctx.Err() == nil {
				m.cfg.Log.Warn("workers not asked for their state; their beats will tell it", "err", err)
			}
		case <-tick.C:
			for n := len(msgs); n > 0; n-- { // what was heard counts before silence does
				m.take(<-msgs, inbox)
			}
			m.onTick(inbox)
			m.settle(m.cfg.Now().Sub(started))
		}
	}
}

// query has every worker tell its state now.
func (m *Members) query(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, bus.DeadAfter)
	defer cancel()
	if err := m.cfg.NC.FlushWithContext(ctx); err != nil {
		return fmt.Errorf("flush subscriptions: %w", err)
	}
	m.heardSelf() // the server has answered
	if err := m.cfg.NC.Publish(bus.WorkerQuerySubject(), nil); err != nil {
		return fmt.Errorf("ask workers for their state: %w", err)
	}
	return nil
}

func (m *Members) settle(waited time.Duration) {
	select {
	case <-m.ready:
	default:
		if waited >= settleNone || waited >= settleFew && m.Len() > 0 {
			close(m.ready)
		}
	}
}

func (m *Members) onTick(inbox string) {
	if !m.cfg.NC.IsConnected() {
		return
	}
	if err := m.echo.say(m.cfg.NC, inbox, m.cfg.Now()); err != nil {
		m.cfg.Log.Warn("nothing said to myself", "err", err)
	}
	wasDeaf := m.echo.deaf
	if !m.echo.listens(m.cfg.Now()) {
		if !wasDeaf {
			m.cfg.Log.Warn("the bus is silent: no worker is judged until it speaks again")
		}
		return
	}
	m.deliver.Lock()
	ping, changes := m.table.Tick(m.cfg.Now())
	m.tell(changes, nil)
	m.deliver.Unlock()
	for _, id := range ping {
		body := bus.Marshal(bus.Control{Kind: bus.Ping})
		if err := m.cfg.NC.PublishRequest(bus.WorkerControlSubject(id), inbox+"."+string(id), body); err != nil {
			m.cfg.Log.Warn("worker not pinged", "worker", id, "err", err)
		}
	}
	now := m.cfg.Now()
	for id, at := range m.rejoined {
		if now.Sub(at) > rejoinEvery {
			delete(m.rejoined, id)
		}
	}
}

// take takes one message: an event, an echo, or the answer to a ping.
func (m *Members) take(msg *nats.Msg, inbox string) {
	m.deliver.Lock()
	defer m.deliver.Unlock()
	if rest, ok := strings.CutPrefix(msg.Subject, inbox+"."); ok {
		m.answer(msg, rest)
		return
	}
	id, err := bus.ParseWorkerEventSubject(msg.Subject)
	if err != nil {
		m.cfg.Log.Warn("worker event dropped", "subject", msg.Subject, "err", err)
		return
	}
	e, err := bus.Unmarshal[bus.WorkerEvent](msg.Data)
	if err == nil && e.Worker.ID != id {
		err = faas.Errorf(faas.BadRequest, "it says that it is of %q", e.Worker.ID)
	}
	if err != nil {
		m.cfg.Log.Warn("worker event dropped", "worker", id, "err", err)
		return
	}
	changes, verdict := m.table.Apply(e, m.cfg.Now())
	switch verdict {
	case Taken:
		m.tell(changes, &e.Worker)
	case Fenced:
		m.rejoin(id)
	case Invalid:
		m.cfg.Log.Warn("worker event dropped", "worker", id, "err", "its name is "+e.Worker.Name)
	case Stale, Older, Gone: // late, and nobody's fault
	}
}

// answer takes what came to the inbox: an echo, or the answer to a ping. Preconditions: deliver.
func (m *Members) answer(msg *nats.Msg, token string) {
	now, id := m.cfg.Now(), faas.WorkerID(token)
	switch {
	case token == echoToken:
		m.heardSelf()
	case !bus.IsNoResponders(msg):
		m.table.Pong(id, now)
	case m.echo.listens(now): // else it may be old, and the worker back: another ping will tell
		m.tell(m.table.NoResponders(id, now), nil)
	}
}

// heardSelf notes that the connection carries, both ways.
func (m *Members) heardSelf() {
	if now := m.cfg.Now(); m.echo.hear(now) {
		m.table.Forgive(now)
	}
}

// rejoin tells an incarnation that was taken for dead to come back as another.
func (m *Members) rejoin(id faas.WorkerID) {
	if _, told := m.rejoined[id]; told {
		return
	}
	m.rejoined[id] = m.cfg.Now()
	m.cfg.Log.Warn("worker was taken for dead and speaks: asking it to join again", "worker", id)
	body := bus.Marshal(bus.Control{Kind: bus.Rejoin})
	if err := m.cfg.NC.Publish(bus.WorkerControlSubject(id), body); err != nil {
		m.cfg.Log.Warn("worker not asked to join again", "worker", id, "err", err)
	}
}

// tell logs changes and hands them to the listeners, then what the worker of an event said, when it still lives.
// Preconditions: deliver.
func (m *Members) tell(changes []Change, heard *faas.Worker) {
	for _, c := range changes {
		level := slog.LevelInfo
		if c.Kind == Dead {
			level = slog.LevelWarn
		}
		m.cfg.Log.Log(context.Background(), level, "worker "+string(c.Kind), "worker", c.Worker.ID, "reason", c.Reason)
		for _, f := range m.onChange {
			f(c)
		}
	}
	if heard == nil {
		return
	}
	if w, ok := m.Get(heard.ID); ok {
		for _, f := range m.onBeat {
			f(w)
		}
	}
}

func (m *Members) unsubscribe(sub *nats.Subscription) {
	if err := sub.Unsubscribe(); err != nil && !errors.Is(err, nats.ErrConnectionClosed) && !errors.Is(err, nats.ErrBadSubscription) {
		m.cfg.Log.Warn("not unsubscribed", "subject", sub.Subject, "err", err)
	}
}
