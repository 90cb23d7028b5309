package worker

import (
	"context"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/shoal-run/shoal/bus"
	"github.com/shoal-run/shoal/bus/faas"
	"github.com/shoal-run/shoal/libs/telemetry"
)

// job is one admitted call, from the bus callback until it is answered.
type job struct {
	call    *faas.Call
	reply   string // the holder's inbox; "" = nobody waits
	ctx     context.Context
	end     context.CancelCauseFunc // ends ctx; the cause is the *faas.Error that the call ends with
	timer   *time.Timer             // ends ctx at the deadline
	limited bool                    // counted in Worker.perName
	memory  faas.Size               // counted in Worker.reserved
	freed   bool                    // its slot is free for the next call
}

// admit takes or refuses one call. It runs on the subscription's goroutine and must not block: a refusal, not a silent
// drop, meets overload.
func (w *Worker) admit(live context.Context, m *nats.Msg) {
	call, err := bus.DecodeCall(m)
	if err != nil {
		w.refuse(m, err)
		return
	}
	j := &job{call: call, reply: m.Reply}
	if refusal := w.take(live, j); refusal != nil {
		w.refuse(m, refusal)
		return
	}
	w.jobs <- j
}

// take counts j in and starts its clock, or says why it can't be taken.
func (w *Worker) take(live context.Context, j *job) *faas.Error {
	if n := w.admitted.Add(1); n > int64(w.cfg.Slots+w.pace.room(w.cfg.Slots, w.cfg.Queue)) {
		w.admitted.Add(-1)
		return faas.Errorf(faas.NoCapacity, "worker %s has no free slot and its queue is full", w.id)
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.draining.Load() {
		w.admitted.Add(-1)
		return faas.Errorf(faas.NoCapacity, "worker %s is draining", w.id)
	}
	if _, twice := w.inflight[j.call.ID]; twice {
		w.admitted.Add(-1)
		return faas.Errorf(faas.Conflict, "call %s is running already", j.call.ID)
	}
	if _, gone := w.cancelled[j.call.ID]; gone {
		delete(w.cancelled, j.call.ID)
		w.admitted.Add(-1)
		return faas.Errorf(faas.Cancelled, "the call was cancelled")
	}
	fn, known := w.cfg.Functions.Get(j.call.Name)
	if limit := fn.Settings.Concurrency; known && limit > 0 {
		if w.perName[j.call.Name] >= limit {
			w.admitted.Add(-1)
			return faas.Errorf(faas.NoCapacity, "%s runs %d calls here, as many as its concurrency allows", j.call.Name, limit)
		}
		w.perName[j.call.Name]++
		j.limited = true
	}
	j.ctx, j.end = context.WithCancelCause(live)
	j.timer = time.AfterFunc(j.call.Timeout, func() {
		j.end(faas.Errorf(faas.DeadlineExceeded, "%s did not end in time", j.call.Name))
	})
	w.inflight[j.call.ID] = j
	return nil
}

// free gives j's place to the next call: just before the answer leaves, as who hears it may call again at once, and must
// not be refused for a slot that is being cleared. The runner is still busy for a moment, with the reset. j itself stays
// known until done.
func (w *Worker) free(j *job) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.freeLocked(j)
}

// freeLocked is free, once. Preconditions: mu is held.
func (w *Worker) freeLocked(j *job) {
	if j.freed {
		return
	}
	j.freed = true
	if j.limited {
		if w.perName[j.call.Name]--; w.perName[j.call.Name] == 0 {
			delete(w.perName, j.call.Name)
		}
	}
	w.reserved -= j.memory
	w.admitted.Add(-1)
}

// done counts j out, after it was answered.
func (w *Worker) done(j *job) {
	j.timer.Stop()
	j.end(nil)
	w.mu.Lock()
	delete(w.inflight, j.call.ID)
	w.freeLocked(j)
	if w.draining.Load() && len(w.inflight) == 0 {
		close(w.idle)
	}
	w.mu.Unlock()
}

// reserve sets memory aside for a call that is about to run, until it is freed: as much as its function may take.
func (w *Worker) reserve(j *job) *faas.Error {
	fn, _ := w.cfg.Functions.Get(j.call.Name)
	memory := memoryOf(fn)
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.reserved+memory > w.cfg.MemoryLimit {
		return faas.Errorf(faas.NoCapacity, "worker %s has no memory for it: running calls may take %s of its %s, and %s may take %s",
			w.id, w.reserved, w.cfg.MemoryLimit, j.call.Name, memory)
	}
	w.reserved += memory
	j.memory = memory
	return nil
}

// reserveMore sets more memory aside for a running call, or reports that there is none.
func (w *Worker) reserveMore(j *job, bytes int64) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	more := faas.Size(bytes)
	if j.freed || w.reserved+more > w.cfg.MemoryLimit {
		return false
	}
	w.reserved += more
	j.memory += more
	return true
}

// refuse answers a call message that was not taken.
func (w *Worker) refuse(m *nats.Msg, err error) {
	w.meters.refusals.Of(faas.CodeOf(err)).Add()
	if m.Reply == "" {
		return
	}
	answer := bus.Refuse(m, err)
	answer.Header[bus.HeaderWorker] = []string{string(w.id)}
	if err := w.cfg.Calls.PublishMsg(answer); err != nil {
		w.log.Warn("answer not sent", telemetry.KeyErr, err)
	}
}
