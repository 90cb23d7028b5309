package worker

import (
	"cmp"
	"container/heap"
	"context"
	"slices"
	"time"

	"github.com/shoal-run/shoal/bus"
	"github.com/shoal-run/shoal/bus/faas"
	"github.com/shoal-run/shoal/libs/telemetry"
)

// maxWarmCounts is how many functions a beat tells of, the most used first, so that it stays small.
const maxWarmCounts = 512

// beat tells planners and gateways what this worker has, until ctx ends.
func (w *Worker) beat(ctx context.Context) error {
	tick := time.NewTicker(w.cfg.BeatEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
			w.tell(bus.EventBeat)
		}
	}
}

// tell publishes an event of the worker's present state.
func (w *Worker) tell(kind bus.WorkerEventKind) {
	e := bus.WorkerEvent{Kind: kind, Worker: w.Describe()}
	switch {
	case kind == bus.EventLeft:
		e.Worker.State = faas.WorkerLeft
	case w.draining.Load():
		e.Worker.State = faas.WorkerDraining
	}
	e.Seq = w.seq.Add(1)
	if err := w.cfg.Control.Publish(bus.WorkerEventSubject(w.id), bus.Marshal(e)); err != nil {
		w.log.Debug("event not sent", "kind", kind, telemetry.KeyErr, err) // the next beat makes up for it
	}
}

// Describe returns what the worker tells of itself.
func (w *Worker) Describe() faas.Worker {
	running, admitted := int(w.running.Load()), int(w.admitted.Load())
	d := faas.Worker{
		ID: w.id, Name: w.cfg.Name, State: faas.WorkerJoined, Engine: w.cfg.Engine.Version(), CPUFeatures: w.cfg.CPUFeatures,
		Memory: faas.Size(w.rss.Load()), Started: w.started, Lost: w.losses.Load(),
		Slots: faas.Slots{Total: w.cfg.Slots, Free: max(w.cfg.Slots-admitted, 0), Queued: max(admitted-running, 0), Queue: cmp.Or(w.pace.room(w.cfg.Slots, w.cfg.Queue), -1)},
	}
	if !w.listens() {
		d.Slots.Free, d.Slots.Queue = 0, -1
	}
	var most warmest
	for _, p := range w.allPools() {
		if c := p.counts(); c.Ready+c.Running > 0 {
			most.add(c)
		}
	}
	slices.SortFunc(most, busier)
	d.Warm = most
	return d
}

// busier orders what a beat tells first before the rest.
func busier(a, b faas.WarmCounts) int {
	return cmp.Or(cmp.Compare(b.Running, a.Running), cmp.Compare(b.Ready, a.Ready),
		cmp.Compare(a.Name.Tenant, b.Name.Tenant), cmp.Compare(a.Name.Function, b.Name.Function),
		cmp.Compare(a.Version, b.Version))
}

// warmest are the maxWarmCounts that a beat tells of, of however many there are, as a heap with the last of them on top.
type warmest []faas.WarmCounts

func (m *warmest) add(c faas.WarmCounts) {
	switch {
	case len(*m) < maxWarmCounts:
		heap.Push(m, c)
	case busier(c, (*m)[0]) < 0:
		(*m)[0] = c
		heap.Fix(m, 0)
	}
}

// Len, Less, Swap, Push and Pop implement heap.Interface.
func (m warmest) Len() int           { return len(m) }
func (m warmest) Less(i, j int) bool { return busier(m[i], m[j]) > 0 }
func (m warmest) Swap(i, j int)      { m[i], m[j] = m[j], m[i] }
func (m *warmest) Push(c any)        { *m = append(*m, c.(faas.WarmCounts)) }
func (m *warmest) Pop() any          { panic("worker: nothing is taken from a beat") }
