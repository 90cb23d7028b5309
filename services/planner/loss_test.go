package planner

import (
	"testing"
	"time"

	"github.com/shoal-run/shoal/bus"
	"github.com/shoal-run/shoal/bus/bustest"
	"github.com/shoal-run/shoal/bus/faas"
	"github.com/shoal-run/shoal/internal/testenv"
)

// TestLossForgetsWhoListens has the planner's connection lost, as by a restart of the server. Workers that were not heard
// since may not listen yet: a call that is passed on to one falls on nobody, and nobody learns of it. So none is.
func TestLossForgetsWhoListens(t *testing.T) {
	s := bustest.Start(t)
	w := bustest.NewWorker(t, s, "w", 4)
	p, _ := run(t, s)
	c := newCaller(t, s)
	if got := c.moved(newCall()); got != w.ID {
		t.Fatalf("the call went to %s", got)
	}
	w.Freeze()
	if err := p.cfg.Control.ForceReconnect(); err != nil {
		t.Fatal(err)
	}
	testenv.Eventually(t, 5*time.Second, func() bool {
		return p.cfg.Control.IsConnected() && p.cfg.Control.Stats().Reconnects > 0
	}, "not connected again")
	if err := c.refused(newCall()); err.Code != faas.Unavailable {
		t.Errorf("refused with %v", err)
	}
	w.Thaw()
	testenv.Eventually(t, 5*time.Second, func() bool {
		c.send(newCall())
		return bus.Moved(bustest.Receive(t, c.heard, 5*time.Second, "word from the planner")) == w.ID
	}, "no call goes to a worker that was heard again")
}
