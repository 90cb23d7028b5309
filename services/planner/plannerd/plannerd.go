// Package plannerd is the planner as a process: its settings and its wiring.
package plannerd

import (
	"context"

	"github.com/shoal-run/shoal/libs/service"
	"github.com/shoal-run/shoal/services/planner"
	"github.com/shoal-run/shoal/services/process"
)

// New returns the planner's program. It has no settings of its own.
func New() *process.Program {
	return &process.Program{
		Name:   "planner",
		About:  "The planner places calls on workers and tells the others which workers have what warm.",
		Health: "127.0.0.1:8091",
		Wire:   wire,
	}
}

// wire makes the planner, which knows the members itself.
func wire(ctx context.Context, p *process.Process) (*service.Sequence, error) {
	calls, err := p.Connect(ctx, "calls")
	if err != nil {
		return nil, err
	}
	control, err := p.Connect(ctx, "control")
	if err != nil {
		return nil, err
	}
	place := planner.New(planner.Config{NC: calls, Control: control, Metrics: p.Metrics, Log: p.Log})
	p.Health.Check("planner", process.Ready(place.Ready()))
	var seq service.Sequence
	seq.Add("planner", place.Run, place.Ready())
	return &seq, nil
}
