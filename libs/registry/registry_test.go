package registry_test

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/shoal-run/shoal/bus/faas"
	"github.com/shoal-run/shoal/internal/leakcheck"
	"github.com/shoal-run/shoal/internal/testenv"
	"github.com/shoal-run/shoal/libs/natsd"
	"github.com/shoal-run/shoal/libs/registry"
)

func TestMain(m *testing.M) { leakcheck.Main(m) }

const bucket = "functions"

func serve(t *testing.T, cfg natsd.Config) *natsd.Server {
	t.Helper()
	if cfg.StoreDir == "" {
		cfg.StoreDir = t.TempDir()
	}
	s, err := natsd.Start(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Close)
	return s
}

func open(t *testing.T, url string, opts ...nats.Option) *registry.Registry {
	t.Helper()
	_, r := connect(t, url, opts...)
	return r
}

func connect(t *testing.T, url string, opts ...nats.Option) (*nats.Conn, *registry.Registry) {
	t.Helper()
	opts = append(opts, nats.MaxReconnects(-1), nats.ReconnectWait(10*time.Millisecond), nats.ReconnectBufSize(-1))
	nc, err := nats.Connect(url, opts...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(nc.Close)
	js, err := jetstream.New(nc)
	if err != nil {
		t.Fatal(err)
	}
	r, err := registry.Open(t.Context(), js, bucket)
	if err != nil {
		t.Fatal(err)
	}
	return nc, r
}

func function(tenant, name string, n int) faas.Function {
	return faas.Function{
		Name:     faas.Name{Tenant: tenant, Function: name},
		Version:  faas.VersionOf(fmt.Append(nil, n)),
		Kind:     faas.Command,
		Entry:    "_start",
		Size:     int64(n),
		Imports:  []faas.Import{{Module: "env", Name: "x"}},
		Settings: faas.Settings{Memory: faas.MiB, Env: map[string]string{"A": "b"}},
	}
}

func put(t *testing.T, r *registry.Registry, fn faas.Function, rev uint64) faas.Function {
	t.Helper()
	fn, err := r.Put(t.Context(), fn, rev)
	if err != nil {
		t.Fatal(err)
	}
	return fn
}

func wantCode(t *testing.T, err error, code faas.Code) {
	t.Helper()
	if faas.CodeOf(err) != code {
		t.Errorf("error %v, want code %q", err, code)
	}
}

func TestRegistry(t *testing.T) {
	r := open(t, "", serve(t, natsd.Config{}).InProcess())
	ctx := t.Context()
	a := function("demo", "a-b_c", 1)
	_, err := r.Get(ctx, a.Name)
	wantCode(t, err, faas.NotFound)
	wantCode(t, r.Delete(ctx, a.Name, 0), faas.NotFound)

	a = put(t, r, a, 0)
	if got, err := r.Get(ctx, a.Name); err != nil || got.Revision != a.Revision || got.Version != a.Version || got.Settings.Env["A"] != "b" {
		t.Errorf("Get = %+v, %v", got, err)
	}
	_, err = r.Put(ctx, a, 0)
	wantCode(t, err, faas.Conflict)
	b := put(t, r, function("demo", "a-b_c", 2), a.Revision)
	_, err = r.Put(ctx, a, a.Revision)
	wantCode(t, err, faas.Conflict)
	wantCode(t, r.Delete(ctx, a.Name, a.Revision), faas.Conflict)
	if b.Revision <= a.Revision {
		t.Errorf("revision %d after %d", b.Revision, a.Revision)
	}

	put(t, r, function("other", "z", 1), 0)
	put(t, r, function("demo", "a", 1), 0)
	for tenant, want := range map[string]int{"": 3, "demo": 2, "other": 1, "none": 0} {
		if fns, err := r.List(ctx, tenant); err != nil || len(fns) != want {
			t.Errorf("List(%q) = %v, %v", tenant, fns, err)
		}
	}
	if fns, _ := r.List(ctx, "demo"); fns[0].Name.Function != "a" || fns[1].Revision != b.Revision {
		t.Errorf("List: %v", fns)
	}

	if err := r.Delete(ctx, b.Name, b.Revision); err != nil {
		t.Fatal(err)
	}
	_, err = r.Get(ctx, b.Name)
	wantCode(t, err, faas.NotFound)
	if fns, err := r.List(ctx, "demo"); err != nil || len(fns) != 1 {
		t.Errorf("List after Delete = %v, %v", fns, err)
	}
	if c := put(t, r, b, 0); c.Revision <= b.Revision+1 {
		t.Errorf("revision %d after a removal of %d", c.Revision, b.Revision)
	}
}

func TestBadNames(t *testing.T) {
	r := open(t, "", serve(t, natsd.Config{}).InProcess())
	for _, n := range []faas.Name{{}, {Tenant: "demo"}, {Tenant: "a.b", Function: "c"}, {Tenant: "a", Function: "*"}, {Tenant: "a", Function: ">"}} {
		_, err := r.Get(t.Context(), n)
		wantCode(t, err, faas.BadRequest)
		_, err = r.Put(t.Context(), faas.Function{Name: n}, 0)
		wantCode(t, err, faas.BadRequest)
		wantCode(t, r.Delete(t.Context(), n, 1), faas.BadRequest)
	}
	_, err := r.List(t.Context(), "*")
	wantCode(t, err, faas.BadRequest)
}

// TestRace lets many writers change one function: each revision has one writer, and every win is kept.
func TestRace(t *testing.T) {
	r := open(t, "", serve(t, natsd.Config{}).InProcess())
	var wins atomic.Int64
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for done := 0; done < 10; {
				fn, err := r.Get(t.Context(), faas.Name{Tenant: "demo", Function: "n"})
				if faas.CodeOf(err) == faas.NotFound {
					fn, err = function("demo", "n", 0), nil
				}
				if err != nil {
					t.Error(err)
					return
				}
				fn.Size++
				switch _, err = r.Put(t.Context(), fn, fn.Revision); faas.CodeOf(err) {
				case "":
					wins.Add(1)
					done++
				case faas.Conflict:
				default:
					t.Error(err)
					return
				}
			}
		})
	}
	wg.Wait()
	fn, err := r.Get(t.Context(), faas.Name{Tenant: "demo", Function: "n"})
	if err != nil || fn.Size != wins.Load() || fn.Size != 80 {
		t.Errorf("%d wins, stored %d, %v", wins.Load(), fn.Size, err)
	}
}

func TestSurvivesRestart(t *testing.T) {
	dir := t.TempDir()
	s := serve(t, natsd.Config{StoreDir: dir})
	a := put(t, open(t, "", s.InProcess()), function("demo", "a", 1), 0)
	s.Close()
	r := open(t, "", serve(t, natsd.Config{StoreDir: dir}).InProcess())
	got, err := r.Get(t.Context(), a.Name)
	if err != nil || got.Revision != a.Revision {
		t.Fatalf("%+v, %v", got, err)
	}
	put(t, r, got, got.Revision)
}

func TestConcurrentOpen(t *testing.T) {
	s := serve(t, natsd.Config{})
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() { open(t, "", s.InProcess()) })
	}
	wg.Wait()
}

func TestServerAway(t *testing.T) {
	s := serve(t, natsd.Config{})
	nc, r := connect(t, "", s.InProcess())
	a := put(t, r, function("demo", "a", 1), 0)
	s.Close()
	testenv.Eventually(t, 10*time.Second, nc.IsReconnecting, "the client did not notice")
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
	defer cancel()
	_, err := r.Get(ctx, a.Name)
	wantCode(t, err, faas.Unavailable)
	_, err = r.Put(ctx, a, a.Revision)
	wantCode(t, err, faas.Unavailable)
}
