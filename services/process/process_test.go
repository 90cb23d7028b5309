package process_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/nats-io/nats-server/v2/server"

	"github.com/shoal-run/shoal/internal/leakcheck"
	"github.com/shoal-run/shoal/libs/config"
	"github.com/shoal-run/shoal/libs/service"
	"github.com/shoal-run/shoal/services/process"
	"github.com/shoal-run/shoal/services/process/processtest"
)

func TestMain(m *testing.M) { leakcheck.Main(m) }

// thing is a program with one part, which uses what every service does.
type thing struct {
	size  int
	run   func(context.Context) error                // the part; nil waits for its context
	check func(t *thing, set *config.Set) error      // nil: nothing to check
	open  func(p *process.Process, s process.Stores) // with the stores; nil: they are not opened
}

func (th *thing) program() *process.Program {
	p := &process.Program{
		Name: "thing", About: "A thing for tests.", Health: "127.0.0.1:0",
		Keys: []config.Key{{Name: "size", Value: config.Int(&th.size, 0, 9, ""), What: "its size"}},
		Wire: func(ctx context.Context, p *process.Process) (*service.Sequence, error) {
			nc, err := p.Connect(ctx, "control")
			if err != nil {
				return nil, err
			}
			stores, err := p.OpenStores(ctx, nc)
			if err != nil {
				return nil, err
			}
			if th.open != nil {
				th.open(p, stores)
			}
			var seq service.Sequence
			seq.Add("part", func(ctx context.Context) error {
				if th.run != nil {
					return th.run(ctx)
				}
				<-ctx.Done()
				return nil
			}, nil)
			return &seq, nil
		},
	}
	if th.check != nil {
		p.Check = func(set *config.Set) error { return th.check(th, set) }
	}
	return p
}

func TestCommandLine(t *testing.T) {
	for _, c := range []struct {
		name        string
		args        []string
		code        int
		out, errOut []string
	}{
		{"version", []string{"-version"}, process.ExitOK, []string{"shoal thing "}, nil},
		{"help", []string{"-help"}, process.ExitOK, []string{"A thing for tests.", "-size", "-nats-url", "-health"}, nil},
		{"check", []string{"-check-config", "-size", "3"}, process.ExitOK, []string{"size: 3", "# -size", "nats-url: nats://127.0.0.1:4222", "# default"}, nil},
		{
			"check redacts",
			[]string{"-check-config", "-nats-url", "nats://me:hunter2@h:1", "-nats-user", "u", "-nats-password", "hunter2"},
			process.ExitOK,
			[]string{"nats://***@h:1", `nats-password: "***"`},
			nil,
		},
		{"check refuses", []string{"-check-config", "-size", "10"}, process.ExitConfig, nil, []string{`thing: size: "10" (-size): want a number from 0 to 9`}},
		{"unknown flag", []string{"-sizes", "1"}, process.ExitConfig, nil, []string{"thing: thing has no flag -sizes (did you mean size?)"}},
		{"file that is not there", []string{"-config", "nowhere.yaml"}, process.ExitConfig, nil, []string{"nowhere.yaml"}},
		{"two ways to sign in", []string{"-nats-user", "u", "-nats-password", "p", "-nats-nkey", "f"}, process.ExitConfig, nil, []string{"nats-nkey", "want only one of"}},
		{"password alone", []string{"-nats-password", "hunter2"}, process.ExitConfig, nil, []string{`nats-password: "***" (-nats-password): needs nats-user`}},
		{"user alone", []string{"-nats-user", "u"}, process.ExitConfig, nil, []string{"nats-user", "needs nats-password"}},
		{"certificate alone", []string{"-nats-tls-cert", "c"}, process.ExitConfig, nil, []string{"nats-tls-cert", "needs nats-tls-key"}},
		{"key alone", []string{"-nats-tls-key", "k"}, process.ExitConfig, nil, []string{"nats-tls-key", "needs nats-tls-cert"}},
		{"files that are not there", []string{"-nats-credentials", "nowhere.creds"}, process.ExitConfig, nil, []string{"nats-credentials", "no such file"}},
		{"check reads files", []string{"-check-config", "-nats-tls-ca", "nowhere.pem"}, process.ExitConfig, nil, []string{"nats-tls-ca", "no such file"}},
		{"check reads credentials", []string{"-check-config", "-nats-credentials", "process_test.go"}, process.ExitConfig, nil, []string{"nats-credentials"}},
		{"authority that is not there", []string{"-nats-tls-ca", "nowhere.pem"}, process.ExitConfig, nil, []string{"nats-tls-ca", "no such file"}},
		{"everything at once", []string{"-size", "x", "-log-level", "loud", "-health", "here"}, process.ExitConfig, nil, []string{"thing: size", "thing: log-level", "thing: health"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			i := processtest.Start(t, (&thing{}).program(), c.args...)
			if code := i.Wait(t); code != c.code {
				t.Errorf("exit code %d, want %d", code, c.code)
			}
			for _, want := range c.out {
				if !strings.Contains(i.Stdout(), want) {
					t.Errorf("stdout is %q, want %q in it", i.Stdout(), want)
				}
			}
			for _, want := range c.errOut {
				if !strings.Contains(i.Log(), want) {
					t.Errorf("stderr is %q, want %q in it", i.Log(), want)
				}
			}
			if strings.Contains(i.Stdout()+i.Log(), "hunter2") {
				t.Errorf("a password is in %q or %q", i.Stdout(), i.Log())
			}
		})
	}
}

func TestCheck(t *testing.T) {
	th := &thing{check: func(th *thing, set *config.Set) error {
		if th.size == 7 {
			return set.Errorf("size", "is odd")
		}
		return nil
	}}
	i := processtest.Start(t, th.program(), "-size", "7")
	if code := i.Wait(t); code != process.ExitConfig || !strings.Contains(i.Log(), `size: "7" (-size): is odd`) {
		t.Errorf("exit code %d, %s", code, i.Log())
	}
}

// TestWaits starts before its server does, tells so, and does its work once the server is there; it outlives a restart.
func TestWaits(t *testing.T) {
	nats := processtest.NewServer(t)
	url := strings.Replace(nats.URL, "//", "//me:hunter2@", 1)
	i := processtest.Start(t, (&thing{}).program(), "-nats-url", url)
	ready := i.Health(t) + "/readyz"
	processtest.AwaitStatus(t, ready, 503, "not ready: waiting for the NATS server")
	if status, body := processtest.Get(t, i.Health(t)+"/healthz"); status != 200 {
		t.Errorf("healthz says %d %s", status, body)
	}
	if status, body := processtest.Get(t, i.Health(t)+"/metrics"); status != 200 || !strings.Contains(body, "\ngo_goroutines ") {
		t.Errorf("metrics says %d %s", status, body)
	}
	if got := i.Await(t, "NATS server not reached")["url"]; got != strings.Replace(url, "me:hunter2", "***", 1) {
		t.Errorf("logged URL %v", got)
	}
	nats.Start(t)
	processtest.AwaitStatus(t, ready, 200, `"bus":"ok"`)
	nats.Stop()
	processtest.AwaitStatus(t, ready, 503, "bus: the NATS server is away")
	nats.Start(t)
	processtest.AwaitStatus(t, ready, 200, `"status":"ready"`)
	if code := i.Stop(t); code != process.ExitOK {
		t.Errorf("exit code %d", code)
	}
	if strings.Contains(i.Log(), "hunter2") {
		t.Error("the log has the password")
	}
}

// TestStopWhileWaiting stops it before there is a server.
func TestStopWhileWaiting(t *testing.T) {
	i := processtest.Start(t, (&thing{}).program(), "-nats-url", processtest.NewServer(t).URL)
	i.Await(t, "NATS server not reached")
	if code := i.Stop(t); code != process.ExitOK {
		t.Errorf("exit code %d", code)
	}
}

func TestFailures(t *testing.T) {
	nats := processtest.NewServer(t)
	nats.Start(t)
	t.Run("part", func(t *testing.T) {
		i := processtest.Start(t, (&thing{run: func(context.Context) error { return errors.New("it broke") }}).program(), "-nats-url", nats.URL)
		if code := i.Wait(t); code != process.ExitFailure || i.Await(t, "ended")["err"] != "part: it broke" {
			t.Errorf("exit code %d", code)
		}
	})
	t.Run("address taken", func(t *testing.T) {
		first := processtest.Start(t, (&thing{}).program(), "-nats-url", nats.URL)
		address := strings.TrimPrefix(first.Health(t), "http://")
		i := processtest.Start(t, (&thing{}).program(), "-nats-url", nats.URL, "-health", address)
		if code := i.Wait(t); code != process.ExitConfig || !strings.Contains(i.Log(), `health: "`+address+`" (-health): the address is taken`) {
			t.Errorf("exit code %d", code)
		}
	})
	t.Run("stops itself", func(t *testing.T) {
		th := &thing{open: func(p *process.Process, _ process.Stores) { p.Stop("had enough") }}
		i := processtest.Start(t, th.program(), "-nats-url", nats.URL, "-health", "off")
		if code := i.Wait(t); code != process.ExitOK || i.Await(t, "stopping")["reason"] != "had enough" {
			t.Errorf("exit code %d", code)
		}
	})
	t.Run("file", func(t *testing.T) {
		path := filepath.Join(t.TempDir(), "ca.pem")
		if err := os.WriteFile(path, []byte("nothing"), 0o600); err != nil {
			t.Fatal(err)
		}
		i := processtest.Start(t, (&thing{}).program(), "-nats-url", nats.URL, "-nats-tls-ca", path)
		if code := i.Wait(t); code != process.ExitConfig || !strings.Contains(i.Log(), "has no certificate in PEM") {
			t.Errorf("exit code %d", code)
		}
	})
}

// TestForeignServer runs against servers that are not configured for Shoal.
func TestForeignServer(t *testing.T) {
	start := func(t *testing.T, opts server.Options) string {
		opts.Host, opts.Port, opts.NoSigs, opts.NoLog, opts.StoreDir = "127.0.0.1", server.RANDOM_PORT, true, true, t.TempDir()
		srv, err := server.NewServer(&opts)
		if err != nil {
			t.Fatal(err)
		}
		srv.Start()
		t.Cleanup(func() { srv.Shutdown(); srv.WaitForShutdown() })
		return srv.ClientURL()
	}
	t.Run("without JetStream", func(t *testing.T) {
		i := processtest.Start(t, (&thing{}).program(), "-nats-url", start(t, server.Options{}))
		if code := i.Wait(t); code != process.ExitFailure {
			t.Errorf("exit code %d", code)
		}
		if err := i.Await(t, "ended")["err"].(string); !strings.Contains(err, "has no JetStream") || !strings.Contains(err, "nats-server -js") {
			t.Errorf("error is %q", err)
		}
	})
	t.Run("with small messages", func(t *testing.T) {
		i := processtest.Start(t, (&thing{}).program(), "-nats-url", start(t, server.Options{JetStream: true}))
		if w := i.Await(t, "takes messages of at most 1MiB"); w["level"] != "WARN" || !strings.Contains(w["msg"].(string), "max_payload: 8MB") {
			t.Errorf("logged %v", w)
		}
		i.Await(t, "ready")
	})
	t.Run("that refuses us first", func(t *testing.T) {
		i := processtest.Start(t, (&thing{}).program(), "-nats-url", start(t, server.Options{JetStream: true, Username: "u", Password: "p"}))
		if err := i.Await(t, "NATS server not reached")["err"].(string); !strings.Contains(err, "Authorization Violation") {
			t.Errorf("error is %q", err)
		}
	})
	t.Run("that wants a password", func(t *testing.T) {
		url := start(t, server.Options{JetStream: true, Username: "u", Password: "p"})
		i := processtest.Start(t, (&thing{}).program(), "-nats-url", url, "-nats-user", "u", "-nats-password", "p")
		i.Await(t, "ready")
	})
}

// TestStoresAtOnce has many processes make the stores at the same time.
func TestStoresAtOnce(t *testing.T) {
	nats := processtest.NewServer(t)
	var all []*processtest.Instance
	for range 8 {
		all = append(all, processtest.Start(t, (&thing{}).program(), "-nats-url", nats.URL))
	}
	nats.Start(t)
	for _, i := range all {
		i.Await(t, "ready")
	}
	for _, i := range all {
		if code := i.Stop(t); code != process.ExitOK {
			t.Errorf("exit code %d", code)
		}
	}
}
