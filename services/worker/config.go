package worker

import (
	"context"
	"io"
	"log/slog"
	"runtime"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/shoal-run/shoal/bus"
	"github.com/shoal-run/shoal/bus/faas"
	"github.com/shoal-run/shoal/libs/faaslet"
	"github.com/shoal-run/shoal/libs/faaslet/compile"
	"github.com/shoal-run/shoal/libs/objectstore"
	"github.com/shoal-run/shoal/libs/service"
	"github.com/shoal-run/shoal/libs/telemetry/metrics"
)

// Config is what a worker is made of. Connections, engine and stores stay their owner's to close, after Run has returned.
type Config struct {
	Name         string     // of the worker; faas.CheckName
	Calls        *nats.Conn // calls and answers
	Control      *nats.Conn // events, control messages and logs
	Engine       *faaslet.Engine
	Artefacts    Artefacts
	Protos       Protos   // nil has none: Faaslets are restored from what the first one left
	Files        Files    // tenants' shared files; nil has none
	Payloads     Payloads // bodies that are too large for a message
	Functions    Functions
	Slots        int              // running calls; default 4 per core
	Queue        int              // calls that wait for a slot; default 2 per slot, negative means none
	MaxInput     faas.Size        // of a call; default faas.DefaultBody
	MaxOutput    faas.Size        // of a call; default faas.DefaultBody
	MemoryMark   faas.Size        // resident memory above which idle Faaslets are evicted; default 80 % of what the process may have
	MemoryLimit  faas.Size        // linear memory that running calls may have together; default DefaultMemoryLimit
	BeatEvery    time.Duration    // default bus.BeatInterval
	CompileWall  time.Duration    // how long Artefacts may take to compile a module; default compile.DefaultWall
	DrainTimeout time.Duration    // default faas.DefaultTimeout
	CPUFeatures  string           // of this machine, as its artefacts' keys have them
	Metrics      *metrics.Metrics // where the worker's are told; nil for nowhere
	Log          *slog.Logger

	joined func() // called when Ready closes; nil for nothing
}

// Artefacts gives compiled modules as files.
type Artefacts interface {
	// Open returns a file with the compiled module of a version, which stays as it is until release is called. Whatever can
	// write it can run code in this process, so it is in a directory that only this process's user can write.
	Open(ctx context.Context, v faas.Version) (path string, release func(), err error)
	// Drop says that the version was replaced or removed: what is kept of it for a next Open needs not be. What is open stays
	// as it is.
	Drop(v faas.Version)
	// Full reports whether the files that are open take more than so many percent of what all may take.
	Full(percent int) bool
}

// Payloads keeps bodies that are too large for a message; a *objectstore.Store does.
type Payloads interface {
	Get(ctx context.Context, object string) (io.ReadCloser, error)
	Put(ctx context.Context, object string, r io.Reader) (objectstore.Info, error)
}

// Functions tells what the registry has of a function at present.
type Functions interface {
	Get(faas.Name) (faas.Function, bool)
}

// DefaultMemoryLimit returns 80 % of the memory that this process may have. Workers that share a process share it.
func DefaultMemoryLimit() faas.Size {
	memory := service.Memory()
	if memory == 0 { // unknown
		memory = faas.GiB
	}
	return memory / 10 * 8
}

func (c Config) withDefaults() Config {
	if c.Slots == 0 {
		c.Slots = faas.SlotsPerCore * runtime.NumCPU()
	}
	if c.Queue == 0 {
		c.Queue = faas.QueuePerSlot * c.Slots
	}
	c.Queue = max(c.Queue, 0)
	if c.MaxInput == 0 {
		c.MaxInput = faas.DefaultBody
	}
	if c.MaxOutput == 0 {
		c.MaxOutput = faas.DefaultBody
	}
	if c.MemoryMark == 0 {
		c.MemoryMark = DefaultMemoryLimit()
	}
	if c.MemoryLimit == 0 {
		c.MemoryLimit = DefaultMemoryLimit()
	}
	if c.BeatEvery == 0 {
		c.BeatEvery = bus.BeatInterval
	}
	if c.CompileWall == 0 {
		c.CompileWall = compile.DefaultWall
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
	if err := faas.CheckName("worker", c.Name); err != nil {
		return err
	}
	switch {
	case c.Slots < 1 || c.Slots > faas.MaxSlots:
		return faas.Errorf(faas.BadRequest, "slots: %d is not from 1 to %d", c.Slots, faas.MaxSlots)
	case c.Queue > faas.MaxQueue:
		return faas.Errorf(faas.BadRequest, "queue: %d is more than %d", c.Queue, faas.MaxQueue)
	case c.MaxInput < 0 || c.MaxInput > faas.MaxBody:
		return faas.Errorf(faas.BadRequest, "input: %s is more than %s", c.MaxInput, faas.MaxBody)
	case c.MaxOutput < 0 || c.MaxOutput > faas.MaxBody:
		return faas.Errorf(faas.BadRequest, "output: %s is more than %s", c.MaxOutput, faas.MaxBody)
	}
	return nil
}
