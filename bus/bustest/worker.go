package bustest

import (
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/shoal-run/shoal/bus"
	"github.com/shoal-run/shoal/bus/faas"
)

// Worker keeps a worker's side of the contract: it joins, beats, answers queries and pings, and hands the calls it gets
// to the test. It is safe for concurrent use.
type Worker struct {
	ID    faas.WorkerID
	Calls chan *nats.Msg   // calls placed here
	Told  chan bus.Control // controls other than pings

	t    testing.TB
	nc   *nats.Conn
	stop chan struct{}
	done sync.WaitGroup
	once sync.Once

	mu     sync.Mutex
	frozen bool
	seq    uint64
	state  faas.Worker
}

// NewWorker joins a worker with a fresh incarnation. It ends, without a word, with the test.
func NewWorker(t testing.TB, s *Server, name string, slots int) *Worker {
	t.Helper()
	return NewWorkerAs(t, s, faas.NewWorkerID(name, time.Now()), name, slots)
}

// NewWorkerAs joins a worker that calls itself id.
func NewWorkerAs(t testing.TB, s *Server, id faas.WorkerID, name string, slots int) *Worker {
	t.Helper()
	w := &Worker{
		ID: id, Calls: make(chan *nats.Msg, 1024), Told: make(chan bus.Control, 64),
		t: t, nc: s.Connect(t), stop: make(chan struct{}),
		state: faas.Worker{
			ID: id, Name: name, State: faas.WorkerJoined, Slots: faas.Slots{Total: slots, Free: slots}, Started: time.Now(),
		},
	}
	for subject, f := range map[string]nats.MsgHandler{
		bus.WorkerCallSubject(id):    func(m *nats.Msg) { w.Calls <- m },
		bus.WorkerControlSubject(id): w.control,
		bus.WorkerQuerySubject():     func(*nats.Msg) { w.tell(bus.EventBeat) },
	} {
		if _, err := w.nc.Subscribe(subject, f); err != nil {
			t.Fatal(err)
		}
	}
	Flush(t, w.nc)
	w.tell(bus.EventJoined)
	w.done.Go(w.beat)
	t.Cleanup(w.Kill)
	return w
}

func (w *Worker) beat() {
	tick := time.NewTicker(bus.BeatInterval)
	defer tick.Stop()
	for {
		select {
		case <-w.stop:
			return
		case <-tick.C:
			w.tell(bus.EventBeat)
		}
	}
}

func (w *Worker) control(m *nats.Msg) {
	c, err := bus.Unmarshal[bus.Control](m.Data)
	if err != nil {
		w.t.Errorf("worker %s was told %q: %v", w.ID, m.Data, err)
		return
	}
	w.mu.Lock()
	frozen := w.frozen
	w.mu.Unlock()
	if frozen {
		return
	}
	if c.Kind != bus.Ping {
		w.Told <- c
		return
	}
	_ = m.Respond(nil) // fails only when the worker was killed meanwhile
}

func (w *Worker) tell(kind bus.WorkerEventKind) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.frozen {
		return
	}
	w.seq++
	state := w.state
	state.Warm = slices.Clone(w.state.Warm)
	_ = w.nc.Publish(bus.WorkerEventSubject(w.ID), bus.Marshal(bus.WorkerEvent{Kind: kind, Seq: w.seq, Worker: state}))
	_ = w.nc.Flush() // both fail only when the worker was killed meanwhile
}

// Update changes what the worker says of itself, and says it.
func (w *Worker) Update(f func(*faas.Worker)) {
	w.mu.Lock()
	f(&w.state)
	kind := bus.EventBeat
	if w.state.State == faas.WorkerDraining {
		kind = bus.EventDraining
	}
	w.mu.Unlock()
	w.tell(kind)
}

// Leave says that the worker has left, and ends it.
func (w *Worker) Leave() {
	w.tell(bus.EventLeft)
	w.Kill()
}

// Freeze makes the worker silent, as SIGSTOP does: its subscriptions stay, nothing answers.
func (w *Worker) Freeze() { w.setFrozen(true) }

// Thaw ends Freeze.
func (w *Worker) Thaw() { w.setFrozen(false) }

func (w *Worker) setFrozen(frozen bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.frozen = frozen
}

// Kill ends the worker without a word. It is idempotent.
func (w *Worker) Kill() {
	w.once.Do(func() {
		close(w.stop)
		closeConn(w.nc)
		w.done.Wait()
	})
}
