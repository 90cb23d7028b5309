package wasi

import (
	"testing"
	"time"
)

func TestClockResGet(t *testing.T) {
	for _, c := range []struct {
		name  string
		id    uint32
		off   uint32
		errno Errno
		res   uint64
	}{
		{"realtime", ClockRealtime, 1, ESUCCESS, 1},
		{"monotonic", ClockMonotonic, 1, ESUCCESS, 1},
		{"process", ClockProcessCPUTimeID, 1, ESUCCESS, 1000},
		{"thread", ClockThreadCPUTimeID, 2, ESUCCESS, 1000},
		{"no clock", 4, 1, EINVAL, 0},
		{"wild clock", 0xffffffff, 1, EINVAL, 0},
		{"one byte out", ClockRealtime, 3, EFAULT, 0},
		{"wild", ClockRealtime, 0xffffffff, EFAULT, 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := fixed()
			s.CPU = func() (int64, bool) { return 5, true }
			mem, want := paper(10), paper(10)
			if c.errno == ESUCCESS {
				put(t, want, c.off, longs(c.res))
			}
			check(t, s.ClockResGet(mem, c.id, c.off), c.errno, mem, want)
		})
	}
}

func TestClockTimeGet(t *testing.T) {
	for _, c := range []struct {
		name  string
		id    uint32
		off   uint32
		errno Errno
		time  uint64
	}{
		{"realtime", ClockRealtime, 1, ESUCCESS, 1640995200000000000},
		{"monotonic", ClockMonotonic, 1, ESUCCESS, 1234},
		{"process", ClockProcessCPUTimeID, 0, ESUCCESS, 0},
		{"thread", ClockThreadCPUTimeID, 2, ESUCCESS, 0},
		{"no clock", 4, 1, EINVAL, 0},
		{"one byte out", ClockMonotonic, 3, EFAULT, 0},
		{"sum passes 2³²", ClockMonotonic, 0xfffffffc, EFAULT, 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := fixed()
			s.CPU = func() (int64, bool) { return 77, true }
			mem, want := paper(10), paper(10)
			if c.errno == ESUCCESS {
				put(t, want, c.off, longs(c.time))
			}
			check(t, s.ClockTimeGet(mem, c.id, 0, c.off), c.errno, mem, want)
		})
	}
}

func TestCPUClock(t *testing.T) {
	readings := []int64{1000, 5000, 3000, 9000}
	s := &System{CPU: func() (int64, bool) {
		t := readings[0]
		readings = readings[1:]
		return t, true
	}}
	for i, want := range []int64{0, 4000, 4000, 8000} {
		if got, errno := s.clock(ClockThreadCPUTimeID); got != want || errno != ESUCCESS {
			t.Errorf("reading %d: %d, %v; want %d", i, got, errno, want)
		}
	}
	s = &System{CPU: func() (int64, bool) { return 0, false }}
	mem := paper(8)
	check(t, s.ClockTimeGet(mem, ClockProcessCPUTimeID, 0, 0), EINVAL, mem, paper(8))
	check(t, s.ClockResGet(mem, ClockProcessCPUTimeID, 0), EINVAL, mem, paper(8))
}

// TestRealClocks asks the clocks that a zero System has.
func TestRealClocks(t *testing.T) {
	s := &System{}
	before := time.Now().UnixNano()
	now, errno := s.clock(ClockRealtime)
	if after := time.Now().UnixNano(); errno != ESUCCESS || now < before || now > after {
		t.Errorf("realtime %d, %v; want %d to %d", now, errno, before, after)
	}
	for _, id := range []uint32{ClockMonotonic, ClockProcessCPUTimeID} {
		a, errno := s.clock(id)
		b, _ := s.clock(id)
		if errno != ESUCCESS || a < 0 || b < a {
			t.Errorf("clock %d: %d, then %d, %v", id, a, b, errno)
		}
	}
}
