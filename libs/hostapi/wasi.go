package hostapi

import "github.com/shoal-run/shoal/libs/guest"

// preview1 is the module of WASI preview1. Its functions are documented, with every errno, on wasi.System.
const preview1 = "wasi_snapshot_preview1"

// cpuLimitation is what the two CPU-time clocks lack.
const cpuLimitation = "the CPU-time clocks count from their first reading in a call, in steps of 1 µs, and both count the Faaslet's thread"

// wasiArgs returns the rows for arguments and environment.
func wasiArgs() []Row {
	return []Row{
		{
			Module: preview1, Name: "args_get", Group: groupWASI,
			Params:  []Param{{"argv", I32}, {"argv_buf", I32}},
			Results: []ValType{I32},
			Support: Full,
			Doc:     "Write the addresses of the arguments to `argv` and their NUL-terminated bytes to `argv_buf`.",
			Func: func(c *Call, mem guest.Memory, a Args) (uint64, error) {
				return uint64(c.WASI.ArgsGet(mem, a.U32(0), a.U32(1))), nil
			},
		},
		{
			Module: preview1, Name: "args_sizes_get", Group: groupWASI,
			Params:  []Param{{"argc", I32}, {"argv_buf_size", I32}},
			Results: []ValType{I32},
			Support: Full,
			Doc:     "Write the number of arguments and the bytes they need.",
			Func: func(c *Call, mem guest.Memory, a Args) (uint64, error) {
				return uint64(c.WASI.ArgsSizesGet(mem, a.U32(0), a.U32(1))), nil
			},
		},
		{
			Module: preview1, Name: "environ_get", Group: groupWASI,
			Params:  []Param{{"environ", I32}, {"environ_buf", I32}},
			Results: []ValType{I32},
			Support: Full,
			Doc:     "Write the addresses of the environment variables to `environ` and their NUL-terminated bytes, `K=V`, to `environ_buf`.",
			Func: func(c *Call, mem guest.Memory, a Args) (uint64, error) {
				return uint64(c.WASI.EnvironGet(mem, a.U32(0), a.U32(1))), nil
			},
		},
		{
			Module: preview1, Name: "environ_sizes_get", Group: groupWASI,
			Params:  []Param{{"environc", I32}, {"environ_buf_size", I32}},
			Results: []ValType{I32},
			Support: Full,
			Doc:     "Write the number of environment variables and the bytes they need.",
			Func: func(c *Call, mem guest.Memory, a Args) (uint64, error) {
				return uint64(c.WASI.EnvironSizesGet(mem, a.U32(0), a.U32(1))), nil
			},
		},
	}
}

// wasiClock returns the rows for time and randomness.
func wasiClock() []Row {
	return []Row{
		{
			Module: preview1, Name: "clock_res_get", Group: groupWASI,
			Params:     []Param{{"id", I32}, {"resolution", I32}},
			Results:    []ValType{I32},
			Support:    Partial,
			Limitation: cpuLimitation,
			Doc:        "Write the resolution of a clock, in nanoseconds.",
			Func: func(c *Call, mem guest.Memory, a Args) (uint64, error) {
				return uint64(c.WASI.ClockResGet(mem, a.U32(0), a.U32(1))), nil
			},
		},
		{
			Module: preview1, Name: "clock_time_get", Group: groupWASI,
			Params:     []Param{{"id", I32}, {"precision", I64}, {"time", I32}},
			Results:    []ValType{I32},
			Support:    Partial,
			Limitation: cpuLimitation,
			Doc:        "Write the time of a clock, in nanoseconds.",
			Func: func(c *Call, mem guest.Memory, a Args) (uint64, error) {
				return uint64(c.WASI.ClockTimeGet(mem, a.U32(0), a.U64(1), a.U32(2))), nil
			},
		},
		{
			Module: preview1, Name: "random_get", Group: groupWASI,
			Params:  []Param{{"buf", I32}, {"buf_len", I32}},
			Results: []ValType{I32},
			Support: Full,
			Doc:     "Fill a buffer with random bytes fit for cryptography.",
			Func: func(c *Call, mem guest.Memory, a Args) (uint64, error) {
				errno, err := c.WASI.RandomGet(mem, a.U32(0), a.U32(1))
				return uint64(errno), err
			},
		},
	}
}

// wasiPoll returns the row for waiting.
func wasiPoll() []Row {
	return []Row{
		{
			Module: preview1, Name: "poll_oneoff", Group: groupWASI,
			Params:     []Param{{"in", I32}, {"out", I32}, {"nsubscriptions", I32}, {"nevents", I32}},
			Results:    []ValType{I32},
			Support:    Partial,
			Limitation: "at most 4096 subscriptions; clocks realtime and monotonic; descriptors are stdio and files, always ready",
			Doc:        "Wait for clocks and descriptors and write an event for each that is ready.",
			Func: func(c *Call, mem guest.Memory, a Args) (uint64, error) {
				errno, err := c.WASI.PollOneoff(mem, a.U32(0), a.U32(1), a.U32(2), a.U32(3))
				return uint64(errno), err
			},
		},
	}
}

// wasiProc returns the rows for the guest as a process.
func wasiProc() []Row {
	return []Row{
		{
			Module: preview1, Name: "proc_exit", Group: groupWASI,
			Params:  []Param{{"rval", I32}},
			Support: Full,
			Doc:     "End the guest; 0 is success, anything else fails the call.",
			Func: func(c *Call, _ guest.Memory, a Args) (uint64, error) {
				return 0, c.WASI.ProcExit(a.U32(0))
			},
		},
		{
			Module: preview1, Name: "proc_raise", Group: groupWASI,
			Params:     []Param{{"sig", I32}},
			Results:    []ValType{I32},
			Support:    Partial,
			Limitation: "there are no handlers: a terminating signal ends the guest with exit code 128 + `sig`, an ignored one has no effect, a stopping one is ENOTSUP",
			Doc:        "Send the guest a signal.",
			Func: func(c *Call, _ guest.Memory, a Args) (uint64, error) {
				errno, err := c.WASI.ProcRaise(a.U32(0))
				return uint64(errno), err
			},
		},
		{
			Module: preview1, Name: "sched_yield", Group: groupWASI,
			Results: []ValType{I32},
			Support: Full,
			Doc:     "Let other work run on this processor.",
			Func: func(c *Call, _ guest.Memory, _ Args) (uint64, error) {
				return uint64(c.WASI.SchedYield()), nil
			},
		},
	}
}
