// Package service is what every long-running part of Shoal shares: how its goroutines are started, stopped and waited for.
package service

import (
	"context"
	"errors"
	"fmt"
	"sync"
)

// Group runs the goroutines of one service as one: the first that returns stops the others, and Run returns when all have.
// The zero value is ready. Add before Run; a Group runs once.
type Group struct {
	actors []actor
}

type actor struct {
	name string
	run  func(context.Context) error
}

// Add adds a goroutine. run blocks until its context ends or it can't go on; what it started, it has ended when it returns.
func (g *Group) Add(name string, run func(context.Context) error) {
	g.actors = append(g.actors, actor{name, run})
}

// Run starts every goroutine and waits until all have returned. It returns the first error that was not the result of
// stopping, with the name of its goroutine, or nil. With nothing added it returns at once.
func (g *Group) Run(ctx context.Context) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	var (
		wg    sync.WaitGroup
		mu    sync.Mutex
		first error
	)
	for _, a := range g.actors {
		wg.Go(func() {
			err := a.run(ctx)
			mu.Lock()
			if err != nil && first == nil && !(ctx.Err() != nil && errors.Is(err, context.Canceled)) {
				first = fmt.Errorf("%s: %w", a.name, err)
			}
			mu.Unlock()
			cancel()
		})
	}
	wg.Wait()
	return first
}
