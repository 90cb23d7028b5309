package wasi

import (
	"bytes"
	"context"
	"errors"
	"math"
	"testing"
	"testing/synctest"
	"time"

	"github.com/shoal-run/shoal/libs/guest"
)

// onClock returns the bytes of a subscription to a clock.
func onClock(userdata uint64, clock uint32, timeout uint64, flags uint16) []byte {
	return longs(userdata, eventClock, uint64(clock), timeout, 0, uint64(flags))
}

// onFd returns the bytes of a subscription to a descriptor.
func onFd(userdata uint64, kind uint8, fd uint32) []byte {
	return longs(userdata, uint64(kind), uint64(fd), 0, 0, 0)
}

// happened returns the bytes of an event.
func happened(userdata uint64, errno Errno, kind uint8, nbytes uint64, flags uint16) []byte {
	return longs(userdata, uint64(errno)|uint64(kind)<<16, nbytes, uint64(flags))
}

func TestPollOneoff(t *testing.T) {
	const real = 1640995200000000000
	for _, c := range []struct {
		name string
		subs []byte
		want []byte // nil: EINVAL
	}{
		{"clock that has passed", onClock(7, ClockMonotonic, 0, 0), happened(7, ESUCCESS, eventClock, 0, 0)},
		{"absolute, passed", onClock(7, ClockRealtime, real, 1), happened(7, ESUCCESS, eventClock, 0, 0)},
		{"absolute, long passed", onClock(7, ClockMonotonic, 3, 1), happened(7, ESUCCESS, eventClock, 0, 0)},
		{"cpu clock", onClock(7, ClockThreadCPUTimeID, 0, 0), happened(7, EINVAL, eventClock, 0, 0)},
		{"no clock", onClock(7, 9, 1<<62, 0), happened(7, EINVAL, eventClock, 0, 0)},
		{"no flag", onClock(7, ClockRealtime, 1<<62, 2), happened(7, EINVAL, eventClock, 0, 0)},
		{"stdin", onFd(8, eventFdRead, 0), happened(8, ESUCCESS, eventFdRead, 5, 0)},
		{"stdout", onFd(8, eventFdWrite, 1), happened(8, ESUCCESS, eventFdWrite, 65536, 0)},
		{"write stdin", onFd(8, eventFdWrite, 0), happened(8, EBADF, eventFdWrite, 0, 0)},
		{"read stderr", onFd(8, eventFdRead, 2), happened(8, EBADF, eventFdRead, 0, 0)},
		{"unknown descriptor", onFd(8, eventFdRead, 0xffffffff), happened(8, EBADF, eventFdRead, 0, 0)},
		{"unknown kind", onFd(8, 3, 0), nil},
		{"wild kind", onFd(8, 255, 0), nil},
		{
			"ready descriptor beside a clock", join(onClock(1, ClockMonotonic, math.MaxUint64, 0), onFd(2, eventFdRead, 0), onClock(3, ClockMonotonic, 0, 0)),
			join(happened(2, ESUCCESS, eventFdRead, 5, 0), happened(3, ESUCCESS, eventClock, 0, 0)),
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			n := uint32(len(c.subs) / subscriptionSize)
			out := 1 + n*subscriptionSize + 1
			nevents := out + n*eventSize + 1
			s := fixed()
			s.Stdin = []byte("shoal")
			mem := paper(int(nevents) + 5)
			put(t, mem, 1, c.subs)
			want, errno := bytes.Clone(mem), EINVAL
			if c.want != nil {
				errno = ESUCCESS
				put(t, want, out, c.want)
				put(t, want, nevents, words(uint32(len(c.want)/eventSize)))
			}
			got, err := s.PollOneoff(mem, 1, out, n, nevents)
			if err != nil {
				t.Error(err)
			}
			check(t, got, errno, mem, want)
		})
	}
}

func TestPollOneoffAtTheEndOfStdin(t *testing.T) {
	mem := paper(subscriptionSize + eventSize + 4)
	put(t, mem, 0, onFd(1, eventFdRead, 0))
	if errno, err := fixed().PollOneoff(mem, 0, 48, 1, 80); errno != ESUCCESS || err != nil {
		t.Fatal(errno, err)
	}
	if want := happened(1, ESUCCESS, eventFdRead, 0, eventHangup); !bytes.Equal(mem[48:80], want) {
		t.Errorf("event %v, want %v", mem[48:80], want)
	}
}

func TestPollOneoffInPlace(t *testing.T) {
	s := fixed()
	var subs, want []byte
	for i := range uint64(9) {
		subs = append(subs, onFd(i, eventFdWrite, 1)...)
		want = append(want, happened(i, ESUCCESS, eventFdWrite, writeRoom, 0)...)
	}
	mem := make(guest.Memory, len(subs)+4)
	put(t, mem, 0, subs)
	errno, err := s.PollOneoff(mem, 0, 0, 9, uint32(len(subs)))
	if err != nil || errno != ESUCCESS || !bytes.Equal(mem[:len(want)], want) {
		t.Errorf("%v, %v\n got %v\nwant %v", errno, err, mem[:len(want)], want)
	}
}

func TestPollOneoffBounds(t *testing.T) {
	mem := paper(200)
	put(t, mem, 0, onClock(0, ClockMonotonic, 0, 0))
	for _, c := range []struct {
		name                string
		in, out, n, nevents uint32
		want                Errno
	}{
		{"none", 0, 48, 0, 80, EINVAL},
		{"too many", 0, 48, maxSubscriptions + 1, 80, EINVAL},
		{"2³²-1", 0, 48, 0xffffffff, 80, EINVAL},
		{"product passes 2³²", 0, 48, 0x05555556, 80, EINVAL},
		{"in, one out", 153, 48, 1, 80, EFAULT},
		{"in, wild", 0xffffffff, 48, 1, 80, EFAULT},
		{"out, one out", 0, 169, 1, 80, EFAULT},
		{"out, wild", 0, 0xfffffff0, 1, 80, EFAULT},
		{"nevents, one out", 0, 48, 1, 197, EFAULT},
		{"in, many", 0, 48, maxSubscriptions, 80, EFAULT},
	} {
		t.Run(c.name, func(t *testing.T) {
			before := bytes.Clone(mem)
			errno, err := fixed().PollOneoff(mem, c.in, c.out, c.n, c.nevents)
			if err != nil {
				t.Error(err)
			}
			check(t, errno, c.want, mem, before)
		})
	}
}

func TestPollOneoffSleeps(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &System{Ctx: t.Context()}
		real, _ := s.clock(ClockRealtime)
		mono := int64(1 << 40)
		epoch := time.Now()
		s.Mono = func() int64 { return mono + int64(time.Since(epoch)) }
		for _, c := range []struct {
			name string
			subs []byte
			wait time.Duration
			want []uint64 // userdata of the events
		}{
			{"relative", onClock(1, ClockMonotonic, 1e9, 0), time.Second, []uint64{1}},
			{"realtime, absolute", onClock(1, ClockRealtime, uint64(real)+5e9, clockAbsolute), 4 * time.Second, []uint64{1}},
			{"monotonic, absolute", onClock(1, ClockMonotonic, uint64(mono)+12e9, clockAbsolute), 7 * time.Second, []uint64{1}},
			{"first of three", join(onClock(1, ClockMonotonic, 3e9, 0), onClock(2, ClockRealtime, 2e9, 0), onClock(3, ClockMonotonic, 2e9, 0)), 2 * time.Second, []uint64{2, 3}},
			{"beside a ready one", join(onClock(1, ClockMonotonic, 3e9, 0), onFd(2, eventFdRead, 0)), 0, []uint64{2}},
			{"beside a broken one", join(onClock(1, ClockMonotonic, 3e9, 0), onClock(2, 77, 3e9, 0)), 0, []uint64{2}},
		} {
			mem := paper(256)
			put(t, mem, 0, c.subs)
			start := time.Now()
			errno, err := s.PollOneoff(mem, 0, 150, uint32(len(c.subs)/subscriptionSize), 250)
			if errno != ESUCCESS || err != nil {
				t.Fatalf("%s: %v, %v", c.name, errno, err)
			}
			if got := time.Since(start); got != c.wait {
				t.Errorf("%s: waited %v, want %v", c.name, got, c.wait)
			}
			if n, _ := mem.Uint32(250); int(n) != len(c.want) {
				t.Errorf("%s: %d events, want %d", c.name, n, len(c.want))
				continue
			}
			for i, want := range c.want {
				if got, _ := mem.Uint64(150 + uint32(i)*eventSize); got != want {
					t.Errorf("%s: event %d is of %d, want %d", c.name, i, got, want)
				}
			}
		}
	})
}

func TestPollOneoffEndsWithTheCall(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		s := &System{Ctx: ctx}
		for _, timeout := range []uint64{1e18, math.MaxUint64} { // while it sleeps, and with the call over before
			mem := paper(84)
			put(t, mem, 0, onClock(1, ClockMonotonic, timeout, 0))
			want := bytes.Clone(mem)
			_, err := s.PollOneoff(mem, 0, 48, 1, 80)
			if !errors.Is(err, ErrInterrupted) || !bytes.Equal(mem, want) {
				t.Errorf("%v, want ErrInterrupted and nothing written", err)
			}
		}
	})
}

func TestPollOneoffRights(t *testing.T) {
	s := fixed()
	s.FdFdstatSetRights(1, RightWrite, 0)
	mem := paper(84)
	put(t, mem, 0, onFd(1, eventFdWrite, 1))
	if errno, err := s.PollOneoff(mem, 0, 48, 1, 80); errno != ESUCCESS || err != nil {
		t.Fatal(errno, err)
	}
	if want := happened(1, ENOTCAPABLE, eventFdWrite, 0, 0); !bytes.Equal(mem[48:80], want) {
		t.Errorf("event %v, want %v", mem[48:80], want)
	}
}
