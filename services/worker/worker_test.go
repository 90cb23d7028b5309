package worker

import (
	"context"
	"errors"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/shoal-run/shoal/bus"
	"github.com/shoal-run/shoal/bus/bustest"
	"github.com/shoal-run/shoal/bus/faas"
	"github.com/shoal-run/shoal/internal/leakcheck"
	"github.com/shoal-run/shoal/libs/faaslet/faaslettest"
)

func TestMain(m *testing.M) { leakcheck.Main(m) }

const (
	watEcho = `(module
	  (import "env" "__faasm_read_input" (func $read (param i32 i32) (result i32)))
	  (import "env" "__faasm_write_output" (func $write (param i32 i32)))
	  (memory (export "memory") 2)
	  (func (export "handle")
	    (local $n i32)
	    (local.set $n (call $read (i32.const 0) (i32.const 0)))
	    (drop (call $read (i32.const 1024) (local.get $n)))
	    (call $write (i32.const 1024) (local.get $n))))`
	watSpin = `(module (memory (export "memory") 1) (func (export "handle") (loop $l (br $l))))`
	watLog  = `(module
	  (import "wasi_snapshot_preview1" "fd_write" (func $write (param i32 i32 i32 i32) (result i32)))
	  (memory (export "memory") 1)
	  (data (i32.const 0) "\10\00\00\00\08\00\00\00")
	  (data (i32.const 16) "one\ntwo\n")
	  (func (export "handle") (drop (call $write (i32.const 2) (i32.const 0) (i32.const 1) (i32.const 8)))))`
	watBadInit = `(module (memory (export "memory") 1) (func (export "_initialize") unreachable) (func (export "handle")))`
)

var (
	echo = faas.Name{Tenant: "demo", Function: "echo"}
	spin = faas.Name{Tenant: "demo", Function: "spin"}
)

// functions is a registry that a test writes.
type functions struct {
	mu sync.Mutex
	m  map[faas.Name]faas.Function
}

func (f *functions) Get(n faas.Name) (faas.Function, bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	fn, ok := f.m[n]
	return fn, ok
}

func (f *functions) set(fn faas.Function) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.m[fn.Name] = fn
}

type fixture struct {
	*Worker
	srv       *bustest.Server
	nc        *nats.Conn
	functions *functions
	artefacts *faaslettest.Artefacts
	stop      context.CancelFunc
	ended     chan error
	events    <-chan *nats.Msg
}

func start(t testing.TB, change ...func(*Config)) *fixture {
	t.Helper()
	srv := bustest.Start(t)
	engine := faaslettest.Engine(t)
	f := &fixture{
		srv: srv, nc: srv.Connect(t), functions: &functions{m: map[faas.Name]faas.Function{}},
		artefacts: faaslettest.NewArtefacts(t, engine), ended: make(chan error, 1),
	}
	f.events = bustest.Subscribe(t, f.nc, bus.WorkerEventWildcard())
	cfg := Config{
		Name: "w", Calls: srv.Connect(t), Control: srv.Connect(t), Engine: engine, Artefacts: f.artefacts,
		Functions: f.functions, Slots: 2, Queue: 2, DrainTimeout: 5 * time.Second, Log: slog.New(slog.DiscardHandler),
	}
	for _, c := range change {
		c(&cfg)
	}
	var err error
	if f.Worker, err = New(cfg); err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.WithoutCancel(t.Context()))
	f.stop = sync.OnceFunc(stop)
	go func() { f.ended <- f.Run(ctx) }()
	t.Cleanup(func() {
		f.stop()
		if err := <-f.ended; err != nil && !errors.Is(err, ErrReplaced) {
			t.Errorf("ended with %v", err)
		}
	})
	<-f.Ready()
	return f
}

// wait returns how the worker ended, and leaves it to be seen again.
func (f *fixture) wait() error {
	err := <-f.ended
	f.ended <- err
	return err
}

func (f *fixture) call(n faas.Name, v faas.Version, timeout time.Duration) *faas.Call {
	id := faas.NewCallID()
	return &faas.Call{ID: id, Root: id, Name: n, Version: v, Input: []byte("hello"), Timeout: timeout}
}

// send sends a call and returns where its answer comes.
func (f *fixture) send(t *testing.T, c *faas.Call) <-chan *nats.Msg {
	t.Helper()
	reply := f.nc.NewInbox()
	ch := bustest.Subscribe(t, f.nc, reply)
	if err := f.nc.PublishMsg(bus.EncodeCall(c, bus.WorkerCallSubject(f.ID()), reply)); err != nil {
		t.Fatal(err)
	}
	bustest.Flush(t, f.nc)
	return ch
}

func result(t *testing.T, ch <-chan *nats.Msg) *faas.Result {
	t.Helper()
	return bus.DecodeResult(bustest.Receive(t, ch, 20*time.Second, "answer"))
}

func (f *fixture) control(t testing.TB, c bus.Control) {
	t.Helper()
	if err := f.nc.Publish(bus.WorkerControlSubject(f.ID()), bus.Marshal(c)); err != nil {
		t.Fatal(err)
	}
	bustest.Flush(t, f.nc)
}

// until waits until ok holds.
func until(t testing.TB, what string, ok func() bool) {
	t.Helper()
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for end := time.Now().Add(20 * time.Second); !ok(); <-tick.C {
		if time.Now().After(end) {
			t.Fatalf("not in time: %s", what)
		}
	}
}

func (f *fixture) counts(n faas.Name, v faas.Version) faas.WarmCounts {
	for _, c := range f.Describe().Warm {
		if c.Name == n && c.Version == v {
			return c
		}
	}
	return faas.WarmCounts{}
}

func TestColdThenWarm(t *testing.T) {
	f := start(t)
	v := f.artefacts.Add(watEcho)
	for i, want := range []faas.StartKind{faas.Cold, faas.Warm, faas.Warm} {
		c := f.call(echo, v, 5*time.Second)
		r := result(t, f.send(t, c))
		if r.Err != nil || string(r.Output) != "hello" || r.Start != want || r.Call != c.ID || r.Worker != f.ID() {
			t.Fatalf("call %d: %+v; want a %s start", i, r, want)
		}
		until(t, "a ready Faaslet", func() bool { return f.counts(echo, v).Ready == 1 })
	}
}

func TestRefusals(t *testing.T) {
	f := start(t)
	v := f.artefacts.Add(watSpin)
	f.functions.set(faas.Function{Name: echo, Revision: 1, Settings: faas.Settings{Concurrency: 1}})
	answers := []<-chan *nats.Msg{f.send(t, f.call(echo, v, time.Second))}
	over := result(t, f.send(t, f.call(echo, v, time.Second)))
	if faas.CodeOf(over.Err) != faas.NoCapacity || over.Start != "" {
		t.Errorf("past its concurrency: %+v", over)
	}
	for range 3 { // one more runs, two wait
		answers = append(answers, f.send(t, f.call(spin, v, time.Second)))
	}
	if r := result(t, f.send(t, f.call(spin, v, time.Second))); faas.CodeOf(r.Err) != faas.NoCapacity {
		t.Errorf("past slots and queue: %+v", r)
	}
	if d := f.Describe().Slots; d.Free != 0 || d.Queued != 2 {
		t.Errorf("slots %+v", d)
	}
	for i, a := range answers {
		if r := result(t, a); faas.CodeOf(r.Err) != faas.DeadlineExceeded {
			t.Errorf("spinning call %d: %+v", i, r)
		}
	}
	until(t, "every slot free", func() bool { return f.Describe().Slots.Free == 2 })
	if r := result(t, f.send(t, f.call(spin, faas.VersionOf([]byte("other")), time.Second))); r.Err == nil {
		t.Errorf("a version that nobody has: %+v", r)
	}
	m, err := f.nc.Request(bus.WorkerCallSubject(f.ID()), []byte("no headers"), time.Second)
	if err != nil || faas.CodeOf(bus.DecodeResult(m).Err) != faas.BadRequest {
		t.Errorf("a call without headers: %v %v", m, err)
	}
}

func TestInitialiserFails(t *testing.T) {
	f := start(t)
	v := f.artefacts.Add(watBadInit)
	for range 2 {
		if r := result(t, f.send(t, f.call(echo, v, time.Second))); faas.CodeOf(r.Err) != faas.GuestTrapped {
			t.Errorf("result %+v", r)
		}
	}
	until(t, "every slot free", func() bool { return f.Describe().Slots.Free == 2 })
}

func TestCancel(t *testing.T) {
	f := start(t, func(c *Config) { c.Slots = 1 })
	v := f.artefacts.Add(watSpin)
	running, waiting := f.call(spin, v, time.Minute), f.call(spin, v, time.Minute)
	a := f.send(t, running)
	until(t, "the call runs", func() bool { return f.counts(spin, v).Running == 1 })
	b := f.send(t, waiting)
	f.control(t, bus.Control{Kind: bus.Cancel, Call: waiting.ID})
	f.control(t, bus.Control{Kind: bus.Cancel, Call: running.ID})
	for _, ch := range []<-chan *nats.Msg{a, b} {
		if r := result(t, ch); faas.CodeOf(r.Err) != faas.Cancelled {
			t.Errorf("result %+v", r)
		}
	}
}

// A cancellation that comes before its call ends it when it comes, and is not remembered for ever.
func TestCancelOvertakes(t *testing.T) {
	f := start(t)
	v := f.artefacts.Add(watSpin)
	remembered := func() int {
		f.mu.Lock()
		defer f.mu.Unlock()
		return len(f.cancelled)
	}
	c := f.call(spin, v, time.Minute)
	f.control(t, bus.Control{Kind: bus.Cancel, Call: c.ID})
	until(t, "the cancellation is remembered", func() bool { return remembered() == 1 })
	if r := result(t, f.send(t, c)); faas.CodeOf(r.Err) != faas.Cancelled {
		t.Errorf("result %+v", r)
	}
	f.control(t, bus.Control{Kind: bus.Cancel, Call: faas.NewCallID()})
	until(t, "another is remembered", func() bool { return remembered() == 1 })
	f.forgetCancelled(time.Now().Add(2 * earlyCancel))
	if n := remembered(); n != 0 {
		t.Errorf("%d cancellations are remembered", n)
	}
}

func TestDrainFinishesAndLeaves(t *testing.T) {
	f := start(t)
	v := f.artefacts.Add(watSpin)
	running := f.send(t, f.call(spin, v, 300*time.Millisecond))
	until(t, "the call runs", func() bool { return f.counts(spin, v).Running == 1 })
	if _, err := f.nc.Request(bus.WorkerControlSubject(f.ID()), bus.Marshal(bus.Control{Kind: bus.Drain}), time.Second); err != nil {
		t.Fatalf("drain not acknowledged: %v", err)
	}
	until(t, "draining", f.draining.Load)
	if r := result(t, f.send(t, f.call(spin, v, time.Second))); faas.CodeOf(r.Err) != faas.NoCapacity {
		t.Errorf("a call to a draining worker: %+v", r)
	}
	if r := result(t, running); faas.CodeOf(r.Err) != faas.DeadlineExceeded {
		t.Errorf("the call that ran: %+v", r)
	}
	if err := f.wait(); err != nil {
		t.Error(err)
	}
	var last bus.WorkerEvent
	for last.Kind != bus.EventLeft {
		var err error
		m := bustest.Receive(t, f.events, 5*time.Second, "left event")
		if last, err = bus.Unmarshal[bus.WorkerEvent](m.Data); err != nil {
			t.Fatal(err)
		}
	}
	if f.artefacts.InUse(v) != 0 {
		t.Error("its module is still open")
	}
}

// What does not end in time is cancelled: a drain ends.
func TestDrainTimesOut(t *testing.T) {
	f := start(t, func(c *Config) { c.DrainTimeout = 10 * time.Millisecond })
	v := f.artefacts.Add(watSpin)
	running := f.send(t, f.call(spin, v, time.Hour/4))
	until(t, "the call runs", func() bool { return f.counts(spin, v).Running == 1 })
	f.stop()
	if r := result(t, running); faas.CodeOf(r.Err) != faas.Unavailable {
		t.Errorf("result %+v", r)
	}
	if err := f.wait(); err != nil {
		t.Error(err)
	}
}

func TestRejoin(t *testing.T) {
	f := start(t)
	v := f.artefacts.Add(watSpin)
	running := f.send(t, f.call(spin, v, time.Minute))
	until(t, "the call runs", func() bool { return f.counts(spin, v).Running == 1 })
	f.control(t, bus.Control{Kind: bus.Rejoin})
	if err := f.wait(); !errors.Is(err, ErrReplaced) {
		t.Errorf("ended with %v", err)
	}
	if r := result(t, running); faas.CodeOf(r.Err) != faas.Unavailable {
		t.Errorf("result %+v", r)
	}
}

func TestPrewarmEvictAndRedeploy(t *testing.T) {
	f := start(t)
	v := f.artefacts.Add(watEcho)
	f.control(t, bus.Control{Kind: bus.Prewarm, Name: echo, Version: v, Count: 3})
	until(t, "three ready", func() bool { return f.counts(echo, v).Ready == 3 })
	if r := result(t, f.send(t, f.call(echo, v, time.Second))); r.Start != faas.Warm {
		t.Errorf("after a prewarm: %+v", r)
	}
	until(t, "the used one made up for", func() bool { return f.counts(echo, v).Running == 0 })
	f.control(t, bus.Control{Kind: bus.Evict, Name: echo})
	until(t, "none ready", func() bool { return f.counts(echo, v).Ready == 0 })

	next := f.artefacts.Add(watLog)
	fn := faas.Function{Name: echo, Version: next, Revision: 2}
	f.functions.set(fn)
	event := bus.Marshal(bus.FunctionEvent{Kind: bus.FunctionDeployed, Function: fn})
	if err := f.nc.Publish(bus.FunctionEventSubject(echo), event); err != nil {
		t.Fatal(err)
	}
	until(t, "the new version ready", func() bool { return f.counts(echo, next).Ready == 1 })
	until(t, "the old module gone", func() bool { return f.artefacts.InUse(v) == 0 })
	// A call of the old version that was on its way still runs.
	if r := result(t, f.send(t, f.call(echo, v, time.Second))); r.Err != nil || r.Start != faas.Cold {
		t.Errorf("the version before: %+v", r)
	}
	// After a roll-back it is kept ready again.
	f.functions.set(faas.Function{Name: echo, Version: v, Revision: 3})
	result(t, f.send(t, f.call(echo, v, time.Second)))
	until(t, "the version before ready again", func() bool { return f.counts(echo, v).Ready > 0 })
}

func TestKeepAlive(t *testing.T) {
	f := start(t)
	v := f.artefacts.Add(watEcho)
	f.functions.set(faas.Function{Name: echo, Version: v, Revision: 1, Settings: faas.Settings{KeepAlive: faas.Duration(time.Minute)}})
	result(t, f.send(t, f.call(echo, v, time.Second)))
	until(t, "one ready", func() bool { c := f.counts(echo, v); return c.Ready == 1 && c.Running == 0 })
	f.expire(time.Now().Add(50 * time.Second))
	if c := f.counts(echo, v); c.Ready != 1 {
		t.Errorf("before its keep-alive: %+v", c)
	}
	f.expire(time.Now().Add(61 * time.Second))
	if c := f.counts(echo, v); c.Ready != 0 || f.artefacts.InUse(v) != 0 {
		t.Errorf("after its keep-alive: %+v, module open %d times", c, f.artefacts.InUse(v))
	}

	// min_warm stays for as long as the function does.
	f.functions.set(faas.Function{Name: echo, Version: v, Revision: 2, Settings: faas.Settings{MinWarm: 2}})
	f.control(t, bus.Control{Kind: bus.Prewarm, Name: echo, Version: v, Count: 3})
	until(t, "three ready", func() bool { return f.counts(echo, v).Ready == 3 })
	f.expire(time.Now().Add(time.Hour))
	if c := f.counts(echo, v); c.Ready != 2 {
		t.Errorf("min_warm 2: %+v", c)
	}
}

// New settings make Faaslets that were built with the old ones useless.
func TestChangedSettings(t *testing.T) {
	f := start(t)
	v := f.artefacts.Add(watEcho)
	f.functions.set(faas.Function{Name: echo, Version: v, Revision: 1})
	f.control(t, bus.Control{Kind: bus.Prewarm, Name: echo, Version: v, Count: 1})
	until(t, "one ready", func() bool { return f.counts(echo, v).Ready == 1 })
	f.functions.set(faas.Function{Name: echo, Version: v, Revision: 2, Settings: faas.Settings{Memory: 64 * faas.KiB}})
	r := result(t, f.send(t, f.call(echo, v, time.Second)))
	if faas.CodeOf(r.Err) != faas.OutOfMemory { // the module starts with 128 KiB
		t.Errorf("with less memory than it starts with: %+v", r)
	}
}

func TestMemoryMark(t *testing.T) {
	f := start(t, func(c *Config) { c.MemoryMark = 1 }) // anything is past it
	v := f.artefacts.Add(watEcho)
	f.overMark.Store(false)
	f.control(t, bus.Control{Kind: bus.Prewarm, Name: echo, Version: v, Count: 1})
	until(t, "one ready or evicted already", func() bool {
		return f.counts(echo, v).Ready == 1 || f.overMark.Load()
	})
	f.relieve()
	if c := f.counts(echo, v); c.Ready != 0 || !f.overMark.Load() {
		t.Errorf("past the mark: %+v", c)
	}
	// Calls run all the same; nothing is made ready for the next.
	if r := result(t, f.send(t, f.call(echo, v, time.Second))); r.Err != nil {
		t.Errorf("result %+v", r)
	}
	until(t, "the slot free", func() bool { return f.Describe().Slots.Free == 2 })
	if c := f.counts(echo, v); c.Ready != 0 {
		t.Errorf("refilled past the mark: %+v", c)
	}
}

// Calls whose limits add up to more memory than there is do not run at once.
func TestMemoryLimit(t *testing.T) {
	f := start(t, func(c *Config) { c.MemoryLimit = 100 * faas.MiB })
	v := f.artefacts.Add(watSpin)
	f.functions.set(faas.Function{Name: spin, Version: v, Revision: 1, Settings: faas.Settings{Memory: 60 * faas.MiB}})
	first := f.send(t, f.call(spin, v, 500*time.Millisecond))
	until(t, "the call runs", func() bool { return f.counts(spin, v).Running == 1 })
	r := result(t, f.send(t, f.call(spin, v, time.Second)))
	if faas.CodeOf(r.Err) != faas.NoCapacity || r.Start != "" || !strings.Contains(r.Err.Message, "60MiB of its 100MiB") {
		t.Errorf("past the limit: %+v", r)
	}
	result(t, first)
	until(t, "the slot free", func() bool { return f.Describe().Slots.Free == 2 })
	if r := result(t, f.send(t, f.call(spin, v, 50*time.Millisecond))); faas.CodeOf(r.Err) != faas.DeadlineExceeded {
		t.Errorf("after it has ended: %+v", r)
	}
}

func TestLogLines(t *testing.T) {
	f := start(t)
	v := f.artefacts.Add(watLog)
	logs := bustest.Subscribe(t, f.nc, bus.LogWildcard())
	c := f.call(echo, v, time.Second)
	result(t, f.send(t, c))
	for _, want := range []string{"one", "two"} {
		l, err := bus.Unmarshal[bus.LogLine](bustest.Receive(t, logs, 5*time.Second, "log line").Data)
		if err != nil || l.Line != want || l.Stream != bus.Stderr || l.Call != c.ID || l.Worker != f.ID() {
			t.Errorf("line %+v, %v; want %q", l, err, want)
		}
	}
}

func TestLastLines(t *testing.T) {
	for _, c := range []struct {
		text string
		n    int
		want []string
	}{
		{"", 3, nil},
		{"\n", 3, nil},
		{"a", 3, []string{"a"}},
		{"a\r\nb\n", 3, []string{"a", "b"}},
		{"a\n\nb\n", 3, []string{"a", "", "b"}},
		{"a\nb\nc\n", 2, []string{"b", "c"}},
		{"\xff\n", 1, []string{"\uFFFD"}},
		{"a\tb\x1b[31m\x00", 1, []string{"a\tb\uFFFD[31m\uFFFD"}},
		{strings.Repeat("x", maxLogLine+1), 1, []string{strings.Repeat("x", maxLogLine) + "…"}},
	} {
		got := lastLines([]byte(c.text), c.n)
		if len(got) != len(c.want) {
			t.Errorf("%q: %q, want %q", c.text, got, c.want)
			continue
		}
		for i := range got {
			if got[i] != c.want[i] {
				t.Errorf("%q: %q, want %q", c.text, got, c.want)
			}
		}
	}
}

func TestQueueRoom(t *testing.T) {
	for _, c := range []struct {
		took         time.Duration
		slots, queue int
		want         int
	}{
		{0, 8, 16, 16},                       // nothing is known yet
		{time.Second, 8, 16, 16},             // long calls: no more than configured
		{100 * time.Millisecond, 8, 16, 16},  // one each is all that fits into the wait
		{10 * time.Millisecond, 8, 16, 80},   // ten each
		{100 * time.Microsecond, 8, 16, 256}, // short calls: the longest queue
		{100 * time.Microsecond, 8, 0, 0},    // none is none
	} {
		var p pace
		if c.took > 0 {
			for range 200 {
				p.took(c.took)
			}
		}
		if got := p.room(c.slots, c.queue); got != c.want {
			t.Errorf("calls of %v, %d slots, queue %d: room for %d, want %d", c.took, c.slots, c.queue, got, c.want)
		}
	}
}

func TestLogLimiter(t *testing.T) {
	var l logLimiter
	now := time.Now()
	sent := 0
	for range 3 * logLinesBurst {
		if ok, _ := l.allow(echo, 10, now); ok {
			sent++
		}
	}
	if sent != logLinesBurst {
		t.Errorf("a burst of %d lines, want %d", sent, logLinesBurst)
	}
	if ok, _ := l.allow(spin, 10, now); !ok {
		t.Error("another function has to wait")
	}
	if ok, dropped := l.allow(echo, 10, now.Add(time.Second)); !ok || dropped != 2*logLinesBurst {
		t.Errorf("a second later: %v, %d dropped", ok, dropped)
	}
	big := 0
	for range logLinesBurst {
		if ok, _ := l.allow(spin, maxLogLine, now); ok {
			big++
		}
	}
	if big > logBytesBurst/maxLogLine {
		t.Errorf("%d lines of %d bytes at once", big, maxLogLine)
	}
	l.forget(now.Add(time.Minute))
	if len(l.per) != 0 {
		t.Errorf("%d functions are remembered", len(l.per))
	}
}

func TestConfig(t *testing.T) {
	for name, c := range map[string]Config{
		"no name":        {},
		"bad name":       {Name: "W"},
		"slots":          {Name: "w", Slots: -1},
		"too many slots": {Name: "w", Slots: 1 << 20},
		"output":         {Name: "w", MaxOutput: 2 * faas.GiB},
	} {
		if err := c.withDefaults().Validate(); err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
	if got := (Config{Name: "w"}).withDefaults(); got.Slots < 4 || got.Queue != 2*got.Slots || got.MemoryMark <= 0 {
		t.Errorf("defaults %+v", got)
	}
}
