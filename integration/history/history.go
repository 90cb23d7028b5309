// Package history checks what happened to the calls of a load run: it takes what clients saw and what guests did, call by
// call, and finds answers that are lost, doubled, crossed or too late.
//
// A client gives each call an input that no other call has. The guest answers with it, and writes it to its log when it
// runs: a line that a worker has published is proof that the call ran there. A worker that is killed may take a line with
// it, so a missing line proves nothing, and a second one proves a double start.
package history

import (
	"fmt"
	"sync"
	"time"

	"github.com/shoal-run/shoal/bus/faas"
)

// History records a run. It is safe for concurrent use.
type History struct {
	began time.Time

	mu    sync.Mutex
	calls map[string]*record
	order []string
}

// record is what is known of one call.
type record struct {
	sent, answered time.Duration // since the run began; answered is 0 while there is none
	answers        int
	output         string
	code           faas.Code // "" = success
	runs           []faas.WorkerID
}

// New returns an empty History whose clock starts now.
func New() *History { return &History{began: time.Now(), calls: make(map[string]*record)} }

// Sent records that a client sends the call with this input.
func (h *History) Sent(input string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.calls[input] != nil {
		panic("history: input " + input + " was sent before")
	}
	h.calls[input] = &record{sent: time.Since(h.began)}
	h.order = append(h.order, input)
}

// Answered records what the client got. code is "" for a success.
func (h *History) Answered(input, output string, code faas.Code) {
	h.mu.Lock()
	defer h.mu.Unlock()
	r := h.calls[input]
	r.answers++
	r.answered, r.output, r.code = time.Since(h.began), output, code
}

// Ran records that a guest ran with this input, by the log line that it wrote. Inputs that nobody sent are kept too: they
// are somebody else's, or made up.
func (h *History) Ran(input string, on faas.WorkerID) {
	h.mu.Lock()
	defer h.mu.Unlock()
	r := h.calls[input]
	if r == nil {
		r = &record{sent: -1}
		h.calls[input] = r
		h.order = append(h.order, input)
	}
	r.runs = append(r.runs, on)
}

// Fault is a time in which something was broken on purpose, since the run began.
type Fault struct {
	What     string
	From, To time.Duration
}

// Since returns the run's clock.
func (h *History) Since() time.Duration {
	return time.Since(h.began)
}

// Rules say what a run may show.
type Rules struct {
	// Output is what a call must answer; nil: its input.
	Output func(input string) string
	// Faults are when failures may happen. A call may fail when it overlaps one.
	Faults []Fault
	// Allowed are the codes that a call may fail with during a fault. Overload is allowed at any time when NoCapacity is.
	Allowed []faas.Code
	// MaxFailure is the longest that a call may take to fail with unavailable, from the later of its start and the start of
	// the fault it overlaps; 0: any.
	MaxFailure time.Duration
}

// Summary counts a run.
type Summary struct {
	Calls, OK int
	Failed    map[faas.Code]int
	Runs      int           // seen in logs
	Slowest   time.Duration // failure with unavailable, as MaxFailure counts it
}

// Violation is one call that went wrong.
type Violation struct {
	Input, What string
}

// String returns the violation in a line.
func (v Violation) String() string { return fmt.Sprintf("call %q: %s", v.Input, v.What) }

// Check returns what the run was, and every way in which it broke the rules, in the order of sending.
func (h *History) Check(rules Rules) (Summary, []Violation) {
	h.mu.Lock()
	defer h.mu.Unlock()
	want := rules.Output
	if want == nil {
		want = func(in string) string { return in }
	}
	s := Summary{Failed: make(map[faas.Code]int)}
	var bad []Violation
	for _, in := range h.order {
		r := h.calls[in]
		flag := func(format string, args ...any) { bad = append(bad, Violation{in, fmt.Sprintf(format, args...)}) }
		s.Runs += len(r.runs)
		if r.sent < 0 {
			flag("ran on %v and was never sent", r.runs)
			continue
		}
		s.Calls++
		if len(r.runs) > 1 {
			flag("started %d times, on %v", len(r.runs), r.runs)
		}
		switch {
		case r.answers == 0:
			flag("never answered")
		case r.answers > 1:
			flag("answered %d times", r.answers)
		case r.code == "":
			s.OK++
			if r.output != want(in) {
				flag("answered %.80q, which is another call's or nobody's", r.output)
			}
		default:
			s.Failed[r.code]++
			if r.code == faas.NoCapacity && len(r.runs) > 0 {
				flag("refused with no_capacity, and ran on %v", r.runs)
			}
			s.Slowest = max(s.Slowest, rules.judgeFailure(r, flag))
		}
	}
	return s, bad
}

// judgeFailure flags a failure that no fault excuses, and returns how long it took to be told.
func (rules Rules) judgeFailure(r *record, flag func(string, ...any)) time.Duration {
	allowed := false
	for _, c := range rules.Allowed {
		allowed = allowed || c == r.code
	}
	if !allowed {
		flag("failed with %s", r.code)
		return 0
	}
	if r.code == faas.NoCapacity {
		return 0
	}
	best := time.Duration(-1)
	for _, f := range rules.Faults {
		if r.sent <= f.To && f.From <= r.answered {
			if took := r.answered - max(r.sent, f.From); best < 0 || took < best {
				best = took
			}
		}
	}
	switch {
	case best < 0:
		flag("failed with %s while nothing was broken (sent at %v, answered at %v)", r.code, r.sent, r.answered)
	case r.code == faas.Unavailable:
		if rules.MaxFailure > 0 && best > rules.MaxFailure {
			flag("took %v to fail with unavailable", best)
		}
		return best
	}
	return 0
}
