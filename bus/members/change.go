package members

import (
	"fmt"

	"github.com/shoal-run/shoal/bus/faas"
)

// ChangeKind says what a Change is.
type ChangeKind string

// The changes of membership, in the order in which a worker can go through them.
const (
	Joined   ChangeKind = "joined"   // a worker is there; draining already, when its state says so
	Draining ChangeKind = "draining" // it takes no more calls, and finishes those it has
	Left     ChangeKind = "left"     // it is gone, and answered all that it had
	Dead     ChangeKind = "dead"     // it is gone, and what it had is lost
)

// Change is one change of membership.
type Change struct {
	Kind   ChangeKind
	Worker faas.Worker // as last heard of; State says what it is now
	Reason string      // Dead: why it was taken for dead, for people
}

// transitions holds, for each state of a worker ("" before it is known), what may come next and the Change that tells
// it. Anything else leaves the state as it is: a worker that drains does not return to joined.
var transitions = map[faas.WorkerState]map[faas.WorkerState]ChangeKind{
	"":                  {faas.WorkerJoined: Joined, faas.WorkerDraining: Joined},
	faas.WorkerJoined:   {faas.WorkerDraining: Draining, faas.WorkerLeft: Left, faas.WorkerDead: Dead},
	faas.WorkerDraining: {faas.WorkerLeft: Left, faas.WorkerDead: Dead},
	faas.WorkerLeft:     {},
	faas.WorkerDead:     {},
}

// Verdict says what a Table made of an event.
type Verdict int

// The verdicts.
const (
	Taken   Verdict = iota // the Table now knows what the event says
	Invalid                // not an event of a worker: its id is malformed or is not its name's
	Stale                  // older than what is known of this incarnation, or heard twice
	Older                  // of an incarnation older than one that lives
	Gone                   // of an incarnation that left, or that a newer one replaced
	Fenced                 // of an incarnation that was taken for dead: it should come back as another
)

// String returns the verdict in a word.
func (v Verdict) String() string {
	names := [...]string{"taken", "invalid", "stale", "older", "gone", "fenced"}
	if v < 0 || int(v) >= len(names) {
		return fmt.Sprintf("verdict %d", int(v))
	}
	return names[v]
}
