// Package gatewayd is the gateway as a process: its settings and its wiring.
package gatewayd

import (
	"context"
	"time"

	"github.com/shoal-run/shoal/bus"
	"github.com/shoal-run/shoal/bus/faas"
	"github.com/shoal-run/shoal/bus/members"
	"github.com/shoal-run/shoal/libs/config"
	"github.com/shoal-run/shoal/libs/files"
	"github.com/shoal-run/shoal/libs/registry"
	"github.com/shoal-run/shoal/libs/service"
	"github.com/shoal-run/shoal/services/gateway"
	"github.com/shoal-run/shoal/services/process"
)

// settings are the gateway's own.
type settings struct {
	http                string
	maxCalls            int
	maxInput, maxModule faas.Size
	maxBodies           faas.Size
	maxFile             faas.Size
	maxFiles            int
	maxFilesSize        faas.Size
	drain               faas.Duration
}

// New returns the gateway's program.
func New() *process.Program {
	c := &settings{
		http: "127.0.0.1:8080", maxCalls: 10_000, maxInput: faas.DefaultBody, maxModule: faas.DefaultModule, maxBodies: faas.GiB,
		maxFile: faas.MaxFile, maxFiles: faas.DefaultFiles, maxFilesSize: faas.DefaultFileBytes,
		drain: faas.Duration(faas.DefaultTimeout),
	}
	return &process.Program{
		Name:  "gateway",
		About: "The gateway takes calls over HTTP and from NATS clients, and holds them until they are answered.",
		Keys: []config.Key{
			{Name: "http", Value: config.Address(&c.http, ""), What: "where clients and probes come in over HTTP"},
			{Name: "max-calls", Value: config.Int(&c.maxCalls, 1, 1_000_000, ""), What: "calls held at once; one more is refused with `no_capacity`"},
			{Name: "max-input", Value: config.Size(&c.maxInput, 1, faas.MaxBody, ""), What: "largest input of a call"},
			{
				Name: "max-bodies", Value: config.Size(&c.maxBodies, faas.Size(bus.MaxPayload), 0, ""),
				What: "memory that inputs and outputs of all calls take together",
			},
			{Name: "max-module", Value: config.Size(&c.maxModule, 1, faas.MaxModule, ""), What: "largest module of a deploy"},
			{Name: "max-file", Value: config.Size(&c.maxFile, 1, faas.MaxFile, ""), What: "largest shared file"},
			{Name: "max-files", Value: config.Int(&c.maxFiles, 1, faas.MaxFiles, ""), What: "shared files of a tenant; give all gateways the same"},
			{Name: "max-files-size", Value: config.Size(&c.maxFilesSize, 1, 0, ""), What: "shared files of a tenant together, likewise"},
			{
				Name: "drain-timeout", Value: config.Duration(&c.drain, time.Millisecond, 2*faas.MaxTimeout),
				What: "how long held calls may take to end when the process stops",
			},
		},
		Wire: c.wire,
	}
}

// wire makes
//
//	registry view, view of files, members ─► gateway
//
// with the lobby at the gateway's address until the gateway is there.
func (c *settings) wire(ctx context.Context, p *process.Process) (*service.Sequence, error) {
	l, err := p.Listen("http", c.http)
	if err != nil {
		return nil, err
	}
	p.OnClose(func() { _ = l.Close() }) // the gateway has closed it when it ran
	lobby := openLobby(p, l)

	calls, err := p.Connect(ctx, "calls")
	if err != nil {
		return nil, err
	}
	control, err := p.Connect(ctx, "control")
	if err != nil {
		return nil, err
	}
	stores, err := p.OpenStores(ctx, control)
	if err != nil {
		return nil, err
	}
	view := registry.NewView(stores.Registry, p.Log)
	shared := files.NewView(files.ViewConfig{Bucket: stores.Files, Log: p.Log})
	known := members.New(members.Config{NC: control, Log: p.Log})
	front, err := gateway.New(gateway.Config{
		Listener: lobby, Calls: calls, Control: control, JetStream: stores.JetStream, Functions: view,
		Modules: stores.Modules, Payloads: stores.Payloads, Members: known,
		Files:    files.New(stores.Files, shared, files.Limits{File: c.maxFile, Files: c.maxFiles, Bytes: c.maxFilesSize}),
		MaxCalls: c.maxCalls, MaxInput: c.maxInput, MaxModule: c.maxModule, MaxBodies: c.maxBodies,
		DrainTimeout: time.Duration(c.drain), Metrics: p.Metrics, Log: p.Log,
	})
	if err != nil {
		return nil, err
	}
	var seq service.Sequence
	seq.Add("registry", view.Run, view.Ready())
	seq.Add("files", shared.Run, nil)
	seq.Add("members", known.Run, known.Ready())
	seq.Add("gateway", front.Run, front.Ready())
	return &seq, nil
}
