package faas

import "time"

// Call is one execution of a function, from its holder to the worker that runs it.
type Call struct {
	ID          CallID
	Root        CallID // the first call of the tree; equal to ID for a root call
	Parent      CallID // the call whose guest made this one; zero for a root call
	Name        Name
	Version     Version       // stamped by the holder; a worker runs exactly this one
	Input       []byte        // owned by the call: nobody may change it after the call was made
	Body        *Body         // where the input is when it is too large for a message; then Input is nil
	Timeout     time.Duration // what is left of the call's time when it is sent; clocks of machines are never compared
	Hops        int           // how often the call was passed on; MaxHops ends it
	Refused     []WorkerID    // the workers that refused it so far, so that nobody asks them again
	Files       uint64        // revision of the tenant's shared files that the call must see, or a later one; 0: whichever the worker has
	TraceParent string        // W3C traceparent, "" when there is none
	HostTrace   bool          // the result shall have the guest's host calls
}

// MaxHops is how often a call may be passed on before it is refused with no_capacity.
const MaxHops = 3

// Body is an input or an output that is too large for a message: an object in the bucket of payloads.
type Body struct {
	Object string
	Size   int64 // in bytes
}

// StartKind says how the Faaslet of a call came to be.
type StartKind string

// The start kinds.
const (
	Cold     StartKind = "cold"     // built from the module, for this call
	Restored StartKind = "restored" // from a Proto-Faaslet that was there before, for this call
	Warm     StartKind = "warm"     // ready before the call came
)

// Starts is how many calls had a Faaslet of each kind.
type Starts struct {
	Cold     uint64 `json:"cold,omitempty"`
	Restored uint64 `json:"restored,omitempty"`
	Warm     uint64 `json:"warm,omitempty"`
}

// Times is how long the parts of calls took, in microseconds; 0 for a part that did not happen.
type Times struct {
	Init    int64 `json:"init,omitempty"`    // building a Faaslet from the module and running the initialiser
	Restore int64 `json:"restore,omitempty"` // restoring one from a Proto-Faaslet
	Run     int64 `json:"run,omitempty"`     // of the guest
	Reset   int64 `json:"reset,omitempty"`   // putting a Faaslet back after a call
}

// Result is how a call ended. Err is nil exactly when the guest succeeded; Output is nil otherwise.
type Result struct {
	Call     CallID
	Worker   WorkerID // "" when no worker had the call
	Start    StartKind
	Duration time.Duration // of the guest's run, on the worker
	// What was done for the call's Faaslet besides, on the worker; 0 for what was not. Init is of a cold one, and Restore of
	// a restored one: the call waited for it. Reset is of a warm one that had served a call before: what it took to put it
	// back after that, which this call did not wait for.
	Init, Restore, Reset time.Duration
	Output               []byte
	Body                 *Body // where the output is when it is too large for a message; then Output is nil
	Err                  *Error
	HostTrace            []byte // the guest's host calls, as lines, when the call asked for them: the last MaxHostTrace bytes
}
