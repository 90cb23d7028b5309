package faults

import (
	"bytes"
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/shoal-run/shoal/bus"
	"github.com/shoal-run/shoal/bus/faas"
	"github.com/shoal-run/shoal/integration/framework"
	"github.com/shoal-run/shoal/internal/testenv"
)

// How many functions and calls the tests of this file have: as many as the platform promises to survive, but for the
// functions when the race detector makes everything ten times as large.
var (
	manyFunctions = flag.Int("functions", 0, "deployed functions of TestManyFunctions; 0 for 100000, with the race detector 10000")
	burstCalls    = flag.Int("burst", 50_000, "calls that TestBurst publishes at once")
)

// resources are what a process takes.
type resources struct {
	resident                   faas.Size
	maps, descriptors, threads int
}

func (r resources) String() string {
	return fmt.Sprintf("%s resident, %d maps, %d descriptors, %d threads", r.resident, r.maps, r.descriptors, r.threads)
}

func resourcesOf(t testing.TB, p *framework.Process) (r resources) {
	t.Helper()
	read := func(file string) []byte {
		b, err := os.ReadFile(fmt.Sprintf("/proc/%d/%s", p.Pid(), file))
		if err != nil {
			t.Fatalf("%s is gone: %v", p.Name, err)
		}
		return b
	}
	for line := range strings.Lines(string(read("status"))) {
		key, value, _ := strings.Cut(line, ":")
		n, _ := strconv.Atoi(strings.Fields(value + " 0")[0]) // 0 for what is no number, and not asked for
		switch key {
		case "VmRSS":
			r.resident = faas.Size(n) * faas.KiB
		case "Threads":
			r.threads = n
		}
	}
	r.maps = bytes.Count(read("maps"), []byte("\n"))
	open, err := os.ReadDir(fmt.Sprintf("/proc/%d/fd", p.Pid()))
	if err != nil {
		t.Fatal(err)
	}
	r.descriptors = len(open)
	return r
}

// maxMaps is what the kernel allows a process.
func maxMaps(t testing.TB) int {
	t.Helper()
	b, err := os.ReadFile("/proc/sys/vm/max_map_count")
	if err != nil {
		t.Fatal(err)
	}
	n, err := strconv.Atoi(strings.TrimSpace(string(b)))
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// small is a cluster with one of each, so that everything falls on one worker.
func small() framework.ClusterConfig {
	return framework.ClusterConfig{Gateways: 1, Planners: 1, Workers: 1}
}

// codes counts how calls ended. It is safe for concurrent use.
type codes struct {
	mu    sync.Mutex
	m     map[faas.Code]int
	words map[faas.Code]string // of one of each
}

func (c *codes) add(code faas.Code, words string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.m == nil {
		c.m, c.words = map[faas.Code]int{}, map[faas.Code]string{}
	}
	c.m[code]++
	c.words[code] = words
}

// added counts a call over HTTP.
func (c *codes) added(err error) {
	words := ""
	if err != nil {
		words = err.Error()
	}
	c.add(codeOf(err), words)
}

// check holds that so many calls were answered, each with a result or with one of the codes that say that there was no room
// or no time.
func (c *codes) check(t *testing.T, what string, want int) {
	t.Helper()
	c.mu.Lock()
	defer c.mu.Unlock()
	n := 0
	for code, k := range c.m {
		n += k
		switch code {
		case "", faas.NoCapacity, faas.DeadlineExceeded:
		default:
			if code == faas.Unavailable && testenv.Race && k <= want/100 {
				continue // a planner that is ten times slower may not answer in time
			}
			t.Errorf("%s: %d calls ended with %s: %s", what, k, code, c.words[code])
		}
	}
	if n != want {
		t.Errorf("%s: %d of %d calls were answered", what, n, want)
	}
	if c.m[""] == 0 {
		t.Errorf("%s: no call had a result", what)
	}
	t.Logf("%s: %v (the empty code is a result)", what, c.m)
}

// publish publishes n calls at once and counts their answers as they come.
func publish(t *testing.T, nc *nats.Conn, n int, call func(i int, reply string) *nats.Msg) *codes {
	t.Helper()
	var (
		got      codes
		answered atomic.Int64
		all      = make(chan struct{})
		once     = make([]atomic.Bool, n)
		inbox    = nc.NewInbox()
	)
	sub, err := nc.Subscribe(inbox+".*", func(m *nats.Msg) {
		i, err := strconv.Atoi(strings.TrimPrefix(m.Subject, inbox+"."))
		if err != nil || once[i].Swap(true) {
			t.Errorf("call %d was answered twice", i)
			return
		}
		code := faas.Code(m.Header.Get(bus.HeaderCode))
		if m.Header.Get("Status") == "503" {
			code = "no responders"
		}
		got.add(code, m.Header.Get("Nats-Service-Error"))
		if answered.Add(1) == int64(n) {
			close(all)
		}
	})
	if err != nil {
		t.Fatal(err)
	}
	defer sub.Unsubscribe()
	if err := sub.SetPendingLimits(-1, -1); err != nil {
		t.Fatal(err)
	}
	began := time.Now()
	for i := range n {
		if err := nc.PublishMsg(call(i, fmt.Sprintf("%s.%d", inbox, i))); err != nil {
			t.Fatal(err)
		}
	}
	if err := nc.Flush(); err != nil {
		t.Fatal(err)
	}
	published := time.Since(began)
	select {
	case <-all:
	case <-time.After(patience):
	}
	t.Logf("%d calls published in %v, answered in %v", n, published.Round(time.Millisecond), time.Since(began).Round(time.Millisecond))
	return &got
}

// Guarantees 3 and 5: a burst that is far more than a worker can do ends in results and refusals, and leaves the worker as
// it was.
func TestBurst(t *testing.T) {
	c, _ := start(t, small())
	w, g := c.Workers[0], c.Gateways[0]
	input := append(make([]byte, 8), "x-burst"...)
	call := overHTTP(g, echo)
	if _, _, err := call(input); err != nil {
		t.Fatal(err)
	}
	fn, err := g.Function(t.Context(), echo)
	if err != nil {
		t.Fatal(err)
	}
	before, gatewayBefore := resourcesOf(t, w.Process), resourcesOf(t, g.Process)
	id := incarnation(t, g, w)
	nc := c.Connect(t)

	n := *burstCalls
	if testenv.Race {
		n /= 5
	}
	publish(t, nc, n, func(_ int, reply string) *nats.Msg {
		call := faas.NewCallID()
		return bus.EncodeCall(&faas.Call{ID: call, Root: call, Name: echo, Version: fn.Version, Input: input, Timeout: 20 * time.Second}, bus.WorkerCallSubject(id), reply)
	}).check(t, "to the worker itself", n)
	publish(t, nc, n, func(_ int, reply string) *nats.Msg {
		return &nats.Msg{Subject: bus.CallSubject(echo), Reply: reply, Data: input, Header: nats.Header{bus.HeaderTimeout: {"20000"}}}
	}).check(t, "NATS requests", n)

	const connections = 256
	var (
		got  codes
		wg   sync.WaitGroup
		left atomic.Int64
		each = n / 10 // a connection carries one at a time
	)
	left.Store(int64(each))
	began := time.Now()
	for range connections {
		wg.Go(func() {
			for left.Add(-1) >= 0 {
				_, _, err := call(input)
				got.added(err)
			}
		})
	}
	wg.Wait()
	got.check(t, fmt.Sprintf("over HTTP, %d connections", connections), each)
	t.Logf("that took %v", time.Since(began).Round(time.Millisecond))
	peak := resourcesOf(t, w.Process)

	awaitIdle(t, c)
	if again := incarnation(t, g, w); again != id {
		t.Errorf("the worker is another one: %s, was %s", again, id)
	}
	for range 20 {
		if _, _, err := call(input); err != nil {
			t.Errorf("a call after the burst: %v", err)
		}
	}
	more := 128 * faas.MiB // what Go's heap keeps for a while
	if testenv.Race {
		more = faas.GiB // the detector's shadow of it stays
	}
	testenv.Eventually(t, patience, func() bool { return resourcesOf(t, w.Process).resident <= before.resident+more },
		"the worker had %s resident, and does not come back to it", before.resident)
	after := resourcesOf(t, w.Process)
	if after.descriptors > before.descriptors+20 || after.maps > before.maps+1000 {
		t.Errorf("the worker had %v and has %v", before, after)
	}
	t.Logf("worker: %v; at the end of the burst %v; after it %v", before, peak, after)
	t.Logf("gateway: %v; after it %v", gatewayBefore, resourcesOf(t, g.Process))
}

// Guarantee 3: however many functions are deployed, a worker lives, and serves those that are called.
func TestManyFunctions(t *testing.T) {
	c, _ := start(t, small())
	w, g := c.Workers[0], c.Gateways[0]
	fn, err := g.Function(t.Context(), echo)
	if err != nil {
		t.Fatal(err)
	}
	nc := c.Connect(t)
	n := *manyFunctions
	if n == 0 {
		if n = 100_000; testenv.Race {
			n = 10_000
		}
	}
	began := time.Now()
	register(t, nc, fn, n)
	t.Logf("%d functions registered in %v", n, time.Since(began).Round(time.Millisecond))
	c.AwaitDeployed(t, manyName(n-1), fn.Version)

	began = time.Now()
	w.Kill(t)
	w.Start(t)
	w.AwaitReady(t)
	c.AwaitWorkers(t, 1)
	t.Logf("a worker that starts with them: ready in %v, %v", time.Since(began).Round(time.Millisecond), resourcesOf(t, w.Process))

	began = time.Now()
	for i := range n {
		fn.Name = manyName(i)
		if err := nc.Publish(bus.FunctionEventSubject(fn.Name), bus.Marshal(bus.FunctionEvent{Kind: bus.FunctionDeployed, Function: fn})); err != nil {
			t.Fatal(err)
		}
	}
	if err := nc.Flush(); err != nil {
		t.Fatal(err)
	}
	// Calls of a random thousand, while the announced ones are prefetched.
	const calls, clients = 1000, 8
	var (
		got  codes
		wg   sync.WaitGroup
		left atomic.Int64
	)
	left.Store(calls)
	input := append(make([]byte, 8), "x-many"...)
	for range clients {
		wg.Go(func() {
			for left.Add(-1) >= 0 {
				_, _, err := overHTTP(g, manyName(rand.IntN(n)))(input)
				got.added(err)
			}
		})
	}
	wg.Wait()
	got.check(t, "calls of random functions", calls)
	if got.m[faas.NoCapacity]+got.m[faas.DeadlineExceeded] > calls/10 {
		t.Errorf("too many were refused by a worker that has slots for them: %v", got.m)
	}
	have := resourcesOf(t, w.Process)
	if most := maxMaps(t) / 10 * 9; have.maps > most {
		t.Errorf("the worker has %v, more than %d maps", have, most)
	}
	t.Logf("announced and called in %v; worker: %v; gateway: %v", time.Since(began).Round(time.Millisecond), have, resourcesOf(t, g.Process))
	if _, _, err := overHTTP(g, echo)(input); err != nil {
		t.Errorf("a call afterwards: %v", err)
	}
	awaitIdle(t, c)
}

func manyName(i int) faas.Name { return faas.Name{Tenant: "many", Function: fmt.Sprintf("f%d", i)} }

// register writes n functions that are like fn into the registry's bucket, without waiting for each.
func register(t *testing.T, nc *nats.Conn, fn faas.Function, n int) {
	t.Helper()
	js, err := jetstream.New(nc, jetstream.WithPublishAsyncMaxPending(1024))
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	fn.Revision = 0
	for i := range n {
		fn.Name = manyName(i)
		body, err := json.Marshal(fn)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := js.PublishAsync(fmt.Sprintf("$KV.%s.%s.%s", bus.FunctionsBucket, fn.Name.Tenant, fn.Name.Function), body, jetstream.WithStallWait(patience)); err != nil {
			t.Fatal(err)
		}
	}
	select {
	case <-js.PublishAsyncComplete():
	case <-ctx.Done():
		t.Fatal("the registry does not take them in time")
	}
}
