//go:build linux && cgo

package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"syscall"
	"time"

	"github.com/shoal-run/shoal/bus/faas"
	"github.com/shoal-run/shoal/libs/apiclient"
)

// fetchTime is how long workers get after a deploy to fetch what was announced.
const fetchTime = time.Second

// firstFigures are the first calls of a Go guest over HTTP on a worker that never ran it, with services as processes.
func (b *bench) firstFigures() []*figure {
	const second = "the call after it"
	return []*figure{
		{
			key: "call.first.prefetched", unit: "ms", what: "first call of a Go guest over HTTP, " + fetchTime.String() + " after its deploy",
			value: b.first(false, 0), baseline: b.first(false, 1), baselineName: second,
		},
		{
			key: "call.first.fetched", unit: "ms", what: "first call of a Go guest over HTTP on a worker that joined after the deploy, the only one left",
			value: b.first(true, 0), baseline: b.first(true, 1), baselineName: second,
		},
	}
}

// firsts are how long the first two calls took, and how their Faaslets came to be.
type firsts struct {
	took  [2]time.Duration
	start [2]faas.StartKind
}

// first returns a probe for one of the first two calls, in milliseconds. Both are taken at once: the probe of the second call
// gives that of the last run.
func (b *bench) first(elsewhere bool, which int) probe {
	return func(ctx context.Context, _ time.Duration) (float64, error) {
		if which == 0 {
			if b.firsts == nil {
				b.firsts = make(map[bool]firsts)
			}
			got, err := takeFirsts(ctx, elsewhere)
			if err != nil {
				return 0, err
			}
			b.firsts[elsewhere] = got
		}
		got, taken := b.firsts[elsewhere]
		if !taken {
			return 0, errors.New("the first call was not taken")
		}
		return float64(got.took[which].Microseconds()) / 1000, nil
	}
}

// takeFirsts deploys the Go guest to Shoal as processes and makes its first two calls; elsewhere, on a worker that joined later.
func takeFirsts(ctx context.Context, elsewhere bool) (got firsts, err error) {
	module, err := os.ReadFile(goEchoFile)
	if errors.Is(err, os.ErrNotExist) {
		return got, fmt.Errorf("%w: examples/echo is not built: make examples", errLacks)
	} else if err != nil {
		return got, err
	}
	p, err := startFamily(ctx, func(ctx context.Context, f *family) (addresses, error) {
		a, err := f.shoal(ctx, layout{gateways: 1, planners: 1, workers: 1})
		if err != nil {
			return a, err
		}
		c, err := apiclient.New(apiclient.Config{URL: "http://" + a.HTTP})
		if err != nil {
			return a, err
		}
		defer c.Close()
		name := faas.Name{Tenant: "bench", Function: "first"}
		_, err = c.Deploy(ctx, name, apiclient.Module{Body: bytes.NewReader(module), Size: int64(len(module))}, apiclient.Settings{})
		if err != nil {
			return a, err
		}
		if elsewhere {
			if err := f.replaceWorker(ctx, a); err != nil {
				return a, err
			}
		}
		select {
		case <-time.After(fetchTime):
		case <-ctx.Done():
		}
		for i := range got.took {
			began := time.Now()
			out, err := c.Call(ctx, name, apiclient.Input{Body: bytes.NewReader([]byte("hello"))})
			if err != nil {
				return a, err
			}
			got.took[i], got.start[i] = time.Since(began), out.Start
			if err := out.Body.Close(); err != nil {
				return a, err
			}
		}
		return a, nil
	})
	if err != nil {
		return got, err
	}
	if want := faas.Restored; elsewhere && got.start[0] != want {
		return got, errors.Join(fmt.Errorf("the first call was a %s start, not %s", got.start[0], want), p.stop())
	}
	return got, p.stop()
}

// replaceWorker starts another worker and stops the one that is there.
func (f *family) replaceWorker(ctx context.Context, a addresses) error {
	old := f.workers[0]
	health, err := freeAddress()
	if err != nil {
		return err
	}
	name := "w" + strconv.Itoa(len(f.workers)+1)
	_, err = f.start("worker", nil, "-name", name, "-data", filepath.Join(f.dir, name),
		"-public-key", filepath.Join(f.dir, "upload", "signing.pub"), "-health", health, "-nats-url", a.NATS, "-log-level", "error")
	if err != nil {
		return err
	}
	if err := atGateway(ctx, a.HTTP, joined(ctx, 2)); err != nil {
		return fmt.Errorf("the gateway does not know another worker: %w", err)
	}
	if err := old.Process.Signal(syscall.SIGTERM); err != nil {
		return err
	}
	return atGateway(ctx, a.HTTP, joined(ctx, 1))
}
