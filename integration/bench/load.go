//go:build linux && cgo

package main

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"net"
	"strconv"
	"sync"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"
	"github.com/nats-io/nats.go"

	"github.com/shoal-run/shoal/bus"
)

// input is what every call carries and must get back.
var input = []byte("hello from bench")

// caller is one client: it makes one call after the other.
type caller interface {
	call() error
	close()
}

// loaded is what a closed loop saw.
type loaded struct {
	calls   int64
	elapsed time.Duration
	latency *hdrhistogram.Histogram // ns
}

func (l *loaded) perSecond() float64 { return float64(l.calls) / l.elapsed.Seconds() }

// p50 returns the median latency in microseconds.
func (l *loaded) p50() float64 { return float64(l.latency.ValueAtQuantile(50)) / 1000 }

// rampUp is how long clients call before it counts.
const rampUp = 50 * time.Millisecond

// closedLoop has clients call for d, each as soon as its last call was answered. Any call that fails ends it.
func closedLoop(ctx context.Context, d time.Duration, clients int, dial func() (caller, error)) (*loaded, error) {
	callers := make([]caller, 0, clients)
	defer func() {
		for _, c := range callers {
			c.close()
		}
	}()
	for range clients {
		c, err := dial()
		if err != nil {
			return nil, err
		}
		callers = append(callers, c)
	}
	var (
		wg     sync.WaitGroup
		parts  = make([]*hdrhistogram.Histogram, clients)
		errs   = make([]error, clients)
		starts = time.Now().Add(rampUp)
		ends   = starts.Add(d)
	)
	for i, c := range callers {
		parts[i] = hdrhistogram.New(1000, int64(time.Minute), 3)
		wg.Go(func() {
			for ctx.Err() == nil {
				began := time.Now()
				if began.After(ends) {
					return
				}
				if err := c.call(); err != nil {
					errs[i] = err
					return
				}
				if began.After(starts) {
					_ = parts[i].RecordValue(int64(time.Since(began))) // beyond a minute the call has failed
				}
			}
		})
	}
	wg.Wait()
	l := &loaded{elapsed: d, latency: parts[0]}
	for i, h := range parts {
		if errs[i] != nil {
			return nil, errs[i]
		}
		if i > 0 {
			l.latency.Merge(h)
		}
	}
	l.calls = l.latency.TotalCount()
	return l, context.Cause(ctx)
}

// counted makes callers that add their calls to n, all of them, when they are closed.
func counted(dial func() (caller, error), n *int) func() (caller, error) {
	return func() (caller, error) {
		c, err := dial()
		return &countingCaller{caller: c, into: n}, err
	}
}

type countingCaller struct {
	caller
	calls int
	into  *int
}

func (c *countingCaller) call() error {
	c.calls++
	return c.caller.call()
}

func (c *countingCaller) close() {
	*c.into += c.calls
	c.caller.close()
}

// natsCaller calls over a connection of its own, with nats.go's own request.
type natsCaller struct {
	nc      *nats.Conn
	subject string
}

func dialNATS(url, subject string) func() (caller, error) {
	return func() (caller, error) {
		nc, err := nats.Connect(url, nats.Name("bench"))
		if err != nil {
			return nil, err
		}
		return &natsCaller{nc, subject}, nil
	}
}

func (c *natsCaller) call() error {
	m, err := c.nc.Request(c.subject, input, time.Minute)
	if err != nil {
		return err
	}
	if !bytes.Equal(m.Data, input) {
		return fmt.Errorf("answered %q, %s", m.Data, m.Header.Get(bus.HeaderErrorText))
	}
	return nil
}

func (c *natsCaller) close() { c.nc.Close() }

// httpCaller speaks as much HTTP/1.1 as it takes, over one connection that stays.
type httpCaller struct {
	conn    net.Conn
	r       *bufio.Reader
	request []byte
}

func dialHTTP(address, path string) func() (caller, error) {
	return func() (caller, error) { return newHTTPCaller(address, path) }
}

func newHTTPCaller(address, path string) (*httpCaller, error) {
	conn, err := net.Dial("tcp", address)
	if err != nil {
		return nil, err
	}
	request := fmt.Appendf(nil, "POST %s HTTP/1.1\r\nHost: %s\r\nContent-Length: %d\r\n\r\n%s", path, address, len(input), input)
	return &httpCaller{conn, bufio.NewReader(conn), request}, nil
}

func (c *httpCaller) call() error {
	a, err := c.exchange()
	if err == nil && !a.right() {
		err = fmt.Errorf("answered %s: %q", a.status, a.body)
	}
	return err
}

// answer is what came back over HTTP. The body is valid until the next exchange.
type answer struct {
	status     string // "200 OK"
	retryAfter bool
	body       []byte
}

func (a answer) right() bool { return a.status == "200 OK" && bytes.Equal(a.body, input) }

// exchange makes a call and returns whatever was answered.
func (c *httpCaller) exchange() (a answer, err error) {
	if _, err := c.conn.Write(c.request); err != nil {
		return a, err
	}
	line, err := c.r.ReadSlice('\n')
	if err != nil {
		return a, err
	}
	status, is := bytes.CutPrefix(bytes.TrimRight(line, "\r\n"), []byte("HTTP/1.1 "))
	if !is {
		return a, fmt.Errorf("answered %q", line)
	}
	if a.status = "200 OK"; string(status) != a.status { // a call that is right allocates nothing
		a.status = string(status)
	}
	length := 0
	for {
		line, err := c.r.ReadSlice('\n')
		if err != nil {
			return a, err
		}
		if len(line) <= 2 {
			break
		}
		if v, is := bytes.CutPrefix(line, []byte("Content-Length: ")); is {
			if length, err = strconv.Atoi(string(bytes.TrimSpace(v))); err != nil {
				return a, err
			}
		}
		a.retryAfter = a.retryAfter || bytes.HasPrefix(line, []byte("Retry-After: "))
	}
	if a.body, err = c.r.Peek(length); err != nil {
		return a, err
	}
	_, err = c.r.Discard(length)
	return a, err
}

func (c *httpCaller) close() { _ = c.conn.Close() } // nothing is lost
