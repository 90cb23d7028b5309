package bus

import "time"

// How workers prove that they live, and when the others stop believing it.
const (
	// BeatInterval is how often a worker tells a WorkerEvent when nothing else happens.
	BeatInterval = 250 * time.Millisecond
	// PingAfter is the silence after which a worker is pinged: two beats are missing. No responders means that it is
	// dead.
	PingAfter = 2 * BeatInterval
	// DeadAfter is the silence, pings unanswered, after which a worker is dead.
	DeadAfter = 2 * time.Second
	// PlaceWithin is how long a call waits for a planner's word where it went. Planners only publish, and nobody watches
	// them: one that is silent for longer died or froze with the call.
	PlaceWithin = 800 * time.Millisecond
)
