package wasi

import (
	"time"

	"github.com/shoal-run/shoal/libs/guest"
)

// The clocks of preview1.
//
// See https://github.com/WebAssembly/WASI/blob/main/legacy/preview1/docs.md#clockid
const (
	ClockRealtime         = 0 // nanoseconds since 1970-01-01T00:00Z
	ClockMonotonic        = 1 // nanoseconds since a fixed point, unaffected by clock changes
	ClockProcessCPUTimeID = 2 // processor time of the call
	ClockThreadCPUTimeID  = 3 // the same: a Faaslet has one thread
)

// Resolutions, in nanoseconds.
const (
	clockResolution = 1
	cpuResolution   = 1000 // the kernel's rusage counts microseconds
)

// processStart is where the monotonic clock of every System without one of its own starts, so that it never goes back
// between two calls of one Faaslet.
var processStart = time.Now()

// ClockResGet writes the resolution of a clock.
//
// Parameters
//   - id: the clock, one of Clock…
//   - resolution: where to write it, 8 bytes, in nanoseconds
//
// Errors
//   - EINVAL: id is no clock, or a CPU-time clock that this machine can't tell
//   - EFAULT: resolution is out of bounds
//
// Memory after ClockResGet(mem, ClockMonotonic, 1):
//
//	     ┌────────── 8 bytes ──────────┐
//	?    1   0   0   0   0   0   0   0    ?
//	     └ resolution = 1 ns
//
// It is clock_getres in POSIX. See
// https://github.com/WebAssembly/WASI/blob/main/legacy/preview1/docs.md#clock_res_get
func (s *System) ClockResGet(mem guest.Memory, id, resolution uint32) Errno {
	var res uint64
	switch id {
	case ClockRealtime, ClockMonotonic:
		res = clockResolution
	case ClockProcessCPUTimeID, ClockThreadCPUTimeID:
		if _, ok := s.cpu(); !ok {
			return EINVAL
		}
		res = cpuResolution
	default:
		return EINVAL
	}
	if !mem.PutUint64(resolution, res) {
		return EFAULT
	}
	return ESUCCESS
}

// ClockTimeGet writes the time of a clock.
//
// Parameters
//   - id: the clock, one of Clock…
//   - precision: how old the answer may be, in nanoseconds; every answer is fresh, so it is not used
//   - result: where to write the time, 8 bytes, in nanoseconds
//
// CPU-time clocks count from their first reading in the call.
//
// Errors
//   - EINVAL: id is no clock, or a CPU-time clock that this machine can't tell
//   - EFAULT: result is out of bounds
//
// Memory after ClockTimeGet(mem, ClockRealtime, 0, 1) at 2022-01-01T00:00:00Z:
//
//	     ┌──────────────── 8 bytes ────────────────┐
//	?    0x00 0x00 0x1f 0xa6 0x70 0xfc 0xc5 0x16     ?
//	     └ time = 1640995200000000000 ns
//
// It is clock_gettime in POSIX. See
// https://github.com/WebAssembly/WASI/blob/main/legacy/preview1/docs.md#clock_time_get
func (s *System) ClockTimeGet(mem guest.Memory, id uint32, precision uint64, result uint32) Errno {
	_ = precision
	s.unique = true
	s.wall = s.wall || id == ClockRealtime
	now, errno := s.clock(id)
	if errno != ESUCCESS {
		return errno
	}
	if !mem.PutUint64(result, uint64(now)) {
		return EFAULT
	}
	return ESUCCESS
}

// clock reads a clock, in nanoseconds, or answers EINVAL.
func (s *System) clock(id uint32) (int64, Errno) {
	switch id {
	case ClockRealtime:
		if s.Now != nil {
			return s.Now().UnixNano(), ESUCCESS
		}
		return time.Now().UnixNano(), ESUCCESS
	case ClockMonotonic:
		if s.Mono != nil {
			return s.Mono(), ESUCCESS
		}
		return int64(time.Since(processStart)), ESUCCESS
	case ClockProcessCPUTimeID, ClockThreadCPUTimeID:
		if t, ok := s.cpu(); ok {
			return t, ESUCCESS
		}
	}
	return 0, EINVAL
}

// cpu returns the processor time since its first reading, in nanoseconds. It never goes back, not even when the thread
// under the System changes.
func (s *System) cpu() (int64, bool) {
	read := s.CPU
	if read == nil {
		read = threadCPU
	}
	t, ok := read()
	if !ok {
		return 0, false
	}
	if !s.cpuKnown {
		s.cpuKnown, s.cpuBase = true, t
	}
	s.cpuLast = max(s.cpuLast, t-s.cpuBase)
	return s.cpuLast, true
}
