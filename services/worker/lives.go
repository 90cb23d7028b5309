package worker

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
)

// Line is a worker through all its incarnations.
type Line struct {
	cfg   Config
	ready chan struct{}
	now   atomic.Pointer[Worker] // the present incarnation
}

// Lives returns a Line that makes a new Worker from cfg whenever the last one was replaced.
func Lives(cfg Config) *Line {
	l := &Line{cfg: cfg, ready: make(chan struct{})}
	l.cfg.joined = sync.OnceFunc(func() { close(l.ready) })
	return l
}

// Ready is closed when the first incarnation has joined.
func (l *Line) Ready() <-chan struct{} { return l.ready }

// Loads says which modules this worker could not load lately for a reason of its own: its disk is full, say, or the store is
// away. It is a service.Check.
func (l *Line) Loads() error {
	if w := l.now.Load(); w != nil {
		return w.modules.check()
	}
	return nil
}

// Run runs one incarnation after the other until ctx ends or one fails.
func (l *Line) Run(ctx context.Context) error {
	for {
		w, err := New(l.cfg)
		if err != nil {
			return err
		}
		l.now.Store(w)
		if err = w.Run(ctx); !errors.Is(err, ErrReplaced) || ctx.Err() != nil {
			return err
		}
		w.log.Warn("taken for dead by the others: joining again as a new incarnation")
	}
}
