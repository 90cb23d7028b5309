// Package upload is the service that turns modules into functions: it judges a module, compiles it in a child process,
// signs what comes out, keeps both in the object store, and changes the registry by compare-and-set.
//
// Of a function's version the bucket bus.ModulesBucket has "module/<version>", the bytes as they were deployed, and per
// engine and CPU one artefact. Both are there before the registry names the version. They are not deleted with the
// function: calls in flight and workers that start late still want them. A sweep collects what no function has used for
// Config.Grace; any number of upload services may do so at once, because what a deploy is about to use it has touched,
// and an object that was touched is young.
//
// Lock order: Service.mu is a leaf.
package upload

import (
	"context"
	"crypto/ed25519"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/shoal-run/shoal/bus"
	"github.com/shoal-run/shoal/bus/faas"
	"github.com/shoal-run/shoal/libs/objectstore"
	"github.com/shoal-run/shoal/libs/registry"
	"github.com/shoal-run/shoal/libs/telemetry"
	"github.com/shoal-run/shoal/libs/wasmbin"
)

// compiler adds the engine's pre-pass to a module and turns it into machine code; libs/faaslet/compile does it in a child
// process.
type compiler interface {
	Compile(ctx context.Context, module []byte) ([]byte, error)
}

// Config is what a Service works with. The fields without a default must be set.
type Config struct {
	NC            *nats.Conn // for control messages; stays the caller's to close, after Run has returned
	Registry      *registry.Registry
	Store         *objectstore.Store // the bucket bus.ModulesBucket
	Compiler      compiler
	Key           ed25519.PrivateKey // signs artefacts
	EngineVersion string             // of the engine that Compiler compiles for
	CPU           string             // the feature set that it compiles for
	Host          wasmbin.HostFunc   // what a module may import

	MaxModule     faas.Size     // a larger module is refused; default faas.DefaultModule, at most faas.MaxModule
	Compiles      int           // deploys at once; default 2
	Queue         int           // deploys that wait, beyond which they are refused with no_capacity; default 16
	DeployTimeout time.Duration // of a deploy from its arrival on; default 3 minutes
	Grace         time.Duration // how long objects that no function uses stay; default an hour, more than any call lasts
	SweepEvery    time.Duration // default 10 minutes
	Log           *slog.Logger  // default: none
}

func (c *Config) setDefaults() {
	if c.MaxModule == 0 {
		c.MaxModule = faas.DefaultModule
	}
	if c.Compiles == 0 {
		c.Compiles = 2
	}
	if c.Queue == 0 {
		c.Queue = 16
	}
	if c.DeployTimeout == 0 {
		c.DeployTimeout = 3 * time.Minute
	}
	if c.Grace == 0 {
		c.Grace = time.Hour
	}
	if c.SweepEvery == 0 {
		c.SweepEvery = 10 * time.Minute
	}
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
}

func (c *Config) validate() error {
	switch {
	case c.NC == nil, c.Registry == nil, c.Store == nil, c.Compiler == nil, c.Host == nil:
		return errors.New("upload: the connection, registry, store, compiler and host interface must be set")
	case len(c.Key) != ed25519.PrivateKeySize:
		return errors.New("upload: the signing key is no Ed25519 key")
	case c.EngineVersion == "" || c.CPU == "":
		return errors.New("upload: the engine version and the CPU features must be set")
	case c.MaxModule < 0 || c.MaxModule > faas.MaxModule:
		return fmt.Errorf("upload: module limit %v: must be from 1B to %v", c.MaxModule, faas.MaxModule)
	case c.Compiles < 0 || c.Queue < 0 || c.DeployTimeout < 0 || c.Grace < 0 || c.SweepEvery < 0:
		return errors.New("upload: compiles, queue and times must not be negative")
	}
	return nil
}

// Service is one upload service. Any number may run; each request goes to one of them.
type Service struct {
	cfg   Config
	log   *slog.Logger
	ready chan struct{}

	deploys chan job // taken by cfg.Compiles goroutines
	changes chan job // quick ones, which must not wait behind compiles

	mu        sync.Mutex
	cancel    context.CancelCauseFunc // of Run, nil before
	ended     chan struct{}           // of Run
	closed    bool
	compiling map[faas.Version]chan struct{} // closed when the version's artefact is there, or is not to be had
}

// job is one request, with its deadline running.
type job struct {
	msg      *nats.Msg
	req      bus.UploadRequest
	deadline time.Time
}

// changes are quick: two at a time, and a queue that only a flood fills.
const (
	changers      = 2
	changeQueue   = 64
	changeTimeout = 10 * time.Second
	sweepTimeout  = 5 * time.Minute
	drainTimeout  = 2 * time.Second
)

var errStopping = faas.Errorf(faas.Unavailable, "the upload service is stopping")

// New returns a Service that does nothing yet.
func New(cfg Config) (*Service, error) {
	cfg.setDefaults()
	if err := cfg.validate(); err != nil {
		return nil, err
	}
	return &Service{
		cfg: cfg, log: cfg.Log, ready: make(chan struct{}), ended: make(chan struct{}),
		deploys: make(chan job, cfg.Queue), changes: make(chan job, changeQueue),
		compiling: map[faas.Version]chan struct{}{},
	}, nil
}

// Ready is closed when the service takes requests.
func (s *Service) Ready() <-chan struct{} { return s.ready }

// Close ends Run and waits for it. It may be called more than once, before Run too, which then returns at once.
func (s *Service) Close() {
	s.mu.Lock()
	s.closed = true
	cancel := s.cancel
	s.mu.Unlock()
	if cancel != nil {
		cancel(errStopping)
		<-s.ended
	}
}

// Run serves until ctx ends or Close is called, then answers what it has not done with unavailable and returns nil. It runs
// once.
func (s *Service) Run(ctx context.Context) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	s.mu.Lock()
	if s.closed || s.cancel != nil {
		s.mu.Unlock()
		return nil
	}
	s.cancel = cancel
	s.mu.Unlock()
	defer close(s.ended)

	drained := make(chan struct{})
	sub, err := s.cfg.NC.QueueSubscribe(bus.UploadSubject(), bus.UploadQueue, func(m *nats.Msg) { s.receive(ctx, m) })
	if err != nil {
		return fmt.Errorf("subscribe to deploys: %w", err)
	}
	sub.SetClosedHandler(func(string) { close(drained) })

	var wg sync.WaitGroup
	for range s.cfg.Compiles {
		wg.Go(func() { s.serve(ctx, s.deploys) })
	}
	for range changers {
		wg.Go(func() { s.serve(ctx, s.changes) })
	}
	wg.Go(func() { s.sweepAlways(ctx) })
	if err = s.cfg.NC.Flush(); err == nil {
		close(s.ready)
		<-ctx.Done()
	}
	cancel(errStopping)
	if sub.Drain() == nil { // else the connection is closed, and nobody is asking
		select {
		case <-drained: // receive has refused what still came
		case <-time.After(drainTimeout): // the server is away
		}
	}
	wg.Wait()
	s.refuseQueued()
	if err != nil {
		return fmt.Errorf("subscribe to deploys: %w", err)
	}
	return nil
}

// receive runs on the subscription's goroutine: it only hands over.
func (s *Service) receive(ctx context.Context, m *nats.Msg) {
	req, err := bus.Unmarshal[bus.UploadRequest](m.Data)
	if err != nil {
		s.answer(m, bus.EncodeError(err, m.Reply))
		return
	}
	if ctx.Err() != nil {
		s.answer(m, bus.EncodeError(errStopping, m.Reply))
		return
	}
	queue, timeout := s.changes, changeTimeout
	if req.Kind == bus.Deploy {
		queue, timeout = s.deploys, s.cfg.DeployTimeout
	}
	select {
	case queue <- job{m, req, time.Now().Add(timeout)}:
	default:
		s.answer(m, bus.EncodeError(faas.Errorf(faas.NoCapacity, "too many deploys are waiting (try again in a while)"), m.Reply))
	}
}

// serve does jobs until ctx ends.
func (s *Service) serve(ctx context.Context, queue <-chan job) {
	for {
		select {
		case <-ctx.Done():
			return
		case j := <-queue:
			s.do(ctx, j)
		}
	}
}

// refuseQueued answers what was handed over and not taken. Preconditions: nobody sends to the queues or serves them.
func (s *Service) refuseQueued() {
	for {
		select {
		case j := <-s.deploys:
			s.answer(j.msg, bus.EncodeError(errStopping, j.msg.Reply))
		case j := <-s.changes:
			s.answer(j.msg, bus.EncodeError(errStopping, j.msg.Reply))
		default:
			return
		}
	}
}

func (s *Service) do(ctx context.Context, j job) {
	running := ctx
	ctx, cancel := context.WithDeadline(ctx, j.deadline)
	defer cancel()
	var reply bus.UploadReply
	var err error
	switch j.req.Kind {
	case bus.Deploy:
		reply, err = s.deploy(ctx, j.req)
	case bus.Change:
		reply, err = s.change(ctx, j.req)
	case bus.Remove:
		reply, err = s.remove(ctx, j.req)
	default:
		err = faas.Errorf(faas.BadRequest, "upload request %q: want deploy, change or remove", j.req.Kind)
	}
	if err == nil {
		s.answer(j.msg, &nats.Msg{Subject: j.msg.Reply, Data: bus.Marshal(reply)})
		return
	}
	switch {
	case running.Err() != nil:
		err = errStopping
	case errors.Is(err, context.DeadlineExceeded) || ctx.Err() != nil:
		err = faas.Errorf(faas.DeadlineExceeded, "%s of %s took too long", j.req.Kind, j.req.Name)
	case faas.CodeOf(err) == faas.Internal:
		s.log.Error("request not done", "kind", j.req.Kind, telemetry.KeyFunc, j.req.Name.String(), telemetry.KeyErr, err)
	}
	s.answer(j.msg, bus.EncodeError(err, j.msg.Reply))
}

func (s *Service) answer(m, reply *nats.Msg) {
	if m.Reply == "" {
		return // whoever asked does not want to know
	}
	if err := s.cfg.NC.PublishMsg(reply); err != nil {
		s.log.Warn("answer not sent", telemetry.KeyErr, err)
	}
}
