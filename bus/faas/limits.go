package faas

import "time"

// Limit is a default and the ceiling that no setting passes. docs/limits.md is generated from Limits.
type Limit struct {
	Name    string // as the setting or the flag is called
	Default string
	Ceiling string // "" when there is none
	What    string
}

// Defaults and ceilings, in the units of their types.
const (
	DefaultMemory    = 128 * MiB
	MaxMemory        = 4 * GiB
	DefaultTimeout   = 30 * time.Second
	MaxTimeout       = 15 * time.Minute
	DefaultBody      = 32 * MiB // input and output, each
	MaxBody          = 1 * GiB
	DefaultModule    = 64 * MiB
	MaxModule        = 256 * MiB
	DefaultLog       = 64 * KiB // stderr, and stdout that is not the output, per call and stream
	DefaultKeepAlive = 5 * time.Minute
	SlotsPerCore     = 4 // slots of a worker
	QueuePerSlot     = 2 // queued calls per slot of a worker
	LogLines         = 1000
)

// What a module may have, beside its size. The first three take memory in each Faaslet, beside its linear memory.
const (
	MaxTables        = 16
	MaxTableElements = 1 << 20 // of all tables together, 8 bytes each
	MaxGlobals       = 50_000
)

// Limits returns every limit, for docs and for checks.
func Limits() []Limit {
	return []Limit{
		{"memory", DefaultMemory.String(), MaxMemory.String(), "linear memory of a Faaslet; `memory.grow` fails beyond it"},
		{"timeout", Duration(DefaultTimeout).String(), Duration(MaxTimeout).String(), "wall time of a call, waiting included"},
		{"input", DefaultBody.String(), MaxBody.String(), "body of a call"},
		{"output", DefaultBody.String(), MaxBody.String(), "what a call returns"},
		{"module", DefaultModule.String(), MaxModule.String(), "a WebAssembly module"},
		{"log", DefaultLog.String(), "", "stderr of a call, and stdout where it is not the output; the rest is dropped and said so"},
		{"error stderr", Size(MaxErrorStderr).String(), "", "stderr that travels with a failed call"},
		{"log lines", "1000", "", "lines kept per function for `shoal logs`, each of at most 4 KiB; a worker sends 200 lines and 64 KiB a second for a function after a burst of 1000 lines or 512 KiB, and says how many it dropped"},
		{"memory of running calls", "80 % of the machine", "", "what the memory limits of a worker's running calls may add up to; beyond it `no_capacity`"},
		{"bodies", "1GiB", "", "what the bodies of a gateway's calls may take together; beyond it `no_capacity`"},
		{"slots", "4 × cores", "", "running calls of a worker"},
		{"queue", "2 × slots", "", "calls that wait on a worker for a slot; up to 16 times as many while they are so short that none waits longer than 100 ms"},
		{"keep_alive", Duration(DefaultKeepAlive).String(), "", "how long an idle Faaslet stays ready"},
		{"hops", "3", "", "how often a call may be passed on before `no_capacity`"},
		{"name", "63 characters", "", "tenant, function and worker names: `[a-z0-9][a-z0-9_-]{0,62}`"},
	}
}
