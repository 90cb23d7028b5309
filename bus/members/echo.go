package members

import (
	"time"

	"github.com/nats-io/nats.go"

	"github.com/shoal-run/shoal/bus"
)

const (
	// echoEvery is how often a watcher says something to itself.
	echoEvery = bus.BeatInterval / 2
	// echoToken ends the subject of an echo, where a worker's id ends that of a pong. No id is without a dash.
	echoToken = "self"
)

// echo tells whether a watcher can hear at all: it hears itself over the same connection and server as the workers. A
// line that stands still without breaking counts as connected for many seconds, and all that time everybody is silent.
// Run's goroutine only.
type echo struct {
	sent  time.Time // when the watcher last spoke
	heard time.Time // when it last heard itself; zero for not yet
	deaf  bool      // it does not hear itself: nobody's silence counts
}

// say speaks, when it is time.
func (e *echo) say(nc *nats.Conn, inbox string, now time.Time) error {
	if gap := now.Sub(e.sent); gap >= 0 && gap < echoEvery {
		return nil
	}
	e.sent = now
	return nc.Publish(inbox+"."+echoToken, nil)
}

// hear notes an echo. It reports whether it ends a time of deafness.
func (e *echo) hear(now time.Time) (back bool) {
	back, e.deaf, e.heard = e.deaf || now.Sub(e.heard) >= bus.PingAfter, false, now
	return back
}

// listens reports whether the watcher has heard itself of late, at now.
func (e *echo) listens(now time.Time) bool {
	if now.Sub(e.heard) >= bus.PingAfter {
		e.deaf = true
	}
	return !e.deaf
}
