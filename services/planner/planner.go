// Package planner places calls that nobody else can place yet, and tells gateways and workers which workers have what warm.
//
// A planner is off the hot path: it hears workers' beats (bus/members), answers calls on bus.PlanSubject by Place, a pure
// function, and publishes routes so that the next calls of the same function go straight to a worker. Its state is soft:
// any number of planners run side by side, each places any call, and one that starts knows all after the workers have
// answered its query. The worker has the last word on admission.
package planner

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/shoal-run/shoal/bus"
	"github.com/shoal-run/shoal/bus/faas"
	"github.com/shoal-run/shoal/bus/members"
	"github.com/shoal-run/shoal/libs/service"
	"github.com/shoal-run/shoal/libs/telemetry"
	"github.com/shoal-run/shoal/libs/telemetry/metrics"
)

const (
	pendingCalls = 1 << 16   // that wait to be placed; beyond it NATS drops them, and the log says so
	pendingBytes = 256 << 20 // of their inputs
	drainTime    = 5 * time.Second
	routeTick    = 20 * time.Millisecond
)

// Config is what a Planner needs. The connections stay the caller's to close, after Run.
type Config struct {
	NC      *nats.Conn       // calls
	Control *nats.Conn       // events; NC when nil
	Members *members.Members // run by the caller; when nil the planner runs its own on Control
	Metrics *metrics.Metrics // where the planner's are told; nil for nowhere
	Log     *slog.Logger
}

// Planner is one planner. New makes it, Run runs it.
type Planner struct {
	cfg     Config
	members *members.Members
	meters  *meters
	ready   chan struct{}
	kick    chan struct{} // has a value when routes may be due

	mu         sync.Mutex
	view       *View
	refreshed  time.Time // when every route was last told
	refresh    bool      // somebody has come who knows no route
	reconnects uint64    // of Control, as far as was taken note of
}

// New returns a Planner that does nothing before Run.
func New(cfg Config) *Planner {
	if cfg.Control == nil {
		cfg.Control = cfg.NC
	}
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	p := &Planner{
		cfg: cfg, members: cfg.Members, view: NewView(),
		ready: make(chan struct{}), kick: make(chan struct{}, 1),
	}
	if p.members == nil {
		p.members = members.New(members.Config{NC: cfg.Control, Log: cfg.Log})
	}
	p.meters = newMeters(p)
	return p
}

// Ready is closed once the planner places calls, knowing the workers that are there.
func (p *Planner) Ready() <-chan struct{} { return p.ready }

// Run places calls until ctx ends, and returns when the last one that it took was passed on. It may run once.
func (p *Planner) Run(ctx context.Context) error {
	defer p.meters.group.Close()
	p.members.OnChange(p.changed)
	p.members.OnBeat(p.beat)
	var g service.Group
	if p.cfg.Members == nil {
		g.Add("members", p.members.Run)
	}
	g.Add("routes", p.routes)
	g.Add("calls", p.calls)
	return g.Run(ctx)
}

func (p *Planner) changed(c members.Change) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.noticeLoss()
	switch c.Kind {
	case members.Joined:
		p.view.Set(c.Worker)
		p.refresh = true
	case members.Draining:
		p.view.Set(c.Worker)
	case members.Left, members.Dead:
		p.view.Remove(c.Worker.ID)
	}
	p.wake()
}

// noticeLoss takes note that the connection was lost and is back. Who was not heard since may not listen yet, and a call
// that is passed on to nobody is lost: its holder hears only that it moved. Preconditions: mu.
func (p *Planner) noticeLoss() {
	if n := p.cfg.Control.Stats().Reconnects; n != p.reconnects {
		p.reconnects = n
		p.view.Lost()
	}
}

func (p *Planner) beat(w faas.Worker) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.noticeLoss()
	p.view.Set(w)
	if len(p.view.dirty) > 0 {
		p.wake()
	}
}

// wake has routes look at what is due.
func (p *Planner) wake() {
	select {
	case p.kick <- struct{}{}:
	default:
	}
}

// calls takes calls until ctx ends, then those that the server has already given us.
func (p *Planner) calls(ctx context.Context) error {
	select {
	case <-p.members.Ready():
	case <-ctx.Done():
		return nil
	}
	sub, err := p.cfg.NC.QueueSubscribe(bus.PlanSubject(), bus.PlannerQueue, p.plan)
	if err != nil {
		return fmt.Errorf("subscribe: %w", err)
	}
	closed := make(chan struct{})
	sub.SetClosedHandler(func(string) { close(closed) })
	err = sub.SetPendingLimits(pendingCalls, pendingBytes)
	if err == nil {
		err = flush(ctx, p.cfg.NC)
	}
	if err == nil {
		close(p.ready)
		<-ctx.Done()
	}
	if derr := sub.Drain(); derr == nil {
		timer := time.NewTimer(drainTime)
		defer timer.Stop()
		select {
		case <-closed:
		case <-timer.C:
			p.cfg.Log.Warn("stopped before every call was passed on", "after", drainTime)
		}
	}
	if ctx.Err() == nil {
		return err
	}
	if err := flush(context.WithoutCancel(ctx), p.cfg.NC); err != nil && !errors.Is(err, nats.ErrConnectionClosed) {
		p.cfg.Log.Warn("calls passed on at the end may be lost", telemetry.KeyErr, err)
	}
	return nil
}

func flush(ctx context.Context, nc *nats.Conn) error {
	ctx, cancel := context.WithTimeout(ctx, drainTime)
	defer cancel()
	return nc.FlushWithContext(ctx)
}

// plan places one call. It runs on the subscription's goroutine and only publishes.
func (p *Planner) plan(m *nats.Msg) {
	start := time.Now()
	c, err := bus.DecodeCall(m)
	if err != nil {
		p.refuse(m, faas.AsError(err))
		return
	}
	id, refusal := p.place(c, start)
	if refusal != nil {
		refusal.Call = c.ID
		p.refuse(m, refusal)
		return
	}
	c.Hops++
	c.Timeout -= time.Since(start)
	if c.Timeout < time.Millisecond {
		p.refuse(m, faas.Errorf(faas.DeadlineExceeded, "no time was left to run %s", c.Name))
		return
	}
	if m.Reply != "" {
		p.publish(bus.EncodeMoved(c.ID, id, m.Reply), c)
	}
	if err := p.publish(bus.ForwardCall(m, c, bus.WorkerCallSubject(id)), c); err != nil {
		code := faas.NoCapacity // it did not start: the holder may place it again
		if errors.Is(err, nats.ErrMaxPayload) {
			code = faas.TooLarge
		}
		p.refuse(m, faas.Errorf(code, "the call could not be passed on to %s: %s", id, err))
		return
	}
	p.meters.placed.Add()
}

// place chooses a worker for c, or says why there is none.
func (p *Planner) place(c *faas.Call, now time.Time) (faas.WorkerID, *faas.Error) {
	if c.Hops >= faas.MaxHops {
		return "", faas.Errorf(faas.NoCapacity, "%s was passed on %d times and no worker took it", c.Name, c.Hops)
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.noticeLoss()
	if !p.cfg.Control.IsConnected() {
		return "", faas.Errorf(faas.Unavailable, "the connection to the workers is lost")
	}
	id, ok := Place(p.view, Request{
		Name: c.Name, Version: c.Version, Refused: c.Refused, Now: now, Tie: binary.BigEndian.Uint64(c.ID[8:]),
	})
	switch n := p.view.Len(); {
	case ok:
		p.view.Placed(id, c.Name, c.Version)
		return id, nil
	case n == 0:
		return "", faas.Errorf(faas.Unavailable, "no workers have joined")
	case p.view.Unheard() > 0:
		return "", faas.Errorf(faas.Unavailable, "the connection to the workers was lost; %d of %d were not heard since", p.view.Unheard(), n)
	default:
		return "", faas.Errorf(faas.NoCapacity, "none of %d workers takes %s now", n, c.Name)
	}
}

func (p *Planner) refuse(m *nats.Msg, err *faas.Error) {
	p.meters.refused.Of(err.Code).Add()
	if m.Reply == "" {
		return
	}
	if perr := p.cfg.NC.PublishMsg(bus.Refuse(m, err)); perr != nil {
		p.cfg.Log.Warn("refusal not sent", telemetry.KeyCall, err.Call, telemetry.KeyErr, perr)
	}
}

func (p *Planner) publish(m *nats.Msg, c *faas.Call) error {
	err := p.cfg.NC.PublishMsg(m)
	if err != nil {
		p.cfg.Log.Warn("call not passed on", telemetry.KeyCall, c.ID, telemetry.KeyFunc, c.Name, "subject", m.Subject, telemetry.KeyErr, err)
	}
	return err
}

// routes tells routes as they change, and all of them when somebody new has come.
func (p *Planner) routes(ctx context.Context) error {
	// Who asks the workers for their state has just come. One planner answers for all.
	sub, err := p.cfg.Control.QueueSubscribe(bus.WorkerQuerySubject(), bus.PlannerQueue, func(*nats.Msg) {
		p.mu.Lock()
		p.refresh = true
		p.mu.Unlock()
		p.wake()
	})
	if err != nil {
		return fmt.Errorf("subscribe: %w", err)
	}
	defer func() { _ = sub.Unsubscribe() }() // fails only when the connection is closed already
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-p.kick:
		case <-timer.C:
		}
		if p.tellRoutes(time.Now()) {
			timer.Reset(routeTick)
		}
	}
}

// tellRoutes tells what is due and reports whether something is left for later.
func (p *Planner) tellRoutes(now time.Time) (more bool) {
	if !p.cfg.Control.IsConnected() {
		return true
	}
	p.mu.Lock()
	if p.refresh && now.Sub(p.refreshed) >= refreshPause {
		p.refresh, p.refreshed = false, now
		p.view.Refresh()
	}
	events, more := p.view.Routes(now, routeBatch)
	more = more || p.refresh
	p.mu.Unlock()
	for _, e := range events {
		if err := p.cfg.Control.Publish(bus.RouteEventSubject(), bus.Marshal(e)); err != nil {
			p.cfg.Log.Warn("route not told", telemetry.KeyFunc, e.Name, telemetry.KeyErr, err)
		}
	}
	return more
}
