package suite

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"runtime"
	"runtime/debug"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/shoal-run/shoal/bus"
	"github.com/shoal-run/shoal/bus/faas"
	"github.com/shoal-run/shoal/integration/framework"
	"github.com/shoal-run/shoal/internal/testenv"
	"github.com/shoal-run/shoal/services/standalone"
)

// door calls a function with an input, in one of the ways that users have.
type door struct {
	name string
	call func(ctx context.Context, input []byte) (output []byte, err error) // err is a *faas.Error, or no answer
}

func doors(t *testing.T, s *framework.Standalone, function string) []door {
	nc := s.Connect(t)
	return []door{
		{"HTTP", func(ctx context.Context, input []byte) ([]byte, error) {
			a, err := s.Do(ctx, framework.Request{Method: http.MethodPost, Path: "/v1/call/" + function, Body: input})
			switch {
			case err != nil:
				return nil, err
			case a.Err == nil:
				return a.Body, nil
			case a.Err.Code == faas.NoCapacity && a.Header.Get("Retry-After") == "":
				return nil, errors.New("no_capacity without Retry-After")
			}
			return nil, a.Err
		}},
		{"NATS", func(ctx context.Context, input []byte) ([]byte, error) {
			m, err := nc.RequestMsgWithContext(ctx, &nats.Msg{Subject: "shoal.v1.call." + strings.ReplaceAll(function, "/", "."), Data: input})
			if err != nil {
				return nil, err
			}
			if r := bus.DecodeResult(m); r.Err != nil {
				return nil, r.Err
			}
			return m.Data, nil
		}},
	}
}

// tally counts how calls ended.
type tally struct {
	right, refused atomic.Int64

	mu    sync.Mutex
	wrong []error // the first few that were neither
}

// load makes n calls from so many clients at once, the i-th with the input that input returns, and counts.
func (c *tally) load(ctx context.Context, d door, clients, n int, input func(i int) []byte) {
	ctx, cancel := context.WithTimeout(ctx, 2*time.Minute)
	defer cancel()
	var next atomic.Int64
	var wg sync.WaitGroup
	for range clients {
		wg.Go(func() {
			for {
				i := int(next.Add(1))
				if i > n {
					return
				}
				in := input(i)
				out, err := d.call(ctx, in)
				switch {
				case faas.CodeOf(err) == faas.NoCapacity:
					c.refused.Add(1)
				case err != nil:
					c.fault(fmt.Errorf("call %d over %s: %w", i, d.name, err))
				case !bytes.Equal(in, out):
					c.fault(fmt.Errorf("call %d over %s: %.40q came back for %.40q", i, d.name, out, in))
				default:
					c.right.Add(1)
				}
			}
		})
	}
	wg.Wait()
}

func (c *tally) fault(err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.wrong) < 5 {
		c.wrong = append(c.wrong, err)
	}
}

// usage is what the process holds of what can leak.
type usage struct{ heap, rss, goroutines, descriptors, threads int }

// held reads it after garbage was collected and given back. Workers, gateway, server and clients are all in this process.
func held(t *testing.T) usage {
	t.Helper()
	runtime.GC()
	debug.FreeOSMemory()
	var heap runtime.MemStats
	runtime.ReadMemStats(&heap)
	u := usage{goroutines: runtime.NumGoroutine(), heap: int(heap.HeapAlloc)}
	statm, err := os.ReadFile("/proc/self/statm") // pages: size resident …
	if err != nil {
		t.Fatal(err)
	}
	if u.rss, err = strconv.Atoi(strings.Fields(string(statm))[1]); err != nil {
		t.Fatal(err)
	}
	u.rss *= os.Getpagesize()
	for dir, n := range map[string]*int{"/proc/self/fd": &u.descriptors, "/proc/self/task": &u.threads} {
		entries, err := filepath.Glob(dir + "/*")
		if err != nil {
			t.Fatal(err)
		}
		*n = len(entries)
	}
	return u
}

// Guarantees 1 and 6: of 10 000 calls at 32 clients none is lost or wrong, and the last costs no more than the first. What
// the process holds may grow by a tenth. A small count may also grow by eight: the runtime makes a thread when
// as many Faaslets run at once as never before, up to the slots, and keeps it. What leaks once in a thousand calls grows
// by nine.
func TestTenThousandCalls(t *testing.T) {
	testenv.Long(t, "20 000 calls")
	const clients, first, all, few = 32, 1_000, 10_000, 8
	s := start(t, standalone.Config{Slots: 8, Queue: clients}) // nobody is refused: the default has room for 24 on two cores
	for _, d := range doors(t, s, "t/echo") {
		t.Run(d.name, func(t *testing.T) {
			input := func(i int) []byte { // unique, and of many sizes
				return fmt.Appendf(nil, "call %d over %s %s", i, d.name, strings.Repeat("x", i*37%2000))
			}
			var c tally
			c.load(t.Context(), d, clients, first, input)
			s.AwaitIdle(t)
			early := held(t)
			began := time.Now()
			c.load(t.Context(), d, clients, all-first, func(i int) []byte { return input(first + i) })
			took := time.Since(began)
			s.AwaitIdle(t)
			late := held(t)
			for _, err := range c.wrong {
				t.Error(err)
			}
			if c.right.Load() != all {
				t.Errorf("%d of %d calls answered with their input, %d were refused", c.right.Load(), all, c.refused.Load())
			}
			t.Logf("%.0f calls/s; after %d calls %+v, after %d %+v", float64(all-first)/took.Seconds(), first, early, all, late)
			if testenv.Race { // the race detector keeps what it ever had for the largest heap
				early.rss = late.rss
			}
			for _, r := range []struct {
				what        string
				early, late int
			}{
				{"bytes on the heap", early.heap, late.heap},
				{"bytes of resident memory", early.rss, late.rss},
				{"goroutines", early.goroutines, late.goroutines},
				{"descriptors", early.descriptors, late.descriptors},
				{"threads", early.threads, late.threads},
			} {
				if r.late > max(r.early+r.early/10, r.early+few) {
					t.Errorf("%d %s after %d calls, %d after %d: more than a tenth and %d more", r.late, r.what, all, r.early, first, few)
				}
			}
		})
	}
}

// Guarantee 6: with more callers than slots and queue, what does not fit is refused at once with no_capacity, what fits is
// answered right, and the sum is what was called.
func TestOverload(t *testing.T) {
	s := start(t, standalone.Config{Slots: 2, Queue: 3})
	s.Deploy(t, "t/sleep", wasm(t, watSleep))
	for _, d := range doors(t, s, "t/sleep") {
		t.Run(d.name, func(t *testing.T) {
			var c tally
			const clients, n = 24, 240
			c.load(t.Context(), d, clients, n, func(i int) []byte { // 20 ms asleep, and which call it is
				return fmt.Appendf(millis(20*time.Millisecond), "call %d", i)
			})
			for _, err := range c.wrong {
				t.Error(err)
			}
			right, refused := c.right.Load(), c.refused.Load()
			t.Logf("%d right, %d refused", right, refused)
			if right+refused != n || right < 5 || refused == 0 {
				t.Errorf("%d right and %d refused of %d calls at %d clients with 2 slots and room for 3", right, refused, n, clients)
			}
			s.AwaitIdle(t)
			stillAnswers(t, s)
		})
	}
}

// Guarantee 6: a function's own concurrency is kept, and leaves room for others.
func TestConcurrency(t *testing.T) {
	s := start(t, standalone.Config{Slots: 4})
	s.Deploy(t, "t/sleep", wasm(t, watSleep), "concurrency=1")
	s.AwaitReady(t, "t/sleep")
	var c tally
	done := make(chan struct{})
	go func() {
		defer close(done)
		c.load(t.Context(), doors(t, s, "t/sleep")[0], 4, 40, func(i int) []byte {
			return fmt.Appendf(millis(20*time.Millisecond), "call %d", i)
		})
	}()
	for range 20 {
		stillAnswers(t, s)
		if n := s.Running(t, "t/sleep"); n > 1 {
			t.Errorf("%d calls run, with a concurrency of 1", n)
		}
	}
	<-done
	for _, err := range c.wrong {
		t.Error(err)
	}
	if right, refused := c.right.Load(), c.refused.Load(); right+refused != 40 || right == 0 || refused == 0 {
		t.Errorf("%d right and %d refused of 40 calls at 4 clients", right, refused)
	}
	s.AwaitIdle(t)
}
