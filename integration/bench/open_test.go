//go:build linux && cgo

package main

import (
	"context"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

// TestOpenLoop has two servers that answer rightly, refuse, answer wrongly and refuse without Retry-After in turn.
func TestOpenLoop(t *testing.T) {
	var n atomic.Int64
	handler := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch i := n.Add(1); i % 4 {
		case 0:
			_, _ = w.Write(input)
		case 1:
			_, _ = w.Write([]byte("something else"))
		default:
			if i%4 == 2 {
				w.Header().Set("Retry-After", "1")
			}
			w.WriteHeader(http.StatusServiceUnavailable)
			_, _ = w.Write([]byte(`{"code":"no_capacity"}`))
		}
	})
	var doors []string
	for range 2 {
		s := httptest.NewServer(handler)
		defer s.Close()
		doors = append(doors, strings.TrimPrefix(s.URL, "http://"))
	}
	o, err := openLoop(t.Context(), doors, "/", 400, 400*time.Millisecond)
	if err != nil {
		t.Fatal(err)
	}
	if o.done == 0 || o.refused == 0 || o.failed == 0 {
		t.Fatalf("%d done, %d refused, %d failed: want some of each", o.done, o.refused, o.failed)
	}
	if o.latency.TotalCount() != o.done || o.refusal.TotalCount() != o.refused {
		t.Errorf("%d latencies of %d answers, %d of %d refusals", o.latency.TotalCount(), o.done, o.refusal.TotalCount(), o.refused)
	}
	if two := o.failed; two < o.done || two < o.refused { // two of four
		t.Errorf("%d done, %d refused, %d failed: want twice as many failed", o.done, o.refused, o.failed)
	}
	if all := o.done + o.refused + o.failed; all > n.Load() {
		t.Errorf("%d calls counted, %d made", all, n.Load())
	}
}

// TestStep has two figures read the same runs.
func TestStep(t *testing.T) {
	ran := 0
	s := &step{run: func(context.Context, time.Duration) (*opened, error) {
		ran++
		return &opened{window: time.Second, done: int64(ran)}, nil
	}}
	read := func(o *opened) float64 { return o.perSecond(o.done) }
	first, second := s.read(read), s.read(read)
	for _, p := range []probe{first, first, second, second, second} {
		if _, err := p(t.Context(), time.Second); err != nil {
			t.Fatal(err)
		}
	}
	if v, err := first(t.Context(), time.Second); v != 3 || err != nil || ran != 3 {
		t.Errorf("%v %v, %d runs: want the third run's value", v, err, ran)
	}
}
