// Package upload is the service that turns modules into functions: it judges a module, compiles it in a child process, has
// its initialisers run in another and captures what they made, signs what comes out, keeps all of it in the object store, and
// changes the registry by compare-and-set.
//
// Of a function's version the bucket bus.ModulesBucket has "module/<version>", the bytes as they were deployed, and per
// engine and CPU one artefact; bus.ProtosBucket has the manifest of its Proto-Faaslet, if there can be one, and packs of pages
// that versions share. All are there before the registry names the version. They are not deleted with the
// function: calls in flight and workers that start late still want them. A sweep collects what no function has used for
// Config.Grace; any number of upload services may do so at once, because what a deploy is about to use it has touched,
// and an object that was touched is young.
//
// Deploys take turns between tenants (queue.go): a tenant that floods the service or deploys what compiles for minutes is
// in nobody's way but its own. One whose client has left is given up, up to the moment when it is written to the registry.
//
// Lock order: queue.mu, then Service.mu, which is a leaf.
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
	"github.com/shoal-run/shoal/libs/files"
	"github.com/shoal-run/shoal/libs/objectstore"
	"github.com/shoal-run/shoal/libs/registry"
	"github.com/shoal-run/shoal/libs/snapshot"
	"github.com/shoal-run/shoal/libs/telemetry"
	"github.com/shoal-run/shoal/libs/telemetry/metrics"
	"github.com/shoal-run/shoal/libs/wasmbin"
)

// compiler adds the engine's pre-pass to a module and turns it into machine code; libs/faaslet/compile does it in a child
// process.
type compiler interface {
	Compile(ctx context.Context, module []byte) ([]byte, error)
}

// capturer runs the initialisers of what a compiler made; libs/faaslet/compile does it in a child process.
type capturer interface {
	Capture(ctx context.Context, artefact []byte, req snapshot.Request) (snapshot.Captured, error)
}

// Config is what a Service works with. The fields without a default must be set.
type Config struct {
	NC            *nats.Conn // for control messages; stays the caller's to close, after Run has returned
	Registry      *registry.Registry
	Store         *objectstore.Store // the bucket bus.ModulesBucket
	Protos        *objectstore.Store // the bucket bus.ProtosBucket
	Files         *files.Bucket      // tenants' shared files, which the service sweeps; nil for none
	Compiler      compiler
	Capturer      capturer
	Key           ed25519.PrivateKey // signs artefacts
	EngineVersion string             // of the engine that Compiler compiles for
	CPU           string             // the feature set that it compiles for
	Host          wasmbin.Host       // what a module may import

	MaxModule     faas.Size        // a larger module is refused; default faas.DefaultModule, at most faas.MaxModule
	Compiles      int              // deploys at once; default 2
	TenantQueue   int              // deploys of a tenant that wait, beyond which they are refused with rate_limited; default DefaultTenantQueue
	Queue         int              // deploys that wait, beyond which they are refused with no_capacity; default DefaultQueue
	CompileWall   time.Duration    // of a compilation, which is broken off then; default DefaultCompileWall
	DeployTimeout time.Duration    // of a deploy from its arrival on; default DeployTimeout(CompileWall)
	Grace         time.Duration    // how long objects that no function uses, and contents that no shared file has, stay; default an hour, more than any call lasts
	SweepEvery    time.Duration    // default 10 minutes
	Metrics       *metrics.Metrics // where the service's are told; nil for nowhere
	Log           *slog.Logger     // default: none
}

// Defaults of a Config. A module of faas.DefaultModule compiles in DefaultCompileWall on two cores that are busy with
// another one.
const (
	DefaultTenantQueue = 8
	DefaultQueue       = 64
	DefaultCompileWall = 2 * time.Minute
)

// DeployTimeout is what a deploy gets where nothing else is said: to wait for another's compilation and capture, for its own,
// and to move the bytes.
func DeployTimeout(compileWall time.Duration) time.Duration { return 2*compileWall + 5*time.Minute }

func (c *Config) setDefaults() {
	if c.MaxModule == 0 {
		c.MaxModule = faas.DefaultModule
	}
	if c.Compiles == 0 {
		c.Compiles = 2
	}
	if c.TenantQueue == 0 {
		c.TenantQueue = DefaultTenantQueue
	}
	if c.Queue == 0 {
		c.Queue = DefaultQueue
	}
	if c.CompileWall == 0 {
		c.CompileWall = DefaultCompileWall
	}
	if c.DeployTimeout == 0 {
		c.DeployTimeout = DeployTimeout(c.CompileWall)
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
	case c.NC == nil, c.Registry == nil, c.Store == nil, c.Protos == nil, c.Compiler == nil, c.Capturer == nil, c.Host.Types == nil:
		return errors.New("upload: the connection, registry, stores, compiler, capturer and host interface must be set")
	case len(c.Key) != ed25519.PrivateKeySize:
		return errors.New("upload: the signing key is no Ed25519 key")
	case c.EngineVersion == "" || c.CPU == "":
		return errors.New("upload: the engine version and the CPU features must be set")
	case c.MaxModule < 0 || c.MaxModule > faas.MaxModule:
		return fmt.Errorf("upload: module limit %v: must be from 1B to %v", c.MaxModule, faas.MaxModule)
	case c.Compiles < 0 || c.TenantQueue < 0 || c.Queue < 0:
		return errors.New("upload: compiles and queues must not be negative")
	case c.CompileWall < 0 || c.DeployTimeout < 0 || c.Grace < 0 || c.SweepEvery < 0:
		return errors.New("upload: times must not be negative")
	}
	return nil
}

// Service is one upload service. Any number may run; each request goes to one of them.
type Service struct {
	cfg   Config
	log   *slog.Logger
	ready chan struct{}

	meters  *meters
	deploys *queue
	changes *queue         // quick ones, which must not wait behind compiles
	jobs    sync.WaitGroup // goroutines of jobs; grows only while the queues are open
	refuse  chan string    // staging objects of deploys that were answered and not begun

	mu        sync.Mutex
	cancel    context.CancelCauseFunc // of Run, nil before
	ended     chan struct{}           // of Run
	closed    bool
	compiling map[faas.Version]chan struct{} // closed when the version's artefact is there, or is not to be had
	left      []string                       // the last objects whose clients have left, at most maxLeft
}

// changes are quick: two at a time, and queues that only a flood fills.
const (
	changers      = 2
	tenantChanges = 16
	changeQueue   = 256
	maxLeft       = 1024
	maxRefuse     = 256
	expireEvery   = time.Second // how late waiting jobs may be told that their time is over
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
	s := &Service{
		cfg: cfg, log: cfg.Log, ready: make(chan struct{}), ended: make(chan struct{}),
		refuse: make(chan string, maxRefuse), compiling: map[faas.Version]chan struct{}{},
	}
	s.deploys = newQueue(cfg.Compiles, cfg.TenantQueue, cfg.Queue, func(ctx context.Context, j *job) {
		s.jobs.Go(func() { s.do(ctx, s.deploys, j) })
	})
	s.changes = newQueue(changers, tenantChanges, changeQueue, func(ctx context.Context, j *job) {
		s.jobs.Go(func() { s.do(ctx, s.changes, j) })
	})
	s.meters = newMeters(s)
	return s, nil
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
	outer := ctx
	ctx, cancel := context.WithCancelCause(context.WithoutCancel(outer)) // whatever ends it, the cause is what callers are told
	defer cancel(errStopping)
	defer context.AfterFunc(outer, func() { cancel(errStopping) })()
	s.mu.Lock()
	if s.closed || s.cancel != nil {
		s.mu.Unlock()
		return nil
	}
	s.cancel = cancel
	s.mu.Unlock()
	defer close(s.ended)
	defer s.meters.group.Close()

	subs, err := s.subscribe(ctx)
	if err != nil {
		return err
	}
	var wg sync.WaitGroup
	wg.Go(func() { s.sweepAlways(ctx) })
	wg.Go(func() { s.watch(ctx) })
	wg.Go(func() { s.tidy(ctx) })
	if err = s.cfg.NC.Flush(); err == nil {
		close(s.ready)
		<-ctx.Done()
	}
	cancel(errStopping)
	for _, q := range []*queue{s.deploys, s.changes} {
		for _, j := range q.close() {
			s.drop(j)
		}
	}
	drain(subs)
	s.jobs.Wait()
	wg.Wait()
	s.tidyLast()
	if err != nil {
		return fmt.Errorf("subscribe to deploys: %w", err)
	}
	return nil
}

// drain returns when no message is left, or the server is away.
func drain(subs []subscription) {
	late := time.NewTimer(drainTimeout)
	defer late.Stop()
	for _, s := range subs {
		if s.Drain() != nil {
			return // the connection is closed, and nobody is asking
		}
	}
	for _, s := range subs {
		select {
		case <-s.drained: // what still came was refused
		case <-late.C:
			return
		}
	}
}

// subscription is one that can be drained.
type subscription struct {
	*nats.Subscription
	drained chan struct{}
}

// subscribe listens for requests and for words that a client has left.
func (s *Service) subscribe(ctx context.Context) ([]subscription, error) {
	requests, err := s.cfg.NC.QueueSubscribe(bus.UploadSubject(), bus.UploadQueue, func(m *nats.Msg) { s.receive(ctx, m) })
	if err != nil {
		return nil, fmt.Errorf("subscribe to deploys: %w", err)
	}
	cancels, err := s.cfg.NC.Subscribe(bus.UploadCancelSubject(), s.receiveCancel)
	if err != nil {
		_ = requests.Unsubscribe() // fails as the connection does
		return nil, fmt.Errorf("subscribe to cancellations: %w", err)
	}
	var out []subscription
	for _, sub := range []*nats.Subscription{requests, cancels} {
		drained := make(chan struct{})
		sub.SetClosedHandler(func(string) { close(drained) })
		out = append(out, subscription{sub, drained})
	}
	return out, nil
}

func (s *Service) answer(m, reply *nats.Msg) {
	if m.Reply == "" {
		return // whoever asked does not want to know
	}
	if err := s.cfg.NC.PublishMsg(reply); err != nil {
		s.log.Warn("answer not sent", telemetry.KeyErr, err)
	}
}
