package history

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/shoal-run/shoal/bus/faas"
)

const (
	w1 faas.WorkerID = "w1-0191e7c2a1b2"
	w2 faas.WorkerID = "w2-0191e7c2a1b2"
)

// at makes a call that was sent and answered at these times.
func at(h *History, input, output string, code faas.Code, sent, answered time.Duration, runs ...faas.WorkerID) {
	h.Sent(input)
	h.Answered(input, output, code)
	for _, w := range runs {
		h.Ran(input, w)
	}
	h.calls[input].sent, h.calls[input].answered = sent, answered
}

func TestCheck(t *testing.T) {
	const s = time.Second
	kill := Rules{
		Faults:     []Fault{{"kill", 10 * s, 12 * s}},
		Allowed:    []faas.Code{faas.Unavailable, faas.NoCapacity},
		MaxFailure: s,
	}
	for _, c := range []struct {
		name string
		do   func(*History)
		want string // part of the one violation; "" = none
	}{
		{"right", func(h *History) { at(h, "a", "a", "", s, 2*s, w1) }, ""},
		{"right, its line lost with the worker", func(h *History) { at(h, "a", "a", "", s, 2*s) }, ""},
		{"crossed", func(h *History) { at(h, "a", "b", "", s, 2*s, w1) }, "another call's"},
		{"doubled", func(h *History) { at(h, "a", "a", "", s, 2*s, w1, w2) }, "started 2 times"},
		{"lost", func(h *History) { h.Sent("a") }, "never answered"},
		{"answered twice", func(h *History) { at(h, "a", "a", "", s, 2*s, w1); h.Answered("a", "a", "") }, "answered 2 times"},
		{"out of nowhere", func(h *History) { h.Ran("x", w1) }, "never sent"},
		{"failed in the fault", func(h *History) { at(h, "a", "", faas.Unavailable, 9*s, 10*s+s/2) }, ""},
		{"failed late", func(h *History) { at(h, "a", "", faas.Unavailable, 9*s, 12*s) }, "took 2s"},
		{"failed for no reason", func(h *History) { at(h, "a", "", faas.Unavailable, s, 2*s) }, "nothing was broken"},
		{"failed after the fault", func(h *History) { at(h, "a", "", faas.Unavailable, 13*s, 14*s) }, "nothing was broken"},
		{"another code", func(h *History) { at(h, "a", "", faas.Internal, 10*s, 11*s) }, "failed with internal"},
		{"refused", func(h *History) { at(h, "a", "", faas.NoCapacity, s, s) }, ""},
		{"refused and run", func(h *History) { at(h, "a", "", faas.NoCapacity, s, s, w1) }, "and ran on"},
	} {
		t.Run(c.name, func(t *testing.T) {
			h := New()
			c.do(h)
			_, bad := h.Check(kill)
			switch {
			case c.want == "" && len(bad) > 0:
				t.Errorf("found %v", bad)
			case c.want != "" && (len(bad) != 1 || !strings.Contains(bad[0].String(), c.want)):
				t.Errorf("found %v, want one with %q", bad, c.want)
			}
		})
	}
}

func TestSummary(t *testing.T) {
	h := New()
	at(h, "a", "A", "", 1, 2, w1)
	at(h, "b", "", faas.Unavailable, 3, 7)
	at(h, "c", "", faas.NoCapacity, 3, 4)
	s, bad := h.Check(Rules{
		Output: strings.ToUpper, Faults: []Fault{{"f", 2, 5}}, Allowed: []faas.Code{faas.Unavailable, faas.NoCapacity},
	})
	if len(bad) > 0 || s.Calls != 3 || s.OK != 1 || s.Runs != 1 || s.Failed[faas.Unavailable] != 1 || s.Failed[faas.NoCapacity] != 1 || s.Slowest != 4 {
		t.Errorf("%+v, %v", s, bad)
	}
	if !slices.Equal(h.order, []string{"a", "b", "c"}) {
		t.Errorf("order %v", h.order)
	}
}
