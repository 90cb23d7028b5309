package faas

import "time"

// Function is a deployed function as the registry keeps it.
type Function struct {
	Name     Name      `json:"name"`
	Version  Version   `json:"version"`
	Kind     Kind      `json:"kind"`
	Entry    string    `json:"entry"` // the export that a call runs: "_start" or "handle"
	Size     int64     `json:"size"`  // of the module, in bytes
	Imports  []Import  `json:"imports"`
	Settings Settings  `json:"settings"`
	Deployed time.Time `json:"deployed"` // when this version was
	Changed  time.Time `json:"changed"`  // when anything of it was
	// Proto says what is known of the version's Proto-Faaslet; nil when it was deployed by a service that made none.
	Proto *Proto `json:"proto,omitempty"`
	// Revision is the registry's, for compare-and-set; it grows with every change of any function.
	Revision uint64 `json:"revision,omitempty"`
}

// Kind is the WASI application kind of a module.
type Kind string

// The kinds: a command runs once from _start; a reactor is initialised once and then called at handle.
const (
	Command Kind = "command"
	Reactor Kind = "reactor"
)

// Import is one import of a module.
type Import struct {
	Module string `json:"module"`
	Name   string `json:"name"`
	// Missing: the host interface has no such function. The guest traps when it calls it.
	Missing bool `json:"missing,omitempty"`
}

// Settings are what a tenant can set for a function. The zero value of a field means the platform's default.
type Settings struct {
	Memory      Size     `json:"memory,omitzero"`      // linear memory, at most
	Timeout     Duration `json:"timeout,omitzero"`     // of a call
	Concurrency int      `json:"concurrency,omitzero"` // running calls on one worker, at most; 0 = its slots
	MinWarm     int      `json:"min_warm,omitzero"`    // Faaslets a worker that has the function keeps ready
	KeepAlive   Duration `json:"keep_alive,omitzero"`  // how long an idle Faaslet stays
	Reset       Reset    `json:"reset,omitempty"`      // what becomes of a Faaslet between calls
	// AllowUnknownImports accepts a module that imports functions which the host interface does not have.
	AllowUnknownImports bool `json:"allow_unknown_imports,omitempty"`
	// Env is the environment that the guest sees.
	Env map[string]string `json:"env,omitempty"`
}

// Reset says what becomes of a Faaslet between two calls.
type Reset string

// The resets; "" is ResetAlways.
const (
	ResetAlways Reset = "always" // it is put back to what its initialiser left, or replaced: nothing of a call is left to the next
	// ResetNever: memory and globals stay as a call left them for the next one in the same Faaslet, for a guest that is
	// trusted with all its callers. A call that does not end with success has its Faaslet replaced by a new one, and so have
	// other settings, another version, an idle time over KeepAlive and a worker short of memory: what stays is a cache.
	ResetNever Reset = "never"
)

// WorkerID names one life of a worker: its name and its incarnation, as "alpha-0191e7c2". A worker that comes back has
// another.
type WorkerID string

// Slots is a worker's capacity, in running calls.
type Slots struct {
	Total  int `json:"total"`
	Free   int `json:"free"`
	Queued int `json:"queued"` // calls that wait on the worker for a slot
	// Queue is how many may wait: 0 when the worker does not say, which means QueuePerSlot × Total, and -1 for none.
	Queue int `json:"queue,omitempty"`
}

// Room returns how many calls may wait on the worker.
func (s Slots) Room() int {
	if s.Queue == 0 {
		return QueuePerSlot * s.Total
	}
	return max(s.Queue, 0)
}

// Worker is what the others know of a worker.
type Worker struct {
	ID          WorkerID     `json:"id"`
	Name        string       `json:"name"`
	State       WorkerState  `json:"state"`
	Slots       Slots        `json:"slots"`
	CPUFeatures string       `json:"cpu_features,omitempty"` // the set that its artefacts must match
	Engine      string       `json:"engine,omitempty"`       // engine version
	Memory      Size         `json:"memory,omitempty"`       // resident, measured
	Started     time.Time    `json:"started,omitzero"`
	Lost        uint64       `json:"lost,omitempty"` // grows whenever the worker loses its connection for calls, and what it had with it
	Seen        time.Time    `json:"seen,omitzero"`  // when the teller last heard of it, by the teller's clock
	Warm        []WarmCounts `json:"warm,omitempty"`
}

// WarmCounts says what a worker has ready of one version of a function.
type WarmCounts struct {
	Name    Name    `json:"name"`
	Version Version `json:"version"`
	Ready   int     `json:"ready"`   // idle Faaslets, ready to run
	Running int     `json:"running"` // calls that run
	// Starts counts the calls since the worker has the version loaded, with these settings or others.
	Starts Starts `json:"starts,omitzero"`
	// MedianUs is how long the last few took, the middle one of them; Init, Restore and Reset also of Faaslets that no call
	// waited for.
	MedianUs Times `json:"median_us,omitzero"`
}

// WorkerState is where a worker is in its life.
type WorkerState string

// The worker states, in the order they come.
const (
	WorkerJoined   WorkerState = "joined"
	WorkerDraining WorkerState = "draining"
	WorkerLeft     WorkerState = "left"
	WorkerDead     WorkerState = "dead"
)
