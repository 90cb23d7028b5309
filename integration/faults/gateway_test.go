package faults

import (
	"testing"
	"time"

	"github.com/shoal-run/shoal/bus/faas"
	"github.com/shoal-run/shoal/integration/framework"
	"github.com/shoal-run/shoal/integration/history"
)

// TestGatewayKilled defends promise 5 for a gateway: its own HTTP clients see their connections break, NATS clients go on
// through the other gateway and may wait in vain for what the dead one held, and the other's HTTP clients notice nothing;
// and promise 1: no call is doubled.
func TestGatewayKilled(t *testing.T) {
	c, ls := start(t, framework.ClusterConfig{})
	victim, other := c.Gateways[0], c.Gateways[1]
	shapeOf := func(label string) shape { return shape{label: label, rate: 60, each: 8, work: mixed} }
	mine := ls.run(shapeOf("M"), overHTTP(victim, echo))
	others := ls.run(shapeOf("O"), overHTTP(other, echo))
	clients := ls.run(shapeOf("N"), overNATS(c.Connect(t), echo), overNATS(c.Connect(t), echo))
	all := []*load{mine, others, clients}
	for _, l := range all {
		l.awaitProgress(t, 50)
	}
	from := []time.Duration{mine.Since(), others.Since(), clients.Since()}
	victim.Kill(t)
	others.awaitPast(t, from[1]+time.Second)
	others.awaitProgress(t, 50)
	clients.awaitProgress(t, 50)
	victim.Restart(t)
	back := mine.Since()
	for _, l := range all {
		l.awaitProgress(t, 50)
	}
	for _, l := range all {
		l.end()
	}
	ls.settle(t)
	mine.check(t, history.Rules{
		Faults: []history.Fault{fault("kill", from[0], back-from[0])}, Allowed: []faas.Code{broken, faas.Unavailable},
	})
	others.check(t, history.Rules{})
	clients.check(t, history.Rules{
		// The server sends the dead gateway calls until it has seen its connection close.
		Faults: []history.Fault{fault("kill", from[2], 3*time.Second)}, Allowed: []faas.Code{timeout},
	})
	awaitIdle(t, c)
}
