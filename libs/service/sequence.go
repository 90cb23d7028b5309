package service

import (
	"context"
	"fmt"
)

// Sequence runs parts that need one another: each starts when the one before it is ready, and they stop in the opposite
// order, each when the one after it has returned. The zero value is ready; a Sequence runs once.
type Sequence struct {
	parts []*part
}

type part struct {
	name  string
	run   func(context.Context) error
	ready <-chan struct{}

	stop  context.CancelFunc
	ended chan struct{}
	err   error
}

// Add appends a part. run blocks until its context ends or it can't go on; ready is closed when the next part may start,
// nil when that is at once.
func (s *Sequence) Add(name string, run func(context.Context) error, ready <-chan struct{}) {
	s.parts = append(s.parts, &part{name: name, run: run, ready: ready})
}

// Run starts the parts, calls up when all are ready, and waits until ctx ends or a part does; then it stops them. It
// returns the error of the part that ended first, with its name, or nil when all was well.
func (s *Sequence) Run(ctx context.Context, up func()) error {
	live := context.WithoutCancel(ctx)
	failed := make(chan *part, len(s.parts))
	started := 0
	defer func() {
		for i := started - 1; i >= 0; i-- {
			s.parts[i].stop()
			<-s.parts[i].ended
		}
	}()
	for _, p := range s.parts {
		own, stop := context.WithCancel(live)
		p.stop, p.ended = stop, make(chan struct{})
		started++
		go func() { // ended by stop, waited for above
			defer close(p.ended)
			p.err = p.run(own)
			failed <- p
		}()
		ready := p.ready
		if ready == nil {
			ready = closedChan
		}
		select {
		case <-ready:
		case dead := <-failed:
			return dead.error()
		case <-ctx.Done():
			return nil
		}
	}
	if up != nil {
		up()
	}
	select {
	case <-ctx.Done():
		return nil
	case dead := <-failed:
		return dead.error()
	}
}

// error says that a part ended by itself.
func (p *part) error() error {
	if p.err == nil {
		return fmt.Errorf("%s ended by itself", p.name)
	}
	return fmt.Errorf("%s: %w", p.name, p.err)
}

var closedChan = func() chan struct{} { c := make(chan struct{}); close(c); return c }()
