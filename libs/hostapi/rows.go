package hostapi

import "slices"

// Groups of rows: the sections of docs/host-interface.md.
const (
	groupCall    = "call"
	groupState   = "state"
	groupMemory  = "memory"
	groupDynamic = "dynamic linking"
	groupStdio   = "stdio"
	groupSystem  = "system"
	groupProcess = "process"
	groupSingle  = "single"
	groupMisc    = "misc"
	groupWASI    = "wasi"
)

// New returns the host interface: every row.
func New() Table {
	return slices.Concat(
		Table(faasmCall()),
		Table(faasmChain()),
		Table(faasmState()),
		Table(faasmMemory()),
		Table(faasmDynamic()),
		Table(faasmStdio()),
		Table(faasmSystem()),
		Table(faasmProcess()),
		Table(faasmSingle()),
		Table(faasmMisc()),
		Table(wasiArgs()),
		Table(wasiClock()),
		Table(wasiStdio()),
		Table(wasiStat()),
		Table(wasiFile()),
		Table(wasiPath()),
		Table(wasiPoll()),
		Table(wasiProc()),
		Table(wasiSock()),
	)
}
