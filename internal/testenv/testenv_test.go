package testenv

import (
	"errors"
	"fmt"
	"runtime"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// outcome is a testing.TB that records how need ends; its Skipf and Fatalf end the goroutine as the real ones do.
type outcome struct {
	testing.TB
	skipped, failed string
}

func (o *outcome) Helper() {}

func (o *outcome) Skipf(format string, args ...any) {
	o.skipped = fmt.Sprintf(format, args...)
	runtime.Goexit()
}

func (o *outcome) Fatalf(format string, args ...any) {
	o.failed = fmt.Sprintf(format, args...)
	runtime.Goexit()
}

func observe(f func(testing.TB)) *outcome {
	o := &outcome{}
	done := make(chan struct{})
	go func() {
		defer close(done)
		f(o)
	}()
	<-done
	return o
}

func TestNeed(t *testing.T) {
	has := func(r Requirement) error {
		if r == Redis {
			return errors.New("redis-server is not installed")
		}
		return nil
	}
	for _, c := range []struct {
		name, require string
		reqs          []Requirement
		skipped       string
		failed        string
	}{
		{name: "nothing needed"},
		{name: "there", reqs: []Requirement{Clang, Root}},
		{name: "there and required", require: "clang,root", reqs: []Requirement{Clang, Root}},
		{
			name: "missing", reqs: []Requirement{Clang, Redis},
			skipped: "needs redis (to run against a Redis server): redis-server is not installed (make deps)",
		},
		{name: "missing, another required", require: "clang", reqs: []Requirement{Redis}, skipped: "needs redis"},
		{
			name: "missing and required", require: "clang, redis", reqs: []Requirement{Redis},
			failed: "needs redis: redis-server is not installed",
		},
		{
			name: "misspelt", require: "clang,redsi", reqs: []Requirement{Clang},
			failed: `SHOAL_TEST_REQUIRE: unknown requirement "redsi"`,
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			o := observe(func(tb testing.TB) { need(tb, c.require, has, c.reqs) })
			check(t, "skipped", o.skipped, c.skipped)
			check(t, "failed", o.failed, c.failed)
		})
	}
}

func TestNeedUnknown(t *testing.T) {
	o := observe(func(tb testing.TB) { need(tb, "", Has, []Requirement{"nonsense"}) })
	check(t, "failed", o.failed, `unknown requirement "nonsense"`)
}

func check(t *testing.T, what, got, want string) {
	t.Helper()
	if (want == "") != (got == "") || !strings.Contains(got, want) {
		t.Errorf("%s: got %q, want %q", what, got, want)
	}
}

func TestDescribe(t *testing.T) {
	for _, r := range Requirements() {
		if what, fix := Describe(r); what == "" || fix == "" {
			t.Errorf("%s: what %q, fix %q; want both", r, what, fix)
		}
	}
}

func TestProbeAnswersForAll(t *testing.T) {
	Long(t, "compilers run")
	probed := Probe()
	for _, r := range Requirements() {
		err, ok := probed[r]
		if !ok {
			t.Errorf("%s was not probed", r)
		}
		if again := Has(r); !errors.Is(again, err) {
			t.Errorf("%s: probed %v, then %v", r, err, again)
		}
	}
}

func TestEventually(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		start := time.Now()
		o := observe(func(tb testing.TB) {
			Eventually(tb, time.Second, func() bool { return time.Since(start) > 200*time.Millisecond }, "never")
		})
		check(t, "failed", o.failed, "")
		o = observe(func(tb testing.TB) {
			Eventually(tb, time.Second, func() bool { return false }, "%d calls answered", 3)
		})
		check(t, "failed", o.failed, "after 1s: 3 calls answered")
	})
}
