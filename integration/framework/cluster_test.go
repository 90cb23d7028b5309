package framework_test

import (
	"context"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/shoal-run/shoal/integration/framework"
	"github.com/shoal-run/shoal/internal/leakcheck"
	"github.com/shoal-run/shoal/internal/testenv"
)

func TestMain(m *testing.M) { framework.Main(m) }

// TestLife takes a process through what a test can do to it.
func TestLife(t *testing.T) {
	testenv.Long(t, "processes are built and started")
	leakcheck.Check(t)
	c := framework.StartCluster(t, framework.ClusterConfig{Gateways: 1, Planners: 1, Workers: 1})
	w := c.Workers[0]
	first := w.Pid()
	w.Freeze(t)
	if w.Ready() {
		t.Error("a frozen process answers")
	}
	w.Thaw(t)
	w.AwaitReady(t)
	w.Kill(t)
	if w.Ready() {
		t.Error("a killed process answers")
	}
	w.Restart(t)
	if w.Pid() == first {
		t.Error("the process was not started again")
	}
	c.AwaitWorkers(t, 1)
	c.Upload.Stop(t)
	if log := c.Upload.Log(); !strings.Contains(log, "stopped") {
		t.Errorf("it was killed, not stopped: %s", log)
	}
}

// TestSkew has a worker live an hour ahead.
func TestSkew(t *testing.T) {
	testenv.Long(t, "processes are built and started")
	leakcheck.Check(t)
	c := framework.StartCluster(t, framework.ClusterConfig{
		Gateways: 1, Planners: 1, Workers: 1, Skew: func(int) time.Duration { return time.Hour },
	})
	ws, err := c.Gateways[0].Workers(t.Context())
	if err != nil || len(ws) != 1 {
		t.Fatal(ws, err)
	}
	if ahead := time.Until(ws[0].Started); ahead < 59*time.Minute || ahead > time.Hour {
		t.Errorf("its clock is %v ahead", ahead)
	}
}

// TestLink cuts a namespace off and mends it.
func TestLink(t *testing.T) {
	testenv.Need(t, testenv.Netns, testenv.Root)
	leakcheck.Check(t)
	a, b := framework.NewNamespace(t), framework.NewNamespace(t)
	link := framework.Join(t, a, "10.99.0.1", b, "10.99.0.2")
	var l net.Listener
	if err := b.Do(func() (err error) {
		l, err = net.Listen("tcp4", "10.99.0.2:7000")
		return err
	}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	reach := func(from *framework.Namespace) bool {
		ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
		defer cancel()
		c, err := from.DialContext(ctx, "tcp4", "10.99.0.2:7000")
		if err == nil {
			c.Close()
		}
		return err == nil
	}
	testenv.Eventually(t, 10*time.Second, func() bool { return reach(a) }, "b can't be reached")
	if reach(framework.NewNamespace(t)) {
		t.Error("b is reached without a cable")
	}
	link.Cut(t)
	if reach(a) {
		t.Error("b is reached over a cut cable")
	}
	link.Mend(t)
	testenv.Eventually(t, 10*time.Second, func() bool { return reach(a) }, "b can't be reached again")
}
