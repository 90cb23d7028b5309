package upload_test

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"encoding/json"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/shoal-run/shoal/bus"
	"github.com/shoal-run/shoal/bus/faas"
	"github.com/shoal-run/shoal/internal/leakcheck"
	"github.com/shoal-run/shoal/libs/artefact"
	"github.com/shoal-run/shoal/libs/faaslet/compile"
	"github.com/shoal-run/shoal/libs/natsd"
	"github.com/shoal-run/shoal/libs/objectstore"
	"github.com/shoal-run/shoal/libs/registry"
	"github.com/shoal-run/shoal/libs/snapshot"
	"github.com/shoal-run/shoal/libs/wasmbin"
	"github.com/shoal-run/shoal/services/upload"
)

func TestMain(m *testing.M) {
	compile.MaybeChild()
	leakcheck.Main(m)
}

const (
	engineVersion = "test-engine"
	cpu           = "test-cpu"
)

var signer = ed25519.NewKeyFromSeed(bytes.Repeat([]byte{7}, 32))

// fakeCompiler is the function a test compiles with.
type fakeCompiler func(ctx context.Context, module []byte) ([]byte, error)

func (f fakeCompiler) Compile(ctx context.Context, module []byte) ([]byte, error) {
	return f(ctx, module)
}

// fakeCapturer is the function a test captures with.
type fakeCapturer func(ctx context.Context, artefact []byte, req snapshot.Request) (snapshot.Captured, error)

func (f fakeCapturer) Capture(ctx context.Context, artefact []byte, req snapshot.Request) (snapshot.Captured, error) {
	return f(ctx, artefact, req)
}

// bench is an upload service with everything it needs, and a client of it.
type bench struct {
	t        *testing.T
	nc       *nats.Conn // the client's
	reg      *registry.Registry
	store    *objectstore.Store
	protos   *objectstore.Store
	svc      *upload.Service
	compiles atomic.Int64
	events   *nats.Subscription
	log      *logBuffer
	closers  []func()
}

// stop ends what the bench runs, last first.
func (b *bench) stop() {
	for _, f := range slices.Backward(b.closers) {
		f()
	}
	b.closers = nil
}

type logBuffer struct {
	mu sync.Mutex
	b  strings.Builder
}

func (l *logBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *logBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

func newBench(t *testing.T, change ...func(*upload.Config)) *bench {
	t.Helper()
	return newBenchIn(t, t.TempDir(), change...)
}

func newBenchIn(t *testing.T, dir string, change ...func(*upload.Config)) *bench {
	t.Helper()
	b := &bench{t: t, log: &logBuffer{}}
	t.Cleanup(b.stop)
	srv, err := natsd.Start(natsd.Config{StoreDir: dir, MaxPayload: bus.MaxPayload})
	if err != nil {
		t.Fatal(err)
	}
	b.closers = append(b.closers, srv.Close)
	log := slog.New(slog.NewTextHandler(b.log, nil))
	connect := func(name string) *nats.Conn {
		nc, err := bus.Connect("", name, log, srv.InProcess())
		if err != nil {
			t.Fatal(err)
		}
		b.closers = append(b.closers, nc.Close)
		return nc
	}
	b.nc = connect("client")
	control := connect("upload")
	js, err := jetstream.New(control)
	if err != nil {
		t.Fatal(err)
	}
	if b.reg, err = registry.Open(t.Context(), js, bus.FunctionsBucket); err != nil {
		t.Fatal(err)
	}
	if b.store, err = objectstore.Open(t.Context(), js, bus.ModulesBucket, objectstore.Options{}); err != nil {
		t.Fatal(err)
	}
	if b.protos, err = objectstore.Open(t.Context(), js, bus.ProtosBucket, objectstore.Options{}); err != nil {
		t.Fatal(err)
	}
	cfg := upload.Config{
		NC: control, Registry: b.reg, Store: b.store, Protos: b.protos, Key: signer, EngineVersion: engineVersion, CPU: cpu, Log: log,
		Compiler: fakeCompiler(func(_ context.Context, module []byte) ([]byte, error) {
			b.compiles.Add(1)
			return append([]byte("compiled:"), module...), nil
		}),
		Capturer: fakeCapturer(func(context.Context, []byte, snapshot.Request) (snapshot.Captured, error) {
			return snapshot.Captured{None: "nothing is captured here"}, nil
		}),
		Host: wasmbin.Host{Types: func(module, name string) (params, results []byte, ok bool) {
			return []byte{i32, i32}, nil, module == "env" && name == "__faasm_write_output"
		}},
	}
	for _, f := range change {
		f(&cfg)
	}
	b.start(cfg)
	if b.events, err = b.nc.SubscribeSync(bus.FunctionEventWildcard()); err != nil {
		t.Fatal(err)
	}
	if err := b.nc.Flush(); err != nil {
		t.Fatal(err)
	}
	return b
}

// start runs a service; the bench's own is the first.
func (b *bench) start(cfg upload.Config) {
	b.t.Helper()
	svc, err := upload.New(cfg)
	if err != nil {
		b.t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- svc.Run(context.WithoutCancel(b.t.Context())) }()
	b.closers = append(b.closers, func() {
		svc.Close()
		svc.Close()
		if err := <-ended; err != nil {
			b.t.Error(err)
		}
	})
	select {
	case <-svc.Ready():
	case err := <-ended:
		b.t.Fatal(err)
	}
	if b.svc == nil {
		b.svc = svc
	}
}

func (b *bench) ask(req bus.UploadRequest) (bus.UploadReply, error) {
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	m, err := b.nc.RequestWithContext(ctx, bus.UploadSubject(), bus.Marshal(req))
	if err != nil {
		return bus.UploadReply{}, err
	}
	if r := bus.DecodeResult(m); r.Err != nil {
		return bus.UploadReply{}, r.Err
	}
	return bus.Unmarshal[bus.UploadReply](m.Data)
}

var staged atomic.Int64

// stage puts a module where a gateway would.
func (b *bench) stage(module []byte) string {
	b.t.Helper()
	object := fmt.Sprint("staging/", staged.Add(1))
	if _, err := b.store.Put(b.t.Context(), object, bytes.NewReader(module)); err != nil {
		b.t.Error(err)
	}
	return object
}

func (b *bench) deploy(name string, module []byte, settings string) (bus.UploadReply, error) {
	b.t.Helper()
	return b.ask(bus.UploadRequest{
		Kind: bus.Deploy, Name: faas.Name{Tenant: "demo", Function: name}, Object: b.stage(module),
		Version: faas.VersionOf(module), Settings: json.RawMessage(settings),
	})
}

func (b *bench) mustDeploy(name string, module []byte, settings string) bus.UploadReply {
	b.t.Helper()
	r, err := b.deploy(name, module, settings)
	if err != nil {
		b.t.Fatal(err)
	}
	return r
}

// event returns the next announcement, which must be there already: it is sent before the answer.
func (b *bench) event() bus.FunctionEvent {
	b.t.Helper()
	m, err := b.events.NextMsg(5 * time.Second)
	if err != nil {
		b.t.Fatal(err)
	}
	ev, err := bus.Unmarshal[bus.FunctionEvent](m.Data)
	if err != nil {
		b.t.Fatal(err)
	}
	if n, err := bus.ParseFunctionEventSubject(m.Subject); err != nil || n != ev.Function.Name {
		b.t.Errorf("event of %v on %s", ev.Function.Name, m.Subject)
	}
	return ev
}

func (b *bench) noEvent() {
	b.t.Helper()
	if err := b.nc.Flush(); err != nil {
		b.t.Fatal(err)
	}
	if n, _, err := b.events.Pending(); n != 0 || err != nil {
		b.t.Errorf("%d events too many, %v", n, err)
	}
}

func (b *bench) objects(prefix string) []string {
	b.t.Helper()
	infos, err := b.store.List(b.t.Context(), prefix)
	if err != nil {
		b.t.Fatal(err)
	}
	var names []string
	for _, i := range infos {
		names = append(names, i.Name)
	}
	slices.Sort(names)
	return names
}

func (b *bench) key(module []byte) artefact.Key {
	return artefact.Key{Version: faas.VersionOf(module), Engine: engineVersion, CPU: cpu}
}

func wantError(t *testing.T, err error, code faas.Code, words ...string) {
	t.Helper()
	if faas.CodeOf(err) != code {
		t.Errorf("error %v, want code %q", err, code)
		return
	}
	for _, w := range words {
		if !strings.Contains(err.Error(), w) {
			t.Errorf("error %q lacks %q", err, w)
		}
	}
}

// The wasm binary encoding, as far as the fixtures need it.
const i32 = 0x7f

func section(id byte, body ...byte) []byte {
	return append([]byte{id, byte(len(body))}, body...)
}

func text(s string) []byte { return append([]byte{byte(len(s))}, s...) }

// guest is a module: (import module name (func (param i32 i32))) when module is not "", a function that does nothing,
// exported as entry when that is not "", a memory of pages, and salt in a custom section, which makes versions.
type guest struct {
	module, name string
	entry        string
	pages        byte
	salt         string
}

func (g guest) bytes() []byte {
	out := []byte("\x00asm\x01\x00\x00\x00")
	out = append(out, section(1, 2, 0x60, 0, 0, 0x60, 2, i32, i32, 0)...)
	index := byte(0)
	if g.module != "" {
		body := slices.Concat([]byte{1}, text(g.module), text(g.name), []byte{0, 1})
		out = append(out, section(2, body...)...)
		index = 1
	}
	out = append(out, section(3, 1, 0)...)
	out = append(out, section(5, 1, 0, g.pages)...)
	exports := slices.Concat([]byte{1}, text("memory"), []byte{2, 0})
	if g.entry != "" {
		exports[0]++
		exports = slices.Concat(exports, text(g.entry), []byte{0, index})
	}
	out = append(out, section(7, exports...)...)
	out = append(out, section(10, 1, 2, 0, 0x0b)...)
	return append(out, section(0, slices.Concat(text("salt"), []byte(g.salt))...)...)
}

func command(salt string) []byte { return guest{entry: "_start", pages: 1, salt: salt}.bytes() }
