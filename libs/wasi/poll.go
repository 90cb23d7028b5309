package wasi

import (
	"math"
	"time"

	"github.com/shoal-run/shoal/libs/guest"
)

// Layout of subscriptions and events in guest memory, in bytes.
const (
	subscriptionSize = 48
	eventSize        = 32

	// maxSubscriptions is how many a single PollOneoff takes: far more than a guest has descriptors.
	maxSubscriptions = 4096
)

// Kinds of events.
//
// See https://github.com/WebAssembly/WASI/blob/main/legacy/preview1/docs.md#eventtype
const (
	eventClock   = 0
	eventFdRead  = 1
	eventFdWrite = 2

	clockAbsolute = 1 << 0 // subclockflags: the timeout is a time of the clock, not a distance
	eventHangup   = 1 << 0 // eventrwflags: nothing more will come

	writeRoom = 64 << 10 // what an event says can be written to stdout or stderr, in bytes, as a pipe's buffer
)

// PollOneoff waits until at least one of several things has happened, and writes an event for each that has.
//
// Parameters
//   - in: where the subscriptions are, 48 bytes each
//   - out: where to write the events, room for one of 32 bytes for each subscription; it may be the same as in
//   - nsubscriptions: how many, 1 to 4096
//   - nevents: where to write how many events there are, 4 bytes
//
// A clock subscription ends after its timeout, or when its clock reaches it, in nanoseconds; the precision is not used. A
// descriptor is always ready: reading tells how many bytes of stdin are left, with the flag hangup when there are none, or of
// a file from its offset on; writing tells 64 KiB.
//
// Errors
//   - EINVAL: nsubscriptions is out of range, or a subscription is of no known kind
//   - EFAULT: in, out or nevents is out of bounds
//
// Errors of one subscription are in its event, and end the waiting:
//   - EINVAL: a clock that ClockTimeGet does not have, or a CPU-time clock; a flag that does not exist
//   - EBADF: a descriptor that is not open, or not in that direction, or a directory
//   - ENOTCAPABLE: a descriptor that has not the right to poll, or a file's without that to read or write
//
// The error is ErrInterrupted when the call ended while it waited, else nil.
//
// A subscription to descriptor 0, and the event, with 5 bytes of stdin left; a row for each 8 bytes:
//
//	in   u  s  e  r  d  a  t  a          out  u  s  e  r  d  a  t  a
//	     1  0  0  0  0  0  0  0  kind         0  0  1  0  0  0  0  0  errno (2 bytes), kind
//	     0  0  0  0  …           fd           5  0  0  0  0  0  0  0  bytes
//	     … to 48                              0  0  0  0  0  0  0  0  flags (2 bytes)
//
// and one to a clock:
//
//	in   u  s  e  r  d  a  t  a
//	     0  0  0  0  0  0  0  0  kind
//	     1  0  0  0  0  0  0  0  clock (4 bytes)
//	     timeout, ns
//	     precision, ns
//	     0  0  0  0  0  0  0  0  flags (2 bytes): 1 = the timeout is absolute
//
// It is poll in POSIX, and clock_nanosleep. See
// https://github.com/WebAssembly/WASI/blob/main/legacy/preview1/docs.md#poll_oneoff
func (s *System) PollOneoff(mem guest.Memory, in, out, nsubscriptions, nevents uint32) (Errno, error) {
	if nsubscriptions == 0 || nsubscriptions > maxSubscriptions {
		return EINVAL, nil
	}
	subs, ok := mem.Bytes(in, nsubscriptions*subscriptionSize)
	if !ok {
		return EFAULT, nil
	}
	events, ok := mem.Bytes(out, nsubscriptions*eventSize)
	if !ok {
		return EFAULT, nil
	}
	if _, ok := mem.Bytes(nevents, 4); !ok {
		return EFAULT, nil
	}

	var p poll
	p.start(s)
	wait := uint64(math.MaxUint64)
	for rest := subs; len(rest) > 0; rest = rest[subscriptionSize:] {
		e, ok := p.event(s, rest)
		if !ok {
			return EINVAL, nil
		}
		wait = min(wait, e.left)
	}
	if wait > 0 {
		if err := s.sleep(wait); err != nil {
			return EINTR, err
		}
	}

	n := uint32(0)
	for ; len(subs) > 0; subs = subs[subscriptionSize:] {
		// With in = out, event n lies before the end of the subscription it answers, so that none is overwritten unread.
		if e, ok := p.event(s, subs); ok && e.left <= wait {
			e.put(guest.Memory(events[n*eventSize:][:eventSize]))
			n++
		}
	}
	mem.PutUint32(nevents, n)
	return ESUCCESS, nil
}

// poll is one PollOneoff: the times at which it began.
type poll struct{ real, mono int64 }

func (p *poll) start(s *System) {
	p.real, _ = s.clock(ClockRealtime)
	p.mono, _ = s.clock(ClockMonotonic)
}

// event is what became of a subscription.
type event struct {
	userdata uint64
	errno    Errno
	kind     uint8
	nbytes   uint64
	flags    uint16
	left     uint64 // nanoseconds from the start of the poll until it happens; 0 when it has
}

// event returns the event of the subscription at the start of b, or false when it is of no known kind.
func (p *poll) event(s *System, b guest.Memory) (event, bool) {
	var e event
	e.userdata, _ = b.Uint64(0)
	e.kind, _ = b.Uint8(8)
	switch e.kind {
	case eventClock:
		id, _ := b.Uint32(16)
		timeout, _ := b.Uint64(24)
		flags, _ := b.Uint16(40)
		if flags&clockAbsolute != 0 { // whether it has come tells the time
			s.unique, s.wall = true, s.wall || id == ClockRealtime
		}
		e.left, e.errno = p.left(id, timeout, flags)
	case eventFdRead, eventFdWrite:
		fd, _ := b.Uint32(16)
		e.nbytes, e.flags, e.errno = s.readiness(fd, e.kind)
	default:
		return e, false
	}
	return e, true
}

// left returns how long, from the start of the poll, a clock subscription has to wait.
func (p *poll) left(id uint32, timeout uint64, flags uint16) (uint64, Errno) {
	var now int64
	switch id {
	case ClockRealtime:
		now = p.real
	case ClockMonotonic:
		now = p.mono
	default:
		return 0, EINVAL
	}
	switch flags {
	case 0:
		return timeout, ESUCCESS
	case clockAbsolute:
		if now < 0 { // before 1970, or before the clock's fixed point: no timeout can say so
			now = 0
		}
		if timeout <= uint64(now) {
			return 0, ESUCCESS
		}
		return timeout - uint64(now), ESUCCESS
	}
	return 0, EINVAL
}

// readiness answers a subscription to a descriptor; kind is the direction.
func (s *System) readiness(fd uint32, kind uint8) (nbytes uint64, flags uint16, errno Errno) {
	f := s.open(fd)
	switch {
	case f == nil, f.source == directory, f.source != regular && (f.source == stdin) != (kind == eventFdRead):
		return 0, 0, EBADF
	case f.rights&RightPoll == 0, f.source == regular && f.rights&direction(kind) == 0:
		return 0, 0, ENOTCAPABLE
	case kind == eventFdWrite:
		return writeRoom, 0, ESUCCESS
	case f.source == regular:
		return uint64(max(0, f.handle.Size()-f.pos)), 0, ESUCCESS
	}
	left := len(s.Stdin) - s.stdinPos
	if left == 0 {
		return 0, eventHangup, ESUCCESS
	}
	return uint64(left), 0, ESUCCESS
}

// direction returns the right that a subscription of kind needs of a file.
func direction(kind uint8) uint64 {
	if kind == eventFdWrite {
		return RightWrite
	}
	return RightRead
}

// put writes e over the 32 bytes of m.
func (e *event) put(m guest.Memory) {
	clear(m)
	m.PutUint64(0, e.userdata)
	m.PutUint16(8, uint16(e.errno))
	m.PutUint8(10, e.kind)
	m.PutUint64(16, e.nbytes)
	m.PutUint16(24, e.flags)
}

// sleep waits for ns nanoseconds or, with ErrInterrupted, until the call ends.
func (s *System) sleep(ns uint64) error {
	if s.interrupted() {
		return ErrInterrupted
	}
	d := time.Duration(min(ns, math.MaxInt64))
	if s.timer == nil {
		s.timer = time.NewTimer(d)
	} else {
		s.timer.Reset(d)
	}
	select {
	case <-s.timer.C:
		return nil
	case <-s.done():
		s.timer.Stop()
		return ErrInterrupted
	}
}
