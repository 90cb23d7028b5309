//go:build linux && cgo

package faaslet

import (
	"context"
	"sync"
	"time"

	"github.com/shoal-run/shoal/libs/faaslet/capi"
	"github.com/shoal-run/shoal/libs/telemetry"
)

const (
	// sourceTime is how long a source may take.
	sourceTime = 30 * time.Second
	// sourceWait is how long a Faaslet waits for it, if its own time allows four times as much: then it is built.
	sourceWait = 2 * time.Second
	// After a failure the source rests, twice as long each time.
	firstSourceRest = time.Second
	lastSourceRest  = time.Minute
)

// source is where an Image may be filled from.
type source struct {
	fill func(context.Context, *Image) error

	mu       sync.Mutex
	asked    chan struct{} // closed when the asking that goes on has ended; nil when none does
	answered bool          // there is nothing more to ask
	notYet   time.Time     // when to ask again after failures
	rest     time.Duration // of the next failure
}

// NewImageFrom is NewImage for an image that fill may Fill: the first New with it has it asked, on a goroutine of its own and
// for 30 s at most, and waits for the answer as others do, each for a quarter of its own time and 2 s at most. Who has waited
// for nothing is built, and so are all after an error, which is logged; while the image is empty, fill is asked again from time
// to time.
func (m *Module) NewImageFrom(owner string, fill func(context.Context, *Image) error) *Image {
	i := m.NewImage(owner)
	i.source = &source{fill: fill, rest: firstSourceRest}
	return i
}

// bring returns what i has, and has its source asked before if it has nothing. i may be nil.
func (i *Image) bring(ctx context.Context) *capi.Image {
	if img := i.get(); img != nil || i == nil || i.source == nil || i.never.Load() {
		return img
	}
	if asked := i.ask(); asked != nil {
		wait := sourceWait
		if end, ends := ctx.Deadline(); ends {
			wait = min(wait, time.Until(end)/4)
		}
		enough := time.NewTimer(wait)
		defer enough.Stop()
		select {
		case <-asked:
		case <-enough.C:
		case <-ctx.Done():
		}
	}
	return i.get()
}

// ask returns what is closed when the source has been asked, nil when it is not to be asked now.
func (i *Image) ask() <-chan struct{} {
	s := i.source
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.asked != nil {
		return s.asked
	}
	if s.answered || time.Now().Before(s.notYet) || !i.acquire() {
		return nil
	}
	if !i.module.acquire() {
		i.release()
		return nil
	}
	asked := make(chan struct{})
	s.asked = asked
	go func() { // ends with the source, which has its time
		defer i.module.release()
		defer i.release()
		ctx, cancel := context.WithTimeout(context.Background(), sourceTime)
		defer cancel()
		err := s.fill(ctx, i)
		if err != nil {
			i.module.engine.log.Warn("no Proto-Faaslet to restore from: building from the module", telemetry.KeyErr, err)
		}
		s.mu.Lock()
		defer s.mu.Unlock()
		s.asked = nil
		if s.answered = err == nil; err != nil {
			s.notYet, s.rest = time.Now().Add(s.rest), min(2*s.rest, lastSourceRest)
		}
		close(asked)
	}()
	return asked
}
