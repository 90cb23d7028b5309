// Package workerd is the worker as a process: its settings and its wiring.
package workerd

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"time"

	"github.com/shoal-run/shoal/bus/faas"
	"github.com/shoal-run/shoal/libs/artefact"
	"github.com/shoal-run/shoal/libs/artefact/cache"
	"github.com/shoal-run/shoal/libs/config"
	"github.com/shoal-run/shoal/libs/faaslet"
	"github.com/shoal-run/shoal/libs/faaslet/compile"
	"github.com/shoal-run/shoal/libs/files"
	"github.com/shoal-run/shoal/libs/hostapi"
	"github.com/shoal-run/shoal/libs/registry"
	"github.com/shoal-run/shoal/libs/service"
	"github.com/shoal-run/shoal/services/process"
	"github.com/shoal-run/shoal/services/worker"
)

// settings are the worker's own.
type settings struct {
	name, data, publicKey string
	slots, queue          int
	maxInput, maxOutput   faas.Size
	memoryLimit           faas.Size
	memoryMark            faas.Size
	cache, protoCache     faas.Size
	filesCache            faas.Size
	drain                 faas.Duration
	compileMemory         faas.Size
	compileCPU            faas.Duration
	compileWall           faas.Duration
}

// New returns the worker's program. Its main calls compile.MaybeChild first.
func New() *process.Program {
	host, _ := os.Hostname() // a host without a name has workers that are called "worker"
	c := &settings{
		name: workerName(host), data: "data", maxInput: faas.DefaultBody, maxOutput: faas.DefaultBody,
		cache: faas.Size(cache.DefaultMax), protoCache: worker.DefaultProtoCache, filesCache: worker.DefaultFilesCache, drain: faas.Duration(faas.DefaultTimeout),
		compileMemory: compile.DefaultMemory, compileCPU: faas.Duration(compile.DefaultCPU), compileWall: faas.Duration(compile.DefaultWall),
	}
	return &process.Program{
		Name:   "worker",
		About:  "The worker runs functions as Faaslets.",
		Health: "127.0.0.1:8093",
		Keys: []config.Key{
			{
				Name: "name", Value: config.Name(&c.name), Default: "the host's name, with `-` for what a name can't have",
				Example: "worker1", What: "name of this worker; no two that run may have the same",
			},
			{Name: "data", Value: config.Text(&c.data, "a directory"), Example: "/var/lib/shoal/worker", What: "where compiled modules are kept while the process lives; each worker needs one of its own"},
			{
				Name: "public-key", Value: config.Text(&c.publicKey, "a file"), Default: "`signing.pub` in `data`",
				Example: "/etc/shoal/signing.pub", What: "public half of the upload service's signing key, in PEM: only what it signed is loaded. The worker waits until the file is there",
			},
			{
				Name: "slots", Value: config.Int(&c.slots, 0, 1<<14, "0 for 4 × cores"), Default: "4 × cores",
				Example: "16", What: "calls that run at once",
			},
			{
				Name: "queue", Value: config.Int(&c.queue, -1, 1<<16, "0 for 2 × slots, -1 for none"), Default: "2 × slots",
				Example: "32", What: "calls that wait for a slot; one more is passed on to another worker",
			},
			{Name: "max-input", Value: config.Size(&c.maxInput, 1, faas.MaxBody, ""), What: "largest input of a call"},
			{Name: "max-output", Value: config.Size(&c.maxOutput, 1, faas.MaxBody, ""), What: "largest output of a call"},
			{
				Name: "memory-limit", Value: config.Size(&c.memoryLimit, 64*faas.MiB, 0, "0 for the default"), Default: "80 % of the machine's memory, or of its cgroup's limit",
				Example: "16GiB", What: "linear memory that running calls may have together, each counted with its function's limit; a call beyond it is passed on to another worker",
			},
			{
				Name: "memory-mark", Value: config.Size(&c.memoryMark, 64*faas.MiB, 0, "0 for the default"), Default: "80 % of the machine's memory, or of its cgroup's limit",
				Example: "8GiB", What: "resident memory above which idle Faaslets are let go",
			},
			{Name: "cache", Value: config.Size(&c.cache, faas.MiB, 0, ""), What: "disk for compiled modules; those in use may make it more"},
			{Name: "proto-cache", Value: config.Size(&c.protoCache, faas.MiB, 0, ""), What: "disk for Proto-Faaslets"},
			{Name: "files-cache", Value: config.Size(&c.filesCache, faas.MiB, 0, ""), What: "disk for tenants' shared files; an open of one that does not fit beside those that are open fails"},
			{
				Name: "drain-timeout", Value: config.Duration(&c.drain, time.Millisecond, 2*faas.MaxTimeout),
				What: "how long running calls may take to end when the process stops; then they are cancelled",
			},
			{Name: "compile-memory", Value: config.Size(&c.compileMemory, 256*faas.MiB, 0, ""), What: "memory of a compiler's process, for modules that were compiled for another kind of processor"},
			{Name: "compile-cpu", Value: config.Duration(&c.compileCPU, time.Second, time.Hour), What: "processor time of a compiler's process"},
			{Name: "compile-wall", Value: config.Duration(&c.compileWall, time.Second, time.Hour), What: "how long a compiler may take"},
		},
		Check: func(*config.Set) error { c.complete(); return nil },
		Files: c.checkKey,
		Wire:  c.wire,
	}
}

// complete gives settings that follow from others their values.
func (c *settings) complete() {
	if c.publicKey == "" {
		c.publicKey = filepath.Join(c.data, "signing.pub")
	}
	if c.slots == 0 {
		c.slots = faas.SlotsPerCore * runtime.NumCPU()
	}
	if c.queue == 0 {
		c.queue = faas.QueuePerSlot * c.slots
	}
	if c.memoryLimit == 0 {
		c.memoryLimit = defaultMemory()
	}
	if c.memoryMark == 0 {
		c.memoryMark = defaultMemory()
	}
}

// defaultMemory is the worker's default in whole MiB, which people can read.
func defaultMemory() faas.Size {
	limit := worker.DefaultMemoryLimit()
	return limit - limit%faas.MiB
}

// workerName makes a name of a host's.
func workerName(host string) string {
	name := strings.Map(func(r rune) rune {
		switch {
		case r >= 'a' && r <= 'z', r >= '0' && r <= '9', r == '-', r == '_':
			return r
		case r >= 'A' && r <= 'Z':
			return r + 'a' - 'A'
		}
		return '-'
	}, host)
	name = strings.TrimLeft(name, "-_")
	if name = name[:min(len(name), faas.MaxNameLen)]; name == "" {
		return "worker"
	}
	return name
}

// wire makes
//
//	registry view, view of files ─► worker, in all its incarnations
func (c *settings) wire(ctx context.Context, p *process.Process) (*service.Sequence, error) {
	if err := c.lockData(p); err != nil {
		return nil, err
	}
	compiler := compile.Compiler{Memory: c.compileMemory, CPU: time.Duration(c.compileCPU), Wall: time.Duration(c.compileWall)}
	engine, err := faaslet.NewEngine(faaslet.Config{Table: hostapi.New(), Log: p.Log, Compile: compiler.Compile})
	if err != nil {
		return nil, fmt.Errorf("engine: %w", err)
	}
	p.OnClose(engine.Close)
	process.AllowThreads(c.slots)
	pub, err := c.waitForKey(ctx, p)
	if err != nil {
		return nil, err
	}
	calls, err := p.Connect(ctx, "calls of "+c.name)
	if err != nil {
		return nil, err
	}
	control, err := p.Connect(ctx, "control of "+c.name)
	if err != nil {
		return nil, err
	}
	stores, err := p.OpenStores(ctx, control)
	if err != nil {
		return nil, err
	}
	view := registry.NewView(stores.Registry, p.Log)
	index := files.NewView(files.ViewConfig{Bucket: stores.Files, Log: p.Log})
	shared := worker.FilesIn(c.data, stores.Files, index, c.filesCache, p.Metrics, p.Log)
	p.OnClose(shared.Close)
	artefacts := worker.ArtefactsIn(c.data, pub, stores.Modules, compiler, c.cache, p.Log)
	protos := worker.ProtosIn(c.data, pub, stores.Protos, c.protoCache)
	shared.GiveWay(artefacts, protos)
	life := worker.Lives(worker.Config{
		Name: c.name, Calls: calls, Control: control, Engine: engine,
		Artefacts: artefacts, Protos: protos, Files: shared, Payloads: stores.Payloads, Functions: view,
		Slots: c.slots, Queue: c.queue, MaxInput: c.maxInput, MaxOutput: c.maxOutput, MemoryLimit: c.memoryLimit, MemoryMark: c.memoryMark,
		CompileWall: time.Duration(c.compileWall), DrainTimeout: time.Duration(c.drain), CPUFeatures: artefact.CPUFeatures(), Metrics: p.Metrics, Log: p.Log,
	})
	p.Health.Check("worker", process.Ready(life.Ready()))
	p.Health.Check("modules", life.Loads)
	var seq service.Sequence
	seq.Add("registry", view.Run, view.Ready())
	seq.Add("files", index.Run, nil)
	seq.Add("worker", untilDrained(life, p), life.Ready())
	return &seq, nil
}

// untilDrained runs a worker. One that a control message has drained ends its process as a signal does.
func untilDrained(life *worker.Line, p *process.Process) func(context.Context) error {
	return func(ctx context.Context) error {
		err := life.Run(ctx)
		if err == nil && ctx.Err() == nil {
			p.Stop("drained by a control message")
			<-ctx.Done()
		}
		return err
	}
}
