//go:build linux && cgo

package faaslet

import "slices"

// state is where a Faaslet is in its life. The legal steps are in transitions.
type state int

const (
	starting state = iota // New works on it
	ready                 // for a call
	running               // a call
	spent                 // its call is over, what it left is still there
	gone                  // closed
)

// transitions are the legal steps of a Faaslet's life. It is never changed.
var transitions = [...][]state{
	starting: {ready, gone},
	ready:    {running, gone},
	running:  {spent},
	spent:    {ready, gone},
	gone:     {},
}

// leadsTo reports whether a Faaslet may go from s to to.
func (s state) leadsTo(to state) bool { return slices.Contains(transitions[s], to) }

// String returns the state as a word of a sentence.
func (s state) String() string {
	return [...]string{"starting", "ready", "running", "spent", "closed"}[s]
}
