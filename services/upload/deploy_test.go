package upload_test

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/shoal-run/shoal/bus"
	"github.com/shoal-run/shoal/bus/faas"
	"github.com/shoal-run/shoal/libs/artefact"
	"github.com/shoal-run/shoal/services/upload"
)

func TestDeploy(t *testing.T) {
	b := newBench(t)
	module := guest{module: "env", name: "__faasm_write_output", entry: "handle", pages: 2}.bytes()
	r := b.mustDeploy("a", module, `{"memory": "1MiB", "env": {"A": "b"}}`)
	fn := r.Function
	if fn.Version != faas.VersionOf(module) || fn.Kind != faas.Reactor || fn.Entry != "handle" || fn.Size != int64(len(module)) ||
		len(fn.Imports) != 1 || fn.Imports[0].Name != "__faasm_write_output" || fn.Settings.Memory != faas.MiB ||
		fn.Settings.Env["A"] != "b" || fn.Revision == 0 || fn.Deployed.IsZero() || r.Unchanged || r.CompileMs < 1 {
		t.Errorf("reply %+v", r)
	}
	if ev := b.event(); ev.Kind != bus.FunctionDeployed || ev.Function.Revision != fn.Revision || ev.Function.Version != fn.Version {
		t.Errorf("event %+v", ev)
	}
	if got, err := b.reg.Get(t.Context(), fn.Name); err != nil || got.Revision != fn.Revision {
		t.Errorf("registry: %+v, %v", got, err)
	}
	want := []string{b.key(module).Object(), "module/" + string(fn.Version)}
	slices.Sort(want)
	if got := b.objects(""); !slices.Equal(got, want) {
		t.Errorf("objects %v, want %v", got, want)
	}
	var payload bytes.Buffer
	o, err := b.store.Get(t.Context(), b.key(module).Object())
	if err != nil {
		t.Fatal(err)
	}
	defer o.Close()
	if err := artefact.Verify(signer.Public().(ed25519.PublicKey), b.key(module), o, &payload); err != nil {
		t.Fatal(err)
	}
	if !strings.HasPrefix(payload.String(), "compiled:\x00asm") {
		t.Errorf("payload %q", payload.String())
	}
}

func TestSameAgain(t *testing.T) {
	b := newBench(t)
	first := b.mustDeploy("a", command("1"), `{"timeout": "3s"}`)
	b.event()
	again := b.mustDeploy("a", command("1"), `{"timeout": "3000ms"}`)
	if !again.Unchanged || again.CompileMs != 0 || again.Function.Revision != first.Function.Revision {
		t.Errorf("again: %+v", again)
	}
	if again = b.mustDeploy("a", command("1"), ""); !again.Unchanged {
		t.Errorf("again without settings: %+v", again)
	}
	b.noEvent()
	other := b.mustDeploy("b", command("1"), "")
	if other.Unchanged || other.CompileMs != 0 {
		t.Errorf("the same module for another function: %+v", other)
	}
	b.event()
	changed := b.mustDeploy("a", command("1"), `{"timeout": null}`)
	if changed.Unchanged || changed.Function.Settings.Timeout != 0 || !changed.Function.Deployed.Equal(first.Function.Deployed) {
		t.Errorf("other settings: %+v", changed)
	}
	if ev := b.event(); ev.Kind != bus.FunctionChanged {
		t.Errorf("event %+v", ev)
	}
	second := b.mustDeploy("a", command("2"), "")
	if ev := b.event(); ev.Kind != bus.FunctionDeployed || ev.Function.Version != second.Function.Version {
		t.Errorf("event %+v", ev)
	}
	if n := b.compiles.Load(); n != 2 {
		t.Errorf("compiled %d times", n)
	}
	if got := b.objects("staging/"); len(got) != 0 {
		t.Errorf("left in staging: %v", got)
	}
}

func TestBadModules(t *testing.T) {
	b := newBench(t, func(c *upload.Config) { c.MaxModule = 64 * faas.KiB })
	good := command("x")
	for name, c := range map[string]struct {
		module []byte
		code   faas.Code
		words  []string
	}{
		"empty":            {nil, faas.InvalidModule, []string{"empty"}},
		"not wasm":         {[]byte("#!/bin/sh\necho hello\n"), faas.InvalidModule, nil},
		"truncated header": {good[:6], faas.InvalidModule, nil},
		"truncated":        {good[:len(good)-12], faas.InvalidModule, []string{"truncated"}},
		"a component":      {[]byte("\x00asm\x0d\x00\x01\x00"), faas.InvalidModule, []string{"component"}},
		"unknown import":   {guest{module: "env", name: "nonsense", entry: "_start", pages: 1}.bytes(), faas.InvalidModule, []string{"env", "nonsense"}},
		"no entry":         {guest{pages: 1}.bytes(), faas.InvalidModule, []string{"_start", "handle"}},
		"too large":        {append(command(""), make([]byte, 64<<10)...), faas.TooLarge, []string{"64KiB"}},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := b.deploy("a", c.module, "")
			wantError(t, err, c.code, c.words...)
		})
	}
	if got := b.objects(""); len(got) != 0 {
		t.Errorf("refused modules left %v", got)
	}
	if n := b.compiles.Load(); n != 0 {
		t.Errorf("compiled %d of them", n)
	}
	b.noEvent()
	if fns, err := b.reg.List(t.Context(), ""); len(fns) != 0 || err != nil {
		t.Errorf("registered %v, %v", fns, err)
	}
}

func TestBadRequests(t *testing.T) {
	b := newBench(t)
	good := command("x")
	name := faas.Name{Tenant: "demo", Function: "a"}
	kept := "module/" + string(faas.VersionOf(good))
	b.mustDeploy("kept", good, "")
	for what, c := range map[string]struct {
		req   bus.UploadRequest
		code  faas.Code
		words []string
	}{
		"other digest":   {bus.UploadRequest{Kind: bus.Deploy, Name: name, Object: b.stage(good), Version: faas.VersionOf(nil)}, faas.BadRequest, []string{"digest"}},
		"no digest":      {bus.UploadRequest{Kind: bus.Deploy, Name: name, Object: b.stage(good)}, faas.BadRequest, []string{"version"}},
		"bad name":       {bus.UploadRequest{Kind: bus.Deploy, Name: faas.Name{Tenant: "demo", Function: "A"}, Object: "staging/swept", Version: faas.VersionOf(good)}, faas.BadRequest, []string{"function"}},
		"nothing staged": {bus.UploadRequest{Kind: bus.Deploy, Name: name, Object: "staging/none", Version: faas.VersionOf(good)}, faas.NotFound, []string{"staging/none"}},
		"not staged":     {bus.UploadRequest{Kind: bus.Deploy, Name: name, Object: kept, Version: faas.VersionOf(good)}, faas.BadRequest, []string{"staging/"}},
		"unknown kind":   {bus.UploadRequest{Kind: "dance", Name: name}, faas.BadRequest, []string{"dance"}},
		"change unknown": {bus.UploadRequest{Kind: bus.Change, Name: name}, faas.NotFound, []string{"demo/a"}},
		"remove unknown": {bus.UploadRequest{Kind: bus.Remove, Name: name}, faas.NotFound, []string{"demo/a"}},
	} {
		t.Run(what, func(t *testing.T) {
			_, err := b.ask(c.req)
			wantError(t, err, c.code, c.words...)
		})
	}
	m, err := b.nc.Request(bus.UploadSubject(), []byte("{"), 5*time.Second)
	if err != nil {
		t.Fatal(err)
	}
	wantError(t, bus.DecodeResult(m).Err, faas.BadRequest)
	if got := b.objects("staging/"); len(got) != 0 {
		t.Errorf("left in staging: %v", got)
	}
	if got := b.objects(kept); len(got) != 1 {
		t.Error("a request deleted a module that is in use")
	}
}

// TestConcurrentDeploys deploys two versions of one function again and again: the last announced is what stays, and every
// revision was announced.
func TestConcurrentDeploys(t *testing.T) {
	b := newBench(t, func(c *upload.Config) { c.Compiles = 4 })
	var wg sync.WaitGroup
	revisions := make(chan uint64, 100)
	for g := range 4 {
		wg.Go(func() {
			for i := range 6 {
				r, err := b.deploy("a", command(fmt.Sprint((g+i)%2)), fmt.Sprintf(`{"concurrency": %d}`, g+1))
				if err != nil {
					t.Error(err)
					continue
				}
				if !r.Unchanged {
					revisions <- r.Function.Revision
				}
			}
		})
	}
	wg.Wait()
	close(revisions)
	announced := map[uint64]faas.Function{}
	var last uint64
	for n, _, _ := b.events.Pending(); n > 0; n-- {
		fn := b.event().Function
		announced[fn.Revision] = fn
		last = max(last, fn.Revision)
	}
	for rev := range revisions {
		if _, ok := announced[rev]; !ok {
			t.Errorf("revision %d was answered and not announced", rev)
		}
	}
	fn, err := b.reg.Get(t.Context(), faas.Name{Tenant: "demo", Function: "a"})
	if err != nil || fn.Revision != last || fn.Version != announced[last].Version {
		t.Errorf("the registry has revision %d, the last announced is %d, %v", fn.Revision, last, err)
	}
	if n := b.compiles.Load(); n != 2 {
		t.Errorf("compiled %d times", n)
	}
}

func TestQueueIsBounded(t *testing.T) {
	gate := make(chan struct{})
	entered := make(chan struct{}, 10)
	b := newBench(t, func(c *upload.Config) {
		c.Compiles, c.Queue = 1, 1
		c.Compiler = fakeCompiler(func(ctx context.Context, _ []byte) ([]byte, error) {
			entered <- struct{}{}
			select {
			case <-gate:
			case <-ctx.Done():
			}
			return []byte("x"), ctx.Err()
		})
	})
	b2 := b.mustAskAsync("a", command("1"))
	<-entered
	b3 := b.mustAskAsync("b", command("2")) // waits
	b4 := b.mustAskAsync("c", command("3")) // one too many, whichever the server brings last
	wantError(t, <-b4, faas.NoCapacity)
	if r, err := b.ask(bus.UploadRequest{Kind: bus.Remove, Name: faas.Name{Tenant: "demo", Function: "none"}}); faas.CodeOf(err) != faas.NotFound {
		t.Errorf("a change waited behind compiles: %+v, %v", r, err)
	}
	close(gate)
	if err := errors.Join(<-b2, <-b3); err != nil {
		t.Error(err)
	}
}

// mustAskAsync sends a deploy, in order with others, and returns where its error will be.
func (b *bench) mustAskAsync(name string, module []byte) <-chan error {
	b.t.Helper()
	inbox := b.nc.NewRespInbox()
	sub, err := b.nc.SubscribeSync(inbox)
	if err != nil {
		b.t.Fatal(err)
	}
	req := bus.UploadRequest{
		Kind: bus.Deploy, Name: faas.Name{Tenant: "demo", Function: name}, Object: b.stage(module), Version: faas.VersionOf(module),
	}
	if err := b.nc.PublishRequest(bus.UploadSubject(), inbox, bus.Marshal(req)); err != nil {
		b.t.Fatal(err)
	}
	out := make(chan error, 1)
	go func() {
		m, err := sub.NextMsg(30 * time.Second)
		if err == nil {
			if e := bus.DecodeResult(m).Err; e != nil {
				err = e
			}
		}
		out <- err
	}()
	return out
}

func TestCloseAnswers(t *testing.T) {
	entered := make(chan struct{}, 10)
	b := newBench(t, func(c *upload.Config) {
		c.Compiles = 1
		c.Compiler = fakeCompiler(func(ctx context.Context, _ []byte) ([]byte, error) {
			entered <- struct{}{}
			<-ctx.Done()
			return nil, context.Cause(ctx)
		})
	})
	running := b.mustAskAsync("a", command("1"))
	<-entered
	waiting := b.mustAskAsync("b", command("2"))
	if err := b.nc.Flush(); err != nil {
		t.Fatal(err)
	}
	b.svc.Close()
	wantError(t, <-running, faas.Unavailable, "stopping")
	wantError(t, <-waiting, faas.Unavailable, "stopping")
	if err := b.svc.Run(t.Context()); err != nil { // after Close: returns at once
		t.Error(err)
	}
}

func TestDeployTimeout(t *testing.T) {
	b := newBench(t, func(c *upload.Config) {
		c.DeployTimeout = 100 * time.Millisecond
		c.Compiler = fakeCompiler(func(ctx context.Context, _ []byte) ([]byte, error) {
			<-ctx.Done()
			return nil, ctx.Err()
		})
	})
	_, err := b.deploy("a", command("1"), "")
	wantError(t, err, faas.DeadlineExceeded, "demo/a")
	if got := b.objects("staging/"); len(got) != 0 {
		t.Errorf("left in staging: %v", got)
	}
}

func TestNewRefuses(t *testing.T) {
	if _, err := upload.New(upload.Config{}); err == nil {
		t.Error("an empty configuration was taken")
	}
}
