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
)
