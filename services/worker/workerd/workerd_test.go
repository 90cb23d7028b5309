package workerd

import (
	"crypto/ed25519"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/nats-io/nats.go"

	"github.com/shoal-run/shoal/bus"
	"github.com/shoal-run/shoal/bus/faas"
	"github.com/shoal-run/shoal/internal/leakcheck"
	"github.com/shoal-run/shoal/libs/artefact"
	"github.com/shoal-run/shoal/services/process"
	"github.com/shoal-run/shoal/services/process/processtest"
)

func TestMain(m *testing.M) { leakcheck.Main(m) }

// storeKey writes a public key to path.
func storeKey(t *testing.T, path string) {
	t.Helper()
	pub, _, err := ed25519.GenerateKey(nil)
	if err != nil {
		t.Fatal(err)
	}
	if err := artefact.StorePublicKey(path, pub); err != nil {
		t.Fatal(err)
	}
}

// TestProcess starts a worker before everything that it needs, and stops it.
func TestProcess(t *testing.T) {
	nats := processtest.NewServer(t)
	data := t.TempDir()
	key := filepath.Join(data, "signing.pub")
	i := processtest.Start(t, New(), "-nats-url", nats.URL, "-health", "127.0.0.1:0", "-data", data, "-slots", "1", "-name", "w1")
	ready := i.Health(t) + "/readyz"
	processtest.AwaitStatus(t, ready, 503, "waiting for the public key")
	if got := i.Await(t, "no public key yet")["public-key"]; got != key {
		t.Errorf("waits for %v, want %s", got, key)
	}
	storeKey(t, key)
	processtest.AwaitStatus(t, ready, 503, "waiting for the NATS server")
	nats.Start(t)
	processtest.AwaitStatus(t, ready, 200, `"modules":"ok","worker":"ok"`)
	if joined := i.Await(t, "worker joined"); joined["slots"] != 1.0 || joined["queue"] != 2.0 || !strings.HasPrefix(joined["worker"].(string), "w1-") {
		t.Errorf("joined as %v", joined)
	}

	second := processtest.Start(t, New(), "-nats-url", nats.URL, "-health", "off", "-data", data)
	if code := second.Wait(t); code != process.ExitConfig || !strings.Contains(second.Log(), "another worker uses this directory") {
		t.Errorf("a second worker in the same directory: exit code %d", code)
	}
	if code := i.Stop(t); code != process.ExitOK {
		t.Errorf("exit code %d", code)
	}
	i.Await(t, "worker draining")
}

// TestDrained drains a worker over the bus: its process ends, and that is no failure.
func TestDrained(t *testing.T) {
	srv := processtest.NewServer(t)
	srv.Start(t)
	data := t.TempDir()
	storeKey(t, filepath.Join(data, "signing.pub"))
	i := processtest.Start(t, New(), "-nats-url", srv.URL, "-health", "off", "-data", data, "-slots", "1")
	id := faas.WorkerID(i.Await(t, "worker joined")["worker"].(string))
	i.Await(t, "ready")
	nc, err := nats.Connect(srv.URL)
	if err != nil {
		t.Fatal(err)
	}
	defer nc.Close()
	if err := nc.Publish(bus.WorkerControlSubject(id), bus.Marshal(bus.Control{Kind: bus.Drain})); err != nil {
		t.Fatal(err)
	}
	if code := i.Wait(t); code != process.ExitOK || i.Await(t, "stopping")["reason"] != "drained by a control message" {
		t.Errorf("exit code %d", code)
	}
}

func TestBrokenKey(t *testing.T) {
	data := t.TempDir()
	if err := os.WriteFile(filepath.Join(data, "signing.pub"), []byte("nothing"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, check := range []string{"-check-config=false", "-check-config"} {
		i := processtest.Start(t, New(), "-health", "off", "-data", data, check)
		if code := i.Wait(t); code != process.ExitConfig || !strings.Contains(i.Log(), "public-key") {
			t.Errorf("%s: exit code %d", check, code)
		}
	}
}

func TestCheckConfig(t *testing.T) {
	for _, c := range []struct {
		args string
		code int
		want string
	}{
		{"-check-config -slots 3 -data /var/lib/w", process.ExitOK, "queue: 6"},
		{"-check-config -data /var/lib/w", process.ExitOK, "public-key: /var/lib/w/signing.pub"},
		{"-check-config -queue -1", process.ExitOK, "queue: -1"},
		{"-check-config -slots -1", process.ExitConfig, "want a number from 0 to 16384, 0 for 4 × cores"},
		{"-check-config -name Worker", process.ExitConfig, `name: "Worker" (-name)`},
		{"-check-config -compile-memory 1KiB", process.ExitConfig, "want a size of at least 256MiB"},
	} {
		i := processtest.Start(t, New(), strings.Fields(c.args)...)
		if code := i.Wait(t); code != c.code || !strings.Contains(strings.Join(strings.Fields(i.Stdout()+i.Log()), " "), c.want) {
			t.Errorf("%s: exit code %d, %s%s", c.args, code, i.Stdout(), i.Log())
		}
	}
}

func TestWorkerName(t *testing.T) {
	for host, want := range map[string]string{
		"node7":                  "node7",
		"Node7.Example.COM":      "node7-example-com",
		"_x":                     "x",
		"":                       "worker",
		"...":                    "worker",
		"日本":                     "worker",
		strings.Repeat("a", 100): strings.Repeat("a", 63),
	} {
		if got := workerName(host); got != want || faas.CheckName("worker", got) != nil {
			t.Errorf("workerName(%q) = %q, want %q", host, got, want)
		}
	}
}
