package process

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"sync"
	"syscall"

	"github.com/nats-io/nats.go"

	"github.com/shoal-run/shoal/bus"
	"github.com/shoal-run/shoal/bus/faas"
	"github.com/shoal-run/shoal/libs/config"
	"github.com/shoal-run/shoal/libs/service"
	"github.com/shoal-run/shoal/libs/telemetry"
	"github.com/shoal-run/shoal/libs/telemetry/metrics"
)

// Process is what a Program's wiring gets of the process.
type Process struct {
	Log     *slog.Logger
	Health  *service.Health
	Metrics *metrics.Metrics // of the process; served at its health address, or where Wire sees to them

	name   string
	common *common
	set    *config.Set
	stop   context.CancelCauseFunc

	mu      sync.Mutex
	conns   []*nats.Conn
	closers []func()
}

// OnClose has f called when every part has ended: the last one first.
func (p *Process) OnClose(f func()) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.closers = append(p.closers, f)
}

func (p *Process) close() {
	p.mu.Lock()
	closers := p.closers
	p.closers = nil
	p.mu.Unlock()
	for i := len(closers) - 1; i >= 0; i-- {
		closers[i]()
	}
}

// Stop ends the process as a signal does. The reason goes to the log.
func (p *Process) Stop(reason string) { p.stop(errors.New(reason)) }

// Errorf returns the error of a setting that turned out not to be usable; the process then exits as for any wrong setting.
func (p *Process) Errorf(key, format string, args ...any) error {
	return p.set.Errorf(key, format, args...)
}

// Listen takes the address that the setting called key has.
func (p *Process) Listen(key, address string) (net.Listener, error) {
	l, err := net.Listen("tcp", address)
	if errors.Is(err, syscall.EADDRINUSE) {
		return nil, p.Errorf(key, "the address is taken by another process (stop that, or choose another address)")
	}
	if err != nil {
		return nil, p.Errorf(key, "%s", err)
	}
	return l, nil
}

// background runs f until the process closes what it has opened; when f fails, the process does.
func (p *Process) background(name string, f func(context.Context) error) {
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan struct{})
	go func() { // ended by what OnClose gets
		defer close(ended)
		if err := f(ctx); err != nil && ctx.Err() == nil {
			p.stop(failure{fmt.Errorf("%s: %w", name, err)})
		}
	}()
	p.OnClose(func() { cancel(); <-ended })
}

// Connect opens a connection for what is called use. It waits for the server as long as it takes, and says so in the log;
// it returns when ctx ends.
func (p *Process) Connect(ctx context.Context, use string) (*nats.Conn, error) {
	n := &p.common.nats
	servers := config.RedactURLs(n.url)
	p.Health.Phase("waiting for the NATS server")
	var nc *nats.Conn
	err := service.Retry(ctx, service.Patience{
		Tell: func(why error) {
			p.Log.Warn("NATS server not reached: trying again", "url", servers, telemetry.KeyErr, why)
		},
	}, func() (err error) {
		nc, err = bus.Connect(n.url, "shoal "+p.name+" "+use, p.Log, n.options()...)
		return err
	})
	if err != nil {
		return nil, err
	}
	p.OnClose(nc.Close)
	p.mu.Lock()
	p.conns = append(p.conns, nc)
	first := len(p.conns) == 1
	p.mu.Unlock()
	if first {
		p.Log.Info("NATS server reached", "url", nc.ConnectedUrlRedacted(), "server", nc.ConnectedServerName(), "version", nc.ConnectedServerVersion())
		checkPayload(nc, p.Log)
		p.Health.Check("bus", p.checkBus)
		p.watchBus()
	}
	p.Health.Phase("starting")
	return nc, nil
}

// watchBus has the metrics tell what checkBus does.
func (p *Process) watchBus() {
	group := p.Metrics.Group("shoal/bus")
	group.Gauge("shoal.bus.connected", "", "1 while every connection to the NATS server is up, else 0", func() int64 {
		if p.checkBus() != nil {
			return 0
		}
		return 1
	})
	p.OnClose(group.Close)
}

// checkBus is the check of every connection.
func (p *Process) checkBus() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, nc := range p.conns {
		if !nc.IsConnected() {
			return errors.New("the NATS server is away")
		}
	}
	return nil
}

// checkPayload says when the server takes smaller messages than Shoal's.
func checkPayload(nc *nats.Conn, log *slog.Logger) {
	if n := nc.MaxPayload(); n < bus.MaxPayload {
		log.Warn(fmt.Sprintf("the NATS server takes messages of at most %s: larger bodies take the slow way through the object store, and NATS clients can't send them (set max_payload: %dMB in its configuration)",
			faas.Size(n), bus.MaxPayload>>20))
	}
}

// Ready returns a check that fails until ready is closed.
func Ready(ready <-chan struct{}) service.Check {
	return func() error {
		select {
		case <-ready:
			return nil
		default:
			return errors.New("not ready yet")
		}
	}
}
