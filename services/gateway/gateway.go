// Package gateway is the way in: it takes calls over HTTP and from NATS clients, holds them until their one answer is
// there, and serves everything else that a client may ask.
//
// A call costs the HTTP server's goroutine and nothing else; a NATS client's call costs none. Both share front.go, which
// looks the function up, stamps its version and gives the call to the holder.
package gateway

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/shoal-run/shoal/bus"
	"github.com/shoal-run/shoal/bus/faas"
	"github.com/shoal-run/shoal/bus/holder"
	"github.com/shoal-run/shoal/bus/members"
	"github.com/shoal-run/shoal/libs/files"
	"github.com/shoal-run/shoal/libs/objectstore"
	"github.com/shoal-run/shoal/libs/registry"
	"github.com/shoal-run/shoal/libs/service"
	"github.com/shoal-run/shoal/libs/telemetry/metrics"
)

// Config is what a gateway is made of. Connections, stores, view and members stay their owner's, who runs them.
type Config struct {
	Listener     net.Listener // for HTTP; Run closes it
	Calls        *nats.Conn   // calls and answers
	Control      *nats.Conn   // events and requests of services
	JetStream    jetstream.JetStream
	Functions    *registry.View
	Modules      *objectstore.Store
	Payloads     *objectstore.Store // bodies that are too large for a message
	Files        *files.Store       // tenants' shared files
	Members      *members.Members
	MaxCalls     int              // held at once; default 10 000
	MaxInput     faas.Size        // of a call; default faas.DefaultBody
	MaxModule    faas.Size        // default faas.DefaultModule
	MaxBodies    faas.Size        // memory that bodies of all calls take together; default 1 GiB
	DrainTimeout time.Duration    // how long Run waits for calls when its context ends; default faas.DefaultTimeout
	Metrics      *metrics.Metrics // the gateway's go there, and all of them are at /metrics; nil for none
	Log          *slog.Logger
}

func (c Config) withDefaults() Config {
	if c.MaxCalls == 0 {
		c.MaxCalls = 10_000
	}
	if c.MaxInput == 0 {
		c.MaxInput = faas.DefaultBody
	}
	if c.MaxBodies == 0 {
		c.MaxBodies = faas.GiB
	}
	if c.MaxModule == 0 {
		c.MaxModule = faas.DefaultModule
	}
	if c.DrainTimeout == 0 {
		c.DrainTimeout = faas.DefaultTimeout
	}
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	return c
}

// Validate reports the first setting that can't be worked with.
func (c Config) Validate() error {
	switch {
	case c.MaxInput < 0 || c.MaxInput > faas.MaxBody:
		return faas.Errorf(faas.BadRequest, "input: %s is more than %s", c.MaxInput, faas.MaxBody)
	case c.MaxModule < 0 || c.MaxModule > faas.MaxModule:
		return faas.Errorf(faas.BadRequest, "module: %s is more than %s", c.MaxModule, faas.MaxModule)
	case c.MaxBodies < faas.Size(bus.MaxPayload):
		return faas.Errorf(faas.BadRequest, "bodies: %s is less than the %s of one message", c.MaxBodies, faas.Size(bus.MaxPayload))
	case c.MaxCalls < 1:
		return faas.Errorf(faas.BadRequest, "calls: %d is less than 1", c.MaxCalls)
	}
	return nil
}

// lastWords is how long the answers of calls that a drain cut off may take to reach their clients.
const lastWords = time.Second

// Gateway is one gateway. New makes it, Run runs it.
type Gateway struct {
	cfg    Config
	log    *slog.Logger
	routes *routes
	holder *holder.Holder
	ready  chan struct{}

	meters     *meters
	bodies     *bodies
	warned     atomic.Int64   // when a client's reply subject was last complained of, in Unix seconds
	background sync.WaitGroup // bodies being fetched for NATS clients, and deletions of those that were delivered
}

// New returns a gateway; it does nothing before Run.
func New(cfg Config) (*Gateway, error) {
	cfg = cfg.withDefaults()
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	g := &Gateway{cfg: cfg, log: cfg.Log, ready: make(chan struct{}), bodies: newBodies(cfg.MaxBodies)}
	g.routes = newRoutes()
	g.holder = holder.New(cfg.Calls, cfg.Control, g.routes, cfg.Log)
	g.holder.OnDropped(g.discard)
	g.meters = newMeters(g)
	return g, nil
}

// Ready is closed when the gateway answers.
func (g *Gateway) Ready() <-chan struct{} { return g.ready }

// Run serves until ctx ends, then takes no more calls, waits for those it holds, and returns.
func (g *Gateway) Run(ctx context.Context) error {
	defer g.cfg.Listener.Close()
	defer g.meters.group.Close()
	if err := ensureLogStream(ctx, g.cfg.JetStream, g.log); err != nil {
		return err
	}
	if err := g.holder.Listen(); err != nil {
		return fmt.Errorf("listen for answers: %w", err)
	}
	defer g.background.Wait()
	defer g.holder.Close()

	leaving := newLeaving(g.holder)
	defer leaving.stop()
	g.cfg.Members.OnChange(func(c members.Change) {
		switch c.Kind {
		case members.Dead:
			g.routes.drop(c.Worker.ID)
			g.holder.Gone(c.Worker.ID)
		case members.Left:
			g.routes.drop(c.Worker.ID)
			leaving.gone(c.Worker.ID)
		case members.Draining:
			g.routes.drop(c.Worker.ID)
		case members.Joined:
		}
	})
	lost := make(map[faas.WorkerID]uint64) // Members delivers one word at a time
	g.cfg.Members.OnBeat(func(w faas.Worker) {
		g.routes.beat(w)
		if w.Lost > lost[w.ID] {
			lost[w.ID] = w.Lost
			g.holder.Lost(w.ID)
		}
	})
	g.cfg.Functions.OnChange(func(old, now *faas.Function) {
		if now == nil {
			g.routes.forget(old.Name, "")
		} else if old != nil && old.Version != now.Version {
			g.routes.forget(now.Name, now.Version)
		}
	})

	select {
	case <-g.cfg.Functions.Ready():
	case <-ctx.Done():
		return nil
	}
	subs, err := g.subscribe()
	if err != nil {
		return fmt.Errorf("subscribe: %w", err)
	}
	srv := &http.Server{
		Handler:           g.handler(),
		ReadHeaderTimeout: 10 * time.Second,
		IdleTimeout:       2 * time.Minute,
		MaxHeaderBytes:    64 << 10,
		ErrorLog:          slog.NewLogLogger(g.log.Handler(), slog.LevelDebug),
	}

	var group service.Group
	group.Add("http", func(context.Context) error {
		if err := srv.Serve(g.cfg.Listener); !errors.Is(err, http.ErrServerClosed) {
			return err
		}
		return nil
	})
	group.Add("stop", func(stop context.Context) error {
		<-stop.Done()
		wait, cancel := context.WithTimeout(context.WithoutCancel(stop), g.cfg.DrainTimeout)
		defer cancel()
		bus.DrainSubscriptions(wait, subs...) // what the server has sent already is still taken
		err := srv.Shutdown(wait)
		g.waitHeld(wait)
		if err == nil {
			return nil
		}
		g.holder.Close() // what is still held fails as unavailable; its clients are told
		last, end := context.WithTimeout(context.WithoutCancel(stop), lastWords)
		defer end()
		if srv.Shutdown(last) != nil {
			return srv.Close()
		}
		return nil
	})
	g.log.Info("gateway listening", "http", g.cfg.Listener.Addr().String())
	close(g.ready)
	return group.Run(ctx)
}

// subscribe takes the calls of NATS clients and listens for routes.
func (g *Gateway) subscribe() ([]*nats.Subscription, error) {
	front, err := g.cfg.Calls.QueueSubscribe(bus.CallWildcard(), bus.GatewayQueue, g.natsCall)
	if err != nil {
		return nil, err
	}
	routes, err := g.cfg.Control.Subscribe(bus.RouteEventSubject(), func(m *nats.Msg) {
		if e, err := bus.Unmarshal[bus.RouteEvent](m.Data); err == nil {
			g.routes.learn(e)
		}
	})
	if err != nil {
		return nil, err
	}
	if err := front.SetPendingLimits(-1, 1<<30); err != nil {
		return nil, err
	}
	if err := g.cfg.Calls.Flush(); err != nil {
		return nil, err
	}
	return []*nats.Subscription{front, routes}, g.cfg.Control.Flush()
}

// waitHeld returns when nothing is held any more, or ctx has ended.
func (g *Gateway) waitHeld(ctx context.Context) {
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for g.holder.Held() > 0 {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}
