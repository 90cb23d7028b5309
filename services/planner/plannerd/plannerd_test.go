package plannerd_test

import (
	"strings"
	"testing"

	"github.com/shoal-run/shoal/internal/leakcheck"
	"github.com/shoal-run/shoal/services/planner/plannerd"
	"github.com/shoal-run/shoal/services/process"
	"github.com/shoal-run/shoal/services/process/processtest"
)

func TestMain(m *testing.M) { leakcheck.Main(m) }

// TestProcess starts two planners, one before its server, and stops them.
func TestProcess(t *testing.T) {
	nats := processtest.NewServer(t)
	early := processtest.Start(t, plannerd.New(), "-nats-url", nats.URL, "-health", "127.0.0.1:0")
	processtest.AwaitStatus(t, early.Health(t)+"/readyz", 503, "waiting for the NATS server")
	nats.Start(t)
	late := processtest.Start(t, plannerd.New(), "-nats-url", nats.URL, "-health", "127.0.0.1:0")
	for _, i := range []*processtest.Instance{early, late} {
		processtest.AwaitStatus(t, i.Health(t)+"/readyz", 200, `"planner":"ok"`)
		if code := i.Stop(t); code != process.ExitOK {
			t.Errorf("exit code %d", code)
		}
	}
}

func TestCheckConfig(t *testing.T) {
	i := processtest.Start(t, plannerd.New(), "-check-config")
	if code := i.Wait(t); code != process.ExitOK || !strings.Contains(i.Stdout(), "nats-url") {
		t.Errorf("exit code %d, %s%s", code, i.Stdout(), i.Log())
	}
}
