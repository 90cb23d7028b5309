// Package standalone is all of Shoal in one process: the wiring of `shoal up` and of integration tests, top to bottom.
//
//	natsd ─► registry view, view of files ─► upload ─► workers ─► members ─► planner ─► gateway
//
// Each part starts when the one to its left is ready and stops before it does. They speak over the bus as they would in
// processes of their own.
package standalone

import (
	"context"
	"crypto/ed25519"
	"fmt"
	"log/slog"
	"net"

	"github.com/shoal-run/shoal/bus/faas"
	"github.com/shoal-run/shoal/bus/members"
	"github.com/shoal-run/shoal/libs/artefact"
	"github.com/shoal-run/shoal/libs/faaslet"
	"github.com/shoal-run/shoal/libs/faaslet/compile"
	"github.com/shoal-run/shoal/libs/files"
	"github.com/shoal-run/shoal/libs/hostapi"
	"github.com/shoal-run/shoal/libs/natsd"
	"github.com/shoal-run/shoal/libs/registry"
	"github.com/shoal-run/shoal/libs/service"
	"github.com/shoal-run/shoal/libs/telemetry/metrics"
	"github.com/shoal-run/shoal/libs/wasmbin"
	"github.com/shoal-run/shoal/services/gateway"
	"github.com/shoal-run/shoal/services/planner"
	"github.com/shoal-run/shoal/services/process"
	"github.com/shoal-run/shoal/services/upload"
	"github.com/shoal-run/shoal/services/worker"
)

// Config says what to run. The zero value of a field means what its comment says.
type Config struct {
	HTTP    string // address of the gateway, "127.0.0.1:8080"; port 0 takes a free one
	NATS    string // address of the embedded NATS server, "127.0.0.1:4222"; port 0 takes a free one
	NATSURL string // of a NATS server to use instead of an embedded one; it has JetStream
	Data    string // directory for everything that is kept
	Workers int    // workers in this process; default 1
	Slots   int    // of each worker; default 4 per core, shared among the workers
	Queue   int    // of each worker; default 2 per slot, -1 for none

	MaxInput, MaxOutput, MaxModule faas.Size // default faas.DefaultBody and faas.DefaultModule

	DrainTimeout faas.Duration // how long calls may take to end when the process stops; default faas.DefaultTimeout
	Log          *slog.Logger
}

// Standalone is one run of everything.
type Standalone struct {
	cfg Config
	log *slog.Logger

	// closers are run last first when Run returns, after every part has stopped.
	closers []func()

	natsd    *natsd.Server
	listener net.Listener
	key      ed25519.PrivateKey
}

// New returns a Standalone that does nothing before Run.
func New(cfg Config) *Standalone {
	if cfg.Workers == 0 {
		cfg.Workers = 1
	}
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	return &Standalone{cfg: cfg, log: cfg.Log}
}

// Addresses are where a running Standalone answers.
type Addresses struct {
	HTTP string // URL of the gateway
	NATS string // URL of the NATS server
}

// Run runs everything until ctx ends, drains, and returns. up is called once everything answers.
func (s *Standalone) Run(ctx context.Context, up func(Addresses)) error {
	defer s.close()
	seq, err := s.wire(ctx)
	if err != nil {
		return err
	}
	return seq.Run(ctx, func() {
		a := Addresses{HTTP: "http://" + s.listener.Addr().String(), NATS: s.cfg.NATSURL}
		if s.natsd != nil {
			a.NATS = s.natsd.ClientURL()
		}
		up(a)
	})
}

func (s *Standalone) close() {
	for i := len(s.closers) - 1; i >= 0; i-- {
		s.closers[i]()
	}
	s.closers = nil
}

func (s *Standalone) onClose(f func()) { s.closers = append(s.closers, f) }

// wire makes every part. What it opens, close closes.
func (s *Standalone) wire(ctx context.Context) (*service.Sequence, error) {
	if err := s.prepare(); err != nil {
		return nil, err
	}
	connect, err := s.bus()
	if err != nil {
		return nil, err
	}
	control, err := connect("shoal control")
	if err != nil {
		return nil, err
	}
	stores, err := process.OpenStores(ctx, control, s.log)
	if err != nil {
		return nil, err
	}
	meters, err := metrics.New()
	if err != nil {
		return nil, fmt.Errorf("metrics: %w", err)
	}
	s.onClose(meters.Close)
	compiler := compile.Compiler{}
	table := hostapi.New()
	engine, err := faaslet.NewEngine(faaslet.Config{Table: table, Log: s.log, Compile: compiler.Compile})
	if err != nil {
		return nil, fmt.Errorf("engine: %w", err)
	}
	s.onClose(engine.Close)
	process.AllowThreads(s.cfg.Workers * s.slots())

	view := registry.NewView(stores.Registry, s.log)
	index := files.NewView(files.ViewConfig{Bucket: stores.Files, Log: s.log})
	known := members.New(members.Config{NC: control, Log: s.log})
	up, err := upload.New(upload.Config{
		NC: control, Registry: stores.Registry, Store: stores.Modules, Protos: stores.Protos, Files: stores.Files, Compiler: compiler, Capturer: compiler, Key: s.key, EngineVersion: engine.Version(),
		CPU: artefact.CPUFeatures(), Host: wasmbin.Host{Types: table.Types, Why: table.Why}, MaxModule: s.cfg.MaxModule, Metrics: meters, Log: s.log,
	})
	if err != nil {
		return nil, err
	}
	placing, err := connect("shoal planner")
	if err != nil {
		return nil, err
	}
	place := planner.New(planner.Config{NC: placing, Control: control, Members: known, Metrics: meters, Log: s.log})

	var seq service.Sequence
	seq.Add("registry", view.Run, view.Ready())
	seq.Add("files", index.Run, nil)
	seq.Add("upload", up.Run, up.Ready())

	pub := s.key.Public().(ed25519.PublicKey)
	artefacts := worker.ArtefactsIn(s.cfg.Data, pub, stores.Modules, compiler, 0, s.log)
	protos := worker.ProtosIn(s.cfg.Data, pub, stores.Protos, 0)
	shared := worker.FilesIn(s.cfg.Data, stores.Files, index, 0, meters, s.log)
	s.onClose(shared.Close)
	shared.GiveWay(artefacts, protos)
	for i := range s.cfg.Workers {
		name := fmt.Sprintf("worker%d", i+1)
		calls, err := connect("shoal " + name)
		if err != nil {
			return nil, err
		}
		life := worker.Lives(worker.Config{
			Name: name, Calls: calls, Control: control, Engine: engine, Artefacts: artefacts, Protos: protos, Files: shared, Payloads: stores.Payloads, Functions: view,
			Slots: s.slots(), Queue: s.cfg.Queue, MaxInput: s.cfg.MaxInput, MaxOutput: s.cfg.MaxOutput, MemoryLimit: s.memoryLimit(),
			CPUFeatures: artefact.CPUFeatures(), DrainTimeout: s.drain(), Metrics: meters, Log: s.log,
		})
		seq.Add(name, life.Run, life.Ready())
	}

	seq.Add("members", known.Run, known.Ready()) // after the workers: it waits for the first word of one
	seq.Add("planner", place.Run, place.Ready())

	holding, err := connect("shoal gateway")
	if err != nil {
		return nil, err
	}
	front, err := gateway.New(gateway.Config{
		Listener: s.listener, Calls: holding, Control: control, JetStream: stores.JetStream, Functions: view,
		Modules: stores.Modules, Payloads: stores.Payloads, Files: files.New(stores.Files, index, files.Limits{}), Members: known,
		MaxInput: s.cfg.MaxInput, MaxModule: s.cfg.MaxModule, DrainTimeout: s.drain(), Metrics: meters, Log: s.log,
	})
	if err != nil {
		return nil, err
	}
	seq.Add("gateway", front.Run, front.Ready())
	return &seq, nil
}
