package faults

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/shoal-run/shoal/bus"
	"github.com/shoal-run/shoal/bus/faas"
	"github.com/shoal-run/shoal/integration/framework"
	"github.com/shoal-run/shoal/integration/history"
	"github.com/shoal-run/shoal/internal/testenv"
)

// What a client may see besides the codes of the platform.
const (
	broken  faas.Code = "broken"  // an HTTP client got no answer: the connection broke or nobody listened
	timeout faas.Code = "timeout" // a NATS client got no answer in time
)

// natsPatience is how long a NATS client waits for an answer: nobody tells it that its gateway died.
const natsPatience = 4 * time.Second

// target calls a function in one of the ways that there are.
type target func(input []byte) (output []byte, by faas.WorkerID, err error)

// overHTTP calls through one gateway.
func overHTTP(g *framework.Gateway, name faas.Name) target {
	return func(input []byte) ([]byte, faas.WorkerID, error) {
		ctx, cancel := context.WithTimeout(context.Background(), patience)
		defer cancel()
		r, err := g.Call(ctx, name, input)
		return r.Output, r.Worker, err
	}
}

// overNATS calls through whichever gateway the server chooses.
func overNATS(nc *nats.Conn, name faas.Name) target {
	c := bus.NewClient(nc)
	return func(input []byte) ([]byte, faas.WorkerID, error) {
		ctx, cancel := context.WithTimeout(context.Background(), natsPatience)
		defer cancel()
		r, err := c.Call(ctx, name, input)
		if ctx.Err() != nil {
			return nil, "", errTimeout
		}
		if err != nil {
			return nil, "", err
		}
		return r.Output, r.Worker, nil
	}
}

var errTimeout = errors.New("no answer in time")

// codeOf turns what a target returned into what the history records.
func codeOf(err error) faas.Code {
	switch {
	case err == nil:
		return ""
	case errors.Is(err, errTimeout):
		return timeout
	case errors.Is(err, framework.ErrBroken):
		return broken
	default:
		return faas.CodeOf(err)
	}
}

// load is clients that call in a closed loop, at a bounded rate.
type load struct {
	*history.History
	label string
	stop  chan struct{}
	wg    sync.WaitGroup
	next  atomic.Int64

	mu      sync.Mutex
	answers map[faas.WorkerID]int // successes, by worker
	words   map[string]int        // what failures said
	took    []time.Duration       // of successes
}

// loads are all loads of a test; what guests log goes to the one that made the call.
type loads struct {
	mu  sync.Mutex
	all map[string]*load
	log atomic.Int64 // lines seen
}

// watchLogs gives what guests log to the loads. Lines that are sent while the server is away are lost.
func watchLogs(t testing.TB, c *framework.Cluster) *loads {
	t.Helper()
	ls := &loads{all: map[string]*load{}}
	nc := c.Connect(t)
	sub, err := nc.Subscribe(bus.LogWildcard(), func(m *nats.Msg) {
		line, err := bus.Unmarshal[bus.LogLine](m.Data)
		if err != nil {
			return
		}
		ls.log.Add(1)
		var label string
		if _, err := fmt.Sscanf(line.Line, "%1s-", &label); err != nil {
			return
		}
		ls.mu.Lock()
		l := ls.all[label]
		ls.mu.Unlock()
		if l != nil {
			l.Ran(line.Line, line.Worker)
		}
	})
	if err == nil {
		err = sub.SetPendingLimits(-1, -1)
	}
	if err == nil {
		err = nc.Flush()
	}
	if err != nil {
		t.Fatal(err)
	}
	return ls
}

// settle waits until no more lines come.
func (ls *loads) settle(t testing.TB) {
	t.Helper()
	last, since := ls.log.Load(), time.Now()
	testenv.Eventually(t, patience, func() bool {
		if now := ls.log.Load(); now != last {
			last, since = now, time.Now()
		}
		return time.Since(since) > 300*time.Millisecond
	}, "guests still log")
}

// shape says how a load calls.
type shape struct {
	label string // one letter
	rate  int    // calls/s of all clients together, at most; 0: as fast as answers come
	each  int    // clients of each target
	work  func(n int64) time.Duration
	limit int64 // calls in all; 0: until stopped
}

// mixed is work of up to 80 ms, and none for every other call.
func mixed(n int64) time.Duration {
	if n%2 == 0 {
		return 0
	}
	return time.Duration(n*7%80) * time.Millisecond
}

// fresh returns a label that no load has.
func (ls *loads) fresh() string {
	ls.mu.Lock()
	defer ls.mu.Unlock()
	return string(rune('a' + len(ls.all)))
}

// run starts a load, which is over when stopped or after its limit.
func (ls *loads) run(s shape, targets ...target) *load {
	l := &load{History: history.New(), label: s.label, stop: make(chan struct{}), answers: map[faas.WorkerID]int{}, words: map[string]int{}}
	ls.mu.Lock()
	ls.all[s.label] = l
	ls.mu.Unlock()
	clients := s.each * len(targets)
	var pause time.Duration
	if s.rate > 0 {
		pause = time.Second * time.Duration(clients) / time.Duration(s.rate)
	}
	for i := range clients {
		l.wg.Go(func() { l.client(s, pause, targets[i%len(targets)]) })
	}
	return l
}

func (l *load) client(s shape, pause time.Duration, call target) {
	for {
		due := time.Now().Add(pause)
		n := l.next.Add(1)
		if s.limit > 0 && n > s.limit {
			return
		}
		var work time.Duration
		if s.work != nil {
			work = s.work(n)
		}
		l.call(fmt.Sprintf("%s-%07d", s.label, n), work, call)
		select {
		case <-l.stop:
			return
		case <-time.After(time.Until(due)):
		}
	}
}

// call makes one call and records it.
func (l *load) call(id string, work time.Duration, call target) {
	input := append(binary.LittleEndian.AppendUint64(nil, uint64(work.Milliseconds())), id...)
	l.Sent(id)
	began := time.Now()
	output, by, err := call(input)
	if err == nil && len(output) >= markerLen {
		output = output[markerLen:]
	}
	l.Answered(id, string(output), codeOf(err))
	l.mu.Lock()
	defer l.mu.Unlock()
	if err != nil {
		l.words[err.Error()]++
		return
	}
	l.answers[by]++
	l.took = append(l.took, time.Since(began))
}

// end stops a load and waits for its last answers.
func (l *load) end() {
	close(l.stop)
	l.wg.Wait()
}

// answered returns how many calls were answered by incarnations that pick chooses.
func (l *load) answered(pick func(faas.WorkerID) bool) int {
	l.mu.Lock()
	defer l.mu.Unlock()
	n := 0
	for id, k := range l.answers {
		if pick(id) {
			n += k
		}
	}
	return n
}

// awaitProgress waits until n more calls have been answered.
func (l *load) awaitProgress(t testing.TB, n int) {
	t.Helper()
	all := func(faas.WorkerID) bool { return true }
	want := l.answered(all) + n
	testenv.Eventually(t, patience, func() bool { return l.answered(all) >= want }, "load %s does not get on: %v", l.label, l.failures())
}

// awaitPast waits until the load's clock is past a time.
func (l *load) awaitPast(t testing.TB, when time.Duration) {
	t.Helper()
	testenv.Eventually(t, patience, func() bool { return l.Since() >= when }, "the clock stands")
}

func (l *load) failures() map[string]int {
	l.mu.Lock()
	defer l.mu.Unlock()
	out := map[string]int{}
	for k, v := range l.words {
		out[k] = v
	}
	return out
}

// check holds the load against rules, fails t for each violation and returns the summary.
func (l *load) check(t testing.TB, rules history.Rules) history.Summary {
	t.Helper()
	s, bad := l.Check(rules)
	for i, v := range bad {
		if i == maxViolations {
			t.Errorf("load %s: and %d more violations", l.label, len(bad)-i)
			break
		}
		t.Errorf("load %s: %v", l.label, v)
	}
	t.Logf("load %s: %d calls, %d right, failed %v, %d runs seen, slowest failure %v", l.label, s.Calls, s.OK, s.Failed, s.Runs, s.Slowest.Round(time.Millisecond))
	if t.Failed() {
		for w, n := range l.failures() {
			t.Logf("load %s: %d × %s", l.label, n, w)
		}
	}
	return s
}

// maxViolations bounds what is shown of a load.
const maxViolations = 20
