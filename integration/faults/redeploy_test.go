package faults

import (
	"context"
	"encoding/binary"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/shoal-run/shoal/bus/faas"
	"github.com/shoal-run/shoal/integration/framework"
	"github.com/shoal-run/shoal/integration/history"
)

// spread is how long after a deploy's answer other gateways than the one that took it may still stamp the old version.
const spread = time.Second

// versions remembers when which version was deployed, and through which gateway.
type versions struct {
	mu  sync.Mutex
	all []deployment // by marker
}

type deployment struct {
	began, ended time.Time // ended is zero until the answer
	through      *framework.Gateway
}

// may reports whether a call that was sent through a gateway (nil: any) and answered at these times may have run the
// version with a marker: its deploy had begun before the answer, and the next one had not long ended before the call.
func (v *versions) may(marker int, through *framework.Gateway, sent, answered time.Time) bool {
	v.mu.Lock()
	defer v.mu.Unlock()
	if marker >= len(v.all) || v.all[marker].began.After(answered) {
		return false
	}
	if marker+1 >= len(v.all) || v.all[marker+1].ended.IsZero() {
		return true
	}
	next := v.all[marker+1]
	until := next.ended
	if through != next.through {
		until = until.Add(spread)
	}
	return !until.Before(sent)
}

// checked is a target whose answers must come from a version that was current between sending and answer.
func (v *versions) checked(t testing.TB, through *framework.Gateway, call target) target {
	return func(input []byte) ([]byte, faas.WorkerID, error) {
		sent := time.Now()
		out, by, err := call(input)
		if err != nil {
			return out, by, err
		}
		marker := int(binary.LittleEndian.Uint64(out))
		if !v.may(marker, through, sent, time.Now()) {
			t.Errorf("call %q was answered by version %d, which was not current", input[8:], marker)
		}
		return out, by, nil
	}
}

// TestRedeploy defends promise 7: 50 deploys under 200 calls/s fail no call, and every answer is of a version that was
// current when its call was admitted.
func TestRedeploy(t *testing.T) {
	const deploys = 50
	c, ls := start(t, framework.ClusterConfig{})
	modules := make([][]byte, deploys+1)
	for i := range modules {
		modules[i] = guest(t, uint64(i))
	}
	v := &versions{all: []deployment{{began: time.Now(), ended: time.Now(), through: c.Gateways[0]}}}
	var targets []target
	for _, g := range c.Gateways {
		targets = append(targets, v.checked(t, g, overHTTP(g, echo)), v.checked(t, nil, overNATS(c.Connect(t), echo)))
	}
	l := ls.run(shape{label: "A", rate: 200, each: 8, work: mixed}, targets...)
	l.awaitProgress(t, 50)
	began := time.Now()
	for i := 1; i <= deploys; i++ {
		g := c.Gateways[i%len(c.Gateways)]
		v.mu.Lock()
		v.all = append(v.all, deployment{began: time.Now(), through: g})
		v.mu.Unlock()
		if _, err := g.Deploy(context.Background(), echo, modules[i]); err != nil {
			t.Fatalf("deploy %d: %v", i, err)
		}
		v.mu.Lock()
		v.all[i].ended = time.Now()
		v.mu.Unlock()
		l.awaitProgress(t, 10)
	}
	took := time.Since(began)
	l.awaitPast(t, l.Since()+spread)
	l.awaitProgress(t, 50)
	l.end()
	ls.settle(t)
	l.check(t, history.Rules{})
	t.Logf("%d deploys in %v", deploys, took.Round(time.Millisecond))
	awaitIdle(t, c)
}

// TestMay checks the judge of TestRedeploy.
func TestMay(t *testing.T) {
	a, b := new(framework.Gateway), new(framework.Gateway)
	t0 := time.Now()
	at := func(ms int) time.Time { return t0.Add(time.Duration(ms) * time.Millisecond) }
	v := &versions{all: []deployment{{at(0), at(0), a}, {at(1000), at(1100), a}, {at(9000), time.Time{}, a}}}
	for i, c := range []struct {
		marker         int
		through        *framework.Gateway
		sent, answered int
		want           bool
	}{
		{0, a, 10, 20, true},
		{0, a, 1050, 1060, true},
		{0, a, 1101, 1110, false},
		{0, b, 1101, 1110, true},
		{0, nil, 2050, 2110, true},
		{0, b, 2101, 2110, false},
		{1, a, 900, 990, false},
		{1, a, 900, 1001, true},
		{1, b, 9500, 9600, true},
		{2, b, 8000, 8999, false},
		{3, b, 9500, 9600, false},
	} {
		t.Run(fmt.Sprint(i), func(t *testing.T) {
			if got := v.may(c.marker, c.through, at(c.sent), at(c.answered)); got != c.want {
				t.Errorf("%v, want %v", got, c.want)
			}
		})
	}
}
