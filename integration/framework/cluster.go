package framework

import (
	"fmt"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/shoal-run/shoal/bus/faas"
	"github.com/shoal-run/shoal/internal/testenv"
)

// ClusterConfig says what a cluster is made of. The zero value is two gateways, two planners, four workers of 4 slots, one
// upload service and one NATS server, all on the loopback.
type ClusterConfig struct {
	Gateways, Planners, Workers int
	Slots, Queue                int        // of a worker
	Store                       string     // directory of JetStream; "": one of the test's own
	Space                       *Namespace // where everything runs; nil: where the test does
	Host                        string     // IPv4 address in Space to listen on; "": the loopback
	// Remote moves a worker elsewhere: it returns where it runs, or nil for Space.
	Remote func(worker int) *Namespace
	// Skew is how far the clock of a worker is ahead, in whole seconds; nil: none is.
	Skew func(worker int) time.Duration
}

// Cluster is Shoal as processes.
type Cluster struct {
	NATS     *NATSServer
	Gateways []*Gateway
	Planners []*Planner
	Workers  []*Worker
	Upload   *Upload

	cfg ClusterConfig
	all []*Process
}

// NATSServer is a NATS server as a process.
type NATSServer struct {
	*Process
	URL string
}

// Planner is a planner as a process.
type Planner struct{ *Process }

// Worker is a worker as a process.
type Worker struct {
	*Process
	WorkerName string // the first part of its ids
}

// Is reports whether id is an incarnation of w.
func (w *Worker) Is(id faas.WorkerID) bool {
	return strings.HasPrefix(string(id), w.WorkerName+"-")
}

// Upload is the upload service as a process.
type Upload struct{ *Process }

// StartCluster starts everything and waits until all are ready and every gateway knows all workers. When t ends, all is
// killed, and the logs are shown if t has failed.
func StartCluster(t testing.TB, cfg ClusterConfig) *Cluster {
	t.Helper()
	for _, d := range []struct {
		v   *int
		def int
	}{{&cfg.Gateways, 2}, {&cfg.Planners, 2}, {&cfg.Workers, 4}, {&cfg.Slots, 4}, {&cfg.Queue, 8}} {
		if *d.v == 0 {
			*d.v = d.def
		}
	}
	if cfg.Host == "" {
		cfg.Host = "127.0.0.1"
	}
	c := &Cluster{cfg: cfg}
	c.make(t, t.TempDir())
	t.Cleanup(func() {
		var wg sync.WaitGroup
		for _, p := range c.all {
			wg.Go(p.end)
		}
		wg.Wait()
		for _, p := range c.all {
			p.judge(t)
		}
		for _, g := range c.Gateways {
			g.client.CloseIdleConnections()
		}
	})
	for _, p := range c.all {
		p.Start(t)
	}
	for _, p := range c.all {
		p.AwaitReady(t)
	}
	c.AwaitWorkers(t, cfg.Workers)
	return c
}

// make makes the processes; none is started.
func (c *Cluster) make(t testing.TB, dir string) {
	cfg := c.cfg
	store := cfg.Store
	if store == "" {
		store = filepath.Join(dir, "nats")
	}
	free := func() string { return freeAddress(t, cfg.Space, cfg.Host) }

	address := free()
	c.NATS = &NATSServer{newProcess("nats-server", "nats-server", dir, cfg.Space, "-listen", address, "-store", store), "nats://" + address}
	c.NATS.address = address
	c.all = append(c.all, c.NATS.Process)

	service := func(name, program string, space *Namespace, args ...string) *Process {
		p := newProcess(name, program, dir, space, append(args, "-nats-url", c.NATS.URL)...)
		c.all = append(c.all, p)
		return p
	}
	withHealth := func(name, program string, space *Namespace, args ...string) *Process {
		host := cfg.Host
		if space != cfg.Space {
			host = "127.0.0.1"
		}
		health := freeAddress(t, space, host)
		p := service(name, program, space, append(args, "-health", health)...)
		p.ready = "http://" + health + "/readyz"
		return p
	}
	data := filepath.Join(dir, "upload")
	c.Upload = &Upload{withHealth("upload", "upload", cfg.Space, "-data", data)}
	for i := range cfg.Planners {
		c.Planners = append(c.Planners, &Planner{withHealth(fmt.Sprintf("planner %d", i+1), "planner", cfg.Space)})
	}
	for i := range cfg.Gateways {
		http := free()
		p := service(fmt.Sprintf("gateway %d", i+1), "gateway", cfg.Space, "-http", http)
		p.ready = "http://" + http + "/readyz"
		c.Gateways = append(c.Gateways, newGateway(p, "http://"+http))
	}
	for i := range cfg.Workers {
		name := "w" + strconv.Itoa(i+1)
		space := cfg.Space
		if cfg.Remote != nil {
			if s := cfg.Remote(i); s != nil {
				space = s
			}
		}
		p := withHealth("worker "+name, "worker", space,
			"-name", name, "-data", filepath.Join(dir, name), "-public-key", filepath.Join(data, "signing.pub"),
			"-slots", strconv.Itoa(cfg.Slots), "-queue", strconv.Itoa(cfg.Queue))
		if cfg.Skew != nil {
			p.Skew = cfg.Skew(i)
		}
		c.Workers = append(c.Workers, &Worker{p, name})
	}
}

// AwaitWorkers waits until every gateway that runs knows n workers that take calls.
func (c *Cluster) AwaitWorkers(t testing.TB, n int) {
	t.Helper()
	for _, g := range c.Gateways {
		if !g.Ready() {
			continue
		}
		have := -1
		testenv.Eventually(t, patience, func() bool {
			have = 0
			ws, err := g.Workers(t.Context())
			for _, w := range ws {
				if w.State == faas.WorkerJoined {
					have++
				}
			}
			return err == nil && have == n
		}, "%s does not know %d workers", g.Name, n)
	}
}

// AwaitDeployed waits until every gateway has a version of a function.
func (c *Cluster) AwaitDeployed(t testing.TB, name faas.Name, v faas.Version) {
	t.Helper()
	for _, g := range c.Gateways {
		testenv.Eventually(t, patience, func() bool {
			fn, err := g.Function(t.Context(), name)
			return err == nil && fn.Version == v
		}, "%s has not got version %s of %s", g.Name, v.Short(), name)
	}
}

// Deploy deploys a module through the first gateway and waits until all have it.
func (c *Cluster) Deploy(t testing.TB, name faas.Name, module []byte) faas.Function {
	t.Helper()
	fn, err := c.Gateways[0].Deploy(t.Context(), name, module)
	if err != nil {
		t.Fatalf("deploy %s: %v", name, err)
	}
	c.AwaitDeployed(t, name, fn.Version)
	return fn
}

// Connect returns a NATS client's connection, closed when t ends. It comes back by itself after it was lost.
func (c *Cluster) Connect(t testing.TB) *nats.Conn {
	t.Helper()
	closed := make(chan struct{})
	nc, err := nats.Connect(c.NATS.URL, nats.Name(t.Name()), nats.MaxReconnects(-1), nats.ReconnectWait(50*time.Millisecond),
		nats.ReconnectBufSize(-1), nats.SetCustomDialer(c.cfg.Space), nats.ClosedHandler(func(*nats.Conn) { close(closed) }))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		nc.Close()
		<-closed
	})
	return nc
}
