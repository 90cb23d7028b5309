package upload_test

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/shoal-run/shoal/bus"
	"github.com/shoal-run/shoal/bus/faas"
	"github.com/shoal-run/shoal/libs/artefact"
	"github.com/shoal-run/shoal/libs/faaslet/compile"
	"github.com/shoal-run/shoal/libs/faaslet/faaslettest"
	"github.com/shoal-run/shoal/libs/hostapi"
	"github.com/shoal-run/shoal/libs/snapshot"
	"github.com/shoal-run/shoal/libs/wasmbin"
	"github.com/shoal-run/shoal/services/upload"
)

// watTable is a reactor whose initialiser fills a hundred pages, each with what version says at the place page%100 == at.
func watTable(version, at int, more string) []byte {
	wat := fmt.Sprintf(`(module (memory (export "memory") 16)
	  %s
	  (func (export "_initialize") (local $p i32)
	    (loop $l
	      (i32.store (i32.mul (local.get $p) (i32.const 4096)) (i32.add (local.get $p) (i32.const 1)))
	      (br_if $l (i32.lt_u (local.tee $p (i32.add (local.get $p) (i32.const 1))) (i32.const 100))))
	    (i32.store (i32.const %d) (i32.const %d)))
	  (func (export "handle")))`, more, at*4096+8, version)
	b, err := faaslettest.Assemble(wat)
	if err != nil {
		panic(err)
	}
	return b
}

// children has a bench compile and capture with real children.
func children(cfg *upload.Config) {
	cfg.Compiler, cfg.Capturer, cfg.Host = compile.Compiler{}, compile.Compiler{}, wasmbin.Host{Types: hostapi.New().Types}
}

// counting counts captures.
func counting(n *int) func(*upload.Config) {
	return func(cfg *upload.Config) {
		cfg.Capturer = fakeCapturer(func(ctx context.Context, artefact []byte, req snapshot.Request) (snapshot.Captured, error) {
			*n++
			return compile.Compiler{}.Capture(ctx, artefact, req)
		})
	}
}

// manifest returns what the store has of a version, verified.
func (b *bench) manifest(v faas.Version, setup string) *snapshot.Manifest {
	b.t.Helper()
	key := artefact.ProtoKey(v, engineVersion, "demo", setup)
	r, err := b.protos.Get(b.t.Context(), key.Object())
	if err != nil {
		b.t.Fatal(err)
	}
	defer r.Close()
	var payload bytes.Buffer
	if err := artefact.Verify(signer.Public().(ed25519.PublicKey), key, r, &payload); err != nil {
		b.t.Fatal(err)
	}
	m, err := snapshot.Parse(payload.Bytes())
	if err != nil {
		b.t.Fatal(err)
	}
	return m
}

// memory returns what the store has of an image.
func (b *bench) memory(m *snapshot.Manifest) []byte {
	b.t.Helper()
	mem := make([]byte, m.Memory)
	err := m.Load(
		func(ref snapshot.PackRef) (io.ReadCloser, error) { return b.protos.Get(b.t.Context(), ref.Object()) },
		func(at int64, page []byte) error { copy(mem[at:], page); return nil })
	if err != nil {
		b.t.Fatal(err)
	}
	return mem
}

func TestDeployStoresAProtoFaaslet(t *testing.T) {
	var captures int
	b := newBench(t, children, counting(&captures))
	first := watTable(1, 7, "")
	p := b.mustDeploy("f", first, "").Function.Proto
	if p == nil || p.None != "" || p.Setup != "" || !slices.Equal(p.Inits, []string{"_initialize"}) || p.Size != 100*snapshot.Page || p.Kept == 0 || p.Took <= 0 || len(p.Packs) != 1 {
		t.Fatalf("%+v", p)
	}
	mem := b.memory(b.manifest(faas.VersionOf(first), ""))
	if len(mem) != 16<<16 || mem[7*4096] != 8 || mem[7*4096+8] != 1 || mem[99*4096] != 100 {
		t.Error("the memory is not what the initialiser left")
	}
	// The same again, and under another name: it is there.
	if r := b.mustDeploy("f", first, ""); !r.Unchanged || r.Function.Proto.Took != p.Took {
		t.Errorf("%+v", r)
	}
	if q := b.mustDeploy("g", first, `{"env":{"A":"b"}}`).Function.Proto; !q.Same(p) || captures != 1 {
		t.Errorf("%+v after %d captures", q, captures)
	}
	// Another version stores the page that differs.
	second := watTable(2, 7, `(global (mut i32) (i32.const 5))`)
	p2 := b.mustDeploy("f", second, "").Function.Proto
	if len(p2.Packs) != 2 || !slices.Contains(p2.Packs, p.Packs[0]) || captures != 2 {
		t.Fatalf("%+v after %d captures", p2, captures)
	}
	m := b.manifest(faas.VersionOf(second), "")
	if i := slices.IndexFunc(m.Packs, func(r snapshot.PackRef) bool { return r.Object() != p.Packs[0] }); m.Packs[i].Pages != 1 {
		t.Errorf("%d pages were stored again", m.Packs[i].Pages)
	}
	if mem := b.memory(m); mem[7*4096+8] != 2 || mem[99*4096] != 100 {
		t.Error("the memory of the second version is not its own")
	}
	// A pack that is gone, and a manifest that somebody changed, are made again.
	for _, object := range []string{p.Packs[0], artefact.ProtoKey(faas.VersionOf(first), engineVersion, "demo", "").Object()} {
		if _, err := b.protos.Put(t.Context(), object, strings.NewReader("nonsense")); err != nil {
			t.Fatal(err)
		}
		if object == p.Packs[0] {
			if err := b.protos.Delete(t.Context(), object); err != nil {
				t.Fatal(err)
			}
		}
		before := captures
		if q := b.mustDeploy("g", first, "").Function.Proto; q.None != "" || captures != before+1 {
			t.Errorf("%s: %+v after %d captures", object, q, captures-before)
		}
		b.memory(b.manifest(faas.VersionOf(first), ""))
	}
}

// Tenants share no Proto-Faaslet, whatever a guest says that it depends on.
func TestTenantsShareNoProtoFaaslet(t *testing.T) {
	var captures int
	b := newBench(t, children, counting(&captures))
	module := watTable(1, 7, "")
	for _, tenant := range []string{"a", "b"} {
		_, err := b.ask(bus.UploadRequest{
			Kind: bus.Deploy, Name: faas.Name{Tenant: tenant, Function: "f"}, Object: b.stage(module), Version: faas.VersionOf(module),
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	if captures != 2 {
		t.Errorf("%d captures for two tenants", captures)
	}
}

// What depends on the environment is stored for each.
func TestProtoFaasletsOfSetups(t *testing.T) {
	var captures int
	b := newBench(t, children, counting(&captures))
	module := faaslettest.MustAssemble(t, `(module (import "wasi_snapshot_preview1" "environ_sizes_get" (func $e (param i32 i32) (result i32)))
	  (memory (export "memory") 1) (func (export "_initialize") (drop (call $e (i32.const 16) (i32.const 20)))) (func (export "handle")))`)
	v := faas.VersionOf(module)
	var setups []string
	for i, env := range []string{`{}`, `{"env":{"A":"b"}}`, `{"env":{"A":"b","C":"d"}}`} {
		p := b.mustDeploy("f", module, env).Function.Proto
		if p.Setup == "" || slices.Contains(setups, p.Setup) || captures != i+1 {
			t.Fatalf("%+v after %d captures", p, captures)
		}
		setups = append(setups, p.Setup)
		if mem := b.memory(b.manifest(v, p.Setup)); int(mem[16]) != i {
			t.Errorf("%s: %d variables", env, mem[16])
		}
	}
	if p := b.mustDeploy("f", module, `{"env":null}`).Function.Proto; p.Setup != setups[0] || captures != 3 {
		t.Errorf("%+v after %d captures", p, captures)
	}
	// A change of the environment alone leaves what is there; the next deploy, which asks for nothing else, has another made.
	name := faas.Name{Tenant: "demo", Function: "f"}
	r, err := b.ask(bus.UploadRequest{Kind: bus.Change, Name: name, Settings: json.RawMessage(`{"env":{"X":"y"}}`)})
	if err != nil || captures != 3 || r.Function.Proto.Setup != setups[0] {
		t.Fatalf("%+v after %d captures, %v", r.Function.Proto, captures, err)
	}
	r = b.mustDeploy("f", module, "")
	if p := r.Function.Proto; !r.Unchanged || captures != 4 || p.Setup == setups[0] {
		t.Fatalf("unchanged: %t, %+v after %d captures", r.Unchanged, p, captures)
	}
	if mem := b.memory(b.manifest(v, r.Function.Proto.Setup)); mem[16] != 1 {
		t.Errorf("%d variables", mem[16])
	}
}

func TestInitialisersThatFail(t *testing.T) {
	b := newBench(t, children)
	with := func(code string) []byte {
		return faaslettest.MustAssemble(t, `(module (memory (export "memory") 1) (func $deep `+code+`) (func (export "_initialize") (call $deep)) (func (export "handle")))`)
	}
	_, err := b.deploy("f", with("unreachable"), "")
	wantError(t, err, faas.InvalidModule, "in the initialiser _initialize")
	if e := faas.AsError(err); e.Trap != "unreachable" || len(e.Backtrace) == 0 || e.Backtrace[0].Function != "deep" {
		t.Errorf("%+v", e)
	}
	_, err = b.deploy("f", with("(loop $l (br $l))"), `{"timeout":"100ms"}`)
	wantError(t, err, faas.InvalidModule, "in the initialiser _initialize", "timeout of 100ms")
	b.noEvent()
	for _, k := range []struct{ wat, none string }{
		{`(module (memory (export "memory") 1) (func (export "handle")))`, "no initialiser"},
		{`(module (memory (export "memory") 1) (table 1 funcref) (func (export "_initialize") (table.set (i32.const 0) (ref.null func))) (func (export "handle")))`, "writes to a table"},
		{`(module (memory (export "memory") 1) (func (export "_start")) (func (export "_faasm_zygote") (result i32) (i32.const 0)))`, "wizer.resume"},
	} {
		p := b.mustDeploy("f", faaslettest.MustAssemble(t, k.wat), "").Function.Proto
		if p == nil || !strings.Contains(p.None, k.none) || len(p.Packs) != 0 {
			t.Errorf("%+v, want %q", p, k.none)
		}
	}
}

// A capture that fails for a reason of the service's own does not keep a function from being deployed.
func TestCaptureThatBreaks(t *testing.T) {
	b := newBench(t, children, func(cfg *upload.Config) {
		cfg.Capturer = fakeCapturer(func(context.Context, []byte, snapshot.Request) (snapshot.Captured, error) {
			return snapshot.Captured{}, faas.Errorf(faas.Internal, "the child crashed")
		})
	})
	p := b.mustDeploy("f", watTable(1, 0, ""), "").Function.Proto
	if !strings.Contains(p.None, "the child crashed") {
		t.Errorf("%+v", p)
	}
}

// Packs go when the last function that shares them has.
func TestSweepOfProtoFaaslets(t *testing.T) {
	b := newBench(t, children, func(cfg *upload.Config) { cfg.Grace = time.Nanosecond })
	names := func() (out []string) {
		infos, err := b.protos.List(t.Context(), "")
		if err != nil {
			t.Fatal(err)
		}
		for _, i := range infos {
			out = append(out, i.Name)
		}
		return out
	}
	sweep := func() {
		t.Helper()
		if _, err := b.svc.Sweep(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	b.mustDeploy("f", watTable(1, 7, ""), "")
	p := b.mustDeploy("f", watTable(2, 7, ""), "").Function.Proto
	sweep()
	if got := names(); len(got) != 3 || !slices.Contains(got, p.Packs[0]) || !slices.Contains(got, p.Packs[1]) {
		t.Errorf("%q, want a manifest and %q", got, p.Packs)
	}
	b.memory(b.manifest(faas.VersionOf(watTable(2, 7, "")), ""))
	if _, err := b.ask(bus.UploadRequest{Kind: bus.Remove, Name: faas.Name{Tenant: "demo", Function: "f"}}); err != nil {
		t.Fatal(err)
	}
	sweep()
	if got := names(); len(got) != 0 {
		t.Errorf("%q", got)
	}
}
