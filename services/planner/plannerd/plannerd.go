// Package plannerd is the planner as a process: its settings and its wiring.
package plannerd

import (
	"context"

	"github.com/shoal-run/shoal/bus/faas"
	"github.com/shoal-run/shoal/libs/config"
	"github.com/shoal-run/shoal/libs/service"
	"github.com/shoal-run/shoal/services/planner"
	"github.com/shoal-run/shoal/services/process"
)

// settings are the planner's own.
type settings struct {
	maxHops int
}

// New returns the planner's program.
func New() *process.Program {
	c := &settings{maxHops: faas.MaxHops}
	return &process.Program{
		Name:   "planner",
		About:  "The planner places calls on workers and tells the others which workers have what warm.",
		Health: "127.0.0.1:8091",
		Keys: []config.Key{{
			Name: "max-hops", Value: config.Int(&c.maxHops, 1, 16, ""),
			What: "how often a call may be placed before it is refused with `no_capacity`",
		}},
		Wire: c.wire,
	}
}

// wire makes the planner, which knows the members itself.
func (c *settings) wire(ctx context.Context, p *process.Process) (*service.Sequence, error) {
	calls, err := p.Connect(ctx, "calls")
	if err != nil {
		return nil, err
	}
	control, err := p.Connect(ctx, "control")
	if err != nil {
		return nil, err
	}
	place := planner.New(planner.Config{NC: calls, Control: control, MaxHops: c.maxHops, Log: p.Log})
	p.Health.Check("planner", process.Ready(place.Ready()))
	var seq service.Sequence
	seq.Add("planner", place.Run, place.Ready())
	return &seq, nil
}
