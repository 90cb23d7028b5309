//go:build linux && cgo

package faaslet

import "context"

// shares hold each tenant to its part of what an engine has for libraries: of the memory of those that are loaded, by the rule of
// images, and of the turns at the compiler, of which each tenant waits for one at a time. A library is of the tenant that had
// it loaded first, whoever uses it. Preconditions of its methods: libraries.mu is held.
type shares struct {
	all    int64 // bytes that are loaded
	owners map[string]*share
}

// share is what one owner has.
type share struct {
	bytes int64
	turn  chan struct{} // taken by the one that compiles, or waits for a slot
	users int           // compilations that have turn
}

// of returns what owner has.
func (s *shares) of(owner string) *share {
	o := s.owners[owner]
	if o == nil {
		o = &share{turn: make(chan struct{}, 1)}
		s.owners[owner] = o
	}
	return o
}

// settle forgets an owner that has nothing.
func (s *shares) settle(owner string) {
	if o := s.owners[owner]; o != nil && o.bytes == 0 && o.users == 0 {
		delete(s.owners, owner)
	}
}

// take counts a library of that many bytes, or reports that there is no room for it; own says that only its owner's share is in
// the way.
func (s *shares) take(owner string, bytes int64) (ok, own bool) {
	o := s.of(owner)
	defer s.settle(owner)
	if !fits(o.bytes+bytes, s.all+bytes, maxLibraryMemory) {
		return false, s.all+bytes <= maxLibraryMemory
	}
	o.bytes += bytes
	s.all += bytes
	return true, false
}

// give counts it out.
func (s *shares) give(owner string, bytes int64) {
	s.of(owner).bytes -= bytes
	s.all -= bytes
	s.settle(owner)
}

// inTurn runs f when it is the owner's turn and a slot is free, unless ctx ends before.
func (l *libraries) inTurn(ctx context.Context, owner string, f func() ([]byte, error)) ([]byte, error) {
	l.mu.Lock()
	o := l.shares.of(owner)
	o.users++
	l.mu.Unlock()
	defer func() {
		l.mu.Lock()
		o.users--
		l.shares.settle(owner)
		l.mu.Unlock()
	}()
	for _, c := range []chan struct{}{o.turn, l.slots} {
		select {
		case c <- struct{}{}:
			defer func() { <-c }()
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
	return f()
}
