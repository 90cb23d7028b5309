// Package members knows which workers there are, what they have free and warm, and which of them live: for planners,
// which place calls by it, and for gateways, which fail the calls of a worker that died.
//
// Table is the knowledge as a pure state machine: events, answers to pings and ticks go in; changes of membership, and
// which workers to ping, come out. Members drives a Table over the bus.
//
// A worker is pinged after two missed beats. When nobody listens any more it is dead at once, when it stays silent it is
// dead after bus.DeadAfter. Time in which the watcher itself stood still, had no connection, or did not hear what it said to
// itself over it, is nobody's silence.
//
// A worker lives once per incarnation. What a dead or departed incarnation still says is ignored, and one that was taken
// for dead and speaks again is told so (bus.Rejoin), that it may come back as another. Of two incarnations of one worker
// that seem to live, the newer is believed, by id (faas.NewWorkerID).
//
// Locks: Members.deliver before Table.mu.
package members
