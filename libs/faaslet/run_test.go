//go:build linux && cgo

package faaslet

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/shoal-run/shoal/bus/faas"
	"github.com/shoal-run/shoal/libs/hostapi"
)

func TestEcho(t *testing.T) {
	m := load(t, newEngine(t, nil), watEcho)
	for _, in := range []string{"", "hello", strings.Repeat("x", 200_000)} {
		o := call(t, t.Context(), m, Setup{}, in)
		if o.Err != nil || string(o.Output) != in {
			t.Errorf("input of %d bytes: output of %d, error %v", len(in), len(o.Output), o.Err)
		}
		if o.Memory != 256*faas.KiB || o.Duration <= 0 {
			t.Errorf("outcome says %s of memory, %s of time", o.Memory, o.Duration)
		}
	}
}

func TestCommandStdio(t *testing.T) {
	m := load(t, newEngine(t, nil), watStdio)
	o := call(t, t.Context(), m, Setup{}, "to and fro")
	if o.Err != nil || string(o.Output) != "to and fro" || string(o.Stderr) != "word" || len(o.Stdout) != 0 {
		t.Errorf("output %q, stdout %q, stderr %q, error %v", o.Output, o.Stdout, o.Stderr, o.Err)
	}
}

func TestFailures(t *testing.T) {
	e := newEngine(t, nil)
	for _, c := range []struct {
		name, wat string
		setup     Setup
		code      faas.Code
		exit      int
		trap      string
		words     string
		trace     []string // the first frames
	}{
		{name: "exit 1", wat: watExit1, code: faas.GuestFailed, exit: 1, words: "code 1"},
		{name: "unreachable", wat: watUnreachable, code: faas.GuestTrapped, trap: "unreachable", trace: []string{"inner", "outer"}},
		{name: "out of bounds", wat: watOutOfBounds, code: faas.GuestTrapped, trap: "memory_out_of_bounds", trace: []string{"func[0]"}},
		{name: "near 4 GiB", wat: watNearTop, code: faas.GuestTrapped, trap: "memory_out_of_bounds"},
		{name: "recursion", wat: watRecurse, code: faas.GuestTrapped, trap: "stack_overflow", trace: []string{"deeper", "deeper", "deeper"}},
		{name: "division", wat: watDivide, code: faas.GuestTrapped, trap: "integer_divide_by_zero"},
		{name: "null call", wat: watNullCall, code: faas.GuestTrapped, trap: "indirect_call_to_null"},
		{name: "wrong type", wat: watWrongType, code: faas.GuestTrapped, trap: "bad_signature"},
		{name: "grow", wat: watGrow, setup: Setup{Memory: 4 * faas.MiB}, code: faas.OutOfMemory, exit: 7, words: "limit of 4MiB"},
	} {
		t.Run(c.name, func(t *testing.T) {
			err := wantCode(t, call(t, t.Context(), load(t, e, c.wat), c.setup, ""), c.code)
			if err.ExitCode != c.exit || err.Trap != c.trap || !strings.Contains(err.Message, c.words) {
				t.Errorf("exit code %d, trap %q, message %q", err.ExitCode, err.Trap, err.Message)
			}
			for i, name := range c.trace {
				if i >= len(err.Backtrace) || err.Backtrace[i].Function != name {
					t.Fatalf("backtrace %v, want it to start with %v", err.Backtrace, c.trace)
				}
			}
		})
	}
}

func TestExit0Succeeds(t *testing.T) {
	o := call(t, t.Context(), load(t, newEngine(t, nil), watExit0), Setup{}, "")
	if o.Err != nil {
		t.Error(o.Err)
	}
}

func TestRefusedGrowAloneIsNoFailure(t *testing.T) {
	o := call(t, t.Context(), load(t, newEngine(t, nil), watGrowAndGoOn), Setup{}, "")
	if o.Err != nil {
		t.Error(o.Err)
	}
}

func TestGrowStopsAtTheLimit(t *testing.T) {
	o := call(t, t.Context(), load(t, newEngine(t, nil), watGrow), Setup{Memory: 4 * faas.MiB}, "")
	if o.Memory > 4*faas.MiB || o.Memory < 3*faas.MiB {
		t.Errorf("the memory has %s, its limit is 4MiB", o.Memory)
	}
}

// lateAt is how long after its deadline a guest may live.
const lateAt = 100 * time.Millisecond

// wantDeadline calls m, which must end for its deadline and at it.
func wantDeadline(t *testing.T, m *Module) *faas.Error {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	deadline, _ := ctx.Deadline()
	o := call(t, ctx, m, Setup{}, "")
	if late := time.Since(deadline); late < 0 || late > lateAt {
		t.Errorf("ended %s after the deadline", late)
	}
	return wantCode(t, o, faas.DeadlineExceeded)
}

func TestDeadlines(t *testing.T) {
	e := newEngine(t, nil)
	for name, wat := range map[string]string{"loop": watLoop, "sleep": watSleep} {
		t.Run(name, func(t *testing.T) {
			wantDeadline(t, load(t, e, wat))
		})
	}
}

func TestCancelCauses(t *testing.T) {
	e := newEngine(t, nil)
	m := load(t, e, watLoop)
	own := faas.Errorf(faas.Unavailable, "the worker drains")
	for _, c := range []struct {
		name  string
		cause error
		want  faas.Code
	}{
		{"none", nil, faas.Cancelled},
		{"words", errors.New("the client left"), faas.Cancelled},
		{"coded", own, faas.Unavailable},
	} {
		t.Run(c.name, func(t *testing.T) {
			ctx, cancel := context.WithCancelCause(t.Context())
			timer := time.AfterFunc(20*time.Millisecond, func() { cancel(c.cause) })
			defer timer.Stop()
			err := wantCode(t, call(t, ctx, m, Setup{}, ""), c.want)
			if c.cause != nil && !strings.Contains(err.Message, strings.TrimPrefix(c.cause.Error(), "unavailable: ")) {
				t.Errorf("message %q lacks the cause %q", err.Message, c.cause)
			}
			if len(err.Backtrace) == 0 || err.Backtrace[0].Function != "spin" {
				t.Errorf("backtrace %v does not say where the guest was", err.Backtrace)
			}
		})
	}
	if own.Backtrace != nil {
		t.Error("the cause was changed")
	}
}

func TestKillBeforeRun(t *testing.T) {
	m := load(t, newEngine(t, nil), watLoop)
	ctx, cancel := context.WithCancel(t.Context())
	f := newFaaslet(t, m, Setup{})
	cancel()
	o := f.Run(ctx, hostapi.NewCall(hostapi.CallConfig{}))
	wantCode(t, o, faas.Cancelled)
	if o.Duration != 0 {
		t.Errorf("the guest ran for %s", o.Duration)
	}
}

// A kill that is there before the guest is must end it: nobody comes again to tell it.
func TestKillMarkedBeforeEntry(t *testing.T) {
	m := load(t, newEngine(t, nil), watLoop)
	f := newFaaslet(t, m, Setup{})
	f.instance.Kill()
	if _, fail := f.instance.Call(); fail == nil || !fail.Killed {
		t.Errorf("the guest ended with %v", fail)
	}
}

func TestKillAfterRun(t *testing.T) {
	m := load(t, newEngine(t, nil), watNop)
	ctx, cancel := context.WithCancel(t.Context())
	f := newFaaslet(t, m, Setup{})
	o := f.Run(ctx, hostapi.NewCall(hostapi.CallConfig{Kind: faas.Reactor}))
	cancel()
	f.Close()
	f.Close()
	if o.Err != nil {
		t.Error(o.Err)
	}
}

// Kills of other Faaslets must end nobody else.
func TestKillsOfOthersDoNoHarm(t *testing.T) {
	e := newEngine(t, nil)
	victim, bystander := load(t, e, watLoop), load(t, e, watLoop)
	ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
	defer cancel()
	done := make(chan Outcome)
	f := newFaaslet(t, bystander, Setup{})
	go func() { done <- f.Run(ctx, hostapi.NewCall(hostapi.CallConfig{})) }()
	for i := 0; ctx.Err() == nil; i++ {
		vctx, vcancel := context.WithTimeout(ctx, time.Millisecond)
		call(t, vctx, victim, Setup{}, "")
		vcancel()
		select {
		case o := <-done:
			if ctx.Err() == nil {
				t.Fatalf("ended by the kill of another: %v", o.Err)
			}
			wantCode(t, o, faas.DeadlineExceeded)
			return
		default:
		}
	}
	wantCode(t, <-done, faas.DeadlineExceeded)
}

func TestRunsOnce(t *testing.T) {
	m := load(t, newEngine(t, nil), watNop)
	f := newFaaslet(t, m, Setup{})
	c := hostapi.CallConfig{Kind: faas.Reactor}
	if o := f.Run(t.Context(), hostapi.NewCall(c)); o.Err != nil {
		t.Fatal(o.Err)
	}
	wantCode(t, f.Run(t.Context(), hostapi.NewCall(c)), faas.Internal)
	f.Close()
	wantCode(t, f.Run(t.Context(), hostapi.NewCall(c)), faas.Internal)
}
