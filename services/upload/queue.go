package upload

import (
	"context"
	"iter"
	"slices"
	"sync"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/shoal-run/shoal/bus"
	"github.com/shoal-run/shoal/bus/faas"
)

// job is one request that the service has, from its arrival to its answer.
type job struct {
	msg    *nats.Msg
	req    bus.UploadRequest
	ctx    context.Context // of the job's life: ends with its deadline, with the service, and when it is given up
	cancel context.CancelCauseFunc

	// The fields below are guarded by the mu of the job's queue.
	running  bool
	began    time.Time               // the present attempt
	attempt  context.CancelCauseFunc // ends the present attempt
	yielding bool                    // the present attempt was ended in favour of another tenant
	written  bool                    // the registry may have it: it is not given up any more
}

// line is a tenant's jobs: those that wait, the first first, and those that run.
type line struct {
	tenant  string
	waiting []*job
	running []*job
}

// keeps is how many of the running jobs were not told to yield.
func (l *line) keeps() int {
	n := 0
	for _, j := range l.running {
		if !j.yielding {
			n++
		}
	}
	return n
}

// queue gives slots to jobs, in turn between tenants. A tenant gets a second slot only while no tenant without one waits;
// when one comes that finds every slot taken, the youngest surplus job yields: its attempt ends, it waits at the head of its
// line and starts anew. So nobody waits behind two jobs of one tenant, and an idle service has all its slots for whoever is
// there.
//
// Its bounds are of what waits. It has no goroutines: start is called, with mu held, for each job that gets a slot, and must
// only start one.
type queue struct {
	slots, perTenant, total int
	start                   func(ctx context.Context, j *job)

	mu      sync.Mutex
	closed  bool
	lines   map[string]*line // of the tenants that have jobs
	turns   []*line          // those that have waiting ones, in their order
	waiting int
	running int
}

var errYield = faas.Errorf(faas.Unavailable, "another tenant's turn")

func newQueue(slots, perTenant, total int, start func(context.Context, *job)) *queue {
	return &queue{slots: slots, perTenant: perTenant, total: total, start: start, lines: map[string]*line{}}
}

// add takes j, or says why not: rate_limited when its tenant, no_capacity when everybody together has as many waiting as may
// be.
func (q *queue) add(j *job) error {
	q.mu.Lock()
	defer q.mu.Unlock()
	tenant := j.req.Name.Tenant
	l := q.lines[tenant]
	switch {
	case q.closed:
		return errStopping
	case l != nil && len(l.waiting) >= q.perTenant:
		return faas.Errorf(faas.RateLimited, "tenant %s has %d requests waiting to be done already", tenant, len(l.waiting)).
			Hint("wait for one to end")
	case q.waiting >= q.total:
		return faas.Errorf(faas.NoCapacity, "too many deploys are waiting").Hint("try again in a while")
	}
	if l == nil {
		l = &line{tenant: tenant}
		q.lines[tenant] = l
	}
	l.waiting = append(l.waiting, j)
	q.queued(l)
	q.schedule()
	return nil
}

// queued counts a job that was put in l, and gives l its turn.
func (q *queue) queued(l *line) {
	q.waiting++
	if len(l.waiting) == 1 {
		q.turns = append(q.turns, l)
	}
}

// schedule fills free slots, then makes room for tenants that have none. Preconditions: mu is held.
func (q *queue) schedule() {
	for !q.closed && q.running < q.slots && len(q.turns) > 0 {
		next := slices.MinFunc(q.turns, func(a, b *line) int { return len(a.running) - len(b.running) }) // the first of the least
		q.turns = slices.DeleteFunc(q.turns, func(l *line) bool { return l == next })
		j := next.waiting[0]
		next.waiting = next.waiting[1:]
		next.running = append(next.running, j)
		if len(next.waiting) > 0 {
			q.turns = append(q.turns, next)
		}
		q.waiting--
		q.running++
		ctx, attempt := context.WithCancelCause(j.ctx)
		j.running, j.yielding, j.attempt, j.began = true, false, attempt, time.Now()
		q.start(ctx, j)
	}
	wanted := 0
	for _, l := range q.turns {
		if len(l.running) == 0 {
			wanted++
		}
	}
	for _, l := range q.lines {
		wanted -= len(l.running) - l.keeps()
	}
	for ; wanted > 0; wanted-- {
		j := q.surplus()
		if j == nil {
			return
		}
		j.yielding = true
		j.attempt(errYield)
	}
}

// surplus returns the youngest job that can yield, of a tenant that keeps another; nil when there is none. Preconditions: mu
// is held.
func (q *queue) surplus() *job {
	var youngest *job
	for _, l := range q.lines {
		if l.keeps() < 2 {
			continue
		}
		for _, j := range l.running {
			if !j.yielding && !j.written && (youngest == nil || j.began.After(youngest.began)) {
				youngest = j
			}
		}
	}
	return youngest
}

// done takes back the slot of j, whose attempt ended with err, and reports whether j is to be answered: it is not when it
// yielded, and then waits again.
func (q *queue) done(j *job, err error) bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	l := q.lines[j.req.Name.Tenant]
	l.running = slices.DeleteFunc(l.running, func(r *job) bool { return r == j })
	q.running--
	j.running = false
	j.attempt(nil)
	again := err != nil && j.yielding && !j.written && j.ctx.Err() == nil && !q.closed
	if again {
		l.waiting = slices.Insert(l.waiting, 0, j)
		q.queued(l)
	}
	q.tidy(l)
	q.schedule()
	return !again
}

// tidy forgets l when nothing is in it.
func (q *queue) tidy(l *line) {
	if len(l.waiting) == 0 {
		q.turns = slices.DeleteFunc(q.turns, func(o *line) bool { return o == l })
		if len(l.running) == 0 {
			delete(q.lines, l.tenant)
		}
	}
}

// drop takes the waiting jobs that match out of their lines. They are the caller's to answer. Preconditions: mu is held.
func (q *queue) drop(match func(*job) bool) []*job {
	var out []*job
	for _, l := range slices.Clone(q.turns) {
		l.waiting = slices.DeleteFunc(l.waiting, func(j *job) bool {
			if !match(j) {
				return false
			}
			out = append(out, j)
			return true
		})
		q.tidy(l)
	}
	q.waiting -= len(out)
	return out
}

// expired takes out the waiting jobs whose time is over and returns them: they are the caller's to answer.
func (q *queue) expired() []*job {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.drop(func(j *job) bool { return j.ctx.Err() != nil })
}

// write notes that j is about to be written to the registry, from when on it neither yields nor is given up. It fails when
// it was before; ctx is the attempt's.
func (q *queue) write(ctx context.Context, j *job) error {
	q.mu.Lock()
	defer q.mu.Unlock()
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	j.written = true
	return nil
}

// giveUp ends the jobs of a staging object with cause, except those that are being written. It returns those that waited:
// they are the caller's to answer.
func (q *queue) giveUp(object string, cause error) []*job {
	q.mu.Lock()
	defer q.mu.Unlock()
	for j := range q.all() {
		if j.req.Object == object && !j.written {
			j.cancel(cause)
		}
	}
	return q.drop(func(j *job) bool { return j.req.Object == object })
}

// all yields every job. Preconditions: mu is held.
func (q *queue) all() iter.Seq[*job] {
	return func(yield func(*job) bool) {
		for _, l := range q.lines {
			for _, j := range slices.Concat(l.running, l.waiting) {
				if !yield(j) {
					return
				}
			}
		}
	}
}

// followed returns who wants to know what goes on, and the state of each job.
func (q *queue) followed() map[string]bus.UploadState {
	q.mu.Lock()
	defer q.mu.Unlock()
	out := map[string]bus.UploadState{}
	for j := range q.all() {
		if j.req.Progress && j.msg.Reply != "" {
			out[j.msg.Reply] = j.state()
		}
	}
	return out
}

// counts returns how many jobs wait and run.
func (q *queue) counts() (waiting, running int) {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.waiting, q.running
}

// state is what j is at. Preconditions: the queue's mu is held.
func (j *job) state() bus.UploadState {
	if j.running {
		return bus.UploadRunning
	}
	return bus.UploadWaiting
}

// close lets no more jobs in or get a slot, and returns those that wait, which are the caller's to answer.
func (q *queue) close() []*job {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.closed = true
	return q.drop(func(*job) bool { return true })
}
