package gatewayd_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/shoal-run/shoal/internal/leakcheck"
	"github.com/shoal-run/shoal/services/gateway/gatewayd"
	"github.com/shoal-run/shoal/services/process"
	"github.com/shoal-run/shoal/services/process/processtest"
)

func TestMain(m *testing.M) { leakcheck.Main(m) }

// TestLobby starts a gateway before its server: probes are answered, clients are told to come back, and from a moment on
// the gateway answers at the same address, without a refused connection between.
func TestLobby(t *testing.T) {
	nats := processtest.NewServer(t)
	address := freeAddress(t)
	url := "http://" + address
	i := processtest.Start(t, gatewayd.New(), "-http", address, "-nats-url", nats.URL)
	processtest.AwaitStatus(t, url+"/readyz", 503, "not ready: waiting for the NATS server")
	processtest.AwaitStatus(t, url+"/metrics", 200, "go_goroutines")
	processtest.AwaitStatus(t, url+"/healthz", 200, "ok")
	resp, err := http.Post(url+"/v1/call/demo/echo", "text/plain", strings.NewReader("hello"))
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	http.DefaultClient.CloseIdleConnections()
	if resp.StatusCode != 503 || resp.Header.Get("Retry-After") == "" || resp.Header.Get("Shoal-Code") != "unavailable" {
		t.Errorf("a call that is too early: %s %v", resp.Status, resp.Header)
	}

	stop, refused := make(chan struct{}), make(chan []string)
	go func() { // ended below
		var bad []string
		for {
			select {
			case <-stop:
				refused <- bad
				return
			default:
			}
			if status, body := processtest.Get(t, url+"/healthz"); status != 200 {
				bad = append(bad, body)
			}
		}
	}()
	nats.Start(t)
	i.Await(t, "ready")
	processtest.AwaitStatus(t, url+"/readyz", 200, `"bus":true`)
	processtest.AwaitStatus(t, url+"/metrics", 200, "shoal_gateway_calls_held 0")
	close(stop)
	if bad := <-refused; len(bad) > 0 {
		t.Errorf("requests were not answered while the gateway took over: %q", bad)
	}
	if status, body := processtest.Get(t, url+"/v1/functions"); status != 200 || !strings.Contains(body, `"functions":[]`) {
		t.Errorf("functions: %d %s", status, body)
	}
	if code := i.Stop(t); code != process.ExitOK {
		t.Errorf("exit code %d", code)
	}
	if status, _ := processtest.Get(t, url+"/healthz"); status != 0 {
		t.Errorf("somebody still answers: %d", status)
	}
}

// TestStopInLobby stops a gateway that has never had a server.
func TestStopInLobby(t *testing.T) {
	i := processtest.Start(t, gatewayd.New(), "-http", "127.0.0.1:0", "-nats-url", processtest.NewServer(t).URL)
	i.Await(t, "NATS server not reached")
	if code := i.Stop(t); code != process.ExitOK {
		t.Errorf("exit code %d", code)
	}
}

func TestAddressTaken(t *testing.T) {
	address := freeAddress(t)
	first := processtest.Start(t, gatewayd.New(), "-http", address, "-nats-url", processtest.NewServer(t).URL)
	first.Await(t, "NATS server not reached")
	second := processtest.Start(t, gatewayd.New(), "-http", address)
	if code := second.Wait(t); code != process.ExitConfig || !strings.Contains(second.Log(), `http: "`+address+`" (-http): the address is taken`) {
		t.Errorf("exit code %d", code)
	}
}

func TestCheckConfig(t *testing.T) {
	for _, c := range []struct {
		args string
		code int
		want string
	}{
		{"-check-config -max-calls 5", process.ExitOK, "max-calls: 5"},
		{"-check-config -max-input 2GiB", process.ExitConfig, `max-input: "2GiB" (-max-input): want a size from 1B to 1GiB`},
		{"-check-config -slots 5", process.ExitConfig, "gateway has no flag -slots"},
		{"-check-config -health off", process.ExitConfig, "gateway has no flag -health"},
	} {
		i := processtest.Start(t, gatewayd.New(), strings.Fields(c.args)...)
		if code := i.Wait(t); code != c.code || !strings.Contains(i.Stdout()+i.Log(), c.want) {
			t.Errorf("%s: exit code %d, %s%s", c.args, code, i.Stdout(), i.Log())
		}
	}
}

// freeAddress returns an address of the loopback that nobody listened on a moment ago.
func freeAddress(t *testing.T) string {
	return strings.TrimPrefix(processtest.NewServer(t).URL, "nats://")
}
