package worker

import (
	"context"
	"errors"
	"log/slog"
	"testing"
	"time"

	"github.com/shoal-run/shoal/bus/faas"
)

// patient notes how long each Open may take.
type patient chan time.Duration

func (p patient) Open(ctx context.Context, _ faas.Version) (string, func(), error) {
	until, _ := ctx.Deadline()
	p <- time.Until(until)
	return "", nil, errors.New("there is none")
}

func (p patient) Drop(faas.Version) {}

func (p patient) Full(int) bool { return false }

// TestLoadLeavesTimeToCompile: the compiler's own limit ends a compilation, and not that of the load that it is part of.
func TestLoadLeavesTimeToCompile(t *testing.T) {
	for _, wall := range []time.Duration{0, time.Second, time.Hour} {
		cfg := Config{Name: "w", CompileWall: wall}.withDefaults()
		artefacts := make(patient, 1)
		ms := newModules(nil, artefacts, cfg.CompileWall, slog.New(slog.DiscardHandler))
		if _, err := ms.load(t.Context(), faas.VersionOf(nil)); err == nil {
			t.Fatal("loaded nothing without an error")
		}
		if within := <-artefacts; within <= max(wall, time.Minute) {
			t.Errorf("a compilation of up to %v has %v for all of its load", wall, within)
		}
		ms.close()
	}
}
